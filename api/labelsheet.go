package api

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"nearcase/store"
)

// maxSheet bounds the bytes of a CSV of labels.
const maxSheet = 256 << 20

// LabelSheet is a CSV of labels for instances that are stored.
type LabelSheet struct {
	path   string
	rows   [][]string
	places map[string]int // columns with a meaning of their own
	labels []int          // columns that are tasks, or findings of CheXpert
	o      SheetOptions
}

// SheetOptions say how to read a LabelSheet. Reader, Confidence and Source are of
// the rows that do not say.
type SheetOptions struct {
	// CheXpert is a multi-label task whose classes are the columns, as in the
	// labels of CheXpert (Irvin et al., AAAI 2019): 1 is present, 0 absent, -1
	// uncertain, and an empty cell does not mention the class.
	CheXpert string
	// Partial tells that no row mentions the classes that it does not name.
	Partial    bool
	Reader     string
	Confidence float64
	Source     string
}

// The columns of a LabelSheet that are no task, by what they say; those that
// several names have are found under the first.
var (
	sheetColumns = map[string]string{
		"instance": "instance", "instance_id": "instance", "name": "name", "file": "name",
		"reader": "reader", "confidence": "confidence", "source": "source", "time": "time",
		"patient_id": "", "study_id": "", "series_id": "", // a CSV for ingest has them
	}
	chexpertColumns = map[string]string{"Path": "name", "Sex": "", "Age": "", "Frontal/Lateral": "", "AP/PA": ""}
)

// OpenLabelSheet reads a CSV of labels. Its header has a column instance with IDs,
// or name with the names under which images are stored; instance_id and file are
// the same. The columns reader, confidence, source and time are optional, and
// patient_id, study_id and series_id are not read. If there are the columns task
// and classes, each row has one label; otherwise every other column is a task. A
// cell is as ReadClasses has it; an empty one says nothing and a lone '|' that no
// class is present. A time is as in RFC 3339, or a day.
func OpenLabelSheet(path string, o SheetOptions) (*LabelSheet, error) {
	l, err := openLabelSheet(path, o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	return l, nil
}

func openLabelSheet(path string, o SheetOptions) (*LabelSheet, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxSheet {
		return nil, errors.Join(err, fmt.Errorf("%s: not a regular file of at most %d bytes", path, maxSheet))
	}
	l := &LabelSheet{path: path, places: map[string]int{}, o: o}
	if err := l.read(io.LimitReader(f, maxSheet)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func (l *LabelSheet) read(r io.Reader) error {
	c := csv.NewReader(r)
	header, err := c.Read()
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	if err := l.columns(header); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	rows, err := c.ReadAll() // the reader names the line and what is wrong
	if err == nil && len(rows) == 0 {
		err = errors.New("no rows")
	}
	l.rows = slices.Concat([][]string{header}, rows)
	return err
}

// columns finds out what each column is.
func (l *LabelSheet) columns(header []string) error {
	if len(header) > maxTasks {
		return fmt.Errorf("%d columns, the limit is %d", len(header), maxTasks)
	}
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		if seen[name] || name == "" || !utf8.ValidString(name) {
			return fmt.Errorf("column %d, %q, is empty, twice there or not UTF-8", i+1, name)
		}
		header[i], seen[name] = name, true
	}
	long := l.o.CheXpert == "" && seen["task"] && seen["classes"]
	for i, name := range header {
		what, known := sheetColumns[name]
		if !known && l.o.CheXpert != "" {
			what, known = chexpertColumns[name]
		}
		if long && (name == "task" || name == "classes") {
			what, known = name, true
		}
		if _, twice := l.places[what]; twice && what != "" {
			return fmt.Errorf("two columns say the %s", what)
		}
		switch {
		case what != "":
			l.places[what] = i
		case !known && long:
			return fmt.Errorf("column %q beside task and classes; known are instance, name, reader, confidence, source and time", name)
		case !known:
			l.labels = append(l.labels, i)
		}
	}
	return l.checkColumns(header, long)
}

func (l *LabelSheet) checkColumns(header []string, long bool) error {
	_, byID := l.places["instance"]
	_, byName := l.places["name"]
	switch {
	case !byID && !byName:
		return fmt.Errorf("no column named instance or name among %s", strings.Join(header, ", "))
	case !long && len(l.labels) == 0:
		return errors.New("no column has labels")
	}
	return nil
}

// cell returns what a row has in a column with a meaning, "" where there is none.
func (l *LabelSheet) cell(row []string, what string) string {
	at, ok := l.places[what]
	if !ok {
		return ""
	}
	return strings.TrimSpace(row[at])
}

// Rows is how many there are beside the header.
func (l *LabelSheet) Rows() int { return len(l.rows) - 1 }

// Labels returns the labels of all rows, in order, with what must be declared
// before they can be stored: nothing unless newClasses, or the error tells of
// unknown tasks and classes. The error names all rows that cannot be stored, up to
// a limit; the header is row 1.
func (l *LabelSheet) Labels(c store.Collection, stored *Stored, newClasses bool) (labels []LabelRequest, declare []store.Task, err error) {
	if newClasses {
		if declare, err = l.declared(c); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", l.path, err)
		}
		if c.Tasks, err = store.Merge(c.Tasks, declare); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", l.path, err)
		}
	}
	k := sheetCheck{sheet: l, collection: c, stored: stored, last: map[sheetPlace]saidInRow{}}
	for n, row := range l.rows[1:] {
		if err := k.row(n+2, row); err != nil {
			k.complaints = append(k.complaints, fmt.Errorf("row %d: %w", n+2, err))
		}
		if len(k.complaints) == maxComplaint {
			k.complaints = append(k.complaints, errors.New("and perhaps more"))
			break
		}
	}
	if len(k.complaints) > 0 {
		return nil, nil, fmt.Errorf("%s: %w", l.path, errors.Join(k.complaints...))
	}
	return k.labels, declare, nil
}

