package onnx

import (
	"context"
	"fmt"
	"math"
	"slices"

	ort "github.com/yalue/onnxruntime_go"
)

// trial is the tokens of the texts that a graph of open length is tried with.
const trial = 8

// TextOptions say how a graph of texts is fed and what it is expected to answer.
type TextOptions struct {
	// InputIDs is the name of the input for token ids; if empty, "input_ids" or
	// the only input. AttentionMask is that for the mask, fed only if the graph
	// takes it; if empty, "attention_mask". An input "token_type_ids" is fed
	// with zeros. Output may be empty if the graph has one only. Inputs that the
	// output does not need are left out, with the part of the graph behind them.
	InputIDs, AttentionMask, Output string
	// Length is the tokens of a text, which the graph must take; 0 means what
	// the graph is fixed to. A graph that leaves it open takes others, too.
	Length int
	// Dimension is as in Options.
	Dimension int
	// Batch, Threads, Providers and Fallback are as in Options, for texts.
	Batch, Threads int
	Providers      []Provider
	Fallback       bool
}

func (o TextOptions) settings() settings { return settings{o.Threads, o.Providers, o.Fallback} }

// A TextSession is a graph of tokenised texts that is ready to run. Its methods
// are safe for concurrent use. It holds memory outside Go's heap until Close.
type TextSession struct {
	engine
	feeds  []feed
	length int     // the tokens that the graph is fixed to, 0 if open
	row    []int64 // the shape of the answer to one text of the trial
	batches
}

// A feed is an input of a graph of texts.
type feed struct {
	End
	role role
}

// A role is what an input of a graph of texts stands for.
type role int

const (
	tokens role = iota
	mask
	zeros
)

// OpenText is OpenSession for a graph that takes texts: token ids of the shape
// [batch, length], int64 or int32, and what TextOptions lists beside them.
func OpenText(graph []byte, o TextOptions) (*TextSession, error) {
	return openText(source{data: graph}, o)
}

// OpenTextFile is OpenText for a graph in a file, as OpenFile is OpenSession.
func OpenTextFile(path string, o TextOptions) (*TextSession, error) {
	if path == "" {
		return nil, fmt.Errorf("%w: no file was named", ErrModel)
	}
	return openText(source{path: path}, o)
}

