package local

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"nearcase/index"
	"nearcase/store"
)

// Trials say how engines do on the vectors of a collection.
type Trials struct {
	Collection string `json:"collection"`
	Vectors    int    `json:"vectors"`
	Dimension  int    `json:"dimension"`
	// K neighbours were asked for with each of Queries stored vectors, which did
	// not answer themselves.
	K       int     `json:"k"`
	Queries int     `json:"queries"`
	Trials  []Trial `json:"trials"`
}

// Trial says how one engine does.
type Trial struct {
	Engine string `json:"engine"`
	// M, EfConstruction and Ef are those that were used.
	M              int `json:"m,omitempty"`
	EfConstruction int `json:"ef_construction,omitempty"`
	Ef             int `json:"ef,omitempty"`
	// Recall is the share of the exact answers that was found.
	Recall float64 `json:"recall"`
	// PerSecond is how many queries are answered in a second by one thread, one
	// after the other; half of them take up to P50, 99 of 100 up to P99.
	PerSecond float64       `json:"queries_per_second"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	// Build is how long it took to build the index, on all processors.
	Build time.Duration `json:"build_ns"`
	// Bytes and Mapped are what a vector takes in memory and in the mapped file
	// once the index has been saved.
	Bytes  float64 `json:"bytes_per_vector"`
	Mapped float64 `json:"mapped_bytes_per_vector"`
}

// TrialOptions say what to ask for. The zero value works.
type TrialOptions struct {
	// K is how many neighbours to ask for; 0 means 10.
	K int
	// Queries is how many stored vectors to ask with; 0 means 200.
	Queries int
	// Progress, if set, is told how much of an index is built.
	Progress func(engine string, done, total int)
}

// Try builds an index of each engine in memory from the vectors of a collection
// and asks it for some of them. While it does, the program runs on a single
// processor: nothing else should be asked for. The collection is not changed.
func (l *Catalog) Try(ctx context.Context, name string, engines []store.Index, o TrialOptions) (Trials, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return Trials{}, err
	}
	if o.K < 0 || o.Queries < 0 {
		return Trials{}, fmt.Errorf("try indexes of %s: %w: k is %d and queries %d", name, store.ErrInvalid, o.K, o.Queries)
	}
	if o.K == 0 {
		o.K = 10
	}
	if o.Queries == 0 {
		o.Queries = 200
	}
	t := trier{c: c, TrialOptions: o}
	trials, err := t.all(ctx, engines)
	if err != nil {
		return trials, fmt.Errorf("try indexes of %s: %w", name, err)
	}
	return trials, nil
}

// trier is one call of Try.
type trier struct {
	TrialOptions
	c      *collection
	warm   []sample // asked first, untimed
	asked  []sample
	exact  replies
	serves index.Index
}

func (t *trier) all(ctx context.Context, engines []store.Index) (Trials, error) {
	meta := t.c.description()
	t.serves = t.c.engine()
	for i, s := range t.c.samples(2*t.Queries, t.c.head(), false) {
		if i%2 == 0 {
			t.asked = append(t.asked, s)
		} else {
			t.warm = append(t.warm, s)
		}
	}
	trials := Trials{Collection: meta.Name, Vectors: t.serves.Len(), Dimension: meta.Dimension, K: t.K, Queries: len(t.asked)}
	var err error
	if t.exact, err = ask(ctx, t.asked, t.K, t.serves.SearchExact); err != nil {
		return trials, err
	}
	for _, e := range engines {
		trial, err := t.try(ctx, specOf(e, t.c.catalog.choose(trials.Vectors, meta.Dimension)), meta.Dimension)
		if err != nil {
			return trials, err
		}
		trials.Trials = append(trials.Trials, trial)
	}
	return trials, nil
}

func (t *trier) try(ctx context.Context, spec index.Spec, dimension int) (r Trial, err error) {
	idx, err := newIndex(spec, dimension)
	if err != nil {
		return r, err
	}
	if r.Build, err = t.build(ctx, idx); err != nil {
		return r, err
	}
	if err := t.saved(idx); err != nil {
		return r, err
	}
	found, err := t.ask(ctx, idx)
	if err != nil {
		return r, err
	}
	s := idx.Stats()
	r.Engine, r.M, r.EfConstruction, r.Ef = s.Engine, s.M, s.EfConstruction, s.Ef
	r.Recall, r.PerSecond = recall(t.exact, found), found.perSecond()
	if slices.Sort(found.took); len(found.took) > 0 {
		r.P50, r.P99 = found.took[len(found.took)/2], found.took[len(found.took)*99/100]
	}
	r.Bytes, r.Mapped = float64(s.Bytes)/float64(max(1, s.Len)), float64(s.Mapped)/float64(max(1, s.Len))
	return r, nil
}

// build fills an index and tunes it, and returns how long that took by itself.
func (t *trier) build(ctx context.Context, idx index.Index) (took time.Duration, err error) {
	t.c.mu.RLock()
	keys := t.c.live()
	t.c.mu.RUnlock()
	done := 0
	for some := range slices.Chunk(keys, fillBatch) {
		if ctx.Err() != nil {
			return took, context.Cause(ctx)
		}
		var f feed
		for _, key := range some {
			if v, ok := t.serves.Vector(uint64(key)); ok {
				f.keys, f.vectors = append(f.keys, uint64(key)), append(f.vectors, v)
			}
		}
		started := time.Now()
		if err := idx.AddAll(f.keys, f.vectors); err != nil {
			return took, err
		}
		took += time.Since(started)
		if done += len(some); t.Progress != nil {
			t.Progress(idx.Stats().Engine, done, len(keys))
		}
	}
	started := time.Now()
	err = index.Tune(ctx, idx)
	return took + time.Since(started), err
}

// saved makes the index read its vectors from a mapped file, as one that serves
// does. The file is removed: it lasts as long as it is mapped.
func (t *trier) saved(idx index.Index) error {
	path := filepath.Join(t.c.catalog.snapshots(), "trial"+snapshotSuffix)
	s := index.Freeze(idx)
	defer s.Discard()
	if err := t.c.catalog.files.saveIndex(path, s, nil); err != nil {
		return err
	}
	return t.c.catalog.files.Remove(path)
}

// ask asks the index on a single processor.
func (t *trier) ask(ctx context.Context, idx index.Index) (replies, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if _, err := ask(ctx, t.warm, t.K, idx.Search); err != nil {
		return replies{}, err
	}
	return ask(ctx, t.asked, t.K, idx.Search)
}
