package dicomweb

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"nearcase/embed/dicom/dataset"
)

// Object is a data set in the DICOM JSON model (Annex F), by tag as eight
// hexadecimal digits. Its JSON is in tag order.
type Object map[string]Attribute

// Attribute is an element of an Object. Value is of strings, numbers, names,
// objects or nils; an element without value has none.
type Attribute struct {
	VR           string `json:"vr"`
	Value        []any  `json:"Value,omitempty"`
	BulkDataURI  string `json:"BulkDataURI,omitempty"`
	InlineBinary string `json:"InlineBinary,omitempty"`
}

// Name is the value of VR PN.
type Name struct {
	Alphabetic  string `json:"Alphabetic,omitempty"`
	Ideographic string `json:"Ideographic,omitempty"`
	Phonetic    string `json:"Phonetic,omitempty"`
}

const (
	mostInline = 1 << 10  // bytes of a binary value that is not bulk data
	mostText   = 64 << 10 // bytes of another value that is not
	mostValues = 4 << 20  // bytes of all values of a data set that are not
)

// Key returns the name that a tag has in an Object.
func Key(t dataset.Tag) string { return fmt.Sprintf("%08X", uint32(t)) }

// Model returns a data set in the JSON model. Pixel data and values that are
// large, or beyond 4 MiB in all, are bulk data, of which bulk returns the address
// by the path that Bulk takes. Group lengths are not in a dataset.Set; texts are
// UTF-8, and Specific Character Set says so.
func Model(s *dataset.Set, bulk func(path string) string) Object {
	m := model{bulk: bulk, left: mostValues}
	return m.object(s.Little(), "")
}

type model struct {
	bulk func(path string) string
	left int // bytes of values that may still be inline
}

func (m *model) object(s *dataset.Set, within string) Object {
	o := make(Object, len(s.Elements))
	for i := range s.Elements {
		e := &s.Elements[i]
		o[Key(e.Tag)] = m.attribute(s, e, within+Key(e.Tag))
	}
	if _, ok := o[Key(tagCharset)]; ok {
		o[Key(tagCharset)] = Attribute{VR: "CS", Value: []any{"ISO_IR 192"}}
	}
	return o
}

func (m *model) attribute(s *dataset.Set, e *dataset.Element, path string) Attribute {
	a := Attribute{VR: e.VR}
	switch {
	case !strings.Contains(vrs, e.VR) || len(e.VR) != 2:
		a.VR = "UN"
	case e.VR == "UN" && e.Items != nil:
		a.VR = "SQ"
	}
	switch {
	case e.Items != nil:
		for n, item := range e.Items {
			a.Value = append(a.Value, m.object(item, fmt.Sprintf("%s.%d.", path, n+1)))
		}
	case len(e.Value) == 0 && e.Fragments == nil:
	case m.isBulk(e, a.VR):
		a.BulkDataURI = m.bulk(path)
	case isBinary(a.VR):
		a.InlineBinary = base64.StdEncoding.EncodeToString(e.Value)
	default:
		a.Value = valuesOf(s, e)
	}
	return a
}

const vrs = "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"

func isBinary(vr string) bool { return strings.Contains("OB OD OF OL OV OW UN", vr) }

// isBulk reports whether an element is bulk data, and counts it if it is not.
func (m *model) isBulk(e *dataset.Element, vr string) bool {
	size := len(e.Value)
	if e.Fragments != nil || e.Tag == tagPixels || e.Tag == tagFloatPixels || e.Tag == tagDoublePixels ||
		isBinary(vr) && size > mostInline || size > mostText || size > m.left {
		return true
	}
	m.left -= size
	return false
}

