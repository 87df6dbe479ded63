package index

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"nearcase/index/simd"
)

// oracle is an index that nobody can doubt: it scores everything and sorts.
type oracle struct {
	keys    []uint64 // ascending, those present
	vectors map[uint64][]float32
}

func newOracle() *oracle { return &oracle{vectors: map[uint64][]float32{}} }

// oracleOf holds the vectors under the keys 0, 1, ….
func oracleOf(vectors [][]float32) *oracle {
	o := newOracle()
	for key, v := range vectors {
		o.add(uint64(key), v)
	}
	return o
}

func (o *oracle) add(key uint64, vector []float32) {
	o.keys = append(o.keys, key)
	o.vectors[key] = slices.Clone(vector)
}

func (o *oracle) remove(key uint64) bool {
	i, ok := slices.BinarySearch(o.keys, key)
	if ok {
		o.keys = slices.Delete(o.keys, i, i+1)
		delete(o.vectors, key)
	}
	return ok
}

// nearest returns the k best that the filter lets answer.
func (o *oracle) nearest(query []float32, k int, f Filter) []Neighbour {
	var all []Neighbour
	for _, key := range o.keys {
		if f.allows(key) {
			all = append(all, Neighbour{key, simd.Dot(query, o.vectors[key])})
		}
	}
	slices.SortFunc(all, func(a, b Neighbour) int {
		if a.Score > b.Score || a.Score == b.Score && a.Key < b.Key {
			return -1
		}
		return 1
	})
	all = bestOfGroups(all, f.Group)
	return all[:max(0, min(k, len(all)))]
}

// bestOfGroups keeps the first of every group.
func bestOfGroups(all []Neighbour, group func(uint64) uint64) []Neighbour {
	if group == nil {
		return all
	}
	seen := map[uint64]bool{0: false}
	return slices.DeleteFunc(all, func(n Neighbour) bool {
		g := group(n.Key)
		was := seen[g]
		seen[g] = g != 0
		return was
	})
}

// fataler is the part of testing.TB that rapid.T has too.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// mustAnswer checks what every engine promises of a search against the oracle:
// as many neighbours, each present, let by the filter, the only one of its group,
// with the very bits of its score, in order, and none better than the oracle's.
// SearchExact, and the exact engine's Search, must find the oracle's own.
func mustAnswer(t fataler, x Index, o *oracle, query []float32, k int, f Filter) {
	t.Helper()
	want := o.nearest(query, k, f)
	got, err := x.SearchExact(query, k, f)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%T: SearchExact(k = %d) = %v, %v, want %v", x, k, brief(got), err, brief(want))
	}
	if got, err = x.Search(query, k, f); err != nil {
		t.Fatalf("%T: Search(k = %d) = %v, want no error", x, k, err)
	}
	if _, isExact := x.(*Exact); isExact && !slices.Equal(got, want) {
		t.Fatalf("%T: Search(k = %d) = %v, want %v", x, k, brief(got), brief(want))
	}
	if len(got) != len(want) {
		t.Fatalf("%T: Search(k = %d) = %d neighbours %v, want %d", x, k, len(got), brief(got), len(want))
	}
	for i := range got {
		if why := o.objection(got, i, query, f); why != "" || got[i].Score > want[i].Score {
			t.Fatalf("%T: Search(k = %d)[%d] = %v %s, want at best %v", x, k, i, got[i], why, want[i])
		}
	}
}

// objection says why neighbour i of an answer cannot be, or nothing.
func (o *oracle) objection(got []Neighbour, i int, query []float32, f Filter) string {
	n := got[i]
	v, ok := o.vectors[n.Key]
	if !ok {
		return "is not in the index"
	}
	if !f.allows(n.Key) {
		return "is not let answer"
	}
	if s := simd.Dot(query, v); math.Float32bits(s) != math.Float32bits(n.Score) {
		return fmt.Sprintf("scores %x", s)
	}
	if i > 0 && (got[i-1].Score < n.Score || got[i-1].Score == n.Score && got[i-1].Key >= n.Key) {
		return fmt.Sprintf("comes after %v", got[i-1])
	}
	if f.Group != nil && f.Group(n.Key) != 0 {
		for _, other := range got[:i] {
			if f.Group(other.Key) == f.Group(n.Key) {
				return fmt.Sprintf("has a rival in %v", other)
			}
		}
	}
	return ""
}

// brief is the beginning of a long answer.
func brief(found []Neighbour) string {
	if len(found) <= 12 {
		return fmt.Sprint(found)
	}
	return fmt.Sprintf("%v and %d more", found[:12], len(found)-12)
}

// walker is a graph that walks however few rows there are, where Graph scans,
// with a beam as narrow as it can be.
type walker struct{ *Graph }

