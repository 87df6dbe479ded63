package embed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Graph is what an ONNX file declares.
type Graph struct {
	Inputs, Outputs []Tensor
	// External are the files that hold the graph's data outside of it,
	// slash-separated and relative to its own folder.
	External []string
}

// Tensor is an input or output. Shape is nil where none is declared, and a
// length of it negative where it is open.
type Tensor struct {
	Name  string
	Shape []int
}

// String writes "name" [? 3 224 224].
func (t Tensor) String() string {
	lengths := make([]string, len(t.Shape))
	for i, n := range t.Shape {
		lengths[i] = "?"
		if n >= 0 {
			lengths[i] = fmt.Sprint(n)
		}
	}
	return fmt.Sprintf("%q [%s]", t.Name, strings.Join(lengths, " "))
}

func list(tensors []Tensor) string {
	texts := make([]string, len(tensors))
	for i, t := range tensors {
		texts[i] = t.String()
	}
	return strings.Join(texts, ", ")
}

// named returns the tensor of the first of the names that there is.
func named(tensors []Tensor, names ...string) (Tensor, bool) {
	for _, name := range names {
		if i := slices.IndexFunc(tensors, func(t Tensor) bool { return t.Name == name }); i >= 0 {
			return tensors[i], true
		}
	}
	return Tensor{}, false
}

// only returns the tensor that alone has what want asks.
func only(tensors []Tensor, want func(Tensor) bool) (found Tensor, ok bool) {
	for _, t := range tensors {
		if want(t) {
			if ok {
				return Tensor{}, false
			}
			found, ok = t, true
		}
	}
	return found, ok
}

// trimmed is the shape without the trailing lengths of 1 behind [N, D].
func (t Tensor) trimmed() []int {
	shape := t.Shape
	for len(shape) > 2 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-1]
	}
	return shape
}

func (t Tensor) rank() int { return len(t.trimmed()) }

// architecture is what the configuration of a model says about its network.
type architecture struct {
	Type        string `json:"model_type"`
	Hidden      int    `json:"hidden_size"`
	HiddenSizes []int  `json:"hidden_sizes"`
	Projection  int    `json:"projection_dim"`
	Features    int    `json:"num_features"`
	Vision      struct {
		Hidden int `json:"hidden_size"`
	} `json:"vision_config"`
	Text struct {
		Length int `json:"max_position_embeddings"`
	} `json:"text_config"`
	Model struct { // open_clip's
		Dimension int `json:"embed_dim"`
		Text      struct {
			Length int `json:"context_length"`
		} `json:"text_cfg"`
	} `json:"model_cfg"`
}

// complete fills in what is missing of the graph's ends, by the graph and the
// configuration of its architecture, and checks what is there against both.
func (m *Manifest) complete(g Graph, a architecture) error {
	in, err := m.chooseInput(g.Inputs)
	if err != nil {
		return err
	}
	m.Input = in.Name
	if m.Layout == "" && len(in.Shape) == 4 && in.Shape[3] == 3 && in.Shape[1] != 3 {
		m.Layout = NHWC
	}
	if err := m.takes(in); err != nil {
		return err
	}
	out, err := m.chooseOutput(g.Outputs)
	if err != nil {
		return err
	}
	m.Output = out.Name
	if m.Pooling == "" {
		if m.Pooling, err = pooling(out, a); err != nil {
			return err
		}
	}
	return m.gives(out, a)
}

func (m *Manifest) chooseInput(inputs []Tensor) (Tensor, error) {
	if m.Input != "" {
		if in, ok := named(inputs, m.Input); ok {
			return in, nil
		}
		return Tensor{}, fmt.Errorf("input: the graph has no %q, only %s", m.Input, list(inputs))
	}
	if in, ok := named(inputs, "pixel_values"); ok {
		return in, nil
	}
	if in, ok := only(inputs, func(t Tensor) bool { return len(inputs) == 1 || len(t.Shape) == 4 }); ok {
		return in, nil
	}
	return Tensor{}, fmt.Errorf("input: which takes pictures is not clear among %s: write %s with base and input", list(inputs), manifestName)
}

