package text

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// wordPiece is BERT's model (Schuster and Nakajima, 2012): the longest token
// that a word starts with, then the longest that the rest starts with, written
// with a prefix. A word that does not come out is unknown as a whole.
type wordPiece struct {
	vocabulary
	prefix  string
	unknown int64
	longest int // characters of a word; a longer one is unknown
	widest  int // bytes of a token
}

// maxWord bounds longest, and so the steps that a word takes: its square.
const maxWord = 1000

type wordPieceJSON struct {
	Type       string     `json:"type"`
	Unknown    string     `json:"unk_token"`
	Prefix     string     `json:"continuing_subword_prefix"`
	Longest    int        `json:"max_input_chars_per_word"`
	Vocabulary vocabulary `json:"vocab"`
}

func readWordPiece(raw json.RawMessage) (model, error) {
	var s wordPieceJSON
	if err := fields(raw, "model", &s); err != nil {
		return nil, err
	}
	return s.build()
}

func (s *wordPieceJSON) build() (model, error) {
	if s.Longest < 1 || s.Longest > maxWord {
		return nil, fmt.Errorf("model.max_input_chars_per_word: %d is not between 1 and %d", s.Longest, maxWord)
	}
	id, ok := s.Vocabulary[s.Unknown]
	if !ok {
		return nil, fmt.Errorf("model.unk_token: %q is not in the vocabulary", s.Unknown)
	}
	m := &wordPiece{vocabulary: s.Vocabulary, prefix: s.Prefix, unknown: id, longest: s.Longest}
	for token := range s.Vocabulary {
		m.widest = max(m.widest, len(token))
	}
	return m, nil
}

func (m *wordPiece) encode(ids []int64, word string) ([]int64, error) {
	if utf8.RuneCountInString(word) > m.longest {
		return append(ids, m.unknown), nil
	}
	known := len(ids)
	for start := 0; start < len(word); {
		id, length := m.match(word[start:], start > 0)
		if length == 0 {
			return append(ids[:known], m.unknown), nil
		}
		ids = append(ids, id)
		start += length
	}
	return ids, nil
}

// match returns the longest token that rest starts with and its length in
// bytes, 0 where there is none.
func (m *wordPiece) match(rest string, continues bool) (id int64, length int) {
	prefix := ""
	if continues {
		prefix = m.prefix
	}
	sought := prefix + rest
	for end := min(len(sought), m.widest); end > len(prefix); end-- {
		if end < len(sought) && !utf8.RuneStart(sought[end]) {
			continue
		}
		if id, ok := m.vocabulary[sought[:end]]; ok {
			return id, end - len(prefix)
		}
	}
	return 0, 0
}
