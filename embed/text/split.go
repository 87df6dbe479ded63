package text

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A piece is a part of a text. first means that the text starts with it.
type piece struct {
	text  string
	first bool
}

// A splitter cuts a piece into the pieces that the next step or the model sees,
// or rewrites it, or fails with ErrText. Empty pieces among them do not count.
type splitter func(piece) ([]piece, error)

// each is a splitter that does not fail.
func each(cut func(piece) []piece) splitter {
	return func(p piece) ([]piece, error) { return cut(p), nil }
}

// all splits pieces.
func (s splitter) all(pieces []piece) (next []piece, err error) {
	size := 0
	for _, p := range pieces {
		cut, err := s(p)
		if err != nil {
			return nil, err
		}
		for _, q := range cut {
			if q.text != "" {
				next, size = append(next, q), size+len(q.text)
			}
		}
	}
	if size > maxWorked {
		return nil, fmt.Errorf("%w: it grows above %d bytes when split", ErrText, maxWorked)
	}
	return next, nil
}

// A part of a text either matches a pattern or lies between matches.
type part struct {
	text  string
	match bool
}

// The behaviours of a split: what becomes of the matches.
const (
	removed            = "Removed"
	isolated           = "Isolated"
	mergedWithPrevious = "MergedWithPrevious"
	mergedWithNext     = "MergedWithNext"
	contiguous         = "Contiguous" // matches side by side become one
)

func isBehaviour(s string) bool {
	return slices.Contains([]string{removed, isolated, mergedWithPrevious, mergedWithNext, contiguous}, s)
}

// behave returns the pieces that the parts of s make. Only the first can start
// the text.
func behave(s string, parts []part, behaviour string, first bool) []piece {
	var pieces []piece
	start, end := 0, 0 // of the last piece in s
	for i, p := range parts {
		if i == 0 || !joins(behaviour, parts[i-1].match, p.match) {
			start = end
			pieces = append(pieces, piece{first: first && i == 0})
		}
		end += len(p.text)
		pieces[len(pieces)-1].text = s[start:end]
		if behaviour == removed && p.match {
			pieces[len(pieces)-1].text = ""
		}
	}
	return pieces
}

// joins reports whether a part belongs to the piece before it.
func joins(behaviour string, was, match bool) bool {
	switch behaviour {
	case contiguous:
		return match == was
	case mergedWithPrevious:
		return match && !was
	case mergedWithNext:
		return was && !match
	}
	return false
}

// every splits at every character of a class.
func every(is func(rune) bool, behaviour string) splitter {
	return each(func(p piece) []piece {
		var parts []part
		start := 0
		for i, r := range p.text {
			if !is(r) {
				continue
			}
			end := i + utf8.RuneLen(r)
			if start < i {
				parts = append(parts, part{p.text[start:i], false})
			}
			parts = append(parts, part{p.text[i:end], true})
			start = end
		}
		if start < len(p.text) {
			parts = append(parts, part{p.text[start:], false})
		}
		return behave(p.text, parts, behaviour, p.first)
	})
}

// words keeps runs of word characters and runs of anything else but spaces.
func words(p piece) []piece {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case isSpace(r):
			return 0
		}
		return 2
	}
	var pieces []piece
	start, last := 0, 0
	for i, r := range p.text {
		if k := kind(r); k != last {
			if last != 0 {
				pieces = append(pieces, piece{p.text[start:i], p.first && start == 0})
			}
			start, last = i, k
		}
	}
	if last != 0 {
		pieces = append(pieces, piece{p.text[start:], p.first && start == 0})
	}
	return pieces
}

// preTokenizers reads a pre-tokenizer as the steps that it has.
func (b *builder) preTokenizers(raw json.RawMessage, path string, depth int) ([]splitter, error) {
	kind, err := b.kind(raw, path, depth)
	if err != nil || kind == "" {
		return nil, err
	}
	switch kind {
	case "Sequence":
		return b.splitSequence(raw, path, depth)
	case "Split":
		return b.splitPattern(raw, path)
	case "ByteLevel":
		return byteLevel(raw, path)
	case "Metaspace":
		return b.metaspace(raw, path)
	case "Punctuation":
		return punctuation(raw, path)
	case "Digits":
		return digitsApart(raw, path)
	case "Whitespace":
		return []splitter{each(words)}, bare(raw, path)
	case "WhitespaceSplit":
		return []splitter{every(isSpace, removed)}, bare(raw, path)
	case "BertPreTokenizer":
		return []splitter{every(isSpace, removed), every(isPunctuation, isolated)}, bare(raw, path)
	}
	return nil, fmt.Errorf("%s.type: the pre-tokenizer %q is not known", path, kind)
}

