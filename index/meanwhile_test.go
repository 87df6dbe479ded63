package index

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"nearcase/index/simd"
)

// A search works with a view that it took when it began. These tests change the
// index after the view was taken and let the search go on: every neighbour must
// still have the score of its key's vector, whatever the search sees.

// begun is a search that has taken its view.
type begun struct {
	x       Index
	rows    *rows
	ticket  uint64
	entry   entry
	view    view
	vectors map[uint64][]float32 // of all keys ever added
	last    uint64
}

func begin(t fataler, spec Spec, vectors [][]float32) *begun {
	t.Helper()
	x := filledWith(t, spec, vectors[:900])
	for key, v := range vectors[900:] { // so that arrays have room where blocks end
		mustAdd(t, x, 900+uint64(key), v)
	}
	r, _ := rowsOf(x)
	b := &begun{x: x, rows: r, vectors: map[uint64][]float32{}, last: uint64(len(vectors)) - 1}
	for key, v := range vectors {
		b.vectors[uint64(key)] = v
	}
	for key := uint64(2); key < 200; key += 7 { // some rows are free, or not yet
		x.Remove(key)
	}
	b.ticket = r.epochs.enter()
	if g, ok := x.(*Graph); ok {
		b.entry = entry(g.entry.Load())
	}
	b.view = r.view()
	return b
}

// finish lets the search go on in each of the ways there are.
func (b *begun) finish(t fataler, vector []float32) {
	t.Helper()
	q, n := queries.Get().(*query), 4*len(b.vectors)
	q.set(vector, b.view.frame)
	b.mustBeTrue(t, "scan", vector, b.rows.nearest(b.view, q, n, &Filter{}))
	in := setOf(b.last, b.last/2, 1, 2, 3, b.last+1)
	b.mustBeTrue(t, "gather", vector, b.rows.nearest(b.view, q, n, &Filter{In: in}))
	if b.entry != 0 {
		w := new(beam)
		w.query.set(vector, b.view.frame)
		w.explore(&b.view, w.descend(&b.view, b.entry.row(), b.entry.level(), 0), 0, n)
		best, _ := w.rank(&b.view, n, &Filter{})
		b.mustBeTrue(t, "walk", vector, best.ranked())
	}
	b.rows.epochs.leave(b.ticket)
}

func (b *begun) mustBeTrue(t fataler, how string, query []float32, found []Neighbour) {
	t.Helper()
	for _, n := range found {
		v, ok := b.vectors[n.Key]
		if !ok {
			t.Fatalf("%s = key %d, which was never added", how, n.Key)
		}
		if s := simd.Dot(query, v); math.Float32bits(s) != math.Float32bits(n.Score) {
			t.Fatalf("%s = %v, want score %v", how, n, s)
		}
	}
	if !slices.IsSortedFunc(found, compare) {
		t.Fatalf("%s = %v, want best first", how, brief(found))
	}
}

func (b *begun) add(t fataler, n int) {
	t.Helper()
	for i := range n {
		b.last++
		b.vectors[b.last] = b.vectors[uint64(i*37%900)]
		mustAdd(t, b.x, b.last, b.vectors[b.last])
	}
}

func (b *begun) remove(from, to uint64) {
	for key := from; key < to; key++ {
		b.x.Remove(key)
	}
}

// meanwhiles are what can happen during a search.
var meanwhiles = []struct {
	name string
	do   func(t *testing.T, b *begun)
}{
	{"rows are added", func(t *testing.T, b *begun) { b.add(t, 30) }},
	{"rows are added until everything grows", func(t *testing.T, b *begun) { b.add(t, 1500) }},
	{"everything is removed", func(t *testing.T, b *begun) { b.remove(0, b.last+1) }},
	{"everything is replaced", func(t *testing.T, b *begun) { b.remove(0, b.last+1); b.add(t, 1200) }},
	{"most is replaced in turns", func(t *testing.T, b *begun) {
		for from := uint64(0); from < 900; from += 100 {
			b.remove(from, from+100)
			b.add(t, 100)
		}
	}},
	{"it is saved, and rows are added", func(t *testing.T, b *begun) { b.save(t); b.add(t, 300) }},
	{"rows are removed, and it is saved", func(t *testing.T, b *begun) { b.remove(0, 700); b.save(t) }},
	{"rows are removed, it is saved, and rows are added", func(t *testing.T, b *begun) {
		b.remove(0, 700)
		b.save(t)
		b.add(t, 700)
		b.save(t)
		b.add(t, 300)
	}},
	{"it is tuned, and rows are added", func(t *testing.T, b *begun) {
		b.rows.reframe()
		b.remove(0, 100)
		b.add(t, 300)
	}},
}

func (b *begun) save(t *testing.T) {
	t.Helper()
	if err := saveTo(Freeze(b.x), filepath.Join(t.TempDir(), "snapshot"), nil); err != nil {
		t.Fatalf("Save = %v, want no error", err)
	}
}

func TestASearchUnderWayStaysTrue(t *testing.T) {
	vectors := clustered(1153, 16)
	for _, spec := range []Spec{{}, {Engine: EngineGraph, M: 4, EfConstruction: 10}} {
		for _, c := range meanwhiles {
			t.Run(fmt.Sprintf("%s/%s", spec.engine(), c.name), func(t *testing.T) {
				sizes := []int{1024, 1000, 1088, 1152, 1153} // around what blocks and arrays hold
				for _, n := range sizes[:sized(len(sizes))] {
					b := begin(t, spec, vectors[:n])
					c.do(t, b)
					b.finish(t, vectors[7])
				}
			})
		}
	}
}

// A reader of Vector must not get what a snapshot holds of a removed row: zeros.
func TestAVectorIsNeverThatOfARemovedRow(t *testing.T) {
	b := begin(t, Spec{}, clustered(2048, 16))
	b.remove(0, 1024)
	b.save(t)
	for key := range uint64(2048) {
		if v, ok := b.x.Vector(key); ok && !slices.Equal(v, b.vectors[key]) {
			t.Fatalf("Vector(%d) = %v, want %v", key, v, b.vectors[key])
		}
	}
}
