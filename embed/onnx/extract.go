package onnx

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// largestExtract bounds a graph in memory: protocol buffers end there.
	largestExtract = 1<<31 - 1
	// mostNames bounds the nodes, constants and names of a graph that is taken
	// apart, and so the memory for that to about 150 MiB. Networks have some
	// thousands.
	mostNames = 1 << 19
	// suffix is added to an output's name where its values are cast.
	suffix = "/nearcase_float32"
)

// A section is a field of a GraphProto with the names that it defines and
// those that it refers to.
type section struct {
	field
	defines, reads []string
}

// An anatomy is a graph in its sections, from which the part that one output
// needs can be taken: of a network with an image and a text tower, one tower.
// The runtime would run both, whatever is asked for.
type anatomy struct {
	*scanner
	names    int    // sections and names so far
	model    []span // the fields of the ModelProto but for the graph
	sections []section
	live     map[string]bool // the names that the output needs, its own among them
}

// dissect reads a graph that inspect has found to be whole, to take output from.
func dissect(file io.ReaderAt, size int64, output string) (*anatomy, error) {
	a := &anatomy{scanner: newScanner(file, size)}
	err := a.each(span{0, size}, func(f field) error {
		if f.number == 7 {
			return a.each(f.body, a.graph)
		}
		a.model = append(a.model, f.whole)
		return a.count()
	})
	if err != nil {
		return nil, err
	}
	a.reach(output)
	return a, nil
}

// graph takes a field of a GraphProto.
func (a *anatomy) graph(f field) (err error) {
	s := section{field: f}
	switch f.number {
	case 1:
		err = a.node(&s, f.body)
	case 5:
		err = a.named(&s, f.body, 8)
	case 15: // named by its values
		err = a.each(f.body, func(f field) error {
			if f.number == 1 {
				return a.named(&s, f.body, 8)
			}
			return nil
		})
	case 11, 12, 13, 14:
		err = a.named(&s, f.body, 1)
	}
	a.sections = append(a.sections, s)
	return errors.Join(err, a.count())
}

// count counts one thing more that is kept in memory.
func (a *anatomy) count() error {
	if a.names++; a.names > mostNames {
		return fmt.Errorf("it has more than %d nodes, constants and names", mostNames)
	}
	return nil
}

// name returns the name in a field.
func (a *anatomy) name(f field) (string, error) {
	text, err := a.text(f)
	return text, errors.Join(err, a.count())
}

// named adds the name that a message has in a field.
func (a *anatomy) named(s *section, message span, number protowire.Number) error {
	return a.each(message, func(f field) error {
		if f.number != number {
			return nil
		}
		name, err := a.name(f)
		s.defines = append(s.defines, name)
		return err
	})
}

// node adds what a NodeProto writes and reads. Whatever the graphs within it
// name may be a value from outside them.
func (a *anatomy) node(s *section, message span) error {
	return a.each(message, func(f field) error {
		switch f.number {
		case 1, 2:
			name, err := a.name(f)
			if f.number == 1 {
				s.reads = append(s.reads, name)
			} else {
				s.defines = append(s.defines, name)
			}
			return err
		case 5:
			return a.each(f.body, func(f field) error {
				if f.number == 6 || f.number == 11 {
					return a.each(f.body, func(f field) error { return a.captured(s, f) })
				}
				return nil
			})
		}
		return nil
	})
}

// captured takes a field of a graph within a node.
func (a *anatomy) captured(s *section, f field) error {
	var inner section
	var err error
	switch f.number {
	case 1:
		err = a.node(&inner, f.body)
	case 12:
		err = a.named(&inner, f.body, 1)
		inner.reads = inner.defines
	}
	s.reads = append(s.reads, inner.reads...)
	return err
}

// reach finds what the output needs.
func (a *anatomy) reach(output string) {
	makers := map[string]int{}
	for i, s := range a.sections {
		if s.number == 1 {
			for _, name := range s.defines {
				makers[name] = i
			}
		}
	}
	a.live = map[string]bool{output: true}
	for queue := []string{output}; len(queue) > 0; {
		i, made := makers[queue[0]]
		queue = queue[1:]
		if !made {
			continue
		}
		for _, name := range slices.Concat(a.sections[i].reads, a.sections[i].defines) {
			if !a.live[name] {
				a.live[name] = true
				queue = append(queue, name)
			}
		}
	}
	delete(a.live, "") // an input that is left out
}

// needed returns the ends that the output needs.
func (a *anatomy) needed(ends []End) []End {
	var needed []End
	for _, e := range ends {
		if a.live[e.Name] {
			needed = append(needed, e)
		}
	}
	return needed
}

// extract returns a model of one output, of type float32, and of what that
// needs alone, and the output's name in it.
func (a *anatomy) extract(output End) (model []byte, name string, err error) {
	var graph []span
	for _, s := range a.sections {
		if a.keeps(s, output) {
			graph = append(graph, s.whole)
		}
	}
	name, last := cast(output)
	size := total(graph) + int64(len(last))
	if size+total(a.model) > largestExtract-head {
		return nil, "", fmt.Errorf("what output %q needs has more than %d bytes", output.Name, largestExtract)
	}
	model = make([]byte, 0, size+total(a.model)+head)
	if model, err = a.copy(model, a.model); err != nil {
		return nil, "", err
	}
	model = protowire.AppendTag(model, 7, protowire.BytesType)
	model = protowire.AppendVarint(model, uint64(size))
	model, err = a.copy(model, graph)
	return append(model, last...), name, err
}

// keeps tells whether a section belongs to the part that is extracted. Types
// of values (13) and their quantisation (14) go with the values.
func (a *anatomy) keeps(s section, output End) bool {
	live := func(name string) bool { return a.live[name] }
	switch s.number {
	case 1, 5, 11, 13, 14, 15:
		return slices.ContainsFunc(s.defines, live)
	case 12:
		return output.Type == "float32" && slices.Contains(s.defines, output.Name)
	}
	return true
}

// cast returns the fields of a GraphProto that make float32 of an output, as
// another output, and its name. An output of float32 needs none.
func cast(output End) (name string, fields []byte) {
	if output.Type == "float32" {
		return output.Name, nil
	}
	name = output.Name + suffix
	to := number(number(text(nil, 1, "to"), 3, 1), 20, 2) // FLOAT, an INT
	node := text(text(nil, 1, output.Name), 2, name)
	node = message(text(node, 4, "Cast"), 5, to)
	float := message(nil, 1, number(nil, 1, 1))
	return name, message(message(nil, 1, node), 12, message(text(nil, 1, name), 2, float))
}

func number(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func message(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func total(spans []span) int64 {
	var n int64
	for _, s := range spans {
		n += s.length()
	}
	return n
}

// copy appends spans of the file to out, which has room for them.
func (a *anatomy) copy(out []byte, spans []span) ([]byte, error) {
	for _, s := range spans {
		n := len(out)
		out = out[:n+int(s.length())]
		if m, err := a.file.ReadAt(out[n:], s.from); m < len(out)-n {
			return nil, err
		}
	}
	return out, nil
}
