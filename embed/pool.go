package embed

import (
	"fmt"
	"math"
)

// vectors pools and normalises the output of a network for n images.
func (m Manifest) vectors(output []float32, shape []int, n int) ([][]float32, error) {
	p, err := m.pool(shape, n)
	if err == nil && len(output) != n*p.stride {
		err = fmt.Errorf("%w: %d floats for shape %v", ErrNotVector, len(output), shape)
	}
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, n)
	for i := range vectors {
		if vectors[i], err = p.vector(output[i*p.stride : (i+1)*p.stride]); err != nil {
			return nil, fmt.Errorf("answer %d of %d: %w", i+1, n, err)
		}
	}
	return vectors, nil
}

// pool says how one image's output becomes a vector: component d is the mean
// of count values from first + d·component on, step apart.
type pool struct {
	dimension, stride             int
	first, component, step, count int
}

// pool returns the pooling of an output of that shape, ErrNotVector if shape
// is not what the manifest says.
func (m Manifest) pool(shape []int, n int) (pool, error) {
	d := m.Dimension
	rank, p := 2, pool{dimension: d, component: 1, step: 0, count: 1}
	switch m.Pooling {
	case PoolNone:
		for len(shape) > 2 && shape[len(shape)-1] == 1 {
			shape = shape[:len(shape)-1]
		}
	case PoolTokens, PoolCLS:
		rank = 3
	case PoolAverage:
		rank = 4
	}
	if len(shape) != rank || shape[0] != n || !positive(shape) {
		return p, fmt.Errorf("%w: shape %v, pooling %s takes rank %d and a batch of %d", ErrNotVector, shape, m.Pooling, rank, n)
	}
	channels := shape[rank-1]
	switch m.Pooling {
	case PoolTokens:
		p.first, p.step, p.count = m.Skip*d, d, shape[1]-m.Skip
	case PoolAverage:
		channels = shape[1]
		p.count = shape[2] * shape[3]
		p.component, p.step = p.count, 1
	}
	if channels != d {
		return p, fmt.Errorf("%w: shape %v has dimension %d, the manifest says %d", ErrNotVector, shape, channels, d)
	}
	if p.count < 1 {
		return p, fmt.Errorf("%w: shape %v has no token behind the %d to skip", ErrNotVector, shape, m.Skip)
	}
	p.stride = product(shape[1:])
	return p, nil
}

func positive(shape []int) bool {
	for _, s := range shape {
		if s < 1 || s > math.MaxInt32 {
			return false
		}
	}
	return true
}

// product returns the number of values of a shape, -1 beyond any memory.
func product(shape []int) int {
	n := 1
	for _, s := range shape {
		if n > 1<<40/s {
			return -1
		}
		n *= s
	}
	return n
}

// vector pools one image's output and normalises it, in float64.
func (p pool) vector(output []float32) ([]float32, error) {
	mean := make([]float64, p.dimension)
	square := 0.0
	for d := range mean {
		at := p.first + d*p.component
		for range p.count {
			mean[d] += float64(output[at])
			at += p.step
		}
		mean[d] /= float64(p.count)
		square += mean[d] * mean[d]
	}
	norm := math.Sqrt(square)
	if norm == 0 || math.IsNaN(norm) || math.IsInf(norm, 0) {
		return nil, fmt.Errorf("%w: its length is %v", ErrNotVector, norm)
	}
	vector := make([]float32, p.dimension)
	for d, v := range mean {
		vector[d] = float32(v / norm)
	}
	return vector, nil
}
