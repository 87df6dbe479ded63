package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"nearcase/embed"
	"nearcase/store"
)

// leastAlike is the cosine similarity that a vector must have at least with what the
// model makes of the original now. Networks give the last bits of their answers in
// the order in which a processor adds, which other batches and processors change.
const leastAlike = 1 - 1e-4

// embedAgain compares the vectors of a sample of a collection with what its model
// makes of their originals.
func (v *verifier) embedAgain(ctx context.Context, c store.Collection) error {
	if v.o.sample() == 0 {
		return nil
	}
	chosen, err := v.choose(ctx, c)
	if err != nil || len(chosen) == 0 {
		return err
	}
	m, err := v.s.modelOf(c)
	if err != nil {
		v.find(c, store.OfModel, store.Finding{Name: c.Model}, err)
		return nil
	}
	for n, i := range chosen {
		if err := v.compare(ctx, c, m.m, i); err != nil {
			return err
		}
		if v.progress != nil {
			v.progress(n+1, len(chosen))
		}
	}
	return nil
}

// choose draws instances that have an original, each as likely as another
// (Vitter, ACM Trans. Math. Softw. 11, 1985, algorithm R).
func (v *verifier) choose(ctx context.Context, c store.Collection) (chosen []store.Case, err error) {
	rng := rand.New(rand.NewPCG(cmp.Or(v.o.Seed, rand.Uint64()), 0))
	seen := 0
	for after := store.Key(0); ; {
		page, err := v.s.Catalog.List(ctx, c.Name, after, pageOfAll)
		if err != nil || len(page) == 0 {
			return chosen, err
		}
		for _, i := range page {
			if after = i.Key; c.DiscardOriginals || i.Instance.Original() == "" {
				continue
			}
			if seen++; len(chosen) < v.o.sample() {
				chosen = append(chosen, i)
			} else if at := rng.IntN(seen); at < len(chosen) {
				chosen[at] = i
			}
		}
	}
}

// pageOfAll is how many instances are listed at a time where all are looked at.
const pageOfAll = 1000

// compare embeds one instance again. What is deleted meanwhile is passed over.
func (v *verifier) compare(ctx context.Context, c store.Collection, m *embed.Model, i store.Case) error {
	name := store.Finding{Key: i.Key, Name: i.Instance.ID}
	stored, err := v.s.Catalog.Vector(ctx, c.Name, i.Instance.ID)
	if err == nil {
		var now []float32
		if now, err = v.s.embedStored(ctx, c.Name, m, i.Instance); err == nil {
			err = v.alike(stored, now)
		}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, store.ErrCollection):
		return err
	case errors.Is(err, store.ErrInstance):
	case errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrOriginal):
		v.find(c, store.OfOriginal, name, err)
	case err != nil:
		v.find(c, store.OfVector, name, err)
	}
	return nil
}

// alike returns why a vector cannot be what the model made.
func (v *verifier) alike(stored, now []float32) error {
	v.Embedded++
	if len(stored) != len(now) {
		return fmt.Errorf("%w: the model makes %d numbers, and %d are stored", store.ErrDimension, len(now), len(stored))
	}
	var dot, a, b float64
	for i, x := range stored {
		dot, a, b = dot+float64(x)*float64(now[i]), a+float64(x)*float64(x), b+float64(now[i])*float64(now[i])
	}
	cosine := dot / math.Sqrt(a*b)
	if v.Furthest == nil || cosine < *v.Furthest {
		v.Furthest = &cosine
	}
	if !(cosine >= leastAlike) {
		return fmt.Errorf("its similarity with what the model makes of its original is %.6f", cosine)
	}
	return nil
}

// embedStored makes the vector of a stored instance from its original.
func (s *Service) embedStored(ctx context.Context, collection string, m *embed.Model, i store.Instance) (v []float32, err error) {
	err = s.withPicture(ctx, collection, i, 0, m.Manifest().View(), func(p *embed.Picture) error {
		tensor := make([]float32, m.Manifest().InputLen())
		if err := m.Manifest().Preprocess(p, tensor); err != nil {
			return err
		}
		vectors, err := m.Embed(ctx, tensor, 1)
		if err == nil {
			v = vectors[0]
		}
		return err
	})
	return v, err
}
