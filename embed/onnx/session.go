package onnx

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	ort "github.com/yalue/onnxruntime_go"
)

// A Session is a graph of pictures that is ready to run. Its methods are safe
// for concurrent use. It holds memory outside Go's heap until Close.
type Session struct {
	engine
	picture, row []int64 // the shapes of one picture and of its answer
	values       string  // the type of the graph's input
	batches
	// turns has a place for each run that may go on at the same time; nil for as
	// many as there are callers.
	turns chan struct{}
}

// OpenSession reads a graph in the ONNX format and checks that it does what o
// says: the names exist, the batch is open or fixed and the shapes fit. It may
// take pictures as float32, float16, bfloat16 or uint8, rounded to the nearest
// value, and answer in any floating-point type. Because declared shapes can be
// wrong, OpenSession also runs the graph once, on pictures of zeros. Whatever is
// amiss with the graph is ErrModel, and what is amiss with o.Providers is
// ErrProvider; ErrLibrary before Load. The graph's bytes may be changed once
// OpenSession has returned.
func OpenSession(graph []byte, o Options) (*Session, error) {
	return openSession(source{data: graph}, o.withDefaults())
}

// OpenFile is OpenSession for a graph in a file, whose external data may lie in
// other files of its folder. Nobody may write to them until OpenFile returns.
func OpenFile(path string, o Options) (*Session, error) {
	if path == "" {
		return nil, fmt.Errorf("%w: no file was named", ErrModel)
	}
	return openSession(source{path: path}, o.withDefaults())
}

func openSession(from source, o Options) (*Session, error) {
	if !isLoaded() {
		return nil, fmt.Errorf("%w: none is loaded; %s", ErrLibrary, remedy)
	}
	s := &Session{}
	if n := o.Threads; n > 1 {
		s.turns = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/n))
	}
	m, input, err := s.fit(from, o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	try := func() error { return s.try(func(n int) error { return s.learn(n, o.Dimension) }) }
	if err := s.start(m, []string{input}, o.settings(), try); err != nil {
		return nil, err
	}
	return s, nil
}

// fit reads a graph, compares its ends to o and returns the name of its input.
func (s *Session) fit(from source, o Options) (m *model, input string, err error) {
	if s.picture, err = o.picture(); err != nil {
		return nil, "", err
	}
	if m, err = from.read(o.Output); err != nil {
		return nil, "", err
	}
	owner := fmt.Sprintf("what output %q needs", m.output.Name)
	in, err := choose(owner, "input", o.Input, m.inputs, "float32", "float16", "bfloat16", "uint8")
	if err != nil {
		return nil, "", err
	}
	if len(m.inputs) > 1 {
		return nil, "", fmt.Errorf("output %q needs more than pictures (inputs %s): export the image tower alone",
			m.output.Name, list(m.inputs))
	}
	fixed, err := batchOf(in, s.picture)
	if err != nil {
		return nil, "", err
	}
	s.values = in.Type
	s.batches, err = batchesOf(fixed, o.Batch, volume(s.picture))
	return m, in.Name, err
}

// learn runs the graph on n pictures of zeros to learn the shape of a row.
func (s *Session) learn(n, dimension int) error {
	input, release, err := s.input(n, make([]float32, n*volume(s.picture)))
	if err != nil {
		return err
	}
	defer release()
	outputs := []ort.Value{nil}
	if err := s.network.Run([]ort.Value{input}, outputs); err != nil {
		return err
	}
	defer outputs[0].Destroy()
	s.row, err = answers(n, dimension, outputs[0].GetShape())
	return err
}

// Batch returns how many pictures one call of the runtime takes.
func (s *Session) Batch() int { return s.size }

