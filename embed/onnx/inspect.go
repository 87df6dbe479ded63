package onnx

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers here are those of onnx.proto, ONNX 1.20 (IR version 12):
// https://github.com/onnx/onnx.

const (
	largestFile = 1 << 32 // bytes of a graph's file
	mostEnds    = 1 << 12 // inputs or outputs, and files of external data
	mostLengths = 16      // dimensions of an end
	deepest     = 32      // graphs within graphs
)

// A Graph is what an ONNX file says of itself.
type Graph struct {
	IRVersion                 int64
	Opsets                    []Opset
	Producer, ProducerVersion string
	// Inputs are those that must be fed: what has a constant as its default is
	// none. They are in the file's order, as are the outputs.
	Inputs, Outputs []End
	// Parameters are the values of all constants, and Bytes what those take,
	// wherever they lie.
	Parameters, Bytes int64
	// External are the files that hold constants beside the graph, by name.
	External []External
}

// An Opset is a set of operators by its domain, "" for ONNX's own.
type Opset struct {
	Domain  string
	Version int64
}

// An End is an input or an output of a graph.
type End struct {
	Name string
	// Type is that of the values of a tensor, such as "float32", "float16" and
	// "int64", or else what the end is: "sequence", "map", "optional",
	// "sparse tensor", "unknown".
	Type string
	// Shape is the declared one, -1 for a length that is left open. It is nil
	// where none is declared and empty for a single value.
	Shape []int64
	// Names are those of the open lengths, "" for the others and where there is
	// no name.
	Names []string
}

// External is a file of constants.
type External struct {
	// Name is a slash-separated path within the graph's folder.
	Name string
	// Bytes are how many the file must have at least.
	Bytes int64
}

// Inspect reads what the graph in a file takes, gives and weighs, without
// running it, without ONNX Runtime and without holding its tensors. Files of
// external data are named but not looked for. What is not a whole graph in the
// ONNX format, contradicts itself, names files outside its folder or has more
// than 4 GiB is ErrModel; a missing file is fs.ErrNotExist, too. It holds at
// most about 16 MiB.
func Inspect(path string) (Graph, error) {
	file, size, err := openGraph(path)
	if err != nil {
		return Graph{}, fmt.Errorf("%w: %w", ErrModel, err)
	}
	defer file.Close()
	g, err := inspect(file, size)
	if err != nil {
		return Graph{}, fmt.Errorf("%w: %s: %w", ErrModel, path, err)
	}
	return g, nil
}

// openGraph opens a regular file of a size that is read.
func openGraph(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() || info.Size() > largestFile {
		return nil, 0, fmt.Errorf("%s is no regular file of at most %d bytes", path, largestFile)
	}
	file, err := os.Open(path)
	return file, info.Size(), err
}

func inspect(file io.ReaderAt, size int64) (Graph, error) {
	if size == 0 {
		return Graph{}, errors.New("it is empty")
	}
	r := reading{scanner: newScanner(file, size), needs: map[string]int64{}}
	if err := r.each(span{0, size}, r.model); err != nil {
		return Graph{}, err
	}
	if len(r.graphs) == 0 {
		return Graph{}, errors.New("it has no graph; is it in the ONNX format?")
	}
	if err := r.dropDefaults(); err != nil {
		return Graph{}, err
	}
	for name, bytes := range r.needs {
		r.External = append(r.External, External{name, bytes})
	}
	slices.SortFunc(r.External, func(a, b External) int { return cmp.Compare(a.Name, b.Name) })
	return r.Graph, nil
}

// reading is a Graph in the making.
type reading struct {
	*scanner
	Graph
	graphs []span           // the parts of the main graph, as a rule one
	needs  map[string]int64 // bytes by external file
	depth  int              // of the graph that is being read
}

// model takes a field of a ModelProto.
func (r *reading) model(f field) (err error) {
	switch f.number {
	case 1:
		r.IRVersion = int64(f.value)
	case 2:
		r.Producer, err = r.text(f)
	case 3:
		r.ProducerVersion, err = r.text(f)
	case 7:
		if r.graphs = append(r.graphs, f.body); len(r.graphs) > mostEnds {
			return fmt.Errorf("it has more than %d graphs", mostEnds)
		}
		err = r.nested(f.body, r.graph)
	case 8:
		err = r.opset(f)
	case 25: // a FunctionProto, of which 7 are nodes
		err = r.each(f.body, func(f field) error {
			if f.number == 7 {
				return r.nested(f.body, r.node)
			}
			return nil
		})
	}
	return err
}

// nested reads a message that may hold graphs in turn.
func (r *reading) nested(message span, visit func(field) error) error {
	if r.depth++; r.depth > deepest {
		return fmt.Errorf("its graphs are nested more than %d deep", deepest)
	}
	defer func() { r.depth-- }()
	return r.each(message, visit)
}

