package index

import (
	"cmp"
	"fmt"
	"sync/atomic"
)

// Graph is the approximate engine: a hierarchical navigable small world graph
// (Malkov and Yashunin 2018), walked by codes of one byte a dimension; the rows
// that the walk proposes are scored exactly. It takes about a third of the
// memory of the vectors, which are read a few for each search.
//
// Searches hold no lock and go on while rows are added and removed. A removed
// row still leads to others until the lists that hold it are mended, some with
// every later removal; then its place is used again. A row of AddLoose is scored by
// every search until Link makes lists lead to it.
type Graph struct {
	*rows
	spec              Spec
	m, efConstruction int
	ef                atomic.Int64
	entry             atomic.Uint64 // an entry
	tuned             atomic.Int64  // how many there were when ef was tuned
	recall            atomic.Uint64 // the bits of what it reached
	upperUsed         int           // slots of the arrays' upper in use
	spare             spare
	sweep             sweep
	loose             atomic.Pointer[[]uint32] // see looseRows
}

// entry is where searches begin, a row of the highest layer. 0 is none.
type entry uint64

func entryOf(row uint32, level int) entry { return entry(row)<<8 | entry(level) | 1<<63 }
func (e entry) row() uint32               { return uint32(e >> 8) }
func (e entry) level() int                { return int(e & 0xff) }

// Defaults of the graph: those that most libraries share.
const (
	defaultM              = 16
	defaultEfConstruction = 200
	defaultEf             = 80
)

func newGraph(spec Spec, dimension int) *Graph {
	g := &Graph{
		rows: newRows(dimension), spec: spec, m: cmp.Or(spec.M, defaultM),
		efConstruction: cmp.Or(spec.EfConstruction, defaultEfConstruction),
	}
	g.ef.Store(int64(cmp.Or(spec.EfSearch, defaultEf)))
	g.arrays.Load().m = g.m
	return g
}

// Add implements Index.
func (g *Graph) Add(key uint64, vector []float32) error {
	return g.AddAll([]uint64{key}, [][]float32{vector})
}

// AddAll implements Index. It links the vectors in batches, on all processors.
func (g *Graph) AddAll(keys []uint64, vectors [][]float32) error {
	g.write.Lock()
	defer g.write.Unlock()
	if err := g.checkAll(keys, vectors); err != nil {
		return err
	}
	g.reserveFor(len(keys))
	for len(keys) > 0 {
		n := min(len(keys), batchRows)
		g.addBatch(keys[:n], vectors[:n])
		keys, vectors = keys[n:], vectors[n:]
	}
	return nil
}

func (g *Graph) addBatch(keys []uint64, vectors [][]float32) {
	batch := g.placeAll(keys, vectors)
	for _, row := range batch {
		g.show(row)
	}
	g.link(batch)
}

// placeAll stores checked vectors in rows with empty lists, which nobody sees yet.
func (g *Graph) placeAll(keys []uint64, vectors [][]float32) []uint32 {
	rows := make([]uint32, len(keys))
	for i, key := range keys {
		rows[i] = g.place(key, vectors[i])
		g.prepare(rows[i], levelOf(key, g.m))
	}
	return rows
}

// raise makes a row the entry if its layer is higher.
func (g *Graph) raise(row uint32, level int) {
	if e := entry(g.entry.Load()); e == 0 || level > e.level() {
		g.entry.Store(uint64(entryOf(row, level)))
	}
}

// Remove implements Index.
func (g *Graph) Remove(key uint64) bool {
	g.write.Lock()
	defer g.write.Unlock()
	row, ok := g.hide(key)
	if !ok {
		return false
	}
	if !g.unloose(row) {
		g.sweep.waiting = append(g.sweep.waiting, row)
	}
	g.mendDue()
	return true
}

// SetEf sets the width of the beam that a search for few neighbours walks with.
func (g *Graph) SetEf(ef int) { g.ef.Store(int64(ef)) }

