package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// chunk is how many pictures one call of the runtime takes where the graph
// leaves the batch open. More are no faster per picture but take more memory
// and longer to cancel.
const chunk = 4

// A Session is a graph that is ready to run. Its methods are safe for
// concurrent use. It holds memory outside Go's heap until Close.
type Session struct {
	picture, row []int64 // the shapes of one picture and of its answer
	batch        int     // pictures of one call
	fixed        bool    // whether a call takes exactly batch pictures

	mu      sync.RWMutex // read by those who run, written by Close
	network *ort.DynamicAdvancedSession
}

// OpenSession reads a graph in the ONNX format and checks that it does what o
// says: the names exist, the values are float32, the batch is open or fixed and
// the shapes fit. Because declared shapes can be wrong, it also runs the graph
// once, on two pictures of zeros or on a whole fixed batch. Whatever is amiss with
// the graph is ErrModel; ErrLibrary before Load. The graph's bytes may be
// changed once OpenSession has returned.
func OpenSession(graph []byte, o Options) (*Session, error) {
	if !isLoaded() {
		return nil, fmt.Errorf("%w: none is loaded; %s", ErrLibrary, remedy)
	}
	s, err := open(graph, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	return s, nil
}

func open(graph []byte, o Options) (*Session, error) {
	picture, err := o.picture()
	if err != nil {
		return nil, err
	}
	// The runtime takes wrong names when it opens a graph and fails when it
	// runs it, so ask for them first.
	inputs, outputs, err := ort.GetInputOutputInfoWithONNXData(graph)
	if err != nil {
		return nil, err
	}
	input, output, batch, err := interfaces{inputs, outputs}.ends(o, picture)
	if err != nil {
		return nil, err
	}
	s := &Session{picture: picture, batch: batch, fixed: batch > 0}
	if !s.fixed {
		s.batch = chunk
	}
	if s.network, err = network(graph, input, output, o.Threads); err != nil {
		return nil, err
	}
	if err := s.try(o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func network(graph []byte, input, output string, threads int) (*ort.DynamicAdvancedSession, error) {
	settings, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer settings.Destroy()
	if err := configure(settings, threads); err != nil {
		return nil, err
	}
	return ort.NewDynamicAdvancedSessionWithONNXData(graph, []string{input}, []string{output}, settings)
}

func configure(settings *ort.SessionOptions, threads int) error {
	return errors.Join(
		settings.SetIntraOpNumThreads(threads),
		settings.SetInterOpNumThreads(1),
		// Waiting threads would otherwise spin, which takes the processor from
		// decoding and from other sessions.
		settings.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
}

// try runs the graph once to learn the shape of a row. Two pictures tell a
// graph whose batch is open from one that was traced with a batch of one.
func (s *Session) try(o Options) error {
	n := 2
	if s.fixed {
		n = s.batch
	}
	input, release, err := wrap(s.shape(n, s.picture), make([]float32, n*volume(s.picture)))
	if err != nil {
		return err
	}
	defer release()
	outputs := []ort.Value{nil}
	if err := s.network.Run([]ort.Value{input}, outputs); err != nil {
		return err
	}
	defer outputs[0].Destroy()
	s.row, err = o.answers(n, outputs[0].GetShape())
	return err
}

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
	for i := 0; i < n; i += s.batch {
		if err = ctx.Err(); err != nil {
			return nil, nil, err
		}
		if err = s.runFrom(i, min(s.batch, n-i), batch, output); err != nil {
			return nil, nil, fmt.Errorf("onnx: run %d pictures: %w", n, err)
		}
	}
	return output, lengths(s.shape(n, s.row)), nil
}

// runFrom runs the n pictures from the i-th on and puts their answers at the
// same places of output.
func (s *Session) runFrom(i, n int, batch, output []float32) error {
	size, row := volume(s.picture), volume(s.row)
	in, out := batch[i*size:(i+n)*size], output[i*row:(i+n)*row]
	if !s.fixed || n == s.batch {
		return s.call(n, in, out)
	}
	padded, answers := make([]float32, s.batch*size), make([]float32, s.batch*row)
	copy(padded, in)
	err := s.call(s.batch, padded, answers)
	copy(out, answers)
	return err
}

// call runs the graph once on n pictures. The runtime reads batch and writes
// output in place.
func (s *Session) call(n int, batch, output []float32) error {
	in, releaseIn, err := wrap(s.shape(n, s.picture), batch)
	if err != nil {
		return err
	}
	defer releaseIn()
	out, releaseOut, err := wrap(s.shape(n, s.row), output)
	if err != nil {
		return err
	}
	defer releaseOut()
	return s.network.Run([]ort.Value{in}, []ort.Value{out})
}

// wrap makes a tensor of data, which stays where it is until release.
func wrap(shape ort.Shape, data []float32) (tensor ort.Value, release func(), err error) {
	var pin runtime.Pinner
	pin.Pin(&data[0])
	t, err := ort.NewTensor(shape, data)
	if err != nil {
		pin.Unpin()
		return nil, nil, err
	}
	return t, func() {
		_ = t.Destroy() // never fails: it frees the wrapper alone
		pin.Unpin()
	}, nil
}

func (s *Session) shape(n int, one []int64) ort.Shape {
	return slices.Concat(ort.Shape{int64(n)}, one)
}

func lengths(shape ort.Shape) []int {
	out := make([]int, len(shape))
	for i, v := range shape {
		out[i] = int(v)
	}
	return out
}

// Close waits for the runs in progress and frees the session. Closing again
// does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.network == nil {
		return nil
	}
	network := s.network
	s.network = nil
	if err := network.Destroy(); err != nil {
		return fmt.Errorf("onnx: close session: %w", err)
	}
	return nil
}
