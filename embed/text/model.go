package text

import (
	"encoding/json"
	"errors"
	"fmt"
)

// A model gives the ids of one piece of text, in order.
type model interface {
	encode(ids []int64, piece string) ([]int64, error)
	id(token string) (int64, bool)
	rows() int // the largest id plus one
	size() int // the number of tokens
}

// readModel reads a model of one of the three kinds. Older files do not name
// the kind; their fields tell.
func readModel(raw json.RawMessage) (model, error) {
	if len(raw) == 0 {
		return nil, errors.New("model: missing")
	}
	var s struct {
		Type    string          `json:"type"`
		Merges  json.RawMessage `json:"merges"`
		Longest *json.Number    `json:"max_input_chars_per_word"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	switch {
	case s.Type == "BPE", s.Type == "" && s.Merges != nil:
		return readBPE(raw)
	case s.Type == "WordPiece", s.Type == "" && s.Longest != nil:
		return readWordPiece(raw)
	case s.Type == "Unigram":
		return readUnigram(raw)
	}
	return nil, fmt.Errorf("model.type: %q is none of BPE, WordPiece, Unigram", s.Type)
}