// Run feeds n pictures, laid end to end in the session's layout, and returns
// the graph's output for them in the same order with its shape, of which
// shape[0] is n. The output belongs to the caller. Many pictures are run in
// several calls of the runtime; ctx is checked before each, and its error
// returned. After Close the error is ErrClosed. Answers of the same picture may
// differ in the last bits when it runs among others.
func (s *Session) Run(ctx context.Context, batch []float32, n int) (output []float32, shape []int, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.network == nil {
		return nil, nil, ErrClosed
	}
	if size := volume(s.picture); n < 0 || len(batch)%size != 0 || len(batch)/size != n {
		return nil, nil, fmt.Errorf("onnx: run %d pictures: got %d values, want %d each", n, len(batch), size)
	}
	output = make([]float32, n*volume(s.row))
	for i := 0; i < n; i += s.size {
		leave, err := s.turn(ctx)
		if err != nil {
			return nil, nil, err
		}
		err = s.runFrom(i, min(s.size, n-i), batch, output)
		if leave(); err != nil {
			return nil, nil, fmt.Errorf("onnx: run %d pictures: %w", n, err)
		}
	}
	return output, lengths(shapeOf(n, s.row)), nil
}

// turn waits until a run may begin, and returns what ends it.
func (s *Session) turn(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil || s.turns == nil {
		return func() {}, err
	}
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// runFrom runs the n pictures from the i-th on and puts their answers at the
// same places of output.
func (s *Session) runFrom(i, n int, batch, output []float32) error {
	size, row := volume(s.picture), volume(s.row)
	in, out := batch[i*size:(i+n)*size], output[i*row:(i+n)*row]
	if !s.fixed || n == s.size {
		return s.call(n, in, out)
	}
	padded, answers := make([]float32, s.size*size), make([]float32, s.size*row)
	copy(padded, in)
	err := s.call(s.size, padded, answers)
	copy(out, answers)
	return err
}

// call runs the graph once on n pictures. The runtime writes output in place.
func (s *Session) call(n int, batch, output []float32) error {
	in, releaseIn, err := s.input(n, batch)
	if err != nil {
		return err
	}
	defer releaseIn()
	out, releaseOut, err := wrap(shapeOf(n, s.row), output)
	if err != nil {
		return err
	}
	defer releaseOut()
	return s.network.Run([]ort.Value{in}, []ort.Value{out})
}

// input makes a tensor of n pictures in the type that the graph takes. Of
// float32 the runtime reads batch in place.
func (s *Session) input(n int, batch []float32) (tensor ort.Value, release func(), err error) {
	shape := shapeOf(n, s.picture)
	switch s.values {
	case "float16":
		return wrapBytes(shape, halves(batch, float16), ort.TensorElementDataTypeFloat16)
	case "bfloat16":
		return wrapBytes(shape, halves(batch, bfloat16), ort.TensorElementDataTypeBFloat16)
	case "uint8":
		return wrap(shape, octets(batch))
	}
	return wrap(shape, batch)
}

// wrap makes a tensor of data, which stays where it is until release.
func wrap[T ort.TensorData](shape ort.Shape, data []T) (tensor ort.Value, release func(), err error) {
	return pinned(&data[0], func() (ort.Value, error) { return ort.NewTensor(shape, data) })
}

// wrapBytes is wrap for values of a type that Go has not.
func wrapBytes(shape ort.Shape, data []byte, kind ort.TensorElementDataType) (tensor ort.Value, release func(), err error) {
	return pinned(&data[0], func() (ort.Value, error) { return ort.NewCustomDataTensor(shape, data, kind) })
}

func pinned[T any](data *T, build func() (ort.Value, error)) (tensor ort.Value, release func(), err error) {
	var pin runtime.Pinner
	pin.Pin(data)
	t, err := build()
	if err != nil {
		pin.Unpin()
		return nil, nil, err
	}
	return t, func() {
		_ = t.Destroy() // never fails: it frees the wrapper alone
		pin.Unpin()
	}, nil
}

func shapeOf(n int, one []int64) ort.Shape {
	return slices.Concat(ort.Shape{int64(n)}, one)
}

func lengths(shape ort.Shape) []int {
	out := make([]int, len(shape))
	for i, v := range shape {
		out[i] = int(v)
	}
	return out
}
