package text

import (
	"encoding/json"
	"fmt"
)

// postProcessor reads what is put before and behind the ids of a text.
func (b *builder) postProcessor(raw json.RawMessage, path string, depth int) (before, after []int64, err error) {
	kind, err := b.kind(raw, path, depth)
	if err != nil || kind == "" {
		return nil, nil, err
	}
	switch kind {
	case "Sequence":
		return b.postSequence(raw, path, depth)
	case "TemplateProcessing":
		return template(raw, path)
	case "BertProcessing", "RobertaProcessing":
		return enclosed(raw, path)
	case "ByteLevel":
		return nil, nil, nil // it moves offsets
	}
	return nil, nil, fmt.Errorf("%s.type: the post-processor %q is not known", path, kind)
}

func (b *builder) postSequence(raw json.RawMessage, path string, depth int) (before, after []int64, err error) {
	var s struct {
		Type  string `json:"type"`
		Parts list   `json:"processors"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, nil, err
	}
	for i, part := range s.Parts {
		outer, outerAfter, err := b.postProcessor(part, fmt.Sprintf("%s.processors[%d]", path, i), depth+1)
		if err != nil {
			return nil, nil, err
		}
		before, after = append(outer, before...), append(after, outerAfter...)
	}
	return before, after, nil
}

// enclosed reads BertProcessing and RobertaProcessing: [token, id] each.
func enclosed(raw json.RawMessage, path string) (before, after []int64, err error) {
	var s struct {
		Type   string `json:"type"`
		Sep    list   `json:"sep"`
		Cls    list   `json:"cls"`
		Trim   bool   `json:"trim_offsets"`
		Prefix bool   `json:"add_prefix_space"` // of what is trimmed
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, nil, err
	}
	if before, err = tokenAndID(s.Cls, path+".cls"); err != nil {
		return nil, nil, err
	}
	after, err = tokenAndID(s.Sep, path+".sep")
	return before, after, err
}

func tokenAndID(pair list, path string) ([]int64, error) {
	var token string
	var id int64
	if len(pair) != 2 || json.Unmarshal(pair[0], &token) != nil || json.Unmarshal(pair[1], &id) != nil {
		return nil, fmt.Errorf("%s: expected a token and its id", path)
	}
	return []int64{id}, idRange([]int64{id}, path)
}

func idRange(ids []int64, path string) error {
	for _, id := range ids {
		if id < 0 || id >= maxID {
			return fmt.Errorf("%s: the id %d is not between 0 and %d", path, id, maxID-1)
		}
	}
	return nil
}

// slot is a place of a template: a special token, or the text.
type slot struct {
	SpecialToken, Sequence *struct {
		ID     string `json:"id"`
		TypeID int    `json:"type_id"`
	}
}

type templateJSON struct {
	Type   string          `json:"type"`
	Single list            `json:"single"`
	Pair   json.RawMessage `json:"pair"` // of texts
	Tokens map[string]struct {
		ID     string   `json:"id"`
		IDs    []int64  `json:"ids"`
		Tokens []string `json:"tokens"`
	} `json:"special_tokens"`
}

// template reads TemplateProcessing for single texts.
func template(raw json.RawMessage, path string) (before, after []int64, err error) {
	var s templateJSON
	if err := fields(raw, path, &s); err != nil {
		return nil, nil, err
	}
	texts := 0
	for i, part := range s.Single {
		ids, isText, err := s.slot(part, fmt.Sprintf("%s.single[%d]", path, i))
		switch {
		case err != nil:
			return nil, nil, err
		case isText:
			texts++
		case texts == 0:
			before = append(before, ids...)
		default:
			after = append(after, ids...)
		}
	}
	if texts != 1 {
		return nil, nil, fmt.Errorf("%s.single: the text is %d times in it, expected once", path, texts)
	}
	return before, after, nil
}

// slot returns the ids of a place of the template, or that it is the text's.
func (s templateJSON) slot(raw json.RawMessage, path string) (ids []int64, isText bool, err error) {
	var at slot
	if err := fields(raw, path, &at); err != nil {
		return nil, false, err
	}
	switch {
	case at.Sequence != nil && at.SpecialToken == nil && at.Sequence.ID == "A":
		return nil, true, nil
	case at.Sequence != nil || at.SpecialToken == nil:
		return nil, false, fmt.Errorf("%s: neither a special token nor the text A", path)
	}
	special, ok := s.Tokens[at.SpecialToken.ID]
	if !ok {
		return nil, false, fmt.Errorf("%s: %q is none of special_tokens", path, at.SpecialToken.ID)
	}
	return special.IDs, false, idRange(special.IDs, path)
}