// takes checks that an input's shape takes the pictures of the manifest.
func (m *Manifest) takes(in Tensor) error {
	want := []int{-1, 3, m.Side(), m.Side()}
	if m.Layout == NHWC {
		want = []int{-1, m.Side(), m.Side(), 3}
	}
	if in.Shape == nil {
		return nil
	}
	fits := len(in.Shape) == len(want)
	for i := 1; fits && i < len(want); i++ {
		fits = in.Shape[i] < 0 || in.Shape[i] == want[i]
	}
	if !fits {
		return fmt.Errorf("input: the graph takes %s, the preprocessing makes %s", in, Tensor{m.Input, want})
	}
	return nil
}

// chooseOutput prefers what was made to be an embedding. Logits are none, and
// must be asked for by name.
func (m *Manifest) chooseOutput(outputs []Tensor) (Tensor, error) {
	if m.Output != "" {
		if out, ok := named(outputs, m.Output); ok {
			return out, nil
		}
		return Tensor{}, fmt.Errorf("output: the graph has no %q, only %s", m.Output, list(outputs))
	}
	if out, ok := named(outputs, "image_embeds", "pooler_output"); ok {
		return out, nil
	}
	ofRank := func(ranks ...int) (Tensor, bool) {
		return only(outputs, func(t Tensor) bool {
			return slices.Contains(ranks, t.rank()) && !strings.HasPrefix(t.Name, "logits") && t.Name != "text_embeds"
		})
	}
	if out, ok := ofRank(2); ok {
		return out, nil
	}
	if out, ok := named(outputs, "last_hidden_state"); ok {
		return out, nil
	}
	if out, ok := ofRank(3, 4); ok {
		return out, nil
	}
	return Tensor{}, fmt.Errorf("output: which is the embedding is not clear among %s: write %s with base and output", list(outputs), manifestName)
}

// pooling returns how an output becomes a vector: by its rank, and for tokens
// by whether the architecture is known to have a class token in front.
func pooling(out Tensor, a architecture) (string, error) {
	switch out.rank() {
	case 2:
		return PoolNone, nil
	case 3:
		if a.hasClassToken() {
			return PoolCLS, nil
		}
		return "", fmt.Errorf("pooling: whether output %s of model_type %q has a class token in front is not known: "+
			"write %s with base and pooling, %s or %s (with skip for tokens that are no patches)", out, a.Type, manifestName, PoolCLS, PoolTokens)
	case 4:
		return PoolAverage, nil
	}
	return "", fmt.Errorf("pooling: output %s is none of [N, D], [N, T, D] and [N, D, H, W]", out)
}

func (a architecture) hasClassToken() bool {
	return slices.Contains([]string{"vit", "deit", "dinov2", "dinov2_with_registers", "clip", "clip_vision_model", "vit_msn"}, a.Type)
}

// gives checks an output's shape against pooling and dimension, which it fills
// in by the shape or, where that is open, by the architecture.
func (m *Manifest) gives(out Tensor, a architecture) error {
	rank, axis := 2, 1
	switch m.Pooling {
	case PoolTokens, PoolCLS:
		rank, axis = 3, 2
	case PoolAverage:
		rank, axis = 4, 1
	}
	found := -1
	if out.Shape != nil {
		shape := out.Shape
		if rank == 2 {
			shape = out.trimmed()
		}
		if len(shape) != rank && !(rank == 2 && len(shape) > 2 && slices.Max(shape[2:]) < 0) {
			return fmt.Errorf("pooling: %s takes rank %d, the output is %s", m.Pooling, rank, out)
		}
		found = shape[axis]
	}
	if m.Dimension == 0 {
		m.Dimension = max(found, 0)
	}
	if m.Dimension == 0 {
		m.Dimension = a.dimension(out.Name)
	}
	switch {
	case m.Dimension == 0:
		return fmt.Errorf("dimension: output %s does not tell it: write %s with base and dimension", out, manifestName)
	case found >= 0 && found != m.Dimension:
		return fmt.Errorf("dimension: %d, but the output is %s", m.Dimension, out)
	}
	return nil
}

// dimension returns the length of the vectors of an output, 0 if the
// configuration does not say.
func (a architecture) dimension(output string) int {
	if output == "image_embeds" {
		return cmp.Or(a.Projection, a.Model.Dimension)
	}
	if n := len(a.HiddenSizes); n > 0 {
		return max(a.HiddenSizes[n-1], 0)
	}
	return cmp.Or(a.Vision.Hidden, a.Hidden, a.Features, a.Model.Dimension)
}
