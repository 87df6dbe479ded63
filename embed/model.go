package embed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
)

// preprocessing is the version of everything between a file's bytes and the
// network's input. It is part of every fingerprint: raise it with any change
// that makes the same file give another tensor.
const preprocessing = 1

// ErrNotVector is a network's output that is no embedding: of another shape
// than the manifest says, not finite, or zero.
var ErrNotVector = errors.New("network output is no vector")

// Network runs a graph on n images at once.
type Network interface {
	// Run takes n preprocessed images end to end and returns the raw output
	// with its shape, where shape[0] == n. Concurrent calls must be safe if the
	// Model is used concurrently, and batch must not be kept or changed.
	Run(ctx context.Context, batch []float32, n int) (output []float32, shape []int, err error)
	Close() error
}

// Model turns pictures into embeddings with one network and its manifest. Its
// methods are safe for concurrent use, except that Close must come last.
type Model struct {
	manifest    Manifest
	fingerprint string
	network     Network
}

// NewModel ties a manifest to a network, which the Model then owns. graphDigest
// is the lower-case hex SHA-256 of the ONNX bytes. Anything that does not fit
// together is an ErrManifest, and the network is left open.
func NewModel(m Manifest, graphDigest string, net Network) (*Model, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if !isDigest(graphDigest) {
		return nil, fmt.Errorf("embed: %w: graph digest %q is not 64 lower-case hex digits", ErrManifest, graphDigest)
	}
	if err := m.matches(graphDigest); err != nil {
		return nil, err
	}
	if net == nil {
		return nil, errors.New("embed: new model: no network")
	}
	m = m.withDefaults()
	return &Model{manifest: m, fingerprint: m.fingerprint(graphDigest), network: net}, nil
}

// fingerprint hashes all that decides a vector. The lines are in a fixed order,
// strings quoted and floats exact, so that no two manifests share a text.
func (m Manifest) fingerprint(graphDigest string) string {
	h := sha256.New()
	fmt.Fprintf(h, "preprocessing=%d\ngraph=%s\n", preprocessing, graphDigest)
	fmt.Fprintf(h, "input=%q\noutput=%q\ndimension=%d\npooling=%q\n", m.Input, m.Output, m.Dimension, m.Pooling)
	fmt.Fprintf(h, "resize=%q %d %q\ncrop=%d\n", m.Resize.Mode, m.Resize.Size, m.Resize.Interpolation, m.Crop)
	fmt.Fprintf(h, "scale=%x\nmean=%x\nstd=%x\n", m.Scale, m.Mean, m.Std)
	fmt.Fprintf(h, "channels=%q\nlayout=%q\n", m.Channels, m.Layout)
	return hex.EncodeToString(h.Sum(nil))
}

// Manifest returns the manifest with its defaults filled in.
func (m *Model) Manifest() Manifest { return m.manifest }

// Fingerprint returns the SHA-256, in lower-case hex, of the graph and of
// everything in the manifest that changes a vector. Embeddings can be compared
// exactly when their fingerprints are equal.
func (m *Model) Fingerprint() string { return m.fingerprint }

// Dimension returns the length of an embedding.
func (m *Model) Dimension() int { return m.manifest.Dimension }

// Close closes the network.
func (m *Model) Close() error { return m.network.Close() }

// EmbedPictures returns the embedding of each picture, in their order. All go
// through the network at once: 4·InputLen bytes each.
func (m *Model) EmbedPictures(ctx context.Context, pictures []*Picture) ([][]float32, error) {
	size := m.manifest.InputLen()
	batch := make([]float32, len(pictures)*size)
	for i, p := range pictures {
		if err := m.manifest.Preprocess(p, batch[i*size:(i+1)*size]); err != nil {
			return nil, fmt.Errorf("picture %d of %d: %w", i+1, len(pictures), err)
		}
	}
	return m.Embed(ctx, batch, len(pictures))
}

// Embed returns the unit vectors of n preprocessed images, which lie end to end
// in batch. No images give no vectors. The network's output is pooled as the
// manifest says and normalised; ErrNotVector if that cannot be done for every
// image.
func (m *Model) Embed(ctx context.Context, batch []float32, n int) ([][]float32, error) {
	if n < 0 || len(batch) != n*m.manifest.InputLen() {
		return nil, fmt.Errorf("embed: a batch of %d floats for %d images of %d", len(batch), n, m.manifest.InputLen())
	}
	if n == 0 {
		return nil, nil
	}
	output, shape, err := m.network.Run(ctx, batch, n)
	if err != nil {
		return nil, fmt.Errorf("embed: run %s: %w", m.manifest.Name, err)
	}
	p, err := m.manifest.pool(shape, n)
	if err == nil && len(output) != n*p.stride {
		err = fmt.Errorf("%w: %d floats for shape %v", ErrNotVector, len(output), shape)
	}
	if err != nil {
		return nil, fmt.Errorf("embed: run %s: %w", m.manifest.Name, err)
	}
	vectors := make([][]float32, n)
	for i := range vectors {
		if vectors[i], err = p.vector(output[i*p.stride : (i+1)*p.stride]); err != nil {
			return nil, fmt.Errorf("embed: run %s: image %d of %d: %w", m.manifest.Name, i+1, n, err)
		}
	}
	return vectors, nil
}

// pool says how one image's output becomes a vector: component d is the mean
// of count values from d·component on, step apart.
type pool struct {
	dimension, stride      int
	component, step, count int
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
		p.step, p.count = d, shape[1]
	case PoolAverage:
		channels = shape[1]
		p.count = shape[2] * shape[3]
		p.component, p.step = p.count, 1
	}
	if channels != d {
		return p, fmt.Errorf("%w: shape %v has dimension %d, the manifest says %d", ErrNotVector, shape, channels, d)
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
		at := d * p.component
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
