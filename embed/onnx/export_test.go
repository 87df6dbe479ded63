package onnx

import "bytes"

// InspectBytes is Inspect for a graph in memory.
func InspectBytes(graph []byte) (Graph, error) {
	return inspect(bytes.NewReader(graph), int64(len(graph)))
}

// Extract returns the part of a graph that an output needs.
func Extract(graph []byte, output End) ([]byte, error) {
	a, err := dissect(bytes.NewReader(graph), int64(len(graph)), output.Name)
	if err != nil {
		return nil, err
	}
	model, _, err := a.extract(output)
	return model, err
}
