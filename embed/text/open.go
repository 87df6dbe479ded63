package text

import (
	"encoding/json"
	"fmt"
)

// WithConfig returns the tokenizer as tokenizer_config.json changes it: how long
// the model's input is, and with which token and at which side it is padded and
// cut. Every error is an ErrTokenizer.
func (t *Tokenizer) WithConfig(tokenizerConfigJSON []byte) (*Tokenizer, error) {
	c, err := readConfig(tokenizerConfigJSON)
	changed := *t
	if err == nil {
		err = changed.configure(c)
	}
	if err != nil {
		return nil, fmt.Errorf("text: %w: %w", ErrTokenizer, err)
	}
	return &changed, nil
}

// config is what is used of tokenizer_config.json.
type config struct {
	Length   *json.Number    `json:"model_max_length"` // 1e30 where it is not limited
	PadToken json.RawMessage `json:"pad_token"`        // a text, or an object with content
	PadSide  string          `json:"padding_side"`
	CutSide  string          `json:"truncation_side"`
}

// readConfig reads tokenizer_config.json; nothing has the zero value.
func readConfig(data []byte) (c config, err error) {
	if len(data) == 0 {
		return c, nil
	}
	if len(data) > maxFile {
		return c, fmt.Errorf("tokenizer_config.json: %d bytes, the limit is %d", len(data), maxFile)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	return c, nil
}

// configure applies what the configuration says over the tokenizer's own.
func (t *Tokenizer) configure(c config) error {
	if c.Length != nil {
		if n, err := c.Length.Float64(); err == nil && n >= 1 && n <= maxLength {
			t.length = int(n)
		}
	}
	if err := side(&t.padLeft, "tokenizer_config.json: padding_side", c.PadSide); err != nil {
		return err
	}
	if err := side(&t.cutLeft, "tokenizer_config.json: truncation_side", c.CutSide); err != nil {
		return err
	}
	name, err := c.padToken()
	if err != nil || name == "" {
		return err
	}
	return t.padBy(name)
}

func (c config) padToken() (string, error) {
	if len(c.PadToken) == 0 || string(c.PadToken) == "null" {
		return "", nil
	}
	var name string
	if json.Unmarshal(c.PadToken, &name) == nil {
		return name, nil
	}
	var object struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(c.PadToken, &object); err != nil {
		return "", fmt.Errorf("tokenizer_config.json: pad_token: %w", err)
	}
	return object.Content, nil
}

// padBy makes a token that for padding.
func (t *Tokenizer) padBy(name string) error {
	id, ok := t.find(name)
	if !ok {
		return fmt.Errorf("tokenizer_config.json: pad_token: %q is not in the vocabulary", name)
	}
	t.pad, t.padded = id, true
	return nil
}

// find returns the id of a token.
func (t *Tokenizer) find(name string) (int64, bool) {
	if id, ok := t.added.ids[name]; ok {
		return id, true
	}
	return t.model.id(name)
}
