package index

import (
	"cmp"
	"context"
	"math"
	"sync/atomic"
)

// defaultRecall is the recall@10 that a graph is tuned for.
const defaultRecall = 0.99

// tuneSamples is the number of stored vectors that Tune asks for.
const tuneSamples = 200

// tuneK is the k of the recall that is tuned for.
const tuneK = 10

// NeedsTuning says whether Tune would adapt the index to what it holds: it has
// doubled since it did, and is large enough for that to matter.
func NeedsTuning(x Index) bool {
	r, spec := rowsOf(x)
	size := r.Len()
	if size >= max(minTrain, 2*int(r.trained.Load())) {
		return true
	}
	g, ok := x.(*Graph)
	return ok && spec.EfSearch == 0 && size >= max(1000, 2*int(g.tuned.Load()))
}

// Tune adapts an index to what it holds: it finds the directions in which its
// vectors differ, by which scans go faster, and the narrowest beam with which a
// graph reaches the recall of its spec, on stored vectors as queries and against
// the exact answer, unless the spec fixes the beam. It takes as long as some
// hundred scans. Searches and changes go on meanwhile.
func Tune(ctx context.Context, x Index) error {
	r, _ := rowsOf(x)
	r.sharpen()
	g, ok := x.(*Graph)
	if !ok || g.spec.EfSearch != 0 || g.Len() == 0 {
		return nil
	}
	size := g.Len()
	exam := g.examine(ctx)
	want := cmp.Or(g.spec.Recall, defaultRecall)
	ef, recall := tuneK, 0.0
	for ; ctx.Err() == nil; ef = ef + max(2, ef/6) {
		if recall = g.grade(exam, ef); recall >= want || ef > 1<<12 {
			break
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	g.SetEf(ef)
	g.recall.Store(math.Float64bits(recall))
	g.tuned.Store(int64(size))
	return nil
}

// question is a stored vector with the score of its k-th nearest other.
type question struct {
	key    uint64
	vector []float32
	count  int
	least  float32
}

// examine draws questions, evenly from the rows, and answers them by scans.
func (g *Graph) examine(ctx context.Context) []question {
	keys := g.sample(tuneSamples)
	questions := make([]question, len(keys))
	forEach(len(keys), func(i int) {
		q := &questions[i]
		vector, ok := g.Vector(keys[i])
		if !ok || ctx.Err() != nil {
			return
		}
		q.key, q.vector = keys[i], vector
		if found, err := g.SearchExact(q.vector, tuneK, Filter{Without: &q.key}); err == nil && len(found) > 0 {
			q.count, q.least = len(found), found[len(found)-1].Score
		}
	})
	return questions
}

// sample returns up to n keys of live rows, evenly spread over the rows.
func (r *rows) sample(n int) (keys []uint64) {
	defer r.epochs.leave(r.epochs.enter())
	v := r.view()
	for _, row := range v.some(n) {
		keys = append(keys, v.keys[row])
	}
	return keys
}

// grade is the share of the true neighbours that a beam finds. A neighbour that
// scores as well as the last true one is as good as it.
func (g *Graph) grade(questions []question, ef int) float64 {
	var hits, wanted atomic.Int64
	forEach(len(questions), func(i int) {
		q := &questions[i]
		found, err := g.search(q.vector, tuneK, &Filter{Without: &q.key}, ef)
		if err != nil {
			return
		}
		wanted.Add(int64(q.count))
		for _, n := range found {
			if n.Score >= q.least {
				hits.Add(1)
			}
		}
	})
	if wanted.Load() == 0 {
		return 1 // none to be missed
	}
	return float64(hits.Load()) / float64(wanted.Load())
}

// Choose returns the engine for n vectors of a dimension where nobody asked for
// one: the exact scan while it answers within a fraction of a millisecond where
// the vectors have heads, and in little more than one where they have none, and
// needs no time to build (docs/benchmarks/index.md).
func Choose(n, dimension int) string {
	if n*stride(dimension) <= chooseCodes {
		return EngineExact
	}
	return EngineGraph
}

// chooseCodes is the number of bytes of codes up to which a scan is chosen: 65,536
// vectors of 512.
const chooseCodes = 32 << 20
