package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Condition is a Filter made ready for a collection. The nil Condition holds for
// every instance. It is safe for concurrent use.
type Condition struct {
	test   test
	labels bool
	bounds []Bound
}

// test is what a condition asks of an instance.
type test func(i *Instance, labels map[string]Label) bool

// Bound holds every instance for which a condition holds, and mostly others: those
// with one of these IDs, patients or studies, or with a label for a task, which has
// one of these classes if there are any.
type Bound struct {
	Instances, Patients, Studies []string
	Task                         string
	Classes                      []string
}

// Holds reports whether a condition holds for an instance with such labels by task,
// each of what all its readers say together.
func (c *Condition) Holds(i *Instance, labels map[string]Label) bool {
	return c == nil || c.test(i, labels)
}

// AsksLabels reports whether labels matter. Where they do not Holds may be given
// none.
func (c *Condition) AsksLabels() bool { return c != nil && c.labels }

// Bounds returns the bounds that are known, each of which holds on its own.
func (c *Condition) Bounds() []Bound {
	if c == nil {
		return nil
	}
	return c.bounds
}

// Compile makes a filter ready for a collection; nil stays nil. A condition that
// cannot be is ErrInvalid with its place in the filter, an unknown task or class
// ErrTask or ErrClass.
//
// The fields of every instance are id, patient, study, series, name and media_type,
// which are texts; width, height, size and frame, which are numbers, and have no
// value where that is 0; and added, a time, given as a date or by RFC 3339. Beside
// them vrs has the DICOM attributes that are kept, by keyword, with their value
// representation (PS3.5, 6.2): DA is a date, given as 20260131 or 2026-01-31; AS an
// age, as 063Y or 18M, or as a number of years; IS, DS and binary ones are numbers;
// all others are texts. Texts are compared byte by byte. A value that is none of its
// field's type is as if it were not there.
func (c Collection) Compile(f *Filter, vrs map[string]string) (*Condition, error) {
	if f == nil {
		return nil, nil
	}
	return compiler{c, vrs}.filter(f, "filter")
}

type compiler struct {
	collection Collection
	vrs        map[string]string
}

func (c compiler) filter(f *Filter, at place) (*Condition, error) {
	kinds := 0
	for _, given := range []bool{len(f.All) > 0, len(f.Any) > 0, f.Not != nil, f.Field != "", f.Task != ""} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return nil, at.wrong("it has %d of all, any, not, field and task; use one", kinds)
	case f.Field == "" && !f.Comparing.IsEmpty():
		return nil, at.wrong("%s compares a field, and none is named", f.Comparing.names())
	case f.Task == "" && !f.Saying.isZero():
		return nil, at.wrong("%s asks for a label, and no task is named", f.Saying.names())
	case f.Field != "":
		return c.field(f, at)
	case f.Task != "":
		return c.task(f, at)
	case f.Not != nil:
		return c.not(f, at)
	case len(f.Any) > 0:
		return c.any(f, at)
	}
	return c.all(f, at)
}

func (c compiler) not(f *Filter, at place) (*Condition, error) {
	inner, err := c.filter(f.Not, at.key("not"))
	if err != nil {
		return nil, err
	}
	return &Condition{labels: inner.labels, test: func(i *Instance, labels map[string]Label) bool { return !inner.test(i, labels) }}, nil
}

func (c compiler) all(f *Filter, at place) (*Condition, error) {
	parts, err := c.each(f.All, at.key("all"))
	if err != nil {
		return nil, err
	}
	all := &Condition{test: func(i *Instance, labels map[string]Label) bool {
		return !slices.ContainsFunc(parts, func(p *Condition) bool { return !p.test(i, labels) })
	}}
	for _, p := range parts {
		all.labels, all.bounds = all.labels || p.labels, append(all.bounds, p.bounds...)
	}
	return all, nil
}