// requests returns the labels of a row, without their instance.
func (l *LabelSheet) requests(c store.Collection, row []string) ([]LabelRequest, error) {
	common, err := l.common(row)
	if err != nil {
		return nil, err
	}
	if l.o.CheXpert != "" {
		r, err := l.chexpert(common, row)
		if err != nil || len(r.Classes)+len(r.Absent)+len(r.Uncertain) == 0 {
			return nil, err
		}
		return []LabelRequest{r}, nil
	}
	cells := map[string]string{}
	for _, at := range l.labels {
		cells[l.rows[0][at]] = row[at]
	}
	if task := l.cell(row, "task"); len(l.labels) == 0 {
		cells[task] = l.cell(row, "classes")
	}
	var all []LabelRequest
	for _, task := range sorted(cells) {
		if strings.TrimSpace(cells[task]) == "" {
			continue
		}
		r, err := ReadClasses(c, task, cells[task])
		if err != nil {
			return nil, err
		}
		r.Reader, r.Confidence, r.Source, r.Time = common.Reader, common.Confidence, common.Source, common.Time
		r.Partial = r.Partial || l.o.Partial
		all = append(all, r)
	}
	return all, nil
}

// common reads what a row says of all its labels.
func (l *LabelSheet) common(row []string) (r LabelRequest, err error) {
	r = LabelRequest{Reader: l.o.Reader, Confidence: l.o.Confidence, Source: l.o.Source}
	if text := l.cell(row, "reader"); text != "" {
		r.Reader = text
	}
	if text := l.cell(row, "source"); text != "" {
		r.Source = text
	}
	if text := l.cell(row, "confidence"); text != "" {
		if r.Confidence, err = strconv.ParseFloat(text, 64); err != nil || !(r.Confidence > 0 && r.Confidence <= 1) {
			return r, fmt.Errorf("confidence %.40q: %w: more than 0 and at most 1", text, store.ErrInvalid)
		}
	}
	if text := l.cell(row, "time"); text != "" {
		if r.Time, err = time.Parse(time.RFC3339, text); err != nil {
			r.Time, err = time.Parse(time.DateOnly, text)
		}
		if err != nil {
			return r, fmt.Errorf("time %.40q: %w: use one such as 2006-01-02T15:04:05Z, or a day", text, store.ErrInvalid)
		}
	}
	return r, nil
}

// chexpert reads the findings of a row.
func (l *LabelSheet) chexpert(r LabelRequest, row []string) (LabelRequest, error) {
	r.Task, r.Partial = l.o.CheXpert, true
	for _, at := range l.labels {
		class := l.rows[0][at]
		switch text := strings.TrimSpace(row[at]); text {
		case "":
		case "1", "1.0":
			r.Classes = append(r.Classes, class)
		case "0", "0.0":
			r.Absent = append(r.Absent, class)
		case "-1", "-1.0":
			r.Uncertain = append(r.Uncertain, class)
		default:
			return r, fmt.Errorf("column %s: %.40q: %w: use 1, 0, -1 or nothing", class, text, store.ErrInvalid)
		}
	}
	return r, nil
}

// declared returns the tasks with the classes that occur. One that the collection
// does not have is multi-label if a cell says more than one class of it.
func (l *LabelSheet) declared(c store.Collection) ([]store.Task, error) {
	if l.o.CheXpert != "" {
		t := store.Task{Name: l.o.CheXpert, Multi: true}
		for _, at := range l.labels {
			t.Classes = append(t.Classes, l.rows[0][at])
		}
		return []store.Task{t}, nil
	}
	var all []LabelRequest
	for n, row := range l.rows[1:] {
		of, err := l.requests(c, row)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", n+2, err)
		}
		all = append(all, of...)
	}
	return Declared(c, all), nil
}