func (b *builder) splitSequence(raw json.RawMessage, path string, depth int) ([]splitter, error) {
	var s struct {
		Type  string `json:"type"`
		Parts list   `json:"pretokenizers"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	var steps []splitter
	for i, part := range s.Parts {
		more, err := b.preTokenizers(part, fmt.Sprintf("%s.pretokenizers[%d]", path, i), depth+1)
		if err != nil {
			return nil, err
		}
		steps = append(steps, more...)
	}
	return steps, nil
}

func (b *builder) splitPattern(raw json.RawMessage, path string) ([]splitter, error) {
	var s struct {
		Type      string      `json:"type"`
		Pattern   patternJSON `json:"pattern"`
		Behaviour string      `json:"behavior"`
		Invert    *bool       `json:"invert"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	if err := given(path, map[string]*bool{"invert": s.Invert}); err != nil {
		return nil, err
	}
	if !isBehaviour(s.Behaviour) {
		return nil, fmt.Errorf("%s.behavior: %q is not known", path, s.Behaviour)
	}
	p, err := b.pattern(s.Pattern, path)
	return []splitter{p.splitter(s.Behaviour, *s.Invert)}, err
}

// splitter cuts at the matches, inverted at what lies between them.
func (p pattern) splitter(behaviour string, invert bool) splitter {
	return func(s piece) ([]piece, error) {
		parts, err := p.cut(s.text)
		for i := range parts {
			parts[i].match = parts[i].match != invert
		}
		return behave(s.text, parts, behaviour, s.first), err
	}
}

// gpt2 is the pattern by which ByteLevel splits (Radford et al., 2019).
const gpt2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+` + tail

// byteLevel reads ByteLevel: bytes are written as printable characters.
func byteLevel(raw json.RawMessage, path string) ([]splitter, error) {
	var s struct {
		Type   string `json:"type"`
		Prefix *bool  `json:"add_prefix_space"`
		Trim   *bool  `json:"trim_offsets"` // of no use for ids
		Regex  *bool  `json:"use_regex"`    // default true
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	if err := given(path, map[string]*bool{"add_prefix_space": s.Prefix}); err != nil {
		return nil, err
	}
	var steps []splitter
	if *s.Prefix {
		steps = append(steps, each(func(p piece) []piece { return []piece{{led(p.text, " "), p.first}} }))
	}
	if s.Regex == nil || *s.Regex {
		p, err := compile(gpt2)
		if err != nil {
			return nil, err
		}
		steps = append(steps, p.splitter(isolated, false))
	}
	alphabet := byteAlphabet()
	return append(steps, each(func(p piece) []piece { return []piece{{spell(p.text, &alphabet), p.first}} })), nil
}

// led returns s with prefix before it, unless it starts so.
func led(s, prefix string) string {
	if strings.HasPrefix(s, prefix) {
		return s
	}
	return prefix + s
}

// byteAlphabet returns GPT-2's printable character for every byte: Latin-1's
// own where it is printable, the others from U+0100 on.
func byteAlphabet() (alphabet [256]rune) {
	next := rune(0x100)
	for b := range alphabet {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			alphabet[b] = rune(b)
		} else {
			alphabet[b] = next
			next++
		}
	}
	return alphabet
}

// spell writes every byte of s as its character.
func spell(s string, alphabet *[256]rune) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(alphabet[s[i]])
	}
	return b.String()
}

func (b *builder) metaspace(raw json.RawMessage, path string) ([]splitter, error) {
	var s struct {
		Type        string  `json:"type"`
		Replacement string  `json:"replacement"`
		StrRep      *string `json:"str_rep"`
		Prefix      *bool   `json:"add_prefix_space"`
		Scheme      string  `json:"prepend_scheme"`
		Split       *bool   `json:"split"` // default true
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(s.Replacement) != 1 || s.StrRep != nil && *s.StrRep != s.Replacement {
		return nil, fmt.Errorf("%s.replacement: %q, expected one character", path, s.Replacement)
	}
	scheme, err := b.scheme(path, s.Scheme, s.Prefix)
	if err != nil {
		return nil, err
	}
	steps := []splitter{each(func(p piece) []piece {
		p.text = strings.ReplaceAll(p.text, " ", s.Replacement)
		if scheme == "always" || scheme == "first" && p.first {
			p.text = led(p.text, s.Replacement)
		}
		return []piece{p}
	})}
	if s.Split == nil || *s.Split {
		mark, _ := utf8.DecodeRuneInString(s.Replacement)
		steps = append(steps, every(func(r rune) bool { return r == mark }, mergedWithNext))
	}
	return steps, nil
}

// scheme returns when Metaspace leads a piece: always, first or never.
func (b *builder) scheme(path, scheme string, prefix *bool) (string, error) {
	switch {
	case scheme == "" && prefix != nil && !*prefix:
		return "never", nil
	case scheme == "":
		return "always", nil
	case !slices.Contains([]string{"always", "first", "never"}, scheme):
		return "", fmt.Errorf("%s.prepend_scheme: %q is none of always, first, never", path, scheme)
	case prefix != nil && *prefix != (scheme != "never"):
		return "", fmt.Errorf("%s.add_prefix_space: %v contradicts prepend_scheme %s", path, *prefix, scheme)
	case scheme == "first" && b.drops:
		return "", fmt.Errorf("%s.prepend_scheme: first is not supported behind a normalizer that removes text", path)
	}
	return scheme, nil
}

func punctuation(raw json.RawMessage, path string) ([]splitter, error) {
	var s struct {
		Type      string `json:"type"`
		Behaviour string `json:"behavior"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	if s.Behaviour == "" {
		s.Behaviour = isolated
	}
	if !isBehaviour(s.Behaviour) {
		return nil, fmt.Errorf("%s.behavior: %q is not known", path, s.Behaviour)
	}
	return []splitter{every(isPunctuation, s.Behaviour)}, nil
}

func digitsApart(raw json.RawMessage, path string) ([]splitter, error) {
	var s struct {
		Type       string `json:"type"`
		Individual *bool  `json:"individual_digits"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	if err := given(path, map[string]*bool{"individual_digits": s.Individual}); err != nil {
		return nil, err
	}
	if *s.Individual {
		return []splitter{every(isNumber, isolated)}, nil
	}
	return []splitter{every(isNumber, contiguous)}, nil
}
