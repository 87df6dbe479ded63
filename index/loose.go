package index

import (
	"context"
	"slices"
)

// AddLoose is AddAll that leaves for later what takes the most time with a graph:
// the vectors are part of every search, each scored beside the walk, and Link makes
// them part of what is walked. Of 512 numbers each takes a search about 7 ns longer, one
// of 69,000 vectors without them 29 µs (BenchmarkLoose). Other engines add them as always.
func AddLoose(x Index, keys []uint64, vectors [][]float32) error {
	if g, ok := x.(*Graph); ok {
		return g.addLoose(keys, vectors)
	}
	return x.AddAll(keys, vectors)
}

// IsLoose says whether Link would link anything.
func IsLoose(x Index) bool {
	g, ok := x.(*Graph)
	return ok && len(g.looseRows()) > 0
}

// Link makes what AddLoose added part of the graph, on all processors. Searches go on
// meanwhile, and changes wait for one batch of rows at most. It returns the error of a
// context that ended; what is not linked then stays loose.
func Link(ctx context.Context, x Index) error {
	g, ok := x.(*Graph)
	for ok && len(g.looseRows()) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.linkSome()
	}
	return nil
}

// looseRows are the rows that are shown and that no list leads to. They do not change.
func (g *Graph) looseRows() []uint32 {
	if rows := g.loose.Load(); rows != nil {
		return *rows
	}
	return nil
}

func (g *Graph) setLoose(rows []uint32) { g.loose.Store(&rows) }

func (g *Graph) addLoose(keys []uint64, vectors [][]float32) error {
	g.write.Lock()
	defer g.write.Unlock()
	if err := g.checkAll(keys, vectors); err != nil {
		return err
	}
	g.reserveFor(len(keys))
	rows := g.placeAll(keys, vectors)
	// First: who can see them must know that no walk comes to them.
	g.setLoose(slices.Concat(g.looseRows(), rows))
	for _, row := range rows {
		g.show(row)
	}
	return nil
}

// linkSome links a batch of what is loose.
func (g *Graph) linkSome() {
	g.write.Lock()
	defer g.write.Unlock()
	rows := g.looseRows()
	n := min(len(rows), batchRows)
	if n == 0 { // another call was faster
		return
	}
	g.link(slices.Clone(rows[:n]))
	g.setLoose(slices.Clone(rows[n:])) // last: a walk comes to all of them by now
}

// unloose forgets a hidden row that is loose, and reports whether it is. Nothing leads
// to it. The caller holds write.
func (g *Graph) unloose(row uint32) bool {
	if g.sweep.isLinked(row) {
		return false
	}
	g.setLoose(slices.DeleteFunc(slices.Clone(g.looseRows()), func(other uint32) bool { return other == row }))
	g.bury(row)
	return true
}

// considerLoose pushes loose rows to the best of a walk, which may have met those that
// have been linked since. The view was taken after they were known, so that it has them.
func (v *view) considerLoose(best *top, q *query, f *Filter, loose []uint32) {
	if len(loose) == 0 {
		return
	}
	anew := *f
	anew.Accept = func(key uint64) bool { // only asked of what would be among the best
		met := slices.ContainsFunc(best.heap, func(n Neighbour) bool { return n.Key == key })
		return !met && (f.Accept == nil || f.Accept(key))
	}
	v.gather(best, q, &anew, loose)
}