func openText(from source, o TextOptions) (*TextSession, error) {
	if !isLoaded() {
		return nil, fmt.Errorf("%w: none is loaded; %s", ErrLibrary, remedy)
	}
	s := &TextSession{}
	m, err := s.fit(from, o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	var inputs []string
	for _, f := range s.feeds {
		inputs = append(inputs, f.Name)
	}
	length := max(s.length, o.Length)
	if length == 0 {
		length = trial
	}
	try := func() error { return s.try(func(n int) error { return s.learn(n, length, o.Dimension) }) }
	if err := s.start(m, inputs, o.settings(), try); err != nil {
		return nil, err
	}
	return s, nil
}

// fit reads a graph and compares its ends to o.
func (s *TextSession) fit(from source, o TextOptions) (*model, error) {
	m, err := from.read(o.Output)
	if err != nil {
		return nil, err
	}
	if s.feeds, err = o.feeds(m); err != nil {
		return nil, err
	}
	fixed, length, err := o.agree(s.feeds)
	if err != nil {
		return nil, err
	}
	s.length = length
	s.batches, err = batchesOf(fixed, o.Batch, max(length, o.Length, 1))
	return m, err
}

// feeds tells what each input stands for.
func (o TextOptions) feeds(m *model) ([]feed, error) {
	ids := o.InputIDs
	if ids == "" && len(m.inputs) != 1 {
		ids = "input_ids"
	}
	owner := fmt.Sprintf("what output %q needs", m.output.Name)
	in, err := choose(owner, "input", ids, m.inputs, "int64", "int32")
	if err != nil {
		return nil, err
	}
	roles := map[string]role{"attention_mask": mask, "token_type_ids": zeros}
	if o.AttentionMask != "" {
		delete(roles, "attention_mask")
		roles[o.AttentionMask] = mask
	}
	roles[in.Name] = tokens
	var feeds []feed
	for _, e := range m.inputs {
		r, ok := roles[e.Name]
		if !ok {
			return nil, fmt.Errorf("output %q needs more than texts (input %q)", m.output.Name, e.Name)
		}
		if e, err = choose(owner, "input", e.Name, m.inputs, "int64", "int32"); err != nil {
			return nil, err
		}
		feeds = append(feeds, feed{e, r})
	}
	return feeds, nil
}

// agree returns the batch and the length that feeds are fixed to, 0 where they
// are open.
func (o TextOptions) agree(feeds []feed) (batch, length int, err error) {
	if o.Length < 0 || o.Length > largest {
		return 0, 0, fmt.Errorf("a length of %d tokens is not between 0 and %d", o.Length, largest)
	}
	for _, f := range feeds {
		if len(f.Shape) != 2 {
			return 0, 0, fmt.Errorf("input %q has the shape %v, not [batch, length]", f.Name, f.Shape)
		}
		n := f.Shape[1]
		if n == 0 || n > largest || n > 0 && o.Length > 0 && n != int64(o.Length) {
			return 0, 0, fmt.Errorf("input %q has the shape %v, which does not take texts of %d tokens", f.Name, f.Shape, o.Length)
		}
		b, err := batchOf(f.End, []int64{max(n, 1)})
		if err != nil {
			return 0, 0, err
		}
		if length > 0 && n > 0 && n != int64(length) || batch > 0 && b > 0 && b != batch {
			return 0, 0, fmt.Errorf("input %q has the shape %v, other than input %q", f.Name, f.Shape, feeds[0].Name)
		}
		batch, length = max(batch, b), max(length, int(n))
	}
	return batch, length, nil
}

// learn runs the graph on n texts to learn whether it answers them.
func (s *TextSession) learn(n, length, dimension int) error {
	_, shape, err := s.call(n, length, make([]int64, n*length), ones(n*length))
	if err != nil {
		return err
	}
	s.row, err = answers(n, dimension, shape)
	return err
}

func ones(n int) []int64 { return slices.Repeat([]int64{1}, n) }

// Batch returns how many texts one call of the runtime takes.
func (s *TextSession) Batch() int { return s.size }

// Length returns how many tokens a text must have, 0 if that is open.
func (s *TextSession) Length() int { return s.length }

// RunText feeds n texts of length tokens each, laid end to end, and returns the
// graph's output for them in the same order with its shape, of which shape[0] is
// n. mask is 1 for tokens and 0 for padding; nil stands for ones. Contexts and
// Close are as with Session.Run.
func (s *TextSession) RunText(ctx context.Context, ids, mask []int64, n, length int) (output []float32, shape []int, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.network == nil {
		return nil, nil, ErrClosed
	}
	if err := s.takes(ids, mask, n, length); err != nil {
		return nil, nil, fmt.Errorf("onnx: run %d texts: %w", n, err)
	}
	if mask == nil {
		mask = ones(len(ids))
	}
	row := s.row
	for i := 0; i < n; i += s.size {
		if err = ctx.Err(); err != nil {
			return nil, nil, err
		}
		from, to := i*length, min(i+s.size, n)*length
		values, answer, err := s.chunk(ids[from:to], mask[from:to], length)
		if err == nil && i > 0 && !slices.Equal(answer, row) {
			err = fmt.Errorf("it answers rows of %v and of %v", row, answer)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("onnx: run %d texts: %w", n, err)
		}
		output, row = append(output, values...), answer
	}
	return output, lengths(shapeOf(n, row)), nil
}

// takes checks the arguments of RunText.
func (s *TextSession) takes(ids, mask []int64, n, length int) error {
	if s.length > 0 && length != s.length {
		return fmt.Errorf("they have %d tokens, the graph takes %d", length, s.length)
	}
	if length < 1 || length > largest || n < 0 || len(ids)%length != 0 || len(ids)/length != n {
		return fmt.Errorf("got %d token ids, want %d each", len(ids), length)
	}
	if mask != nil && len(mask) != len(ids) {
		return fmt.Errorf("got a mask of %d, want %d", len(mask), len(ids))
	}
	return nil
}

// chunk runs at most a batch of texts and returns their answers and the shape
// of one.
func (s *TextSession) chunk(ids, mask []int64, length int) (output []float32, row []int64, err error) {
	n := len(ids) / length
	size := n
	if s.fixed {
		size = s.size
	}
	missing := (size - n) * length
	ids, mask = slices.Concat(ids, make([]int64, missing)), slices.Concat(mask, ones(missing))
	output, shape, err := s.call(size, length, ids, mask)
	if err != nil {
		return nil, nil, err
	}
	if row, err = answers(size, 0, shape); err != nil {
		return nil, nil, err
	}
	return output[:n*volume(row)], row, nil
}

// call runs the graph once on n texts.
func (s *TextSession) call(n, length int, ids, mask []int64) (output []float32, shape []int64, err error) {
	var inputs []ort.Value
	for _, f := range s.feeds {
		values := [...][]int64{ids, mask, nil}[f.role]
		if f.role == zeros {
			values = make([]int64, n*length)
		}
		tensor, release, err := f.tensor(ort.NewShape(int64(n), int64(length)), values)
		if err != nil {
			return nil, nil, err
		}
		defer release()
		inputs = append(inputs, tensor)
	}
	outputs := []ort.Value{nil}
	if err := s.network.Run(inputs, outputs); err != nil {
		return nil, nil, err
	}
	defer outputs[0].Destroy()
	answer, ok := outputs[0].(*ort.Tensor[float32])
	if !ok {
		return nil, nil, fmt.Errorf("it answers no float32")
	}
	return answer.GetData(), answer.GetShape(), nil
}

// tensor makes a tensor in the type that the input takes.
func (f feed) tensor(shape ort.Shape, values []int64) (tensor ort.Value, release func(), err error) {
	if f.Type == "int64" {
		return wrap(shape, values)
	}
	narrow := make([]int32, len(values))
	for i, v := range values {
		if v < math.MinInt32 || v > math.MaxInt32 {
			return nil, nil, fmt.Errorf("input %q cannot take %d", f.Name, v)
		}
		narrow[i] = int32(v)
	}
	return wrap(shape, narrow)
}
