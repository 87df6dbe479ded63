package index

import (
	"math"
	"slices"
	"testing"

	"nearcase/index/simd"
)

// oracle is an index that nobody can doubt: it scores everything and sorts.
type oracle struct {
	keys    []uint64 // ascending, those present
	vectors map[uint64][]float32
}

func newOracle() *oracle { return &oracle{vectors: map[uint64][]float32{}} }

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

// nearest returns the k best that accept says yes to.
func (o *oracle) nearest(query []float32, k int, accept func(uint64) bool) []Neighbour {
	var all []Neighbour
	for _, key := range o.keys {
		if accept == nil || accept(key) {
			all = append(all, Neighbour{key, simd.Dot(query, o.vectors[key])})
		}
	}
	slices.SortFunc(all, func(a, b Neighbour) int {
		switch {
		case a.Score > b.Score, a.Score == b.Score && a.Key < b.Key:
			return -1
		default:
			return 1
		}
	})
	return all[:max(0, min(k, len(all)))]
}

// fataler is the part of testing.TB that rapid.T has too.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// mustAgree checks what every engine promises of a search against the oracle:
// as many neighbours, each present, accepted, with the very bits of its score,
// in order, and none better than the oracle's. The exact engine must find the
// oracle's own neighbours.
func mustAgree(t fataler, engine string, o *oracle, got []Neighbour, query []float32, k int, accept func(uint64) bool) {
	t.Helper()
	want := o.nearest(query, k, accept)
	if engine == EngineExact && !slices.Equal(got, want) {
		t.Fatalf("%s: Search(k = %d) = %v, want %v", engine, k, got, want)
	}
	if len(got) != len(want) {
		t.Fatalf("%s: Search(k = %d) = %d neighbours %v, want %d", engine, k, len(got), got, len(want))
	}
	for i, n := range got {
		v, ok := o.vectors[n.Key]
		if !ok || accept != nil && !accept(n.Key) {
			t.Fatalf("%s: Search(k = %d)[%d] = key %d, want one that is present and accepted", engine, k, i, n.Key)
		}
		if s := simd.Dot(query, v); math.Float32bits(s) != math.Float32bits(n.Score) {
			t.Fatalf("%s: Search(k = %d)[%d] = %v, want score %x", engine, k, i, n, s)
		}
		if n.Score > want[i].Score {
			t.Fatalf("%s: Search(k = %d)[%d] = %v, better than the best %v", engine, k, i, n, want[i])
		}
		if i > 0 && (got[i-1].Score < n.Score || got[i-1].Score == n.Score && got[i-1].Key >= n.Key) {
			t.Fatalf("%s: Search(k = %d) = %v, want score descending, then key", engine, k, got)
		}
	}
}

// forEngines runs a test on each engine. The approximate one is tuned low, so
// that few vectors suffice for its graph to answer.
func forEngines(t *testing.T, test func(t *testing.T, spec Spec)) {
	for _, spec := range []Spec{{Engine: EngineExact}, {Engine: EngineCoder, M: 4, Candidates: 2}} {
		t.Run(spec.Engine, func(t *testing.T) { test(t, spec) })
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