// valuesOf returns the values of an element that is neither binary nor a
// sequence.
func valuesOf(s *dataset.Set, e *dataset.Element) (values []any) {
	switch e.VR {
	case "AT":
		tags, _ := s.Ints(e.Tag)
		for _, t := range tags {
			values = append(values, Key(dataset.Tag(t)))
		}
	case "FD", "FL":
		return floatsOf(s, e)
	case "SL", "SS", "SV", "UL", "US", "UV":
		numbers, _ := s.Ints(e.Tag)
		for _, v := range numbers {
			if e.VR == "UV" {
				values = append(values, uint64(v))
				continue
			}
			values = append(values, v)
		}
	default:
		for _, text := range s.Texts(e.Tag) {
			values = append(values, valueOf(e.VR, text))
		}
		if len(values) == 1 && values[0] == nil {
			return nil
		}
	}
	return values
}

// floatsOf returns numbers, those that JSON does not have as nil.
func floatsOf(s *dataset.Set, e *dataset.Element) (values []any) {
	size := map[string]int{"FD": 8, "FL": 4}[e.VR]
	for at := 0; at+size <= len(e.Value); at += size {
		one := (&dataset.Set{Order: s.Order}).With([]dataset.Element{{Tag: e.Tag, VR: e.VR, Value: e.Value[at : at+size]}})
		switch v, ok := one.Floats(e.Tag); {
		case !ok:
			values = append(values, nil)
		case e.VR == "FL": // in as few digits as it needs
			values = append(values, float32(v[0]))
		default:
			values = append(values, v[0])
		}
	}
	return values
}

// valueOf returns one value of text: nil if it is empty (F.2.5).
func valueOf(vr, text string) any {
	switch {
	case text == "":
		return nil
	case vr == "PN":
		return nameIn(text)
	case vr == "DS" || vr == "IS":
		return numberOf(text)
	}
	return text
}

// nameIn returns the groups of a person's name (F.2.2), nil where all are empty.
func nameIn(text string) any {
	groups := append(strings.SplitN(text, "=", 3), "", "")
	n := Name{strings.TrimSpace(groups[0]), strings.TrimSpace(groups[1]), strings.TrimSpace(groups[2])}
	if n == (Name{}) {
		return nil
	}
	return n
}

// numberOf returns a number as JSON has it, and what is none as text.
func numberOf(text string) any {
	trimmed := strings.TrimPrefix(text, "+")
	if json.Valid([]byte(trimmed)) && strings.Trim(trimmed, "0123456789+-.eE") == "" {
		return json.Number(trimmed)
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
		return v
	}
	return text
}

// Bulk returns the bytes of bulk data, in little endian, by the path that Model
// gave them: tags and item numbers, separated by full stops. The file's own pixel
// data have frames instead and are ErrBulk here, as is what is in fragments.
func Bulk(s *dataset.Set, path string) ([]byte, error) {
	if path == PixelData {
		return nil, fmt.Errorf("%w: pixel data are frames", ErrBulk)
	}
	steps := strings.Split(path, ".")
	s = s.Little()
	for len(steps) > 2 {
		tag, err := tagOf(steps[0])
		n, bad := strconv.Atoi(steps[1])
		items := s.Sequence(tag)
		if err != nil || bad != nil || n < 1 || n > len(items) {
			return nil, fmt.Errorf("%w: %.80q", ErrBulk, path)
		}
		s, steps = items[n-1], steps[2:]
	}
	tag, err := tagOf(steps[0])
	e := s.Find(tag)
	if err != nil || len(steps) != 1 || e == nil || len(e.Value) == 0 {
		return nil, fmt.Errorf("%w: %.80q", ErrBulk, path)
	}
	return e.Value, nil
}

// tagOf reads eight hexadecimal digits.
func tagOf(text string) (dataset.Tag, error) {
	n, err := strconv.ParseUint(text, 16, 32)
	if err != nil || len(text) != 8 {
		return 0, fmt.Errorf("%w: %.20q is no tag", ErrSyntax, text)
	}
	return dataset.Tag(n), nil
}

// set puts values into an object, none for an empty text.
func (o Object) set(t dataset.Tag, vr string, values ...any) {
	a := Attribute{VR: vr}
	for _, v := range values {
		if v != "" && v != nil {
			a.Value = append(a.Value, v)
		}
	}
	o[Key(t)] = a
}
