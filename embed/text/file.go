package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	maxFile       = 64 << 20 // bytes of tokenizer.json
	maxVocabulary = 1 << 19  // entries of a vocabulary, and merges
	maxAdded      = 1 << 16  // added tokens
	maxID         = 1 << 24
	maxToken      = 1 << 8 // bytes of a token that is searched for in texts
	maxParts      = 64     // normalizers, pre-tokenizers and post-processors
	maxPatterns   = 8      // of them
	maxNesting    = 4      // of sequences
)

// file is tokenizer.json.
type file struct {
	Version       string          `json:"version"`
	Truncation    *truncation     `json:"truncation"`
	Padding       *padding        `json:"padding"`
	AddedTokens   tokens          `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"` // from ids to text: not read
	Model         json.RawMessage `json:"model"`
}

type truncation struct {
	Direction string `json:"direction"`
	MaxLength int    `json:"max_length"`
	Strategy  string `json:"strategy"` // for pairs of texts
	Stride    int    `json:"stride"`   // for what is cut off
}

type padding struct {
	Strategy   json.RawMessage `json:"strategy"`
	Direction  string          `json:"direction"`
	MultipleOf *int            `json:"pad_to_multiple_of"` // of no use to a given length
	ID         int64           `json:"pad_id"`
	TypeID     int             `json:"pad_type_id"`
	Token      string          `json:"pad_token"`
}

// Parse reads tokenizer.json. Every error is an ErrTokenizer that names the
// field. More than 64 MiB, 2^19 tokens, 64 components or 8 patterns is an error,
// as is everything that would not be done exactly as by the tokenizers library.
// It takes at most four times the file's memory and 256 MiB.
func Parse(tokenizerJSON []byte) (*Tokenizer, error) {
	t, err := parse(tokenizerJSON)
	if err != nil {
		return nil, fmt.Errorf("text: %w: %w", ErrTokenizer, err)
	}
	return t, nil
}

func parse(data []byte) (*Tokenizer, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%d bytes, the limit is %d", len(data), maxFile)
	}
	var f file
	if err := strict(data, &f); err != nil {
		return nil, err
	}
	if f.Version != "1.0" {
		return nil, fmt.Errorf("version: %q, expected \"1.0\"", f.Version)
	}
	return f.build()
}

// build makes a tokenizer of the parts.
func (f *file) build() (t *Tokenizer, err error) {
	t = new(Tokenizer)
	if t.model, err = readModel(f.Model); err != nil {
		return nil, err
	}
	var b builder
	if t.normalizer, err = b.normalizer(f.Normalizer, "normalizer", 0); err != nil {
		return nil, err
	}
	if t.pre, err = b.preTokenizers(f.PreTokenizer, "pre_tokenizer", 0); err != nil {
		return nil, err
	}
	if t.before, t.after, err = b.postProcessor(f.PostProcessor, "post_processor", 0); err != nil {
		return nil, err
	}
	if err := t.addTokens(f.AddedTokens); err != nil {
		return nil, err
	}
	if err := t.pads(f.Padding); err != nil {
		return nil, err
	}
	return t, t.cuts(f.Truncation)
}

// pads reads how texts are padded. Where the file does not say it is as the
// library's classes for BERT and CLIP have it; others differ among themselves.
func (t *Tokenizer) pads(p *padding) error {
	if p == nil {
		for _, name := range []string{"[PAD]", "<|endoftext|>"} {
			if id, ok := t.find(name); ok && !t.padded {
				t.pad, t.padded = id, true
			}
		}
		return nil
	}
	if p.ID < 0 || p.ID >= maxID {
		return fmt.Errorf("padding.pad_id: %d is not between 0 and %d", p.ID, maxID-1)
	}
	var fixed struct{ Fixed int }
	if json.Unmarshal(p.Strategy, &fixed) == nil && fixed.Fixed > 0 {
		t.length = fixed.Fixed
	}
	t.pad, t.padded = p.ID, true
	return side(&t.padLeft, "padding.direction", p.Direction)
}