func (c compiler) any(f *Filter, at place) (*Condition, error) {
	parts, err := c.each(f.Any, at.key("any"))
	if err != nil {
		return nil, err
	}
	return &Condition{
		labels: slices.ContainsFunc(parts, func(p *Condition) bool { return p.labels }),
		test: func(i *Instance, labels map[string]Label) bool {
			return slices.ContainsFunc(parts, func(p *Condition) bool { return p.test(i, labels) })
		},
	}, nil
}

func (c compiler) each(filters []Filter, at place) ([]*Condition, error) {
	parts := make([]*Condition, len(filters))
	for n := range filters {
		var err error
		if parts[n], err = c.filter(&filters[n], at+place(fmt.Sprintf("[%d]", n))); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// names are the keys that a comparison has.
func (c Comparing) names() string {
	var names []string
	for _, k := range []struct {
		name  string
		given bool
	}{
		{"eq", c.Eq != nil}, {"ne", c.Ne != nil}, {"in", len(c.In) > 0}, {"lt", c.Lt != nil}, {"lte", c.Lte != nil},
		{"gt", c.Gt != nil}, {"gte", c.Gte != nil}, {"prefix", c.Prefix != nil}, {"exists", c.Exists != nil},
	} {
		if k.given {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, ", ")
}

// IsEmpty reports whether nothing is compared.
func (c Comparing) IsEmpty() bool { return c.names() == "" }

// names are the keys that a saying has.
func (s Saying) names() string {
	var names []string
	for _, k := range []struct {
		name  string
		given bool
	}{
		{"labelled", s.Labelled != nil}, {"has", len(s.Has) > 0}, {"absent", len(s.Absent) > 0}, {"uncertain", len(s.Uncertain) > 0},
		{"conflicting", s.Conflicting != nil}, {"reader", len(s.Reader) > 0}, {"source", len(s.Source) > 0},
		{"confidence", s.Confidence != nil}, {"since", s.Since != ""},
	} {
		if k.given {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, ", ")
}

func (s Saying) isZero() bool { return s.names() == "" }

// field makes a comparison of a field ready.
func (c compiler) field(f *Filter, at place) (*Condition, error) {
	if f.Comparing.IsEmpty() {
		return nil, at.wrong("nothing is said of field %s; use eq, ne, in, lt, lte, gt, gte, prefix or exists", f.Field)
	}
	of, ok := fieldOf(f.Field, c.vrs)
	if !ok {
		known := slices.Concat(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(c.vrs)))
		return nil, at.wrong("unknown field %.80q; use %s", f.Field, strings.Join(known, ", "))
	}
	compared, err := f.Comparing.of(of.as, at)
	if err != nil {
		return nil, err
	}
	test := func(i *Instance, _ map[string]Label) bool { return compared.holds(of, i) }
	return &Condition{test: test, bounds: f.bounds()}, nil
}

// bounds are those of a comparison of a field.
func (f *Filter) bounds() []Bound {
	texts := make([]string, 0, len(f.In)+1)
	for _, v := range f.In {
		texts = append(texts, v.text)
	}
	if f.Eq != nil {
		texts = []string{f.Eq.text}
	}
	switch {
	case len(texts) == 0:
		return nil
	case f.Field == "id":
		return []Bound{{Instances: texts}}
	case f.Field == "patient":
		return []Bound{{Patients: texts}}
	case f.Field == "study":
		return []Bound{{Studies: texts}}
	}
	return nil
}

// task makes a question about a label ready.
func (c compiler) task(f *Filter, at place) (*Condition, error) {
	if f.Saying.isZero() {
		return nil, at.wrong("nothing is said of task %.80q; use labelled, has, absent, uncertain, conflicting, reader, source, confidence or since", f.Task)
	}
	t, err := c.collection.Task(f.Task)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", string(at), err)
	}
	said, err := f.Saying.of(t, at)
	if err != nil {
		return nil, err
	}
	condition := &Condition{labels: true, test: func(_ *Instance, labels map[string]Label) bool {
		l, labelled := labels[t.Name]
		return said.holds(l, labelled)
	}}
	if f.Labelled == nil || *f.Labelled {
		condition.bounds = []Bound{{Task: t.Name, Classes: f.Has}}
	}
	return condition, nil
}
