package store

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is what an instance is compared by.
type field struct {
	as     string // what values are compared as
	text   func(*Instance) string
	number func(*Instance) float64 // in place of text; 0 is no value
	// several tells that a text may be several values.
	several bool
}

// What values are compared as.
const (
	asText   = "a text"
	asNumber = "a number"
	asDate   = "a date such as 20260131"
	asAge    = "an age such as 063Y or 18M, or a number of years"
	asTime   = "a date, or a time by RFC 3339"
)

// fields are those of every instance.
var fields = map[string]field{
	"id":         {as: asText, text: func(i *Instance) string { return i.ID }},
	"patient":    {as: asText, text: func(i *Instance) string { return i.Patient }},
	"study":      {as: asText, text: func(i *Instance) string { return i.Study }},
	"series":     {as: asText, text: func(i *Instance) string { return i.Series }},
	"name":       {as: asText, text: func(i *Instance) string { return i.Name }},
	"media_type": {as: asText, text: func(i *Instance) string { return i.MediaType }},
	"width":      {as: asNumber, number: func(i *Instance) float64 { return float64(i.Width) }},
	"height":     {as: asNumber, number: func(i *Instance) float64 { return float64(i.Height) }},
	"size":       {as: asNumber, number: func(i *Instance) float64 { return float64(i.Size) }},
	"frame":      {as: asNumber, number: func(i *Instance) float64 { return float64(i.Frame) }},
	"added":      {as: asTime, number: func(i *Instance) float64 { return ofTime(i.Added) }},
}

// fieldOf returns the field of that name.
func fieldOf(name string, vrs map[string]string) (field, bool) {
	if f, ok := fields[name]; ok {
		return f, true
	}
	vr, ok := vrs[name]
	f := field{as: asText, several: true, text: func(i *Instance) string { return i.Metadata[name] }}
	switch vr {
	case "DA":
		f.as = asDate
	case "AS":
		f.as = asAge
	case "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV":
		f.as = asNumber
	}
	return f, ok
}

// ofTime counts the microseconds since 1970; 0 is no time.
func ofTime(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro())
}

// numberOf returns what a value of a field is compared by, and false for one that is
// not of the type.
func numberOf(as, text string) (x float64, ok bool) {
	switch as {
	case asDate:
		return dateOf(text)
	case asAge:
		return ageOf(text)
	case asTime:
		t, err := timeOf(text)
		return ofTime(t), err == nil
	}
	x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return x, err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
}

// dateOf is the number that a date is in decimal: 20260131.
func dateOf(text string) (float64, bool) {
	for _, layout := range []string{"20060102", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return float64(t.Year()*10_000 + int(t.Month())*100 + t.Day()), true
		}
	}
	return 0, false
}

// ageOf is an age in years, of 12 months, 365.25 days or as many weeks: 1 to 3 digits
// and a unit, or a number.
func ageOf(text string) (float64, bool) {
	last := len(text) - 1
	if last < 1 || last > 3 || strings.Trim(text[:last], "0123456789") != "" {
		return numberOf(asNumber, text)
	}
	n, err := strconv.Atoi(text[:last])
	years := float64(n)
	switch text[last] {
	case 'D':
		years /= 365.25
	case 'W':
		years /= 365.25 / 7
	case 'M':
		years /= 12
	case 'Y':
	default:
		return numberOf(asNumber, text)
	}
	return years, err == nil
}

