package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"nearcase/probe/eval"
)

// CSV writes the report's measures in long form, one row for each: of every
// result, of its classes, and of every subgroup. The columns are
//
//	network, method   what was measured
//	class             the class against the rest; empty: the whole task
//	measure           as named in eval
//	value, low, high  with the 95 % interval; empty where undefined
//	images            on which it was measured
//	positives         those of them that have the class; empty for the whole task
//	patients          that were resampled
//	subgroup_column, subgroup_value   empty: all images
//
// Numbers have all their digits. A text that a spreadsheet would take for a
// formula begins with an apostrophe.
func CSV(w io.Writer, r Report) error {
	c := csv.NewWriter(w)
	c.Write([]string{"network", "method", "class", "measure", "value", "low", "high",
		"images", "positives", "patients", "subgroup_column", "subgroup_value"})
	for _, result := range r.Results {
		writeResult(c, result, "", "")
	}
	for _, g := range r.Subgroups {
		for _, result := range g.Results {
			writeResult(c, result, g.Column, g.Value)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("report: writing CSV: %w", err)
	}
	return nil
}

// writeResult leaves errors to c, which keeps the first.
func writeResult(c *csv.Writer, r eval.Result, column, value string) {
	row := func(class string, m eval.Measure, images, positives string) {
		c.Write([]string{inert(r.Model), inert(r.Method), inert(class), inert(m.Name),
			exact(m.Value), exact(m.Low), exact(m.High),
			images, positives, strconv.Itoa(r.Patients), inert(column), inert(value)})
	}
	for _, m := range r.Measures {
		row("", m, strconv.Itoa(r.N), "")
	}
	for _, k := range r.Classes {
		for _, m := range k.Measures {
			row(k.Class, m, strconv.Itoa(k.Known), strconv.Itoa(k.N))
		}
	}
}

func exact(x float64) string {
	if !finite(x) {
		return ""
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// inert returns text as no spreadsheet evaluates it.
func inert(text string) string {
	text = strings.Map(plain, text)
	if strings.ContainsAny(firstRune(strings.TrimLeft(text, " ")), "=+-@\t\r\n＝＋－＠") {
		return "'" + text
	}
	return text
}

func firstRune(text string) string {
	for _, r := range text {
		return string(r)
	}
	return ""
}

// plain replaces what must not reach a page or a table: control characters, and
// those that change the direction of text, with which a name can pretend to be
// another.
func plain(r rune) rune {
	switch {
	case r == '\n', r == '\t', r == '\r':
		return r
	case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffe, r == 0xffff:
		return '\ufffd'
	}
	return r
}
