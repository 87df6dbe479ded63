package text

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// A normalizer rewrites a text, or fails with ErrText. What it returns may be
// above maxWorked by one replacement; then it is not whole.
type normalizer func(string) (string, error)

// sure is a normalizer that does not fail.
func sure(rewrite func(string) string) normalizer {
	return func(s string) (string, error) { return rewrite(s), nil }
}

// normalizer reads a normalizer, nil where there is none.
func (b *builder) normalizer(raw json.RawMessage, path string, depth int) (normalizer, error) {
	kind, err := b.kind(raw, path, depth)
	if err != nil || kind == "" {
		return nil, err
	}
	switch kind {
	case "Sequence":
		return b.sequence(raw, path, depth)
	case "BertNormalizer":
		return b.bert(raw, path)
	case "Replace":
		return b.replace(raw, path)
	case "Strip":
		return b.strip(raw, path)
	case "Prepend":
		return prepend(raw, path)
	case "Precompiled":
		b.drops = true
		return precompiled(raw, path)
	}
	n := plain(kind)
	if n == nil {
		return nil, fmt.Errorf("%s.type: the normalizer %q is not known", path, kind)
	}
	b.drops = b.drops || kind == "StripAccents"
	return n, bare(raw, path)
}

// plain returns the normalizer without settings of that name, or nil.
func plain(kind string) normalizer {
	switch kind {
	case "NFC":
		return sure(norm.NFC.String)
	case "NFD":
		return sure(norm.NFD.String)
	case "NFKC":
		return sure(norm.NFKC.String)
	case "NFKD":
		return sure(norm.NFKD.String)
	case "Lowercase":
		return sure(lower)
	case "StripAccents":
		return sure(func(s string) string { return without(s, isMark) })
	}
	return nil
}

func (b *builder) sequence(raw json.RawMessage, path string, depth int) (normalizer, error) {
	var s struct {
		Type        string `json:"type"`
		Normalizers list   `json:"normalizers"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	var steps []normalizer
	for i, part := range s.Normalizers {
		n, err := b.normalizer(part, fmt.Sprintf("%s.normalizers[%d]", path, i), depth+1)
		if err != nil {
			return nil, err
		}
		if n != nil {
			steps = append(steps, n)
		}
	}
	return func(s string) (string, error) {
		var err error
		for i := 0; i < len(steps) && err == nil && len(s) <= maxWorked; i++ {
			s, err = steps[i](s)
		}
		return s, err
	}, nil
}

// lower lowers every character by itself: a final sigma is as any other.
func lower(s string) string {
	if strings.ContainsRune(s, 'İ') { // the one that becomes two
		s = strings.ReplaceAll(s, "İ", "i\u0307")
	}
	return strings.Map(unicode.ToLower, s)
}

// without removes the characters of a class.
func without(s string, is func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if is(r) {
			return -1
		}
		return r
	}, s)
}

// bert reads BertNormalizer: what BERT's BasicTokenizer does before it splits.
func (b *builder) bert(raw json.RawMessage, path string) (normalizer, error) {
	var s struct {
		Type         string `json:"type"`
		CleanText    *bool  `json:"clean_text"`
		Ideographs   *bool  `json:"handle_chinese_chars"`
		StripAccents *bool  `json:"strip_accents"` // as lowercase where missing
		Lowercase    *bool  `json:"lowercase"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	if err := given(path, map[string]*bool{
		"clean_text": s.CleanText, "handle_chinese_chars": s.Ideographs, "lowercase": s.Lowercase,
	}); err != nil {
		return nil, err
	}
	b.drops = true
	strip := *s.Lowercase
	if s.StripAccents != nil {
		strip = *s.StripAccents
	}
	return bertNormalizer(*s.CleanText, *s.Ideographs, strip, *s.Lowercase), nil
}

func bertNormalizer(cleans, ideographs, strips, lowers bool) normalizer {
	return sure(func(s string) string {
		if cleans {
			s = clean(s)
		}
		if ideographs {
			s = apart(s)
		}
		if strips {
			s = without(norm.NFD.String(s), isNonspacing)
		}
		if lowers {
			s = lower(s)
		}
		return s
	})
}

// clean removes controls and turns every kind of space into U+0020.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0 || r == unicode.ReplacementChar || isControl(r):
			return -1
		case isSpace(r):
			return ' '
		}
		return r
	}, s)
}

// apart sets spaces around ideographs.
func apart(s string) string {
	var b strings.Builder
	for _, r := range s {
		if isIdeograph(r) {
			b.WriteString(" " + string(r) + " ")
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (b *builder) replace(raw json.RawMessage, path string) (normalizer, error) {
	var s struct {
		Type    string      `json:"type"`
		Pattern patternJSON `json:"pattern"`
		Content string      `json:"content"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	p, err := b.pattern(s.Pattern, path)
	if err != nil {
		return nil, err
	}
	b.drops = b.drops || s.Content == ""
	return func(text string) (string, error) { return p.replace(text, s.Content) }, nil
}

func (b *builder) strip(raw json.RawMessage, path string) (normalizer, error) {
	var s struct {
		Type  string `json:"type"`
		Left  *bool  `json:"strip_left"`
		Right *bool  `json:"strip_right"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	if err := given(path, map[string]*bool{"strip_left": s.Left, "strip_right": s.Right}); err != nil {
		return nil, err
	}
	b.drops = b.drops || *s.Left
	return sure(func(text string) string {
		if *s.Left {
			text = strings.TrimLeftFunc(text, isSpace)
		}
		if *s.Right {
			text = strings.TrimRightFunc(text, isSpace)
		}
		return text
	}), nil
}

func prepend(raw json.RawMessage, path string) (normalizer, error) {
	var s struct {
		Type    string `json:"type"`
		Prepend string `json:"prepend"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	return sure(func(text string) string {
		if text == "" {
			return text
		}
		return s.Prepend + text
	}), nil
}
