package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Open reads the tokenizer of a model's folder: tokenizer.json; or CLIP's
// vocab.json with merges.txt; or BERT's vocab.txt. tokenizer_config.json, where
// it is there, says how long the model's input is and with which token and at
// which side it is padded and cut. A folder without a tokenizer is
// fs.ErrNotExist; what the files get wrong is ErrTokenizer.
func Open(folder string) (*Tokenizer, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("text: open tokenizer: %w", err)
	}
	defer root.Close()
	t, err := open(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("text: open tokenizer %s: %w", folder, err)
	case err != nil:
		return nil, fmt.Errorf("text: open tokenizer %s: %w: %w", folder, ErrTokenizer, err)
	}
	return t, nil
}

func open(root *os.Root) (*Tokenizer, error) {
	data, err := read(root, "tokenizer_config.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c, err := readConfig(data)
	if err != nil {
		return nil, err
	}
	t, err := firstOf(root, c)
	if err != nil {
		return nil, err
	}
	return t, t.configure(c)
}

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

// firstOf reads the first tokenizer that the folder has.
func firstOf(root *os.Root, c config) (*Tokenizer, error) {
	data, err := read(root, "tokenizer.json")
	if err == nil {
		return parse(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if data, err = read(root, "vocab.json"); err == nil {
		return readCLIP(root, data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if data, err = read(root, "vocab.txt"); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("neither tokenizer.json nor vocab.json nor vocab.txt: %w", fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	return readBERT(data, c)
}

// config is what is used of tokenizer_config.json.
type config struct {
	Length       *json.Number    `json:"model_max_length"` // 1e30 where it is not limited
	PadToken     json.RawMessage `json:"pad_token"`        // a text, or an object with content
	PadSide      string          `json:"padding_side"`
	CutSide      string          `json:"truncation_side"`
	Lowercase    *bool           `json:"do_lower_case"`
	StripAccents *bool           `json:"strip_accents"`
	Ideographs   *bool           `json:"tokenize_chinese_chars"`
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

// read reads a regular file of at most maxFile bytes.
func read(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s: no regular file of at most %d bytes", name, maxFile)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// The special tokens of CLIP. The second is also that for what is not known,
// and for padding.
const (
	clipStart = "<|startoftext|>"
	clipEnd   = "<|endoftext|>"
	clipSplit = `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`
)

// readCLIP makes the tokenizer of CLIP (Radford et al., arXiv 2103.00020) of
// its vocabulary and merges.txt. Other models have these files too, with other
// special tokens; they are refused.
func readCLIP(root *os.Root, vocabJSON []byte) (*Tokenizer, error) {
	s := bpeJSON{Unknown: new(string), Suffix: new(string)}
	*s.Unknown, *s.Suffix = clipEnd, "</w>"
	if err := json.Unmarshal(vocabJSON, &s.Vocabulary); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	start, ok := s.Vocabulary[clipStart]
	end, okEnd := s.Vocabulary[clipEnd]
	if !ok || !okEnd {
		return nil, fmt.Errorf("vocab.json: no %s and %s, so not CLIP's: tokenizer.json is needed", clipStart, clipEnd)
	}
	merges, err := read(root, "merges.txt")
	if err != nil {
		return nil, err
	}
	if err := lines(merges); err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	if err := s.Merges.lines(strings.Split(strings.TrimRight(string(merges), "\r\n"), "\n")); err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	t := &Tokenizer{before: []int64{start}, after: []int64{end}, pad: end, padded: true, length: 77}
	if t.model, err = s.build(); err != nil {
		return nil, err
	}
	if err := t.likeCLIP(); err != nil {
		return nil, err
	}
	return t, t.addTokens([]token{{ID: start, Content: clipStart, Special: true}, {ID: end, Content: clipEnd, Special: true}})
}

// likeCLIP sets CLIP's normalizer and pre-tokenizer.
func (t *Tokenizer) likeCLIP() (err error) {
	var b builder
	t.normalizer, err = b.normalizer(json.RawMessage(`{"type":"Sequence","normalizers":[{"type":"NFC"},
		{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "},{"type":"Lowercase"}]}`), "normalizer", 0)
	if err != nil {
		return err
	}
	p, err := compile(clipSplit)
	if err != nil {
		return err
	}
	bytes, err := byteLevel(json.RawMessage(`{"add_prefix_space":false,"use_regex":false}`), "pre_tokenizer")
	t.pre = append([]splitter{p.splitter(removed, true)}, bytes...)
	return err
}

// readBERT makes the tokenizer of BERT (Devlin et al., arXiv 1810.04805) of
// vocab.txt.
func readBERT(vocabTXT []byte, c config) (t *Tokenizer, err error) {
	s := wordPieceJSON{Unknown: "[UNK]", Prefix: "##", Longest: 100}
	if s.Vocabulary, err = vocabularyLines(vocabTXT); err != nil {
		return nil, fmt.Errorf("vocab.txt: %w", err)
	}
	var special []token
	for _, name := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"} {
		id, ok := s.Vocabulary[name]
		if !ok {
			return nil, fmt.Errorf("vocab.txt: no %s", name)
		}
		special = append(special, token{ID: id, Content: name, Special: true})
	}
	t = &Tokenizer{before: []int64{special[2].ID}, after: []int64{special[3].ID}, pad: special[0].ID, padded: true}
	if t.model, err = s.build(); err != nil {
		return nil, err
	}
	lowers := c.Lowercase == nil || *c.Lowercase
	strips := lowers
	if c.StripAccents != nil {
		strips = *c.StripAccents
	}
	t.normalizer = bertNormalizer(true, c.Ideographs == nil || *c.Ideographs, strips, lowers)
	t.pre = []splitter{every(isSpace, removed), every(isPunctuation, isolated)}
	return t, t.addTokens(special)
}

// lines bounds the lines of a file before they are counted out.
func lines(data []byte) error {
	if n := bytes.Count(data, []byte{'\n'}); n > maxVocabulary {
		return fmt.Errorf("more than %d lines", maxVocabulary)
	}
	return nil
}
