package dicomweb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nearcase/embed/dicom/dataset"
)

// key is an attribute that a query matches, by PS3.4 C.2.2.2.
type key struct {
	tag dataset.Tag
	any bool // universal matching: everything matches, also what has no value
	// want has the values of which one must match.
	want []func(value string) bool
}

// wildcards are the VRs in which * and ? stand for characters (C.2.2.2.4), lists
// those whose values are matched by lists: UIDs by the standard (C.2.2.2.2), and
// codes, which some clients list too.
const (
	wildcards = "AE CS LO LT PN SH ST UC UR UT"
	lists     = "UI CS"
	ranges    = "DA DT TM" // (C.2.2.2.5)
)

const (
	mostListed = 1000 // values of a list
	mostKey    = 1024 // bytes of each
)

// parseKey reads what an attribute is to match.
func parseKey(tag dataset.Tag, text string) (key, error) {
	k, vr := key{tag: tag}, dataset.VR(tag)
	if tag == tagModalities {
		vr = "CS"
	}
	values := []string{text}
	if strings.Contains(lists, vr) {
		values = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\\' })
	}
	if len(values) > mostListed {
		return k, fmt.Errorf("%w: %s lists %d values, the limit is %d", ErrSyntax, nameOf(tag), len(values), mostListed)
	}
	for _, v := range values {
		if err := k.add(vr, strings.TrimSpace(v)); err != nil {
			return k, fmt.Errorf("%w: %s: %w", ErrSyntax, nameOf(tag), err)
		}
	}
	k.any = k.any || len(k.want) == 0
	return k, nil
}

// add lets the key match one value more.
func (k *key) add(vr, text string) error {
	if strings.Trim(text, "*") == "" {
		k.any = true
		return nil
	}
	if len(text) > mostKey {
		return fmt.Errorf("%d bytes, the limit is %d", len(text), mostKey)
	}
	want, err := wanted(vr, text)
	k.want = append(k.want, want)
	return err
}

// wanted returns what one value matches.
func wanted(vr, text string) (func(string) bool, error) {
	switch {
	case strings.Contains(ranges, vr):
		return wantedTime(vr, text)
	case vr == "PN":
		pattern := []rune(strings.ToLower(text))
		return func(v string) bool { return wild(pattern, []rune(strings.ToLower(v))) }, nil
	case strings.Contains(wildcards, vr) && strings.ContainsAny(text, "*?"):
		pattern := []rune(text)
		return func(v string) bool { return wild(pattern, []rune(v)) }, nil
	case vr == "DS" || vr == "IS":
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%.40q is no number", text)
		}
		return func(v string) bool {
			n, err := strconv.ParseFloat(v, 64)
			return err == nil && n == number
		}, nil
	}
	return func(v string) bool { return v == text }, nil
}

// wantedTime returns what a date, a time, or a range of these matches. Bounds of
// less precision than the value include all of what they name.
func wantedTime(vr, text string) (func(string) bool, error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	for _, bound := range []string{low, high} {
		digits := strings.ReplaceAll(bound, ".", "")
		if strings.Trim(digits, "0123456789") != "" || vr == "DA" && bound != "" && len(bound) != 8 || text == "-" {
			return nil, fmt.Errorf("%.40q is no date, time, or range of them", text)
		}
	}
	return func(v string) bool {
		return v != "" && (low == "" || v >= low) && (high == "" || v[:min(len(v), len(high))] <= high)
	}, nil
}

// wild matches a value v by a pattern p, in which * is any characters and ? is one.
// It takes at most len(p) × len(v) steps.
func wild(p, v []rune) bool {
	star, from := -1, 0 // the last *, and where what it stands for ends
	i, j := 0, 0
	for j < len(v) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == v[j]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}

// matches reports whether an attribute of these values matches.
func (k key) matches(values []string) bool {
	if k.any {
		return true
	}
	return slices.ContainsFunc(values, func(v string) bool {
		return slices.ContainsFunc(k.want, func(want func(string) bool) bool { return want(v) })
	})
}

// nameOf returns the keyword of a tag, or the tag where it has none here.
func nameOf(t dataset.Tag) string {
	if k := dataset.Keyword(t); k != "" {
		return k
	}
	return Key(t)
}
