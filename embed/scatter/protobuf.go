package scatter

import (
	"encoding/binary"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers and constants are those of onnx.proto, ONNX 1.12 (IR
// version 8, operator set 17): https://github.com/onnx/onnx.
const (
	irVersion = 8
	opset     = 17

	typeFloat, typeInt64                         = 1, 7    // TensorProto.DataType
	attributeInt, attributeString, attributeInts = 2, 3, 7 // AttributeProto.AttributeType
)

// A graph is an ONNX graph that is being written. Values are named in the order
// of their making, so that the same calls give the same bytes. The zero value
// is an empty graph.
type graph struct {
	nodes, tensors, ends []byte
	values               int
}

// op adds a node of one output and returns the output's name.
func (g *graph) op(kind string, inputs []string, attributes ...[]byte) string {
	return g.ops(kind, 1, inputs, attributes...)[0]
}

// ops adds a node of n outputs and returns their names.
func (g *graph) ops(kind string, n int, inputs []string, attributes ...[]byte) []string {
	outputs := make([]string, n)
	for i := range outputs {
		outputs[i] = g.name("v")
	}
	g.node(kind, inputs, outputs, attributes)
	return outputs
}

func (g *graph) node(kind string, inputs, outputs []string, attributes [][]byte) {
	var b []byte
	for _, name := range inputs {
		b = text(b, 1, name)
	}
	for _, name := range outputs {
		b = text(b, 2, name)
	}
	b = text(b, 4, kind)
	for _, a := range attributes {
		b = message(b, 5, a)
	}
	g.nodes = message(g.nodes, 1, b)
}

func (g *graph) name(prefix string) string {
	g.values++
	return prefix + strconv.Itoa(g.values)
}

// floats adds a constant of that shape and returns its name. No shape makes it
// a scalar.
func (g *graph) floats(values []float32, shape ...int) string {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return g.tensor(typeFloat, raw, shape)
}

// ints adds a constant vector and returns its name.
func (g *graph) ints(values ...int) string {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return g.tensor(typeInt64, raw, []int{len(values)})
}

func (g *graph) tensor(kind int, raw []byte, shape []int) string {
	name := g.name("c")
	var b []byte
	for _, d := range shape {
		b = number(b, 1, d)
	}
	b = number(b, 2, kind)
	b = text(b, 8, name)
	b = message(b, 9, raw)
	g.tensors = message(g.tensors, 5, b)
	return name
}

// input and output declare an end of float32 whose first dimension, the batch,
// is free.
func (g *graph) input(name string, shape ...int) { g.ends = end(g.ends, 11, name, shape) }

func (g *graph) output(name string, shape ...int) { g.ends = end(g.ends, 12, name, shape) }

func end(b []byte, field protowire.Number, name string, shape []int) []byte {
	dims := message(nil, 1, text(nil, 2, "N"))
	for _, d := range shape {
		dims = message(dims, 1, number(nil, 1, d))
	}
	tensor := message(number(nil, 1, typeFloat), 2, dims)
	return message(b, field, message(text(nil, 1, name), 2, message(nil, 1, tensor)))
}

// model returns the graph as a ModelProto.
func (g *graph) model() []byte {
	body := append([]byte(nil), g.nodes...)
	body = text(body, 2, "scatter")
	body = append(append(body, g.tensors...), g.ends...)

	b := number(nil, 1, irVersion)
	b = text(b, 2, "nearcase")
	b = number(b, 5, version)
	b = message(b, 7, body)
	return message(b, 8, number(text(nil, 1, ""), 2, opset))
}

// attribute names an integer, a string or integers for a node.
func intAttribute(name string, v int) []byte {
	return number(number(text(nil, 1, name), 3, v), 20, attributeInt)
}

func stringAttribute(name, v string) []byte {
	return number(text(text(nil, 1, name), 4, v), 20, attributeString)
}

func intsAttribute(name string, values ...int) []byte {
	b := text(nil, 1, name)
	for _, v := range values {
		b = number(b, 8, v)
	}
	return number(b, 20, attributeInts)
}

func number(b []byte, field protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func message(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}
