package text

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// unigram is SentencePiece's language model (Kudo, arXiv 1804.10959): of all
// ways to write a piece by tokens the one of the largest sum of scores.
type unigram struct {
	scores       []float64 // by id
	table        prefixes
	ids          map[string]int64
	unknown      int64 // -1: none
	unknownScore float64
	bytes        bool
}

// unknownPenalty is how much less than the least likely token a character that
// is not known scores.
const unknownPenalty = 10

// scored is one entry of the vocabulary, [token, score].
type scored struct {
	token string
	score float64
}

func (s *scored) UnmarshalJSON(data []byte) error {
	entry := []any{&s.token, &s.score}
	if err := json.Unmarshal(data, &entry); err != nil {
		return err
	}
	if len(entry) != 2 || entry[0] == nil || entry[1] == nil {
		return errors.New("vocab: an entry is no pair of token and score")
	}
	return nil
}

type scoredList []scored

func (s *scoredList) UnmarshalJSON(data []byte) error {
	if err := countable(data, 2); err != nil {
		return fmt.Errorf("vocab: %w", err)
	}
	return json.Unmarshal(data, (*[]scored)(s))
}

func readUnigram(raw json.RawMessage) (model, error) {
	var s struct {
		Type         string     `json:"type"`
		Unknown      *int64     `json:"unk_id"`
		Vocabulary   scoredList `json:"vocab"`
		ByteFallback bool       `json:"byte_fallback"`
	}
	if err := fields(raw, "model", &s); err != nil {
		return nil, err
	}
	m := &unigram{unknown: -1, bytes: s.ByteFallback, ids: make(map[string]int64, len(s.Vocabulary))}
	if s.Unknown != nil {
		if m.unknown = *s.Unknown; m.unknown < 0 || m.unknown >= int64(len(s.Vocabulary)) {
			return nil, fmt.Errorf("model.unk_id: %d is none of %d tokens", *s.Unknown, len(s.Vocabulary))
		}
	}
	return m, m.fill(s.Vocabulary)
}

func (m *unigram) fill(entries []scored) error {
	if len(entries) == 0 {
		return errors.New("model.vocab: empty")
	}
	least := math.Inf(1)
	tokens := make([]string, len(entries))
	for i, e := range entries {
		if len(e.token) > maxToken {
			return fmt.Errorf("model.vocab[%d]: a token of %d bytes, the limit is %d", i, len(e.token), maxToken)
		}
		tokens[i], m.ids[e.token] = e.token, int64(i)
		m.scores = append(m.scores, e.score)
		least = min(least, e.score)
	}
	m.table, m.unknownScore = newPrefixes(tokens), least-unknownPenalty
	return nil
}

func (m *unigram) id(token string) (int64, bool) {
	id, ok := m.ids[token]
	return id, ok
}

func (m *unigram) size() int { return len(m.scores) }

func (m *unigram) rows() int { return len(m.scores) }

// A step is the last token on the best way to a place in a piece.
type step struct {
	score float64
	start int // of the token, -1 where no way leads here
	id    int64
}

func (m *unigram) encode(ids []int64, piece string) ([]int64, error) {
	steps, err := m.ways(piece)
	if err != nil {
		return nil, err
	}
	var tokens []string // from the last to the first
	for end := len(piece); end > 0; {
		start := steps[end].start
		for m.unknown >= 0 && steps[end].id == m.unknown && start > 0 && steps[start].id == m.unknown {
			start = steps[start].start // unknown ones side by side are one
		}
		tokens = append(tokens, piece[start:end])
		end = start
	}
	for _, token := range slices.Backward(tokens) {
		ids = m.append(ids, token)
	}
	return ids, nil
}

// ways finds the best way to every place of a piece (Viterbi).
func (m *unigram) ways(piece string) ([]step, error) {
	steps := make([]step, len(piece)+1)
	for i := range steps {
		steps[i].start = -1
	}
	for start, r := range piece {
		here, width := steps[start].score, len(string(r))
		whole := false // whether the character is itself a token
		offer := func(end int, s step) {
			if steps[end].start < 0 || s.score > steps[end].score {
				steps[end] = s
			}
		}
		m.table.starts(piece[start:], func(length, id int) {
			whole = whole || length == width
			offer(start+length, step{here + m.scores[id], start, int64(id)})
		})
		if !whole && m.unknown < 0 {
			return nil, fmt.Errorf("%w: %q is in no token and the vocabulary has none for unknown ones", ErrText, r)
		}
		if !whole {
			offer(start+width, step{here + m.unknownScore, start, m.unknown})
		}
	}
	return steps, nil
}

// append adds the token's id, or its bytes' or the unknown one's.
func (m *unigram) append(ids []int64, token string) []int64 {
	if id, ok := m.ids[token]; ok {
		return append(ids, id)
	}
	if m.bytes {
		if spelt, ok := byteTokens(ids, token, m.id); ok {
			return spelt
		}
	}
	return append(ids, m.unknown)
}
