package dicomweb

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"nearcase/embed/dicom/dataset"
)

// Level is what a query asks for.
type Level string

// The levels of a query (10.6.1).
const (
	Studies   Level = "studies"
	Series    Level = "series"
	Instances Level = "instances"
)

// MostResults is how many a query returns at most; a client asks for those after
// them with offset.
const MostResults = 1000

// Query is a QIDO-RS search (10.6).
type Query struct {
	Level Level
	// Study and Series are those that are asked for alone; empty is all.
	Study, Series string
	// Limit is how many results to return, at most MostResults, and Offset how many
	// to leave out before.
	Limit, Offset int
	// Fuzzy tells that fuzzy matching was asked for, which is not done here.
	Fuzzy bool

	inStudy, inSeries bool // that the path names them

	keys    []key
	include []dataset.Tag
	all     bool   // every attribute there is
	patient string // that is asked for literally
}

// ParseQuery reads the parameters of a search in a study and series, which may be
// empty. Attributes are named by keyword or tag. What is not known is ErrSyntax
// with its name: results that a condition had no part in would be wrong.
func ParseQuery(level Level, study, series string, parameters url.Values) (Query, error) {
	q := Query{Level: level, Study: study, Series: series, inStudy: study != "", inSeries: series != "", Limit: MostResults}
	for name, values := range parameters {
		var err error
		switch strings.ToLower(name) {
		case "includefield":
			err = q.includes(values)
		case "limit", "offset", "fuzzymatching":
			err = q.option(strings.ToLower(name), values)
		case "accept", "charset":
		default:
			err = q.match(name, values)
		}
		if err != nil {
			return q, err
		}
	}
	return q, nil
}

func (q *Query) option(name string, values []string) (err error) {
	if len(values) != 1 {
		return fmt.Errorf("%w: %s is given %d times", ErrSyntax, name, len(values))
	}
	switch name {
	case "fuzzymatching":
		q.Fuzzy, err = strconv.ParseBool(values[0])
	case "limit":
		var n uint64
		n, err = strconv.ParseUint(values[0], 10, 31)
		q.Limit = min(int(n), MostResults)
	case "offset":
		var n uint64
		n, err = strconv.ParseUint(values[0], 10, 31)
		q.Offset = int(n)
	}
	if err != nil {
		return fmt.Errorf("%w: %s=%.40q", ErrSyntax, name, values[0])
	}
	return nil
}

func (q *Query) includes(values []string) error {
	for _, field := range strings.Split(strings.Join(values, ","), ",") {
		if field = strings.TrimSpace(field); field == "all" {
			q.all = true
			continue
		}
		if field == "" {
			continue
		}
		// Of a sequence all is returned, whatever of its items is asked for.
		tag, err := attributeOf(strings.SplitN(field, ".", 2)[0])
		if err != nil {
			return fmt.Errorf("includefield: %w", err)
		}
		q.include = append(q.include, tag)
	}
	return nil
}

func (q *Query) match(name string, values []string) error {
	if strings.Contains(name, ".") {
		return fmt.Errorf("%w: %.80q: attributes within sequences are not matched", ErrSyntax, name)
	}
	tag, err := attributeOf(name)
	if err != nil {
		return err
	}
	if len(values) != 1 || slices.ContainsFunc(q.keys, func(k key) bool { return k.tag == tag }) {
		return fmt.Errorf("%w: %s is given more than once", ErrSyntax, name)
	}
	k, err := parseKey(tag, values[0])
	if err != nil {
		return err
	}
	if tag == tagPatientID && !k.any && !strings.ContainsAny(values[0], "*?") {
		q.patient = strings.TrimSpace(values[0])
	}
	if tag == tagStudy && q.Study == "" && len(k.want) == 1 && !k.any {
		q.Study = strings.Trim(values[0], " ,\\")
	}
	q.keys = append(q.keys, k)
	return nil
}

// attributeOf returns the tag of a keyword or of eight hexadecimal digits.
func attributeOf(name string) (dataset.Tag, error) {
	if tag, ok := dataset.TagOf(name); ok {
		return tag, nil
	}
	if tag, err := tagOf(name); err == nil {
		return tag, nil
	}
	return 0, fmt.Errorf("%w: no attribute %.80q is known; use a keyword or eight hexadecimal digits", ErrSyntax, name)
}

// Patients returns the Patient IDs that the query matches literally, of whom it is
// to know what they are called here: see AddPatient.
func (q Query) Patients() []string {
	if q.patient == "" {
		return nil
	}
	return []string{q.patient}
}

// AddPatient lets a patient of another ID match as well as the one asked for.
func (q *Query) AddPatient(id string) {
	for i := range q.keys {
		if k := &q.keys[i]; k.tag == tagPatientID && !k.any {
			k.want = append(k.want, func(v string) bool { return v == id })
		}
	}
}
