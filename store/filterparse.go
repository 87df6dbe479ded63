package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Bounds of a filter in JSON.
const (
	maxFilterDepth  = 16     // filters within filters
	maxFilterTerms  = 1_000  // of them in all
	maxFilterValues = 10_000 // texts and numbers in all
	maxFilterText   = 1_024  // bytes of each
)

// ParseFilter reads a filter in JSON. What is none is ErrInvalid, with the place and
// the key that is wrong, and so is one within more than 16 others, of more than
// 1,000 or with more than 10,000 values.
func ParseFilter(text []byte) (*Filter, error) {
	f := &Filter{}
	return f, f.UnmarshalJSON(text)
}

// UnmarshalJSON implements json.Unmarshaler: see ParseFilter.
func (f *Filter) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	p := parser{d: d}
	parsed := Filter{}
	if err := p.filter(&parsed, place("filter"), 1); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return place("filter").wrong("there is more after it")
	}
	*f = parsed
	return nil
}

// parser reads a filter, token by token, and counts what there is in it.
type parser struct {
	d             *json.Decoder
	terms, values int
}

// place is where in a filter something is, for errors.
type place string

func (at place) wrong(format string, a ...any) error {
	return fmt.Errorf("%s: %w: %s", string(at), ErrInvalid, fmt.Sprintf(format, a...))
}

func (at place) key(name string) place { return at + "." + place(name) }

// keys are where the parts of a filter go.
func (f *Filter) keys() map[string]any {
	keys := f.Comparing.keys()
	maps.Copy(keys, map[string]any{
		"all": &f.All, "any": &f.Any, "not": &f.Not, "field": &f.Field, "task": &f.Task,
		"labelled": &f.Labelled, "has": &f.Has, "absent": &f.Absent, "uncertain": &f.Uncertain, "conflicting": &f.Conflicting,
		"reader": &f.Reader, "source": &f.Source, "confidence": &f.Confidence, "since": &f.Since,
	})
	return keys
}

func (c *Comparing) keys() map[string]any {
	return map[string]any{
		"eq": &c.Eq, "ne": &c.Ne, "in": &c.In, "lt": &c.Lt, "lte": &c.Lte, "gt": &c.Gt, "gte": &c.Gte,
		"prefix": &c.Prefix, "exists": &c.Exists,
	}
}

func (p *parser) filter(f *Filter, at place, depth int) error {
	if p.terms++; p.terms > maxFilterTerms {
		return at.wrong("more than %d conditions", maxFilterTerms)
	}
	if depth > maxFilterDepth {
		return at.wrong("more than %d filters within each other", maxFilterDepth)
	}
	return p.object(f.keys(), at, depth)
}

// object reads an object whose keys are all among those that there are.
func (p *parser) object(keys map[string]any, at place, depth int) error {
	if err := p.begin('{', at, "an object"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.d.More() {
		t, err := p.token(at)
		if err != nil {
			return err
		}
		key := t.(string) // of an object
		to, known := keys[key]
		if !known {
			return at.wrong("unknown key %.80q; use %s", key, strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		}
		if seen[key] {
			return at.wrong("%s is there twice", key)
		}
		seen[key] = true
		if err := p.into(to, at.key(key), depth); err != nil {
			return err
		}
	}
	_, err := p.token(at)
	return err
}

// into reads what belongs to a key.
func (p *parser) into(to any, at place, depth int) error {
	switch to := to.(type) {
	case *[]Filter:
		return list(p, to, at, func(f *Filter, at place) error { return p.filter(f, at, depth+1) })
	case **Filter:
		*to = &Filter{}
		return p.filter(*to, at, depth+1)
	case **Comparing:
		*to = &Comparing{}
		return p.object((*to).keys(), at, depth)
	case *[]Value:
		return list(p, to, at, p.value)
	case **Value:
		*to = new(Value)
		return p.value(*to, at)
	case *[]string:
		return list(p, to, at, p.text)
	case **string:
		*to = new(string)
		return p.text(*to, at)
	case **bool:
		t, err := p.token(at)
		b, ok := t.(bool)
		if err == nil && !ok {
			return at.wrong("true or false is expected")
		}
		*to = &b
		return err
	default:
		return p.text(to.(*string), at)
	}
}

// list reads a list with at least one item.
func list[T any](p *parser, to *[]T, at place, read func(*T, place) error) error {
	if err := p.begin('[', at, "a list"); err != nil {
		return err
	}
	for p.d.More() {
		var one T
		if err := read(&one, at+place(fmt.Sprintf("[%d]", len(*to)))); err != nil {
			return err
		}
		*to = append(*to, one)
	}
	if len(*to) == 0 {
		return at.wrong("the list is empty")
	}
	_, err := p.token(at)
	return err
}

func (p *parser) value(v *Value, at place) error {
	t, err := p.token(at)
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Number:
		*v = Value{t.String(), true}
	case string:
		*v = Value{t, false}
	default:
		return at.wrong("a text or a number is expected")
	}
	return p.counted(v.text, at)
}

func (p *parser) text(s *string, at place) error {
	t, err := p.token(at)
	if err != nil {
		return err
	}
	text, ok := t.(string)
	if !ok {
		return at.wrong("a text is expected")
	}
	*s = text
	return p.counted(text, at)
}

func (p *parser) counted(text string, at place) error {
	if p.values++; p.values > maxFilterValues {
		return at.wrong("more than %d values", maxFilterValues)
	}
	if len(text) > maxFilterText {
		return at.wrong("a value of %d bytes, the limit is %d", len(text), maxFilterText)
	}
	return nil
}

// begin reads how an object or a list begins.
func (p *parser) begin(with json.Delim, at place, what string) error {
	t, err := p.token(at)
	if err == nil && t != with {
		return at.wrong("%s is expected", what)
	}
	return err
}

func (p *parser) token(at place) (json.Token, error) {
	t, err := p.d.Token()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, at.wrong("it ends early")
	case err != nil:
		return nil, at.wrong("%v", err)
	}
	return t, nil
}
