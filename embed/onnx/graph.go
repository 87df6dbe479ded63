package onnx

import (
	"fmt"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

// largest bounds the floats of one call's input: 1 GiB. Sizes come from files,
// and a mistaken one shall be an error and not an exhausted machine.
const largest = 1 << 28

// NCHW and NHWC are the orders of a tensor's dimensions: batch, channels,
// height, width, and batch, height, width, channels.
const (
	NCHW = "nchw"
	NHWC = "nhwc"
)

// Options say how a graph is fed and what it is expected to answer.
type Options struct {
	// Input and Output are names in the graph. Either may be empty if the
	// graph has one only.
	Input, Output string
	// Height and Width are those of the pictures, in pixels; required.
	Height, Width int
	// Channels of a pixel; 0 means 3.
	Channels int
	// Layout is NCHW or NHWC; empty means NCHW.
	Layout string
	// Threads that share one run; less than 1 means 1. Concurrent runs each
	// use their caller's own thread, which is why 1 serves most programs best.
	Threads int
	// Dimension is the length that one of the output's dimensions behind the
	// batch must have, the only one if there is one only; 0 accepts any.
	Dimension int
}

func (o Options) withDefaults() Options {
	if o.Channels == 0 {
		o.Channels = 3
	}
	if o.Layout == "" {
		o.Layout = NCHW
	}
	o.Threads = max(o.Threads, 1)
	return o
}

// picture returns the dimensions of one picture in the order of the layout.
func (o Options) picture() ([]int64, error) {
	for _, v := range []int{o.Height, o.Width, o.Channels} {
		if v < 1 || v > largest {
			return nil, fmt.Errorf("height %d, width %d and channels %d must be between 1 and %d",
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

// interfaces is what a graph declares to take and to give.
type interfaces struct {
	inputs, outputs []ort.InputOutputInfo
}

// ends returns the names of the input and the output that o means, and the
// batch that the input is fixed to, 0 if it may vary.
func (g interfaces) ends(o Options, picture []int64) (input, output string, batch int, err error) {
	in, err := choose("input", o.Input, g.inputs)
	if err != nil {
		return "", "", 0, err
	}
	out, err := choose("output", o.Output, g.outputs)
	if err != nil {
		return "", "", 0, err
	}
	if len(g.inputs) > 1 {
		return "", "", 0, fmt.Errorf("the graph takes more than pictures (inputs %s): export the image tower alone", list(g.inputs))
	}
	batch, err = fixedBatch(in, picture)
	return in.Name, out.Name, batch, err
}

// choose returns the end of that name, which must hold float32 values.
func choose(kind, name string, ends []ort.InputOutputInfo) (ort.InputOutputInfo, error) {
	i := slices.IndexFunc(ends, func(e ort.InputOutputInfo) bool { return e.Name == name })
	if name == "" && len(ends) == 1 {
		i = 0
	}
	if i < 0 {
		return ort.InputOutputInfo{}, fmt.Errorf("the graph has no %s %q, only %s", kind, name, list(ends))
	}
	end := ends[i]
	if end.OrtValueType != ort.ONNXTypeTensor || end.DataType != ort.TensorElementDataTypeFloat {
		return end, fmt.Errorf("%s %s must be a tensor of float32", kind, end.String())
	}
	return end, nil
}

func list(ends []ort.InputOutputInfo) string {
	var quoted []string
	for _, e := range ends {
		quoted = append(quoted, fmt.Sprintf("%q", e.Name))
	}
	return strings.Join(quoted, ", ")
}

// fixedBatch compares an input's declared shape, in which -1 stands for any
// length, to [batch, picture...].
func fixedBatch(in ort.InputOutputInfo, picture []int64) (int, error) {
	fits := len(in.Dimensions) == 1+len(picture)
	for i := 0; fits && i < len(picture); i++ {
		declared := in.Dimensions[1+i]
		fits = declared == picture[i] || declared < 0
	}
	if !fits {
		return 0, fmt.Errorf("input %q has the shape %v, which does not take pictures of %v", in.Name, in.Dimensions, picture)
	}
	batch := in.Dimensions[0]
	if batch == 0 || batch > largest/int64(volume(picture)) {
		return 0, fmt.Errorf("input %q is fixed to a batch of %d, which is none or too many", in.Name, batch)
	}
	return int(max(batch, 0)), nil
}

// answers checks the shape that a graph gave for n pictures and returns that
// of one row.
func (o Options) answers(n int, shape []int64) ([]int64, error) {
	if len(shape) < 2 || shape[0] != int64(n) {
		return nil, fmt.Errorf("it answers %d pictures by the shape %v: export it with one row per picture", n, shape)
	}
	row := shape[1:]
	if volume(row) == 0 {
		return nil, fmt.Errorf("it answers nothing: shape %v", shape)
	}
	if o.Dimension != 0 && !slices.Contains(row, int64(o.Dimension)) {
		return nil, fmt.Errorf("dimension %d is expected, but it answers the shape %v", o.Dimension, shape)
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
