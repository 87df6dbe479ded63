package apitest

import (
	"encoding/binary"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers and constants are those of onnx.proto, ONNX 1.12 (IR
// version 8, operator set 17): https://github.com/onnx/onnx.
const (
	irVersion = 8
	opset     = 17

	typeFloat, typeInt64        = 1, 7 // TensorProto.DataType
	attributeInt, attributeInts = 2, 7 // AttributeProto.AttributeType
)

// A graph is an ONNX graph that is being written, node by node.
type graph struct{ nodes, tensors, ends []byte }

// visionTower is the mean of each channel, projected.
func visionTower() []byte {
	var g graph
	g.end(11, "pixel_values", typeFloat, "N", 3, TowerSide, TowerSide)
	g.floats("projection", projection(), 3, TowerDimension)
	g.node("ReduceMean", []string{"pixel_values"}, "means", ints("axes", 2, 3), integer("keepdims", 0))
	g.node("MatMul", []string{"means", "projection"}, "image_embeds")
	g.end(12, "image_embeds", typeFloat, "N", TowerDimension)
	return g.model()
}

// textTower is the mean of what the tokens that are not masked mean, projected.
func textTower(tokens []string) []byte {
	var g graph
	meanings := colours()
	var table []float32
	for _, token := range tokens {
		colour := meanings[strings.TrimSuffix(token, wordEnd)]
		table = append(table, colour[:]...)
	}
	g.end(11, "input_ids", typeInt64, "N", "L")
	g.end(11, "attention_mask", typeInt64, "N", "L")
	g.floats("meanings", table, len(tokens), 3)
	g.floats("projection", projection(), 3, TowerDimension)
	g.ints("positions", 1)
	g.ints("last", 2)
	g.node("Gather", []string{"meanings", "input_ids"}, "words")
	g.node("Cast", []string{"attention_mask"}, "mask", integer("to", typeFloat))
	g.node("Unsqueeze", []string{"mask", "last"}, "column")
	g.node("Mul", []string{"words", "column"}, "kept")
	g.node("ReduceSum", []string{"kept", "positions"}, "sum", integer("keepdims", 0))
	g.node("ReduceSum", []string{"mask", "positions"}, "count", integer("keepdims", 1))
	g.node("Div", []string{"sum", "count"}, "mean")
	g.node("MatMul", []string{"mean", "projection"}, "text_embeds")
	g.end(12, "text_embeds", typeFloat, "N", TowerDimension)
	return g.model()
}

func (g *graph) node(kind string, inputs []string, output string, attributes ...[]byte) {
	var b []byte
	for _, name := range inputs {
		b = text(b, 1, name)
	}
	b = text(text(b, 2, output), 4, kind)
	for _, a := range attributes {
		b = message(b, 5, a)
	}
	g.nodes = message(g.nodes, 1, b)
}

// floats adds a constant of that shape.
func (g *graph) floats(name string, values []float32, shape ...int) {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	g.tensor(name, typeFloat, raw, shape)
}

// ints adds a constant vector.
func (g *graph) ints(name string, values ...int) {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	g.tensor(name, typeInt64, raw, []int{len(values)})
}

func (g *graph) tensor(name string, kind int, raw []byte, shape []int) {
	var b []byte
	for _, d := range shape {
		b = number(b, 1, d)
	}
	g.tensors = message(g.tensors, 5, message(text(number(b, 2, kind), 8, name), 9, raw))
}

// end declares an input, field 11, or an output, field 12. Dimensions that are
// names are free.
func (g *graph) end(field protowire.Number, name string, kind int, shape ...any) {
	var dims []byte
	for _, d := range shape {
		switch d := d.(type) {
		case int:
			dims = message(dims, 1, number(nil, 1, d))
		case string:
			dims = message(dims, 1, text(nil, 2, d))
		}
	}
	tensor := message(number(nil, 1, kind), 2, dims)
	g.ends = message(g.ends, field, message(text(nil, 1, name), 2, message(nil, 1, tensor)))
}

// model returns the graph as a ModelProto.
func (g *graph) model() []byte {
	body := text(g.nodes, 2, "tower")
	body = append(append(body, g.tensors...), g.ends...)
	b := text(number(nil, 1, irVersion), 2, "nearcase")
	return message(message(b, 7, body), 8, number(text(nil, 1, ""), 2, opset))
}

func integer(name string, v int) []byte {
	return number(number(text(nil, 1, name), 3, v), 20, attributeInt)
}

func ints(name string, values ...int) []byte {
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
