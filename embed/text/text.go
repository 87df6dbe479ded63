// Package text turns a text into the numbers that the text tower of a CLIP-like
// network takes: the tokenizers of CLIP (byte-level BPE), BERT (WordPiece) and
// SigLIP (Unigram), read from the tokenizer.json that Hugging Face's tokenizers
// library writes.
//
//	t, err := text.Parse(tokenizerJSON)
//	ids, mask, err := t.Encode("a chest radiograph", 77)
//
// A tokenizer gives exactly the ids of that library or is refused: a component,
// field or value that is not known is ErrTokenizer and named. Only characters
// that are newer than Go's tables, Unicode 15, may be taken otherwise.
package text

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

var (
	// ErrTokenizer is a tokenizer that cannot be used. Errors name the field.
	ErrTokenizer = errors.New("bad tokenizer")
	// ErrText is a text that cannot be encoded.
	ErrText = errors.New("bad text")
)

const (
	maxText   = 64 << 10  // bytes of a text
	maxWorked = 256 << 10 // bytes of a text while it is normalised and split
	maxLength = 1 << 16   // tokens
)

// A Tokenizer is one model's way from text to ids. It does not change and is
// safe for concurrent use.
type Tokenizer struct {
	added         added
	normalizer    normalizer // may be nil
	pre           []splitter
	model         model
	before, after []int64 // the special tokens around a text

	length  int // of the model's input, 0 where the files do not say
	pad     int64
	padded  bool // whether pad is known
	padLeft bool
	cutLeft bool
	rows    int
}

// Vocabulary returns the rows that a table of embeddings needs: the largest id
// plus one.
func (t *Tokenizer) Vocabulary() int { return t.rows }

// Length returns the length of the model's input in tokens, 0 where the
// tokenizer's files do not say.
func (t *Tokenizer) Length() int { return t.length }

// Encode returns length ids and their mask, 1 for a token of the text and for
// the special tokens around it, 0 for padding. A longer text loses tokens at
// its end (at its start where the files say so), never the special tokens. Text
// that is not UTF-8 or above 64 KiB is ErrText, as is a length that leaves the
// special tokens no room. A text that needs padding for which the files name no
// token is ErrTokenizer.
func (t *Tokenizer) Encode(text string, length int) (ids, mask []int64, err error) {
	room := length - len(t.before) - len(t.after)
	if room < 0 || length < 1 || length > maxLength {
		return nil, nil, fmt.Errorf("text: %w: a length of %d with %d special tokens, expected up to %d",
			ErrText, length, len(t.before)+len(t.after), maxLength)
	}
	words, err := t.tokens(text)
	if err != nil {
		return nil, nil, fmt.Errorf("text: %w", err)
	}
	if cut := len(words) - room; cut > 0 && t.cutLeft {
		words = words[cut:]
	} else if cut > 0 {
		words = words[:room]
	}
	ids = make([]int64, 0, length)
	ids = append(append(append(ids, t.before...), words...), t.after...)
	if len(ids) < length && !t.padded {
		return nil, nil, fmt.Errorf("text: %w: padding: no token is named, and %d tokens are to fill %d", ErrTokenizer, len(ids), length)
	}
	ids, mask = t.fill(ids, length)
	return ids, mask, nil
}

// fill pads ids to length.
func (t *Tokenizer) fill(ids []int64, length int) (filled, mask []int64) {
	filled, mask = make([]int64, length), make([]int64, length)
	start := 0
	if t.padLeft {
		start = length - len(ids)
	}
	for i := range filled {
		filled[i] = t.pad
		if k := i - start; k >= 0 && k < len(ids) {
			filled[i], mask[i] = ids[k], 1
		}
	}
	return filled, mask
}

// tokens returns the ids of the text alone.
func (t *Tokenizer) tokens(text string) (ids []int64, err error) {
	switch {
	case len(text) > maxText:
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrText, len(text), maxText)
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("%w: it is not UTF-8", ErrText)
	}
	for _, raw := range t.added.raw.split(text, true) {
		if raw.isToken {
			ids = append(ids, raw.id)
			continue
		}
		normal, err := t.normalize(raw.text)
		if err != nil {
			return nil, err
		}
		for _, p := range t.added.normal.split(normal, raw.first) {
			if ids, err = t.segment(ids, p); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

func (t *Tokenizer) normalize(text string) (string, error) {
	if t.normalizer == nil {
		return text, nil
	}
	text, err := t.normalizer(text)
	if err == nil && len(text) > maxWorked {
		err = fmt.Errorf("%w: it grows above %d bytes when normalised", ErrText, maxWorked)
	}
	return text, err
}

// segment appends the ids of a part between added tokens, or of the token that
// it is.
func (t *Tokenizer) segment(ids []int64, s segment) ([]int64, error) {
	if s.isToken {
		return append(ids, s.id), nil
	}
	pieces, err := []piece{{s.text, s.first}}, error(nil)
	for _, split := range t.pre {
		if pieces, err = split.all(pieces); err != nil {
			return nil, err
		}
	}
	for _, p := range pieces {
		if ids, err = t.model.encode(ids, p.text); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
