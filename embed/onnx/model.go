package onnx

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	ort "github.com/yalue/onnxruntime_go"
)

// A source is where a graph comes from: a file, or bytes if path is empty.
type source struct {
	path string
	data []byte
}

// A model is a graph made ready for the runtime, with one output of float32.
type model struct {
	source
	folder  string // of the external data, "" without any
	inputs  []End  // that the output needs
	output  End    // as the graph declares it
	fetched string // the output's name for the runtime
}

// read reads a graph and makes ready what one output needs: an output of that
// name, or the only one for no name. The runtime takes wrong names when it
// opens a graph and fails when it runs it, so they are checked here.
func (s source) read(output string) (*model, error) {
	file, size, closing, err := s.open()
	if err != nil {
		return nil, err
	}
	defer closing()
	g, err := inspect(file, size)
	if err != nil {
		return nil, err
	}
	m := &model{source: s, inputs: g.Inputs}
	if m.folder, err = s.external(g); err != nil {
		return nil, err
	}
	m.output, err = choose("the graph", "output", output, g.Outputs, "float32", "float16", "bfloat16", "float64")
	if err != nil {
		return nil, err
	}
	m.fetched = m.output.Name
	return m, m.reduce(file, size)
}

func (s source) open() (file io.ReaderAt, size int64, closing func(), err error) {
	if s.path == "" {
		return bytes.NewReader(s.data), int64(len(s.data)), func() {}, nil
	}
	f, size, err := openGraph(s.path)
	return f, size, func() { _ = f.Close() }, err // it was only read
}

// external returns the folder of a graph's external data, having seen that they
// are there.
func (s source) external(g Graph) (folder string, err error) {
	if len(g.External) == 0 {
		return "", nil
	}
	if s.path == "" {
		return "", errors.New("it has external data, in " + g.External[0].Name + ": open its file instead of its bytes")
	}
	folder, err = filepath.Abs(filepath.Dir(s.path))
	if err != nil {
		return "", err
	}
	return folder, g.visit(folder, func(string, *os.File) error { return nil })
}

// reduce takes from a graph what its output does not need, if that leaves
// inputs out, and makes the output float32.
func (m *model) reduce(file io.ReaderAt, size int64) error {
	if len(m.inputs) == 1 && m.output.Type == "float32" {
		return nil
	}
	a, err := dissect(file, size, m.output.Name)
	if err != nil {
		return err
	}
	needed := a.needed(m.inputs)
	if len(needed) == len(m.inputs) && m.output.Type == "float32" {
		return nil
	}
	m.inputs = needed
	m.data, m.fetched, err = a.extract(m.output)
	return err
}

// network opens the model in the runtime.
func (m *model) network(inputs []string, o *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
	outputs := []string{m.fetched}
	if m.data == nil {
		return ort.NewDynamicAdvancedSession(m.path, inputs, outputs, o)
	}
	if m.folder != "" {
		if err := o.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", m.folder); err != nil {
			return nil, err
		}
	}
	return ort.NewDynamicAdvancedSessionWithONNXData(m.data, inputs, outputs, o)
}
