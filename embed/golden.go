package embed

import (
	"context"
	"errors"
	"fmt"
)

// ErrChanged is a model that no longer gives the vectors that were recorded of
// it, because the graph, the runtime or the preprocessing has changed.
var ErrChanged = errors.New("the model no longer gives its recorded vectors")

// leastCosine is what a vector must reach with the recorded one. Runtimes and
// processors that only add in another order stay well above it.
const leastCosine = 1 - 1e-5

// Golden is what a model made of a few pictures that this package draws, and of
// a few sentences if it has a text tower.
type Golden struct {
	Model           string         `json:"model"`
	Fingerprint     string         `json:"fingerprint"`
	TextFingerprint string         `json:"text_fingerprint,omitempty"`
	Runtime         string         `json:"runtime,omitempty"` // for people; the caller's to fill in
	Vectors         []GoldenVector `json:"vectors"`
}

// GoldenVector is the unit vector of the picture or text of that name.
type GoldenVector struct {
	Name   string    `json:"name"`
	Vector []float32 `json:"vector"`
}

// Record returns what the model makes of the pictures and sentences, one at a
// time, as a lone query goes through it.
func (m *Model) Record(ctx context.Context) (Golden, error) {
	g := Golden{Model: m.manifest.Name, Fingerprint: m.fingerprint, TextFingerprint: m.TextFingerprint()}
	for _, d := range drawings() {
		vectors, err := m.EmbedPictures(ctx, []*Picture{d.picture()})
		if err != nil {
			return Golden{}, fmt.Errorf("picture %s: %w", d.name, err)
		}
		g.Vectors = append(g.Vectors, GoldenVector{d.name, vectors[0]})
	}
	if !m.HasText() {
		return g, nil
	}
	for _, text := range []string{"a", "chest radiograph with clear lungs"} {
		vectors, err := m.EmbedTexts(ctx, []string{text})
		if err != nil {
			return Golden{}, fmt.Errorf("text %q: %w", text, err)
		}
		g.Vectors = append(g.Vectors, GoldenVector{"text: " + text, vectors[0]})
	}
	return g, nil
}

// Verify records anew and compares: fingerprints must be equal and every vector
// must have a cosine of at least 1 − 1e-5 with the recorded one. Otherwise the
// error is ErrChanged and names what differs.
func (m *Model) Verify(ctx context.Context, recorded Golden) error {
	now, err := m.Record(ctx)
	if err != nil {
		return err
	}
	if err := now.compare(recorded); err != nil {
		return fmt.Errorf("embed: verify %s: %w: %w", m.manifest.Name, ErrChanged, err)
	}
	return nil
}

func (g Golden) compare(recorded Golden) error {
	switch {
	case g.Fingerprint != recorded.Fingerprint:
		return fmt.Errorf("its fingerprint is %s, the recorded one %s", g.Fingerprint, recorded.Fingerprint)
	case g.TextFingerprint != recorded.TextFingerprint:
		return fmt.Errorf("its text fingerprint is %q, the recorded one %q", g.TextFingerprint, recorded.TextFingerprint)
	case len(g.Vectors) != len(recorded.Vectors):
		return fmt.Errorf("%d vectors are recorded, there are %d", len(recorded.Vectors), len(g.Vectors))
	}
	var faults faults
	for i, now := range g.Vectors {
		was := recorded.Vectors[i]
		if was.Name != now.Name || len(was.Vector) != len(now.Vector) {
			return fmt.Errorf("%s has %d values, recorded is %s with %d", now.Name, len(now.Vector), was.Name, len(was.Vector))
		}
		c := cosine(now.Vector, was.Vector)
		faults.check(c >= leastCosine, "%s has cosine %.7f to the recorded vector, want at least %v", now.Name, c, leastCosine)
	}
	return faults.err()
}

// drawing is a picture by a formula in integers, the same on every machine.
type drawing struct {
	name          string
	width, height int
	pixel         func(x, y int) (r, g, b int) // each taken modulo 256
}

// drawings are grey and coloured, smooth and rough, large and small, upright
// and flat, of odd sides, so that a change of any step shows in one of them.
func drawings() []drawing {
	grey := func(v int) (int, int, int) { return v, v, v }
	return []drawing{
		{"grey ramp 256 × 256", 256, 256, func(x, y int) (int, int, int) { return grey((x + y) / 2) }},
		{"grey rings 301 × 257", 301, 257, func(x, y int) (int, int, int) {
			return grey(((x-140)*(x-140) + (y-120)*(y-120)) / 97)
		}},
		{"coloured patches 640 × 480", 640, 480, func(x, y int) (int, int, int) {
			return x / 40 * 53, y / 40 * 71, (x + y) / 80 * 37
		}},
		{"rough colours 129 × 191", 129, 191, func(x, y int) (int, int, int) {
			v := (x*7919 + y*104_729) * 40_503 >> 7
			return v, v >> 3, v >> 6
		}},
		{"flat strip 500 × 31", 500, 31, func(x, y int) (int, int, int) { return x / 2, 255 - x/2, 8 * y }},
		{"small 17 × 23", 17, 23, func(x, y int) (int, int, int) { return 15 * x, 11 * y, 7 * (x + y) }},
	}
}

func (d drawing) picture() *Picture {
	p := newPicture(d.width, d.height)
	for y := range d.height {
		row := p.row(y)
		for x := range d.width {
			r, g, b := d.pixel(x, y)
			row[3*x], row[3*x+1], row[3*x+2] = byte(r), byte(g), byte(b)
		}
	}
	return p
}
