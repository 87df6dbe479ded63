package embed

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// The names of the files that come with a text tower on Hugging Face.
const (
	tokenizerName       = "tokenizer.json"
	tokenizerConfigName = "tokenizer_config.json"
)

const maxTokenizer = 64 << 20 // bytes

func textGraphs() []string { return []string{"onnx/text_model.onnx", "text_model.onnx"} }

// tokenizerConfig is where the tokenizer's configuration lies: beside it.
func (t Text) tokenizerConfig() string { return path.Join(path.Dir(t.Tokenizer), tokenizerConfigName) }

// Tokenizer returns the content of the text tower's tokenizer file, that of
// tokenizer_config.json beside it, nil where there is none, and a SHA-256 of both
// in lower-case hex: of the file, or with a configuration, of the file's digest, a
// line feed and the configuration. ErrNoText without a text tower.
func (f Folder) Tokenizer() (content, config []byte, digest string, err error) {
	if f.Manifest.Text == nil {
		return nil, nil, "", fmt.Errorf("model folder %s: embed: %w", f.dir, ErrNoText)
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, nil, "", fmt.Errorf("embed: open model folder: %w", err)
	}
	defer root.Close()
	content, err = readBounded(root, filepath.FromSlash(f.Manifest.Text.Tokenizer), maxTokenizer)
	if err != nil {
		return nil, nil, "", fmt.Errorf("model folder %s: %w", f.dir, err)
	}
	sum := sha256.Sum256(content)
	digest = hex.EncodeToString(sum[:])
	config, err = readBounded(root, filepath.FromSlash(f.Manifest.Text.tokenizerConfig()), maxTokenizer)
	if errors.Is(err, fs.ErrNotExist) {
		return content, nil, digest, nil
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("model folder %s: %w", f.dir, err)
	}
	sum = sha256.Sum256(append([]byte(digest+"\n"), config...))
	return content, config, hex.EncodeToString(sum[:]), nil
}

// tower fills in where a text tower lies. Without a manifest that has one, it
// takes a tokenizer and a text model, by itself or in the graph g of the pictures.
func (o opening) tower(m *Manifest, g Graph) {
	file, found := o.first(textGraphs())
	if _, joint := named(g.Outputs, "text_embeds"); !found && joint {
		file, found = m.File, true
	}
	_, tokenizer := o.first([]string{tokenizerName})
	if m.Text == nil && !(found && tokenizer) {
		return
	}
	var t Text
	if m.Text != nil {
		t = *m.Text
	}
	t.File = cmp.Or(t.File, file)
	t.Tokenizer = cmp.Or(t.Tokenizer, tokenizerName)
	m.Text = &t
}

// texts completes and checks the text tower, if there is one.
func (o opening) texts(m *Manifest, from string) error {
	t := m.Text
	if t == nil {
		return nil
	}
	if t.File == "" {
		return fmt.Errorf("embed: %w: text.file: missing, and there is none of %s", ErrManifest, strings.Join(textGraphs(), ", "))
	}
	g, err := o.graph(t.File)
	if err == nil && !localFile(t.Tokenizer) {
		err = fmt.Errorf("embed: %w: tokenizer: %q is no path within the manifest's folder", ErrManifest, t.Tokenizer)
	}
	if err == nil {
		err = o.regular(t.Tokenizer)
	}
	if err != nil {
		return fmt.Errorf("text: %w", err)
	}
	if err = t.complete(g); err == nil {
		err = t.gives(g.Outputs, m.Output, m.Dimension)
	}
	if err != nil {
		return fmt.Errorf("embed: %w: %s: text.%w", ErrManifest, t.File, err)
	}
	if t.Length == 0 {
		t.Length, err = o.length(*t, from)
	}
	return err
}

// length returns the tokens of a text by the configuration, 0 if it does not
// say: what the network takes and what the tokenizer cuts to, the smaller.
func (o opening) length(t Text, from string) (int, error) {
	if from == manifestName { // which does not say
		from, _ = o.first(configurations()[1:])
	}
	a, err := o.architecture(from)
	if err != nil {
		return 0, err
	}
	length := cmp.Or(a.Text.Length, a.Model.Text.Length)
	var c struct {
		Length float64 `json:"model_max_length"` // 1e30 where there is no limit
	}
	data, err := readBounded(o.root, filepath.FromSlash(t.tokenizerConfig()), maxManifest)
	if err != nil || decodeJSON(data, &c) != nil || !(c.Length >= 1 && c.Length <= maxLength) {
		return length, nil
	}
	if length == 0 {
		return int(c.Length), nil
	}
	return min(length, int(c.Length)), nil
}

// complete fills in what is missing of a text graph's inputs and checks them. A
// graph that takes attention_mask is fed it.
func (t *Text) complete(g Graph) error {
	t.IDs = cmp.Or(t.IDs, "input_ids")
	if _, ok := named(g.Inputs, "attention_mask"); ok && t.IDs != "attention_mask" {
		t.Mask = cmp.Or(t.Mask, "attention_mask")
	}
	ids, ok := named(g.Inputs, t.IDs)
	if !ok {
		return fmt.Errorf("ids: the graph has no %q, only %s", t.IDs, list(g.Inputs))
	}
	if _, ok := named(g.Inputs, t.Mask); t.Mask != "" && !ok {
		return fmt.Errorf("mask: the graph has no %q, only %s", t.Mask, list(g.Inputs))
	}
	if len(ids.Shape) == 2 && ids.Shape[1] > 0 {
		t.Length = cmp.Or(t.Length, ids.Shape[1])
		if t.Length != ids.Shape[1] {
			return fmt.Errorf("length: %d, but the graph takes %s", t.Length, ids)
		}
	}
	return nil
}

// gives chooses the output where none is named and checks its dimension. Only
// text_embeds is known to lie in the space of image_embeds (CLIP), and
// pooler_output in that of pooler_output (SigLIP).
func (t *Text) gives(outputs []Tensor, pictures string, dimension int) error {
	if t.Output == "" {
		pair := map[string]string{"image_embeds": "text_embeds", "pooler_output": "pooler_output"}[pictures]
		if _, ok := named(outputs, pair); !ok {
			return fmt.Errorf("output: which lies in the space of the pictures' %q is not clear among %s: write %s with text.output",
				pictures, list(outputs), manifestName)
		}
		t.Output = pair
	}
	out, ok := named(outputs, t.Output)
	if !ok {
		return fmt.Errorf("output: %q is not to be found among %s", t.Output, list(outputs))
	}
	if shape := out.trimmed(); shape != nil && (len(shape) != 2 || shape[1] >= 0 && shape[1] != dimension) {
		return fmt.Errorf("output: %s is not of dimension %d, the pictures'", out, dimension)
	}
	return nil
}