// Ef is the width of the beam.
func (g *Graph) Ef() int { return int(g.ef.Load()) }

// Search implements Index.
func (g *Graph) Search(vector []float32, k int, f Filter) ([]Neighbour, error) {
	return g.search(vector, k, &f, g.Ef())
}

// search searches with a beam of at least ef.
func (g *Graph) search(vector []float32, k int, f *Filter, ef int) ([]Neighbour, error) {
	if err := checkUnit(vector, g.dimension); err != nil {
		return nil, fmt.Errorf("index: search: %w", err)
	}
	defer g.epochs.leave(g.epochs.enter())
	loose := g.looseRows()                           // before the entry: what has left them is linked
	e, hidden := entry(g.entry.Load()), g.unknown(f) // before the view, which then has their rows
	v := g.view()
	b := beams.Get().(*beam)
	defer beams.Put(b)
	b.query.set(vector, v.frame)
	b.without, b.skims, b.loose = hidden, v.hasHeads(), loose
	if k = min(k, g.Len()); k <= 0 {
		return nil, nil
	}
	if found, ok := g.walk(&v, b, e, k, ef, f); ok {
		return found, nil
	}
	return g.nearest(v, &b.query, k, f), nil
}

// unknown is one more than the row that the filter hides, and 0 for none.
func (g *Graph) unknown(f *Filter) uint32 {
	if f.Without == nil {
		return 0
	}
	row, ok := g.keys.row(*f.Without)
	if !ok {
		return 0
	}
	return row + 1
}

// walk searches with beams as wide as the filter needs, and gives up where a
// scan would be faster, also as a quarter is loose (BenchmarkLoose), or there is no entry.
func (g *Graph) walk(v *view, b *beam, e entry, k, ef int, f *Filter) ([]Neighbour, bool) {
	if e == 0 || len(b.loose) >= g.Len()/gatherShare {
		return nil, false
	}
	matching := g.Len()
	if f.In != nil {
		matching = min(matching, f.In.Len())
	}
	width := max(ef, 2*k)
	if matching < g.Len() {
		width = width * g.Len() / max(1, matching)
	}
	for width < g.widest(matching) {
		b.explore(v, b.descend(v, e.row(), e.level(), 0), 0, width)
		b.refine(v)
		best, depth := b.rank(v, k, f)
		if len(best.heap) == k && (depth <= width/2 || width >= g.Len()) {
			v.considerLoose(best, &b.query, f, b.loose)
			return best.ranked(), true
		}
		width = max(2*width, 2*depth)
	}
	return nil, false
}

// A walk takes about as long as scoring walkRows rows one by one for each place of
// its beam, and walkStart on its way there: where filters make a walk and a scan
// cross was measured (BenchmarkFilters), on one machine.
const (
	walkRows  = 16
	walkStart = 300
)

// widest is the width of a beam for which a scan of the matching rows takes as
// long as the walk.
func (g *Graph) widest(matching int) int {
	return (min(matching, g.Len()/gatherShare) - walkStart) / walkRows
}

// rank scores the rows of best exactly, as far as they can be among the k best,
// and returns these and how far down best the last of the first k stood.
func (b *beam) rank(v *view, k int, f *Filter) (best *top, depth int) {
	best = newTop(k, f)
	// The walk may have met rows whose blocks were made after the view.
	b.remove(func(row uint32) bool { return !v.holds(row) })
	for i, c := range b.best {
		row := c.row()
		if i+1 < len(b.best) {
			b.prefetch(v, b.best[i+1].row())
		}
		if len(best.heap) == k && c.score()+b.surprise(v, row) < best.least() {
			break
		}
		if !v.isAlive(row) {
			continue
		}
		full := len(best.heap) == k
		v.consider(best, &b.query, f, row)
		if !full {
			depth = i + 1
		}
	}
	return best, depth
}
