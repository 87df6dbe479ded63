package onnx_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// The messages of the ONNX format that the tests need, written as onnx.proto
// numbers their fields. Graphs made here have a known answer, which is their
// oracle: Flatten and Identity return what they are given.

const (
	typeFloat   = 1
	typeUint8   = 2
	typeInt32   = 6
	typeInt64   = 7
	typeString  = 8
	typeFloat16 = 10
	typeDouble  = 11
	typeBfloat  = 16
)

// end is an input or output; a length of -1 is left open.
type end struct {
	name    string
	kind    uint64
	lengths []int64
}

type node struct {
	operator        string
	inputs, outputs []string
	attributes      [][]byte // AttributeProtos in field 5
}

func varint(field int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), v)
}

func message(field int, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	out := binary.AppendUvarint(nil, uint64(field)<<3|2)
	return append(binary.AppendUvarint(out, uint64(len(body))), body...)
}

func text(field int, s string) []byte { return message(field, []byte(s)) }

// encode is a ValueInfoProto.
func (e end) encode(field int) []byte {
	var shape []byte
	for _, n := range e.lengths {
		if n < 0 {
			shape = append(shape, message(1, text(2, "any"))...)
		} else {
			shape = append(shape, message(1, varint(1, uint64(n)))...)
		}
	}
	tensor := message(1, varint(1, e.kind), message(2, shape))
	return message(field, text(1, e.name), message(2, tensor))
}

// encode is a NodeProto.
func (n node) encode() []byte {
	parts := slices.Clone(n.attributes)
	for _, name := range n.inputs {
		parts = append(parts, text(1, name))
	}
	for _, name := range n.outputs {
		parts = append(parts, text(2, name))
	}
	return message(1, append(parts, text(4, n.operator))...)
}

// graph is a ModelProto of opset 13. shapes are its int64 initialisers.
func graph(nodes []node, inputs, outputs []end, shapes map[string][]int64) []byte {
	return with(nil, nodes, inputs, outputs, shapes)
}

// with is graph with constants, which are TensorProtos in field 5.
func with(constants [][]byte, nodes []node, inputs, outputs []end, shapes map[string][]int64) []byte {
	parts := slices.Clone(constants)
	for _, n := range nodes {
		parts = append(parts, n.encode())
	}
	parts = append(parts, text(2, "test"))
	for name, values := range shapes {
		tensor := [][]byte{varint(1, uint64(len(values))), varint(2, typeInt64), text(8, name)}
		for _, v := range values {
			tensor = append(tensor, varint(7, uint64(v)))
		}
		parts = append(parts, message(5, tensor...))
	}
	for _, e := range inputs {
		parts = append(parts, e.encode(11))
	}
	for _, e := range outputs {
		parts = append(parts, e.encode(12))
	}
	model := append(varint(1, 8), message(8, varint(2, 13))...)
	return append(model, message(7, parts...)...)
}

// tensor is a TensorProto with its data in place.
func tensor(name string, values []float32, dims ...int) []byte {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return message(5, append(header(name, typeFloat, dims...), message(9, raw))...)
}

// outside is a TensorProto with its data in a file.
func outside(name, location string, offset, length int, dims ...int) []byte {
	entry := func(key, value string) []byte { return message(13, text(1, key), text(2, value)) }
	parts := append(header(name, typeFloat, dims...), entry("location", location), varint(14, 1))
	if length >= 0 {
		parts = append(parts, entry("offset", strconv.Itoa(offset)), entry("length", strconv.Itoa(length)))
	}
	return message(5, parts...)
}

func header(name string, kind uint64, dims ...int) [][]byte {
	parts := [][]byte{varint(2, kind), text(8, name)}
	for _, d := range dims {
		parts = append(parts, varint(1, uint64(d)))
	}
	return parts
}

// integer is an attribute of one integer.
func integer(name string, v int) []byte {
	return message(5, text(1, name), varint(3, uint64(v)), varint(20, 2))
}

// one is a graph of a single operator from "image" to "features".
func one(operator string, image, features []int64) []byte {
	return graph([]node{{operator: operator, inputs: []string{"image"}, outputs: []string{"features"}}},
		[]end{{"image", typeFloat, image}}, []end{{"features", typeFloat, features}}, nil)
}

// data returns the path of a file of the test data and skips without any.
func data(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func floats(t testing.TB, path string) []float32 {
	t.Helper()
	raw := read(t, path)
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}
