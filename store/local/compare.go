package local

import (
	"context"
	"slices"
	"time"

	"nearcase/index"
	"nearcase/store"
)

// recallSamples is how many stored vectors a reindex asks both indexes for, and
// recallK for how many neighbours.
const (
	recallSamples = 100
	recallK       = 10
)

// sample is a stored vector as a query.
type sample struct {
	vector []float32
	filter index.Filter
}

// samples returns up to n stored vectors, evenly spread over the log. They are
// answered by what was stored up to at, as if they were not stored themselves and,
// if kin is set, without their kin.
func (c *collection) samples(n int, at store.Key, kin bool) []sample {
	c.mu.RLock()
	defer c.mu.RUnlock()
	keys := c.live()
	n = min(n, len(keys))
	var samples []sample
	for i := range n {
		key := keys[i*len(keys)/n]
		vector, ok := c.idx.Vector(uint64(key))
		if !ok || key > at {
			continue
		}
		own := c.excluded(store.Exclude{Instances: []string{c.rows[key].ID}, Kin: kin})
		self := uint64(key)
		samples = append(samples, sample{vector, index.Filter{Without: &self, Accept: func(key uint64) bool {
			return store.Key(key) <= at && !own[store.Key(key)]
		}}})
	}
	return samples
}

// replies are what an index says to samples, and how long each answer took.
type replies struct {
	neighbours [][]index.Neighbour
	took       []time.Duration
}

// perSecond is how many answers the index gives in a second.
func (r *replies) perSecond() float64 {
	var total time.Duration
	for _, d := range r.took {
		total += d
	}
	if total == 0 {
		return 0
	}
	return float64(len(r.took)) / total.Seconds()
}

// ask asks for the k nearest of every sample, one after the other.
func ask(ctx context.Context, samples []sample, k int, search func([]float32, int, index.Filter) ([]index.Neighbour, error)) (r replies, err error) {
	for _, s := range samples {
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		started := time.Now()
		found, err := search(s.vector, k, s.filter)
		if err != nil {
			return r, err
		}
		r.took = append(r.took, time.Since(started))
		r.neighbours = append(r.neighbours, found)
	}
	return r, nil
}

// recall is the share of the exact neighbours that were found. One that scores as
// well as the last exact one is as good as it. Where there is nothing to find, all
// of it is found.
func recall(exact, found replies) float64 {
	hits, wanted := 0, 0
	for i, want := range exact.neighbours {
		if wanted += len(want); len(want) == 0 {
			continue
		}
		for _, n := range found.neighbours[i] {
			if n.Score >= want[len(want)-1].Score {
				hits++
			}
		}
	}
	if wanted == 0 {
		return 1
	}
	return float64(hits) / float64(wanted)
}

// compare sets a new index that stands at a log position beside the one that
// serves.
func (c *collection) compare(ctx context.Context, fresh index.Index, at store.Key) (store.Comparison, error) {
	samples := c.samples(recallSamples, at, true)
	old := c.engine()
	before, recallBefore, err := measure(ctx, old, samples)
	if err != nil {
		return store.Comparison{}, err
	}
	now, recallNow, err := measure(ctx, fresh, samples)
	if err != nil {
		return store.Comparison{}, err
	}
	same := 0
	for i := range samples {
		if slices.EqualFunc(now.neighbours[i], before.neighbours[i], func(a, b index.Neighbour) bool { return a.Key == b.Key }) {
			same++
		}
	}
	return store.Comparison{
		Sampled: len(samples), Recall10: recallNow, Recall10Before: recallBefore, Same: same,
		PerSecond: now.perSecond(), PerSecondBefore: before.perSecond(),
	}, nil
}

// measure returns an index's answers to samples and its recall. The answers are
// the second ones: what the first read from disk is in memory then.
func measure(ctx context.Context, idx index.Index, samples []sample) (replies, float64, error) {
	exact, err := ask(ctx, samples, recallK, idx.SearchExact)
	if err != nil {
		return replies{}, 0, err
	}
	found, err := ask(ctx, samples, recallK, idx.Search)
	if err != nil { // it has not answered all
		return replies{}, 0, err
	}
	return found, recall(exact, found), nil
}
