package text

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// patternJSON is {"String": …} or {"Regex": …}.
type patternJSON struct{ value, regex *string }

func (p *patternJSON) UnmarshalJSON(data []byte) error {
	var s struct{ String, Regex *string }
	if err := strict(data, &s); err != nil {
		return err
	}
	p.value, p.regex = s.String, s.Regex
	return nil
}

// compile returns the pattern.
func (p patternJSON) compile(path string) (pattern, error) {
	var c pattern
	err := errors.New("expected either String or Regex")
	switch {
	case p.value != nil && p.regex == nil && *p.value != "":
		return pattern{literal: *p.value}, nil
	case p.regex != nil && p.value == nil:
		c, err = compile(*p.regex)
	}
	if err != nil {
		return pattern{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// A pattern finds parts of a text: a literal or what an expression matches.
// Where it has a tail its last alternatives are \s+(?!\S)|\s+, and its one group
// holds that run of spaces.
type pattern struct {
	literal string // empty where there is regexp
	regexp  *regexp.Regexp
	tail    bool
}

const (
	tail       = `|\s+(?!\S)|\s+`
	maxPattern = 4 << 10
	patience   = 16 // how often a text may be read to find all matches in it

	// The classes that Oniguruma's \s and \d have in UTF-8.
	spaces = `\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`
	digits = `\p{Nd}`
)

// compile translates an Oniguruma pattern in Ruby's syntax, which the
// tokenizers library reads, to Go's. What Go's engine lacks, what means
// something else there and what matches nothing at all are errors.
func compile(source string) (pattern, error) {
	if len(source) > maxPattern {
		return pattern{}, fmt.Errorf("a pattern of %d bytes, the limit is %d", len(source), maxPattern)
	}
	head, hasTail := strings.CutSuffix(source, tail)
	translated, err := translate(head)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %.200q: %w", source, err)
	}
	if hasTail {
		translated = `(?:` + translated + `)|([` + spaces + `]+)`
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %.200q: %w", source, err)
	}
	if re.MatchString("") {
		return pattern{}, fmt.Errorf("pattern %.200q matches where there is nothing", source)
	}
	return pattern{regexp: re, tail: hasTail}, nil
}

// A reader gives a text to an expression and counts what it reads: expressions
// that look far ahead for every match would take the square of a text's length.
type reader struct {
	text string
	at   int
	left *int
}

func (r *reader) ReadRune() (rune, int, error) {
	if r.at >= len(r.text) || *r.left < 0 {
		return 0, 0, io.EOF
	}
	c, size := utf8.DecodeRuneInString(r.text[r.at:])
	r.at += size
	*r.left -= size
	return c, size, nil
}

// find returns where the first match lies, start -1 where there is none. What it
// reads is taken from left; ErrText where that is too little.
func (p pattern) find(s string, left *int) (start, end int, err error) {
	if p.literal != "" {
		start = strings.Index(s, p.literal)
		return start, start + len(p.literal), nil
	}
	m := p.regexp.FindReaderSubmatchIndex(&reader{s, 0, left})
	if *left < 0 {
		return 0, 0, fmt.Errorf("%w: a pattern reads it too often", ErrText)
	}
	if m == nil {
		return -1, 0, nil
	}
	start, end = m[0], m[1]
	if p.tail && m[2] >= 0 && end < len(s) {
		// Something follows: a run of spaces leaves its last to it.
		if _, size := utf8.DecodeLastRuneInString(s[:end]); end-size > start {
			end -= size
		}
	}
	return start, end, nil
}

// cut returns the matches of s and what lies between them, in order.
func (p pattern) cut(s string) ([]part, error) {
	var parts []part
	left := patience*len(s) + maxPattern
	for s != "" {
		start, end, err := p.find(s, &left)
		if err != nil {
			return nil, err
		}
		if start < 0 {
			return append(parts, part{s, false}), nil
		}
		if start > 0 {
			parts = append(parts, part{s[:start], false})
		}
		parts = append(parts, part{s[start:end], true})
		s = s[end:]
	}
	return parts, nil
}

// replace puts to in the place of every match, up to maxWorked bytes.
func (p pattern) replace(s, to string) (string, error) {
	var b strings.Builder
	left := patience*len(s) + maxPattern
	for s != "" && b.Len() <= maxWorked {
		start, end, err := p.find(s, &left)
		if err != nil {
			return "", err
		}
		if start < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:start])
		b.WriteString(to)
		s = s[end:]
	}
	return b.String(), nil
}

