package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// replacer replaces vectors of an index by themselves under new keys, as an
// operator does who embeds images anew.
type replacer struct {
	x    Index
	r    *rand.Rand
	keys []uint64 // of each vector
	of   [][]float32
}

func newReplacer(t fataler, spec Spec, vectors [][]float32) *replacer {
	return &replacer{
		x: filledWith(t, spec, vectors), r: rand.New(rand.NewPCG(1, 1)), keys: keysFrom(0, len(vectors)), of: vectors,
	}
}

// replace removes n random vectors and adds them again, batch at a time.
func (p *replacer) replace(t fataler, n, batch int) {
	t.Helper()
	chosen := p.r.Perm(len(p.of))[:n]
	for _, i := range chosen {
		if !p.x.Remove(p.keys[i]) {
			t.Fatalf("Remove(%d) = false, want true", p.keys[i])
		}
	}
	last, _ := p.x.LastKey()
	for i := range slices.Chunk(chosen, batch) {
		vectors := make([][]float32, len(i))
		for j, at := range i {
			last++
			p.keys[at], vectors[j] = last, p.of[at]
		}
		mustAddAll(t, p.x, keysFrom(last+1-uint64(len(i)), len(i)), vectors)
	}
}

// Ten times half of the vectors are replaced: recall stays, and places are used
// again.
func TestReplacingKeepsRecallAndRows(t *testing.T) {
	n := sized(2000)
	vectors := clustered(n+100, 48)
	vectors, queries := vectors[:n], vectors[n:]
	p := newReplacer(t, Spec{Engine: EngineGraph, EfConstruction: 100}, vectors)
	g := p.x.(*Graph)
	for round := range 10 {
		p.replace(t, len(vectors)/2, 1+round*100)
		if got, most := g.Stats().Rows, len(vectors)*11/10+1024; got > most {
			t.Fatalf("round %d: Rows = %d of %d vectors, want at most %d", round, got, len(vectors), most)
		}
		if got := g.walkRecall(t, queries, 60); got < 0.99 {
			t.Fatalf("round %d: recall@10 of walks of width 60 = %.4f, want at least 0.99", round, got)
		}
		mustReach(t, g, 0.999, fmt.Sprint("round ", round))
	}
	mustBeSound(t, g)
}

// Near-duplicates are harder: most rows of a clump are nearer to each other than
// to what leads there. What is lost in a round is little.
func TestReplacingNearDuplicatesLosesLittle(t *testing.T) {
	n := sized(1500)
	vectors := nearDuplicates(n+100, 64)
	vectors, queries := vectors[:n], vectors[n:]
	p := newReplacer(t, Spec{Engine: EngineGraph}, vectors)
	g := p.x.(*Graph)
	for round := range 5 {
		p.replace(t, len(vectors)/2, 512)
		if got := g.walkRecall(t, queries, 80); got < 0.97 {
			t.Fatalf("round %d: recall@10 of walks of width 80 = %.4f, want at least 0.97", round, got)
		}
		mustReach(t, g, 0.98, fmt.Sprint("round ", round))
	}
	mustBeSound(t, g)
}

func TestListsForgetRemovedRows(t *testing.T) {
	vectors := clustered(1200, 24)
	g := graphOf(t, Spec{}, vectors)
	for key := uint64(0); key < 1200; key += 2 {
		g.Remove(key)
	}
	for key := uint64(1); key < 1200 && g.sweep.leaving != nil; key += 2 {
		g.Remove(key) // until the round ends
	}
	v, dead := g.view(), 0
	for _, row := range g.linkedRows() {
		if !v.isAlive(row) {
			dead++
		}
		for layer := 0; layer <= int(v.level[row]); layer++ {
			for _, to := range read(nil, v.list(row, layer)) {
				if !v.isAlive(to) && !slices.Contains(g.sweep.waiting, to) {
					t.Fatalf("row %d leads to row %d in layer %d, which was mended away", row, to, layer)
				}
			}
		}
	}
	if most := max(16, g.Len()/sweepShare) + 1; dead > most {
		t.Errorf("%d removed rows are still led to, want at most %d", dead, most)
	}
	mustReach(t, g, 0.999, "after removing most")
}

// The entry leads everywhere: it must not be lost with its row.
func TestTheEntryMovesWhenItIsRemoved(t *testing.T) {
	vectors := clustered(400, 16)
	g := graphOf(t, Spec{M: 4, EfConstruction: 16}, vectors)
	for range 100 {
		row := entry(g.entry.Load()).row()
		key := g.arrays.Load().keys[row]
		for g.Len() > 50 && entry(g.entry.Load()).row() == row { // and others, until it is mended
			if !g.Remove(key) {
				key = g.anyKey()
			}
		}
		mustBeSound(t, g)
	}
	if g.Len() > 60 {
		t.Errorf("%d rows are left, want at most 60: the test must remove entries", g.Len())
	}
}

// anyKey is the smallest key present.
func (g *Graph) anyKey() uint64 {
	v := g.view()
	key := ^uint64(0)
	for row := range uint32(v.n) {
		if v.isAlive(row) {
			key = min(key, v.keys[row])
		}
	}
	return key
}