func (t *Tokenizer) cuts(c *truncation) error {
	if c == nil {
		return nil
	}
	if c.MaxLength > 0 {
		t.length = c.MaxLength
	}
	return side(&t.cutLeft, "truncation.direction", c.Direction)
}

// side reads at which end tokens are added or cut; empty leaves it as it is.
func side(left *bool, field, value string) error {
	switch value {
	case "":
	case "Left", "left":
		*left = true
	case "Right", "right":
		*left = false
	default:
		return fmt.Errorf("%s: %q is neither left nor right", field, value)
	}
	return nil
}

// strict reads one JSON value that has no fields but those of v.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("JSON ends early")
		}
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("JSON goes on behind its end")
	}
	return nil
}

// A builder makes the components of a tokenizer.
type builder struct {
	parts, patterns int

	drops bool // whether a normalizer may remove the start of a text
}

// kind returns a component's type, empty where there is no component.
func (b *builder) kind(raw json.RawMessage, path string, depth int) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	if b.parts++; b.parts > maxParts || depth > maxNesting {
		return "", fmt.Errorf("%s: more than %d components or %d levels", path, maxParts, maxNesting)
	}
	var c struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if c.Type == "" {
		return "", fmt.Errorf("%s.type: missing", path)
	}
	return c.Type, nil
}

// pattern compiles a pattern of a component.
func (b *builder) pattern(p patternJSON, path string) (pattern, error) {
	if b.patterns++; b.patterns > maxPatterns {
		return pattern{}, fmt.Errorf("%s.pattern: more than %d patterns", path, maxPatterns)
	}
	return p.compile(path + ".pattern")
}

// list is a JSON list of at most maxParts values.
type list []json.RawMessage

func (l *list) UnmarshalJSON(data []byte) error {
	return entries(data, maxParts, func(d *json.Decoder) error {
		var part json.RawMessage
		err := d.Decode(&part)
		*l = append(*l, part)
		return err
	})
}

// entries reads a JSON list of at most limit values, one by one, so that no
// memory is taken for more. null is an empty list.
func entries(data []byte, limit int, read func(*json.Decoder) error) error {
	if string(data) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New("no list")
	}
	for n := 0; d.More(); n++ {
		if n == limit {
			return fmt.Errorf("a list of more than %d values", limit)
		}
		if err := read(d); err != nil {
			return err
		}
	}
	return nil
}

// fields reads a component into v.
func fields(raw json.RawMessage, path string, v any) error {
	if err := strict(raw, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// bare returns an error unless a component has no settings.
func bare(raw json.RawMessage, path string) error {
	var only struct {
		Type string `json:"type"`
	}
	return fields(raw, path, &only)
}

// given returns an error unless the named fields are there.
func given(path string, fields map[string]*bool) error {
	for name, v := range fields {
		if v == nil {
			return fmt.Errorf("%s.%s: missing", path, name)
		}
	}
	return nil
}

// vocabulary is a JSON object from token to id.
type vocabulary map[string]int64

func (v *vocabulary) UnmarshalJSON(data []byte) error {
	if err := countable(data, 1); err != nil {
		return err
	}
	if err := json.Unmarshal(data, (*map[string]int64)(v)); err != nil {
		return err
	}
	for token, id := range *v {
		if id < 0 || id >= maxID {
			return fmt.Errorf("vocab: %.40q has the id %d, which is not between 0 and %d", token, id, maxID-1)
		}
	}
	return nil
}

func (v vocabulary) id(token string) (int64, bool) {
	id, ok := v[token]
	return id, ok
}

func (v vocabulary) size() int { return len(v) }

func (v vocabulary) rows() int {
	rows := 0
	for _, id := range v {
		rows = max(rows, int(id)+1)
	}
	return rows
}

// countable bounds the entries of a list or an object, each with so many
// commas, before anything is made of them.
func countable(data []byte, commas int) error {
	if n := bytes.Count(data, []byte{','}); n > commas*maxVocabulary {
		return fmt.Errorf("more than %d entries", maxVocabulary)
	}
	return nil
}
