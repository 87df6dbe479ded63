package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// largest bounds the values of one call's input: 1 GiB of float32. Sizes come
// from files, and a mistaken one shall be an error and not an exhausted machine.
const largest = 1 << 28

// chunk is how many pictures or texts one call of the runtime takes where
// neither the graph nor the options say. More are hardly faster per picture but
// take more memory and longer to cancel.
const chunk = 4

// NCHW and NHWC are the orders of a tensor's dimensions: batch, channels,
// height, width, and batch, height, width, channels.
const (
	NCHW = "nchw"
	NHWC = "nhwc"
)

// Options say how a graph is fed and what it is expected to answer.
type Options struct {
	// Input and Output are names in the graph. Either may be empty if there is
	// one only. Inputs that the output does not need are left out, with the part
	// of the graph behind them: of an image and a text tower, one remains.
	Input, Output string
	// Height and Width are those of the pictures, in pixels; required.
	Height, Width int
	// Channels of a pixel; 0 means 3.
	Channels int
	// Layout is NCHW or NHWC; empty means NCHW.
	Layout string
	// Threads that share one run; less than 1 means 1. Concurrent runs each
	// use their caller's own thread, which is why 1 serves most programs best.
	// With more, as many runs go on at the same time as there are processors for.
	Threads int
	// Batch is how many pictures one call of the runtime takes where the graph
	// leaves that open; less than 1 means 4.
	Batch int
	// Dimension is the length that one of the output's dimensions behind the
	// batch must have, the only one if there is one only; 0 accepts any.
	Dimension int
	// Providers are where the graph shall run, the preferred one first. The
	// processor stands behind all of them, and alone if there are none.
	Providers []Provider
	// Fallback passes over a provider that cannot be used. Without it that is
	// ErrProvider.
	Fallback bool
}

func (o Options) withDefaults() Options {
	if o.Channels == 0 {
		o.Channels = 3
	}
	if o.Layout == "" {
		o.Layout = NCHW
	}
	return o
}

func (o Options) settings() settings { return settings{o.Threads, o.Providers, o.Fallback} }

// picture returns the dimensions of one picture in the order of the layout.
func (o Options) picture() ([]int64, error) {
	for _, v := range []int{o.Height, o.Width, o.Channels} {
		if v < 1 || v > largest {
			return nil, fmt.Errorf("height %d, width %d and channels %d must be stated, between 1 and %d",
				o.Height, o.Width, o.Channels, largest)
		}
	}
	h, w, c := int64(o.Height), int64(o.Width), int64(o.Channels)
	if h*w > largest || h*w*c > largest {
		return nil, fmt.Errorf("a picture of %d × %d × %d values is too large", o.Height, o.Width, o.Channels)
	}
	switch o.Layout {
	case NCHW:
		return []int64{c, h, w}, nil
	case NHWC:
		return []int64{h, w, c}, nil
	}
	return nil, fmt.Errorf("layout %q is neither %s nor %s", o.Layout, NCHW, NHWC)
}

// choose returns the end of that name, or the only one for no name, whose
// values must be of one of types. owner is who has the ends.
func choose(owner, kind, name string, ends []End, types ...string) (End, error) {
	i := slices.IndexFunc(ends, func(e End) bool { return e.Name == name })
	if name == "" && len(ends) == 1 {
		i = 0
	}
	if i < 0 {
		return End{}, fmt.Errorf("%s has no %s %q, only %s", owner, kind, name, list(ends))
	}
	if e := ends[i]; !slices.Contains(types, e.Type) {
		return e, fmt.Errorf("%s %q is of type %s; it must be of %s", kind, e.Name, e.Type, strings.Join(types, ", "))
	}
	return ends[i], nil
}

func list(ends []End) string {
	var quoted []string
	for _, e := range ends {
		quoted = append(quoted, fmt.Sprintf("%q", e.Name))
	}
	if len(quoted) == 0 {
		return "constants"
	}
	return strings.Join(quoted, ", ")
}

// batchOf compares an input's declared shape to [batch, one...] and returns the
// batch that it is fixed to, 0 if it may vary.
func batchOf(in End, one []int64) (int, error) {
	fits := len(in.Shape) == 1+len(one)
	for i := 0; fits && i < len(one); i++ {
		fits = in.Shape[1+i] == one[i] || in.Shape[1+i] < 0
	}
	if !fits {
		return 0, fmt.Errorf("input %q has the shape %v, which does not take pictures of %v", in.Name, in.Shape, one)
	}
	batch := in.Shape[0]
	if batch == 0 || batch > largest/int64(volume(one)) {
		return 0, fmt.Errorf("input %q is fixed to a batch of %d, which is none or too many", in.Name, batch)
	}
	return int(max(batch, 0)), nil
}

// batches says how many pictures or texts the calls of the runtime take.
type batches struct {
	size  int
	fixed bool // whether a call takes exactly size
}

// batchesOf chooses the batches of a graph that is fixed to a batch, unless it
// is 0, and of the options' wish, for inputs of so many values.
func batchesOf(fixed, wish, values int) (batches, error) {
	if fixed > 0 {
		return batches{fixed, true}, nil
	}
	if wish < 1 {
		return batches{size: chunk}, nil
	}
	if wish > largest/values {
		return batches{}, fmt.Errorf("a batch of %d inputs of %d values is too large", wish, values)
	}
	return batches{size: wish}, nil
}

// try calls run, which says whether the graph answers n inputs. If the batch is
// open, two tell whether it is; a graph that was traced with one at a time is
// then fixed to that.
func (b *batches) try(run func(n int) error) error {
	if b.fixed {
		return run(b.size)
	}
	err := run(2)
	if err != nil && run(1) == nil {
		*b, err = batches{1, true}, nil
	}
	return err
}

// answers checks the shape that a graph gave for n inputs and returns that of
// one row. Wherever the graph ran, its errors are ErrModel.
func answers(n, dimension int, shape []int64) ([]int64, error) {
	if len(shape) < 2 || shape[0] != int64(n) {
		return nil, fmt.Errorf("%w: it answers a batch of %d by the shape %v: export it with one row for each of the batch",
			ErrModel, n, shape)
	}
	row := shape[1:]
	if volume(row) == 0 {
		return nil, fmt.Errorf("%w: it answers nothing: shape %v", ErrModel, shape)
	}
	if dimension != 0 && !slices.Contains(row, int64(dimension)) {
		return nil, fmt.Errorf("%w: dimension %d is expected, but it answers the shape %v", ErrModel, dimension, shape)
	}
	return row, nil
}

func volume(shape []int64) int {
	product := int64(1)
	for _, v := range shape {
		product *= v
	}
	return int(product)
}
