package text

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A token is one that was added to a vocabulary: it is found in texts as it is.
type token struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only between characters of no word
	LeftStrip  bool   `json:"lstrip"`      // takes the spaces before it
	RightStrip bool   `json:"rstrip"`      // and behind it
	Normalized bool   `json:"normalized"`  // is looked for in the normalised text
	Special    bool   `json:"special"`
}

type tokens []token

func (t *tokens) UnmarshalJSON(data []byte) error {
	return entries(data, maxAdded, func(d *json.Decoder) error {
		var k token
		if err := d.Decode(&k); err != nil {
			return fmt.Errorf("added_tokens[%d]: %w", len(*t), err)
		}
		*t = append(*t, k)
		return nil
	})
}

// added finds the added tokens of a text: those in the text as it is, and those
// in the normalised one.
type added struct {
	raw, normal finder
	ids         map[string]int64
}

// A finder finds the longest of its tokens at the leftmost place.
type finder struct {
	tokens []token
	table  prefixes
}

// A segment is an added token, or the text between two. first means that the
// text starts with it.
type segment struct {
	text    string
	id      int64
	isToken bool
	first   bool
}

// addTokens reads the added tokens. The ids must be those that the tokenizers
// library gives: the vocabulary's or, for tokens new to it, the next.
func (t *Tokenizer) addTokens(tokens []token) error {
	t.rows = t.model.rows()
	t.added.ids = make(map[string]int64)
	next := int64(t.model.size())
	var raw, normal []token
	for i, k := range tokens {
		id, ok := t.find(k.Content)
		if !ok {
			id = next
		}
		if k.ID != id {
			return fmt.Errorf("added_tokens[%d].id: %d, expected %d", i, k.ID, id)
		}
		t.added.ids[k.Content], next, t.rows = id, max(next, id+1), max(t.rows, int(id)+1)
		sought, err := t.sought(k)
		if err != nil {
			return fmt.Errorf("added_tokens[%d].content: %w", i, err)
		}
		if k.Normalized {
			normal = append(normal, sought)
		} else {
			raw = append(raw, sought)
		}
	}
	t.added.raw, t.added.normal = newFinder(raw), newFinder(normal)
	return nil
}

// sought returns the token as it stands in the text in which it is looked for.
func (t *Tokenizer) sought(k token) (token, error) {
	err := sizeable(k.Content)
	if err == nil && k.Normalized {
		if k.Content, err = t.normalize(k.Content); err == nil {
			err = sizeable(k.Content)
		}
	}
	return k, err
}

// sizeable returns an error for a token that cannot be looked for.
func sizeable(content string) error {
	if content == "" || len(content) > maxToken {
		return fmt.Errorf("%d bytes, expected 1 to %d", len(content), maxToken)
	}
	return nil
}

func newFinder(tokens []token) finder {
	contents := make([]string, len(tokens))
	for i, k := range tokens {
		contents[i] = k.Content
	}
	return finder{tokens, newPrefixes(contents)}
}

// split returns the tokens in s and what lies between them, in order. A token
// that is no single word, but shall be, is text; no other is sought within.
func (f finder) split(s string, first bool) []segment {
	var segments []segment
	done := 0 // up to here s is in segments
	text := func(end int) {
		if done < end {
			segments = append(segments, segment{text: s[done:end], first: first && done == 0})
		}
	}
	for at := 0; at < len(s) && len(f.tokens) > 0; {
		length, index := 0, -1
		f.table.starts(s[at:], func(n, i int) { length, index = n, i })
		if index < 0 {
			at++
			continue
		}
		k, start, end := f.tokens[index], at, at+length
		at = end
		if k.SingleWord && !single(s[:start], s[end:]) {
			continue
		}
		if k.LeftStrip {
			start = max(done, len(strings.TrimRightFunc(s[:start], isSpace)))
		}
		if k.RightStrip {
			end = len(s) - len(strings.TrimLeftFunc(s[end:], isSpace))
		}
		text(start)
		segments = append(segments, segment{id: k.ID, isToken: true})
		done = end
	}
	text(len(s))
	return segments
}

// single reports whether no word goes over the borders between before and after.
func single(before, after string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	return (before == "" || !isWord(last)) && (after == "" || !isWord(next))
}
