package dataset

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
)

// Real returns the embeddings of a file as a set: raw little-endian float32,
// row after row. The last rows are the queries, all before them the base. Rows
// are brought to unit length. The error says that the file cannot be read, is
// no whole number of rows, holds what is not finite, or has no base left.
func Real(name, path string, dim, queries int) (Set, error) {
	m, err := read(path, dim)
	if err != nil {
		return Set{}, fmt.Errorf("dataset: %s: %w", name, err)
	}
	n := m.Len() - queries
	if n < 1 || queries < 1 {
		return Set{}, fmt.Errorf("dataset: %s: %d rows leave no base for %d queries", name, m.Len(), queries)
	}
	return Set{
		Name:    name,
		Base:    Matrix{Dim: dim, Values: m.Values[: n*dim : n*dim]},
		Queries: Matrix{Dim: dim, Values: m.Values[n*dim:]},
	}, nil
}

func read(path string, dim int) (Matrix, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Matrix{}, err
	}
	if dim < 1 || len(data) == 0 || len(data)%(4*dim) != 0 {
		return Matrix{}, fmt.Errorf("%d bytes are no rows of %d numbers", len(data), dim)
	}
	m := Matrix{Dim: dim, Values: make([]float32, len(data)/4)}
	if _, err := binary.Decode(data, binary.LittleEndian, m.Values); err != nil {
		return Matrix{}, err
	}
	wide := make([]float64, dim)
	for i := range m.Len() {
		for j, x := range m.Row(i) {
			wide[j] = float64(x)
		}
		if square := inner(wide, wide); math.IsNaN(square) || math.IsInf(square, 0) {
			return Matrix{}, fmt.Errorf("row %d is not finite", i)
		}
		normalise(m.Row(i), wide)
	}
	return m, nil
}

// WriteFile writes the values to path as raw little-endian float32, row after
// row.
func (m Matrix) WriteFile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	const step = 1 << 18
	buffer := make([]byte, 0, 4*step)
	for rest := m.Values; len(rest) > 0 && err == nil; {
		part := rest[:min(step, len(rest))]
		buffer, err = binary.Append(buffer[:0], binary.LittleEndian, part)
		if err == nil {
			_, err = f.Write(buffer)
		}
		rest = rest[len(part):]
	}
	if err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