func timeOf(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

// operand is a value as it is compared: by text, or else by number.
type operand struct {
	text   string
	number float64
}

// compared is a Comparing made ready.
type compared struct {
	as     string
	equal  map[operand]bool // one of these, if any is given
	not    *operand
	bounds []bound
	prefix string
	exists *bool
	// asks tells that more is asked than Ne and Exists.
	asks bool
}

// bound is one of lt, lte, gt and gte.
type bound struct {
	at       operand
	sign     int // of what passes, beside what is equal
	orEquals bool
}

// of makes a comparison ready for values that are compared as is said.
func (c Comparing) of(as string, at place) (m compared, err error) {
	m = compared{as: as, exists: c.Exists, asks: c.Prefix != nil}
	if c.Prefix != nil && as != asText {
		return m, at.key("prefix").wrong("it is for texts, and this is compared as %s", as)
	}
	if c.Prefix != nil {
		if m.prefix = *c.Prefix; m.prefix == "" {
			return m, at.key("prefix").wrong("it is empty; exists asks for any value")
		}
	}
	if c.Ne != nil {
		not, err := c.Ne.as(as, at.key("ne"))
		if err != nil {
			return m, err
		}
		m.not = &not
	}
	if err := m.equals(c, at); err != nil {
		return m, err
	}
	for _, b := range []struct {
		key      string
		v        *Value
		sign     int
		orEquals bool
	}{{"lt", c.Lt, -1, false}, {"lte", c.Lte, -1, true}, {"gt", c.Gt, 1, false}, {"gte", c.Gte, 1, true}} {
		if b.v == nil {
			continue
		}
		o, err := b.v.as(as, at.key(b.key))
		if err != nil {
			return m, err
		}
		m.bounds, m.asks = append(m.bounds, bound{o, b.sign, b.orEquals}), true
	}
	return m, nil
}

// equals adds what eq and in ask for: where both do, what is in both.
func (m *compared) equals(c Comparing, at place) error {
	for n, v := range c.In {
		o, err := v.as(m.as, at.key("in["+strconv.Itoa(n)+"]"))
		if err != nil {
			return err
		}
		if m.equal == nil {
			m.equal, m.asks = map[operand]bool{}, true
		}
		m.equal[o] = true
	}
	if c.Eq == nil {
		return nil
	}
	o, err := c.Eq.as(m.as, at.key("eq"))
	if err != nil {
		return err
	}
	both := m.equal == nil || m.equal[o]
	if m.equal, m.asks = map[operand]bool{}, true; both {
		m.equal[o] = true
	}
	return nil
}

// as returns the value as it is compared.
func (v Value) as(as string, at place) (operand, error) {
	if as == asText {
		if v.number || v.text == "" {
			return operand{}, at.wrong("it is compared as a text, which is in quotes and not empty; exists asks for no value")
		}
		return operand{text: v.text}, nil
	}
	x, ok := numberOf(as, v.text)
	if !ok || v.number && as != asNumber && as != asAge {
		return operand{}, at.wrong("it is compared as %s", as)
	}
	return operand{number: x}, nil
}

// holds reports whether an instance's field is as the comparison says.
func (m compared) holds(of field, i *Instance) bool {
	var one [1]operand
	values := m.valuesOf(of, i, one[:0])
	if m.exists != nil && *m.exists != (len(values) > 0) {
		return false
	}
	if m.not != nil && slices.Contains(values, *m.not) {
		return false
	}
	return !m.asks || slices.ContainsFunc(values, m.passes)
}

// valuesOf appends the values that an instance has.
func (m compared) valuesOf(of field, i *Instance, values []operand) []operand {
	if of.number != nil {
		if x := of.number(i); x != 0 {
			values = append(values, operand{number: x})
		}
		return values
	}
	whole := of.text(i)
	if !of.several || !strings.Contains(whole, `\`) {
		return m.value(values, whole)
	}
	if m.as == asText { // it may be asked for as a whole, too
		values = m.value(values, whole)
	}
	for part := range strings.SplitSeq(whole, `\`) {
		values = m.value(values, part)
	}
	return values
}

// value appends a value that is there and of the type.
func (m compared) value(values []operand, text string) []operand {
	if text == "" {
		return values
	}
	if m.as == asText {
		return append(values, operand{text: text})
	}
	if x, ok := numberOf(m.as, text); ok {
		return append(values, operand{number: x})
	}
	return values
}

// passes reports whether one value is as all but Ne and Exists say.
func (m compared) passes(v operand) bool {
	if m.equal != nil && !m.equal[v] || !strings.HasPrefix(v.text, m.prefix) {
		return false
	}
	return !slices.ContainsFunc(m.bounds, func(b bound) bool { return !b.passes(v) })
}

func (b bound) passes(v operand) bool {
	sign := strings.Compare(v.text, b.at.text)
	switch {
	case v.number < b.at.number:
		sign = -1
	case v.number > b.at.number:
		sign = 1
	}
	return sign == b.sign || sign == 0 && b.orEquals
}
