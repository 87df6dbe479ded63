package embed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// preprocessing is the version of everything between a file's bytes and the
// network's input. It is part of every fingerprint: raise it with any change
// that makes the same file give another tensor.
const preprocessing = 2

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
	text        *textTower // nil without
}

// NewModel ties a manifest to a network, which the Model then owns. graphDigest
// is the lower-case hex SHA-256 of the ONNX bytes, with external data that of
// onnx.Digest. Anything that does not fit
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
	m.fingerprintRest(h)
	return hex.EncodeToString(h.Sum(nil))
}

// fingerprintRest writes the fields that came later, each only where it is not
// the default, so that older fingerprints stay.
func (m Manifest) fingerprintRest(w io.Writer) {
	if m.CropOffset != Round {
		fmt.Fprintf(w, "crop_offset=%q\n", m.CropOffset)
	}
	if !m.Fill.IsZero() {
		fmt.Fprintf(w, "fill=%d\n", m.Fill)
	}
	if m.Window != 0 {
		fmt.Fprintf(w, "window=%d\n", m.Window)
	}
	if m.Levels != LevelsWindow {
		fmt.Fprintf(w, "levels=%q %x\n", m.Levels, m.Percentiles)
	}
	if m.Skip != 0 {
		fmt.Fprintf(w, "skip=%d\n", m.Skip)
	}
}

// Manifest returns the manifest with its defaults filled in.
func (m *Model) Manifest() Manifest { return m.manifest }

// Fingerprint returns the SHA-256, in lower-case hex, of the graph and of
// everything in the manifest that changes a vector. Embeddings can be compared
// exactly when their fingerprints are equal.
func (m *Model) Fingerprint() string { return m.fingerprint }

// Dimension returns the length of an embedding.
func (m *Model) Dimension() int { return m.manifest.Dimension }

// Batch returns how many pictures had best go through the network together: what
// the network says of itself, and 8 where it says nothing.
func (m *Model) Batch() int {
	if n, ok := m.network.(interface{ Batch() int }); ok {
		return n.Batch()
	}
	return 8
}

// Close closes the networks.
func (m *Model) Close() error {
	err := m.network.Close()
	if m.text != nil {
		err = errors.Join(err, m.text.network.Close())
	}
	return err
}

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
	vectors, err := m.manifest.vectors(output, shape, n)
	if err != nil {
		return nil, fmt.Errorf("embed: run %s: %w", m.manifest.Name, err)
	}
	return vectors, nil
}