func (w walker) Search(vector []float32, k int, f Filter) ([]Neighbour, error) {
	if err := checkUnit(vector, w.dimension); err != nil {
		return w.Graph.Search(vector, k, f)
	}
	for width := max(1, min(k, w.Len())); width < 4*w.Stats().Rows; width *= 2 {
		if found := w.walked(vector, k, width, f); len(found) == min(k, w.Len()) {
			return found, nil
		}
	}
	return w.SearchExact(vector, k, f)
}

// walked returns what one walk with a beam of a width finds.
func (g *Graph) walked(vector []float32, k, width int, f Filter) []Neighbour {
	defer g.epochs.leave(g.epochs.enter())
	loose, e := g.looseRows(), entry(g.entry.Load())
	v, b := g.view(), new(beam)
	if k = min(k, g.Len()); e == 0 || k <= 0 {
		return nil
	}
	b.query.set(vector, v.frame)
	b.skims = v.hasHeads()
	b.explore(&v, b.descend(&v, e.row(), e.level(), 0), 0, width)
	b.refine(&v)
	best, _ := b.rank(&v, k, &f)
	v.considerLoose(best, &b.query, &f, loose)
	return best.ranked()
}

// loosener is a walker that links what is added only in part, and later.
type loosener struct {
	walker
	calls *atomic.Int64
}

func (l loosener) Add(key uint64, vector []float32) error {
	return l.AddAll([]uint64{key}, [][]float32{vector})
}

func (l loosener) AddAll(keys []uint64, vectors [][]float32) error {
	switch l.calls.Add(1) % 8 {
	case 0:
		return l.Graph.AddAll(keys, vectors) // before those that are loose
	case 4:
		l.linkSome()
	}
	return AddLoose(l.Graph, keys, vectors)
}

// engine is one way to make an index.
type engine struct {
	name string
	spec Spec
	wrap func(x Index) Index // nil is as it is
}

func walking(x Index) Index { return walker{x.(*Graph)} }

func loosening(x Index) Index { return loosener{walker{x.(*Graph)}, new(atomic.Int64)} }

// engines are all of them. The approximate ones are also there tuned low, so that
// few vectors suffice for their graphs to answer, and to err.
var engines = []engine{
	{"exact", Spec{}, nil},
	{"graph", Spec{Engine: EngineGraph}, nil},
	{"walking graph", Spec{Engine: EngineGraph, EfConstruction: 40}, walking},
	{"small graph", Spec{Engine: EngineGraph, M: 4, EfConstruction: 8, EfSearch: 1}, walking},
	{"smallest graph", Spec{Engine: EngineGraph, M: 1, EfConstruction: 1, EfSearch: 1}, walking},
	{"loose graph", Spec{Engine: EngineGraph, M: 4, EfConstruction: 8, EfSearch: 1}, loosening},
	{"coder", Spec{Engine: EngineCoder, M: 4, Candidates: 2}, nil},
}

// open returns an empty index.
func (e engine) open(t fataler, dimension int) Index {
	t.Helper()
	x := mustNew(t, e.spec, dimension)
	if e.wrap != nil {
		x = e.wrap(x)
	}
	return x
}

// forEngines runs a test on each engine.
func forEngines(t *testing.T, test func(t *testing.T, e engine)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { test(t, e) })
	}
}

func mustNew(t fataler, spec Spec, dimension int) Index {
	t.Helper()
	x, err := New(spec, dimension)
	if err != nil {
		t.Fatalf("New(%+v, %d) = %v, want no error", spec, dimension, err)
	}
	return x
}

func mustAdd(t fataler, x Index, key uint64, vector []float32) {
	t.Helper()
	if err := x.Add(key, vector); err != nil {
		t.Fatalf("Add(%d, %v) = %v, want no error", key, vector, err)
	}
}

func mustAddAll(t fataler, x Index, keys []uint64, vectors [][]float32) {
	t.Helper()
	if err := x.AddAll(keys, vectors); err != nil {
		t.Fatalf("AddAll(%d keys) = %v, want no error", len(keys), err)
	}
}

// filledWith returns an index of the vectors under the keys 0, 1, ….
func filledWith(t fataler, spec Spec, vectors [][]float32) Index {
	t.Helper()
	x := mustNew(t, spec, len(vectors[0]))
	mustAddAll(t, x, keysFrom(0, len(vectors)), vectors)
	return x
}

// search returns what x.Search does, which must not fail.
func search(t fataler, x Index, query []float32, k int, f Filter) []Neighbour {
	t.Helper()
	found, err := x.Search(query, k, f)
	if err != nil {
		t.Fatalf("Search(k = %d) = %v, want no error", k, err)
	}
	return found
}

// allows says whether a key may answer.
func (f *Filter) allows(key uint64) bool {
	return (f.In == nil || f.In.Has(key)) && (f.Accept == nil || f.Accept(key)) && (f.Without == nil || *f.Without != key)
}
