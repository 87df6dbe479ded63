package embed

import (
	"cmp"
	"fmt"
)

// The names of the files that come with a text tower on Hugging Face.
const (
	tokenizerName       = "tokenizer.json"
	tokenizerConfigName = "tokenizer_config.json"
)

func textGraphs() []string { return []string{"onnx/text_model.onnx", "text_model.onnx"} }

// tower fills in where a text tower lies and how long its texts are. Without a
// manifest that has one, it takes a tokenizer and a text model, by itself or in
// the graph g of the pictures.
func (o opening) tower(m *Manifest, a architecture, g Graph) {
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
	t.Length = cmp.Or(t.Length, o.length(a))
	m.Text = &t
}

// texts completes and checks the text tower, if there is one.
func (o opening) texts(m *Manifest) error {
	if m.Text == nil {
		return nil
	}
	g, err := o.graph(m.Text.File)
	if err == nil {
		err = o.regular(m.Text.Tokenizer)
	}
	if err != nil {
		return fmt.Errorf("text: %w", err)
	}
	if err := m.Text.complete(g, m.Dimension); err != nil {
		return fmt.Errorf("embed: %w: %s: text.%w", ErrManifest, m.Text.File, err)
	}
	return nil
}

// length returns the tokens of a text by the configuration, 0 if it does not
// say: what the network takes and what the tokenizer cuts to, the smaller.
func (o opening) length(a architecture) int {
	length := cmp.Or(a.Text.Length, a.Model.Text.Length)
	data, err := readBounded(o.root, tokenizerConfigName, maxManifest)
	if err != nil {
		return length
	}
	var c struct {
		Length float64 `json:"model_max_length"` // 1e30 where there is no limit
	}
	if decodeJSON(data, &c) != nil || !(c.Length >= 1 && c.Length <= maxLength) {
		return length
	}
	if length == 0 {
		return int(c.Length)
	}
	return min(length, int(c.Length))
}

// complete fills in what is missing of a text graph's ends and checks them.
func (t *Text) complete(g Graph, dimension int) error {
	if _, ok := named(g.Inputs, "attention_mask"); ok && t.IDs == "" {
		t.Mask = cmp.Or(t.Mask, "attention_mask")
	}
	t.IDs = cmp.Or(t.IDs, "input_ids")
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
	return t.gives(g.Outputs, dimension)
}

// gives chooses the output where none is named and checks its dimension.
func (t *Text) gives(outputs []Tensor, dimension int) error {
	out, ok := named(outputs, t.Output)
	if t.Output == "" {
		if out, ok = named(outputs, "text_embeds", "pooler_output"); !ok {
			out, ok = only(outputs, func(t Tensor) bool { return t.rank() == 2 })
		}
	}
	if !ok {
		return fmt.Errorf("output: %q is not to be found among %s", t.Output, list(outputs))
	}
	t.Output = out.Name
	if shape := out.trimmed(); shape != nil && (len(shape) != 2 || shape[1] >= 0 && shape[1] != dimension) {
		return fmt.Errorf("output: %s is not of dimension %d, the pictures'", out, dimension)
	}
	return nil
}
