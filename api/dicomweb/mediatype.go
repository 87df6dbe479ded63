package dicomweb

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MediaType is a media type, lower-case, with its parameters by lower-case name.
type MediaType struct {
	Type   string
	Params map[string]string
}

const (
	mostHeader = 8 << 10 // bytes of a header that is read here
	mostRanges = 64      // of an Accept header
)

// ParseMediaType reads a Content-Type (RFC 9110, 8.3). Values that are no tokens
// are read without quotes too, as many clients send type=application/dicom.
func ParseMediaType(text string) (MediaType, error) {
	if len(text) > mostHeader {
		return MediaType{}, fmt.Errorf("%w: a media type of %d bytes", ErrSyntax, len(text))
	}
	parts := splitQuoted(text, ';')
	m := MediaType{Type: strings.ToLower(strings.TrimSpace(parts[0])), Params: map[string]string{}}
	main, sub, ok := strings.Cut(m.Type, "/")
	if !ok || !isToken(main) || !isToken(sub) {
		return m, fmt.Errorf("%w: media type %.80q", ErrSyntax, text)
	}
	for _, part := range parts[1:] {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := m.Params[name]; !ok || !isToken(name) || twice {
			return m, fmt.Errorf("%w: parameter %.80q of media type %s", ErrSyntax, part, m.Type)
		}
		m.Params[name] = unquoted(strings.TrimSpace(value))
	}
	return m, nil
}

// splitQuoted splits where a separator is not within quotes.
func splitQuoted(text string, separator byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	return append(parts, text[start:])
}

// unquoted returns what a quoted string says, other text as it is.
func unquoted(text string) string {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text
	}
	var out strings.Builder
	for text = text[1 : len(text)-1]; text != ""; text = text[1:] {
		if text[0] == '\\' && len(text) > 1 {
			text = text[1:]
		}
		out.WriteByte(text[0])
	}
	return out.String()
}

func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// Offer is a form that an answer can have.
type Offer struct {
	Type string
	// Parts tells that it can be parts of a multipart answer, and Single that it
	// can be an answer by itself. Where both can be, parts are preferred.
	Parts, Single bool
}

// Choice is the form that an answer shall have.
type Choice struct {
	Type string
	// Parts tells that the answer is multipart/related.
	Parts bool
	// Syntax is the transfer syntax asked for: a UID, * for any, or empty for the
	// type's default (8.7.3.5).
	Syntax string
}

// accepted is one of the types that an Accept header asks for.
type accepted struct {
	MediaType
	quality float64
}

// Accepts returns the forms among the offers that an Accept header takes (8.7.5),
// best first; an empty header takes everything. None is ErrAccept.
func Accepts(header string, offers ...Offer) (choices []Choice, err error) {
	if strings.TrimSpace(header) == "" {
		header = "*/*"
	}
	wanted, err := parseAccept(header)
	if err != nil {
		return nil, err
	}
	for _, a := range wanted {
		for _, o := range offers {
			if c, ok := a.suits(o); ok {
				choices = append(choices, c)
			}
		}
	}
	if len(choices) > 0 {
		return choices, nil
	}
	var have []string
	for _, o := range offers {
		have = append(have, o.forms()...)
	}
	return nil, fmt.Errorf("%w: accepted is %.200q, there is %s", ErrAccept, header, strings.Join(have, ", "))
}

// forms names what an offer can be.
func (o Offer) forms() (forms []string) {
	if o.Parts {
		forms = append(forms, fmt.Sprintf("%s; type=%q", Multipart, o.Type))
	}
	if o.Single {
		forms = append(forms, o.Type)
	}
	return forms
}

// parseAccept reads an Accept header (RFC 9110, 12.5.1), best first.
func parseAccept(header string) ([]accepted, error) {
	if len(header) > mostHeader {
		return nil, fmt.Errorf("%w: an Accept header of %d bytes", ErrSyntax, len(header))
	}
	ranges := splitQuoted(header, ',')
	if len(ranges) > mostRanges {
		return nil, fmt.Errorf("%w: an Accept header of %d types", ErrSyntax, len(ranges))
	}
	var all []accepted
	for _, text := range ranges {
		if strings.TrimSpace(text) == "" {
			continue
		}
		a, err := parseRange(text)
		if err != nil {
			return nil, err
		}
		if a.quality > 0 {
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b accepted) int { return cmp.Compare(b.quality, a.quality) })
	return all, nil
}

// parseRange reads one type of an Accept header with its quality.
func parseRange(text string) (accepted, error) {
	m, err := ParseMediaType(text)
	a := accepted{m, 1}
	if q, ok := m.Params["q"]; ok && err == nil {
		if a.quality, err = strconv.ParseFloat(q, 64); err != nil || !(a.quality >= 0 && a.quality <= 1) {
			err = fmt.Errorf("%w: quality %.20q of %s", ErrSyntax, q, m.Type)
		}
	}
	return a, err
}

// suits returns the form of an offer that is accepted.
func (a accepted) suits(o Offer) (Choice, bool) {
	c := Choice{Type: o.Type, Syntax: a.Params["transfer-syntax"]}
	switch {
	case a.Type == Multipart:
		c.Parts = o.Parts && covers(strings.ToLower(a.Params["type"]), o.Type)
		return c, c.Parts
	case a.Type == "*/*", a.Type == "multipart/*":
		c.Parts = o.Parts
		return c, c.Parts || o.Single && a.Type == "*/*"
	}
	return c, o.Single && covers(a.Type, o.Type)
}

// covers reports whether a range of types, such as image/*, has a type; one that
// is empty has all.
func covers(wanted, have string) bool {
	if wanted == "" || wanted == "*/*" || wanted == have {
		return true
	}
	main, ok := strings.CutSuffix(wanted, "*")
	return ok && strings.HasPrefix(have, main)
}
