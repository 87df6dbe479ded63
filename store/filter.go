package store

import (
	"encoding/json"
	"strconv"
)

// Filter says which instances are meant. It is all, any or not of other filters,
// or compares a field, or asks what an instance's label for a task says: exactly
// one of these. As JSON:
//
//	{"all": [{"field": "Modality", "in": ["CR", "DX"]}, {"not": {"task": "finding", "has": ["normal"]}}]}
//
// What all conditions of one Filter say must hold together. See Collection.Compile
// for the fields there are and what their values are compared as.
type Filter struct {
	All []Filter `json:"all,omitempty"`
	Any []Filter `json:"any,omitempty"`
	Not *Filter  `json:"not,omitempty"`

	// Field names what is compared.
	Field string `json:"field,omitempty"`
	Comparing

	// Task names the task whose label is asked about.
	Task string `json:"task,omitempty"`
	Saying
}

// Comparing is what a field's value must be. Where a field has several values,
// which DICOM divides by a backslash, it is enough that one of them passes all but
// Ne and Exists. A field without a value passes none but Ne and Exists.
type Comparing struct {
	Eq *Value `json:"eq,omitempty"`
	// Ne is the opposite of Eq: it holds too where there is no value.
	Ne *Value `json:"ne,omitempty"`
	// In asks for one of these.
	In  []Value `json:"in,omitempty"`
	Lt  *Value  `json:"lt,omitempty"`
	Lte *Value  `json:"lte,omitempty"`
	Gt  *Value  `json:"gt,omitempty"`
	Gte *Value  `json:"gte,omitempty"`
	// Prefix is how a text begins, and not empty.
	Prefix *string `json:"prefix,omitempty"`
	// Exists tells whether there is a value.
	Exists *bool `json:"exists,omitempty"`
}

// Saying is what the label of an instance for a task must be: what its readers say
// together (see Resolve). Without a label none holds but Labelled false.
type Saying struct {
	Labelled *bool `json:"labelled,omitempty"`
	// Has, Absent and Uncertain ask for a label of which one of these classes is
	// present, absent or uncertain: see Label.State.
	Has       []string `json:"has,omitempty"`
	Absent    []string `json:"absent,omitempty"`
	Uncertain []string `json:"uncertain,omitempty"`
	// Conflicting tells whether several readers count and do not say the same.
	Conflicting *bool `json:"conflicting,omitempty"`
	// Reader and Source ask for a label, or an opinion in it, of one of these
	// readers, or from one of these sources; the empty reader is a label that
	// stands for all.
	Reader []string `json:"reader,omitempty"`
	Source []string `json:"source,omitempty"`
	// Confidence is compared as it counts: none given is 1.
	Confidence *Comparing `json:"confidence,omitempty"`
	// Since asks for a label of this time or later: a date, or RFC 3339.
	Since string `json:"since,omitempty"`
}

// Value is a text or a number that a field is compared with.
type Value struct {
	text   string
	number bool
}

// Text is a value that is a text.
func Text(text string) Value { return Value{text: text} }

// Number is a value that is a number.
func Number(x float64) Value {
	return Value{text: strconv.FormatFloat(x, 'g', -1, 64), number: true}
}

// String returns the value as text.
func (v Value) String() string { return v.text }

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.number {
		return json.Marshal(json.Number(v.text))
	}
	return json.Marshal(v.text)
}

// Among returns the filter that asks for a field with one of these texts; where an
// empty one is among them, for one without a value too.
func Among(field string, texts ...string) Filter {
	f := Filter{Field: field}
	none := false
	for _, text := range texts {
		if text == "" {
			none = true
			continue
		}
		f.In = append(f.In, Text(text))
	}
	if !none {
		return f
	}
	exists := false
	absent := Filter{Field: field, Comparing: Comparing{Exists: &exists}}
	if len(f.In) == 0 {
		return absent
	}
	return Filter{Any: []Filter{f, absent}}
}

// Both returns the filter for what passes two; nil passes all.
func Both(f, g *Filter) *Filter {
	switch {
	case f == nil:
		return g
	case g == nil:
		return f
	}
	return &Filter{All: []Filter{*f, *g}}
}