// opset takes an OperatorSetIdProto.
func (r *reading) opset(f field) error {
	if len(r.Opsets) == mostEnds {
		return fmt.Errorf("it has more than %d operator sets", mostEnds)
	}
	var o Opset
	err := r.each(f.body, func(f field) (err error) {
		switch f.number {
		case 1:
			o.Domain, err = r.text(f)
		case 2:
			o.Version = int64(f.value)
		}
		return err
	})
	r.Opsets = append(r.Opsets, o)
	return err
}

// graph takes a field of a GraphProto. Only the main graph's ends are ends.
func (r *reading) graph(f field) error {
	switch f.number {
	case 1:
		return r.each(f.body, r.node)
	case 5:
		return r.tensor(f.body)
	case 15:
		return r.each(f.body, r.sparse)
	case 11:
		return r.end(&r.Inputs, f.body)
	case 12:
		return r.end(&r.Outputs, f.body)
	}
	return nil
}

// node takes a field of a NodeProto, of which 5 are its attributes.
func (r *reading) node(f field) error {
	if f.number == 5 {
		return r.each(f.body, r.attribute)
	}
	return nil
}

// attribute takes a field of an AttributeProto: tensors, graphs, sparse tensors.
func (r *reading) attribute(f field) error {
	switch {
	case f.kind != protowire.BytesType:
	case f.number == 5 || f.number == 10:
		return r.tensor(f.body)
	case f.number == 6 || f.number == 11:
		return r.nested(f.body, r.graph)
	case f.number == 22 || f.number == 23:
		return r.each(f.body, r.sparse)
	}
	return nil
}

// sparse takes a field of a SparseTensorProto: its values and their indices.
func (r *reading) sparse(f field) error {
	if f.number == 1 || f.number == 2 {
		return r.tensor(f.body)
	}
	return nil
}

// end adds a ValueInfoProto to ends.
func (r *reading) end(ends *[]End, message span) error {
	if r.depth > 1 {
		return nil
	}
	if len(*ends) == mostEnds {
		return fmt.Errorf("it has more than %d inputs or outputs", mostEnds)
	}
	e := End{Type: "unknown"}
	err := r.each(message, func(f field) (err error) {
		switch f.number {
		case 1:
			e.Name, err = r.text(f)
		case 2:
			err = r.each(f.body, func(f field) error { return r.typed(&e, f) })
		}
		return err
	})
	*ends = append(*ends, e)
	return err
}

// typed takes a field of a TypeProto.
func (r *reading) typed(e *End, f field) error {
	switch f.number {
	case 1:
		return r.each(f.body, func(f field) error {
			switch f.number {
			case 1:
				e.Type, _ = element(f.value)
			case 2:
				e.Shape = []int64{}
				return r.each(f.body, func(f field) error { return r.dimension(e, f) })
			}
			return nil
		})
	case 4, 5, 8, 9:
		e.Type = map[protowire.Number]string{4: "sequence", 5: "map", 8: "sparse tensor", 9: "optional"}[f.number]
	}
	return nil
}

// dimension takes a field of a TensorShapeProto, of which 1 are dimensions.
func (r *reading) dimension(e *End, f field) error {
	if f.number != 1 {
		return nil
	}
	if len(e.Shape) == mostLengths {
		return fmt.Errorf("%q has more than %d dimensions", e.Name, mostLengths)
	}
	length, name := int64(-1), ""
	err := r.each(f.body, func(f field) (err error) {
		switch f.number {
		case 1:
			length = max(int64(f.value), -1)
		case 2:
			name, err = r.text(f)
		}
		return err
	})
	e.Shape, e.Names = append(e.Shape, length), append(e.Names, name)
	return err
}

// dropDefaults removes the inputs that are constants of the same name, which
// graphs before IR version 4 had to declare.
func (r *reading) dropDefaults() error {
	constants := map[string]bool{}
	for _, e := range r.Inputs {
		constants[e.Name] = false
	}
	for _, g := range r.graphs {
		if err := r.each(g, func(f field) error { return r.mark(constants, f) }); err != nil {
			return err
		}
	}
	r.Inputs = slices.DeleteFunc(r.Inputs, func(e End) bool { return constants[e.Name] })
	return nil
}

// mark notes that a field of a GraphProto is a constant of one of names. A
// sparse one is named by its values, which are its field 1.
func (r *reading) mark(names map[string]bool, f field) error {
	named := func(f field) error {
		if f.number != 8 {
			return nil
		}
		name, err := r.text(f)
		if _, ok := names[name]; ok {
			names[name] = true
		}
		return err
	}
	switch f.number {
	case 5:
		return r.each(f.body, named)
	case 15:
		return r.each(f.body, func(f field) error {
			if f.number == 1 {
				return r.each(f.body, named)
			}
			return nil
		})
	}
	return nil
}