// translate writes a pattern in Go's syntax.
func translate(source string) (string, error) {
	t := translator{rest: source}
	if strings.HasPrefix(source, "(?i)") {
		t.take(4)
	}
	for t.rest != "" {
		if err := t.next(); err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

type translator struct {
	rest string
	out  strings.Builder
}

// take copies n bytes.
func (t *translator) take(n int) {
	t.out.WriteString(t.rest[:n])
	t.rest = t.rest[n:]
}

// next translates one element outside character classes.
func (t *translator) next() error {
	switch t.rest[0] {
	case '\\':
		return t.escape(false)
	case '[':
		return t.class()
	case '(':
		return t.group()
	case '^', '$':
		return fmt.Errorf("%q is not supported", t.rest[:1])
	case '{':
		if strings.HasPrefix(t.rest, "{,") {
			return errors.New("{, is not supported")
		}
	case '}':
		if strings.HasPrefix(t.rest, "}?") {
			return errors.New("}? is not supported")
		}
	}
	t.take(1)
	return nil
}

// group opens a group, which is not captured.
func (t *translator) group() error {
	for _, open := range []string{"(?:", "(?i:"} {
		if strings.HasPrefix(t.rest, open) {
			t.take(len(open))
			return nil
		}
	}
	if strings.HasPrefix(t.rest, "(?") {
		return fmt.Errorf("the group %.4q is not supported", t.rest)
	}
	t.out.WriteString("(?:")
	t.rest = t.rest[1:]
	return nil
}

// class copies a character class.
func (t *translator) class() error {
	t.take(1)
	if strings.HasPrefix(t.rest, "^") {
		t.take(1)
	}
	for first := true; t.rest != ""; first = false {
		switch {
		case t.rest[0] == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
			continue
		case t.rest[0] == '[', strings.HasPrefix(t.rest, "&&"), first && t.rest[0] == ']':
			return fmt.Errorf("%.2q in a class is not supported", t.rest)
		case t.rest[0] == ']':
			t.take(1)
			return nil
		}
		t.take(1)
	}
	return errors.New("a class does not end")
}

// escape translates what a backslash begins.
func (t *translator) escape(inClass bool) error {
	if len(t.rest) < 2 {
		return errors.New("it ends in a backslash")
	}
	if long, ok := map[byte]string{'s': spaces, 'S': "^" + spaces, 'd': digits, 'D': "^" + digits}[t.rest[1]]; ok {
		if inClass && long[0] == '^' {
			return fmt.Errorf("%s in a class is not supported", t.rest[:2])
		}
		if !inClass {
			long = "[" + long + "]"
		}
		t.out.WriteString(long)
		t.rest = t.rest[2:]
		return nil
	}
	const copied = "nrtfvpP!\"#$%&'()*+,-./:;=?@[\\]^_`{|}~"
	if strings.IndexByte(copied, t.rest[1]) < 0 {
		return fmt.Errorf("the escape %.2q is not supported", t.rest)
	}
	if t.rest[1] == '_' || t.rest[1] == '"' || strings.IndexByte("!#%&',/:;=@`~", t.rest[1]) >= 0 {
		t.rest = t.rest[1:] // means itself, which Go wants unescaped or does not mind
		t.take(1)
		return nil
	}
	return t.property()
}

// property copies an escape of two bytes, or \p{…}.
func (t *translator) property() error {
	n := 2
	if t.rest[1] == 'p' || t.rest[1] == 'P' {
		end := strings.IndexByte(t.rest, '}')
		if !strings.HasPrefix(t.rest[2:], "{") || end < 0 {
			return errors.New(`\p without {…} is not supported`)
		}
		n = end + 1
	}
	t.take(n)
	return nil
}
