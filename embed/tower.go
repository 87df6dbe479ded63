package embed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
)

// ErrNoText is a question in words to a model that knows pictures only.
var ErrNoText = errors.New("the model has no text tower")

// TextNetwork runs the graph of a text tower on n texts at once.
type TextNetwork interface {
	// RunText takes the tokens of n texts, length each, end to end, and the
	// mask that is 1 where a token counts. It returns the raw output with its
	// shape, where shape[0] == n. Concurrent calls must be safe if the Model is
	// used concurrently, and ids and mask must not be kept or changed.
	RunText(ctx context.Context, ids, mask []int64, n, length int) (output []float32, shape []int, err error)
	Close() error
}

// Tokenizer turns a text into exactly length tokens, cut or padded, and a mask
// that is 1 where they are not padding. It must be safe for concurrent use.
type Tokenizer interface {
	Encode(text string, length int) (ids, mask []int64, err error)
}

// textTower is what a Model needs for texts.
type textTower struct {
	network     TextNetwork
	tokenizer   Tokenizer
	fingerprint string
}

// SetText gives the model its text tower as its manifest describes it, before
// the model is used; the network is the model's from then on. graphDigest is
// the text graph's, as NewModel's; tokenizerDigest is the SHA-256 of all that
// decides the tokens, at least Folder.Tokenizer's. Anything that does not fit
// is an ErrManifest, and the network is left open.
func (m *Model) SetText(graphDigest, tokenizerDigest string, net TextNetwork, t Tokenizer) error {
	text := m.manifest.Text
	switch {
	case text == nil:
		return fmt.Errorf("embed: %w: text: missing in the manifest of %s", ErrManifest, m.manifest.Name)
	case m.text != nil || net == nil || t == nil:
		return fmt.Errorf("embed: text tower of %s: it takes one network and one tokenizer", m.manifest.Name)
	case !isDigest(graphDigest) || !isDigest(tokenizerDigest):
		return fmt.Errorf("embed: %w: text digests %q and %q are not 64 lower-case hex digits", ErrManifest, graphDigest, tokenizerDigest)
	case text.SHA256 != "" && text.SHA256 != graphDigest:
		return fmt.Errorf("embed: %w: text.sha256: the graph %s has %s, the manifest says %s", ErrManifest, text.File, graphDigest, text.SHA256)
	}
	m.text = &textTower{network: net, tokenizer: t, fingerprint: text.fingerprint(graphDigest, tokenizerDigest)}
	return nil
}

// fingerprint hashes all that decides a text's vector and a class's score.
func (t Text) fingerprint(graphDigest, tokenizerDigest string) string {
	h := sha256.New()
	fmt.Fprintf(h, "graph=%s\ntokenizer=%s\nlength=%d\n", graphDigest, tokenizerDigest, t.Length)
	fmt.Fprintf(h, "ids=%q\nmask=%q\noutput=%q\n", t.IDs, t.Mask, t.Output)
	fmt.Fprintf(h, "logit_scale=%x\nlogit_bias=%x\nactivation=%q\nprompts=%q\n", t.LogitScale, t.LogitBias, t.Activation, t.Prompts)
	return hex.EncodeToString(h.Sum(nil))
}

// HasText reports whether the model embeds texts.
func (m *Model) HasText() bool { return m.text != nil }

// TextFingerprint returns the SHA-256, in lower-case hex, of all that decides a
// text's vector and a class's score, and "" without a text tower.
func (m *Model) TextFingerprint() string {
	if m.text == nil {
		return ""
	}
	return m.text.fingerprint
}

// EmbedTexts returns the unit vector of each text, in their order, to be
// compared to pictures' vectors. ErrNoText without a text tower, ErrNotVector
// if its output has not the pictures' dimension or cannot be normalised.
func (m *Model) EmbedTexts(ctx context.Context, texts []string) ([][]float32, error) {
	if m.text == nil {
		return nil, fmt.Errorf("embed: texts by %s: %w", m.manifest.Name, ErrNoText)
	}
	if len(texts) == 0 {
		return nil, nil
	}
	vectors, err := m.text.vectors(ctx, m.manifest, texts)
	if err != nil {
		return nil, fmt.Errorf("embed: texts by %s: %w", m.manifest.Name, err)
	}
	return vectors, nil
}

func (t *textTower) vectors(ctx context.Context, m Manifest, texts []string) ([][]float32, error) {
	length := m.Text.Length
	ids, mask := make([]int64, 0, len(texts)*length), make([]int64, 0, len(texts)*length)
	for i, text := range texts {
		id, on, err := t.tokenizer.Encode(text, length)
		if err == nil && (len(id) != length || len(on) != length) {
			err = fmt.Errorf("%d tokens and a mask of %d, want %d", len(id), len(on), length)
		}
		if err != nil {
			return nil, fmt.Errorf("text %d of %d: %w", i+1, len(texts), err)
		}
		ids, mask = append(ids, id...), append(mask, on...)
	}
	output, shape, err := t.network.RunText(ctx, ids, mask, len(texts), length)
	if err != nil {
		return nil, err
	}
	return Manifest{Dimension: m.Dimension, Pooling: PoolNone}.vectors(output, shape, len(texts))
}

// EmbedClasses returns a unit vector per class: the mean of the unit vectors of
// its prompts, normalised again (Radford et al. 2021, 3.1.4). Each prompt has one
// {} for the class, or the error is ErrManifest; none means the manifest's.
func (m *Model) EmbedClasses(ctx context.Context, classes, prompts []string) ([][]float32, error) {
	if m.text == nil {
		return nil, fmt.Errorf("embed: classes by %s: %w", m.manifest.Name, ErrNoText)
	}
	text := *m.manifest.Text
	if len(prompts) > 0 {
		text.Prompts = prompts
	}
	var f faults
	if text.validatePrompts(&f); len(f) > 0 {
		return nil, fmt.Errorf("embed: classes by %s: %w: %w", m.manifest.Name, ErrManifest, f.err())
	}
	vectors := make([][]float32, len(classes))
	for i, class := range classes {
		described, err := m.EmbedTexts(ctx, text.prompt(class))
		if err == nil {
			vectors[i], err = centre(described)
		}
		if err != nil {
			return nil, fmt.Errorf("class %q: %w", class, err)
		}
	}
	return vectors, nil
}

// centre returns the normalised mean of vectors.
func centre(vectors [][]float32) ([]float32, error) {
	all := make([]float32, 0, len(vectors)*len(vectors[0]))
	for _, v := range vectors {
		all = append(all, v...)
	}
	d := len(vectors[0])
	return pool{dimension: d, component: 1, step: d, count: len(vectors)}.vector(all)
}

// cosine returns the cosine of two vectors of one length.
func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}
