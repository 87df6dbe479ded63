package index

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Law: whatever the vectors, a scan by codes finds what a scan by vectors finds,
// with every filter, after removals too, and every engine has it as SearchExact.
func TestScansAreExactOnAwkwardVectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		d, n := rapid.IntRange(1, 200).Draw(t, "d"), rapid.IntRange(1, 400).Draw(t, "n")
		kind := rapid.IntRange(0, len(awkward)-1).Draw(t, "kind")
		vectors := drawAwkward(r, kind, n, d)
		x, o := filledWith(t, Spec{}, vectors), oracleOf(vectors)
		for range rapid.IntRange(0, n/2).Draw(t, "removed") {
			key := r.Uint64N(uint64(n))
			x.Remove(key)
			o.remove(key)
		}
		f := Filter{}
		switch rapid.IntRange(0, 3).Draw(t, "filter") {
		case 1:
			f.In = multiples(1+r.Uint64N(9), uint64(n))
		case 2:
			f.Accept = func(key uint64) bool { return key%3 != 0 }
		case 3:
			f.Group = func(key uint64) uint64 { return key % 10 }
		}
		k := rapid.IntRange(1, 30).Draw(t, "k")
		for _, query := range [][]float32{vectors[0], nudged(r, vectors[n-1]), drawAwkward(r, kind, 1, d)[0]} {
			mustAnswer(t, x, o, query, k, f)
		}
	})
}

func TestScansAreExactOnDatasets(t *testing.T) {
	for _, c := range datasets {
		t.Run(c.name, func(t *testing.T) {
			vectors := c.generate(3040, 96)
			x, o := filledWith(t, Spec{}, vectors[:3000]), oracleOf(vectors[:3000])
			for i, query := range vectors[3000:] {
				mustAnswer(t, x, o, query, 1+i, Filter{})
				mustAnswer(t, x, o, query, 10, Filter{In: multiples(uint64(2+i), 3000)})
			}
		})
	}
}

// Tune makes scans of many vectors faster by what they have in common. Scans must
// stay exact, also of vectors that have nothing in common with the others.
func TestTunedScansAreExact(t *testing.T) {
	const n = 3000
	vectors, strange := clustered(n+120, 256), uniform(n/25, 256)
	for i, v := range strange {
		vectors[25*i+3] = v
	}
	for i, distance := range []float64{0.6, 0.5, 0.4, 0.3, 0.2} { // each nearer than those before
		vectors[600*i] = moved(rand.New(rand.NewPCG(1, 1)), strange[5], distance)
	}
	vectors[25*5+3], vectors[n+100] = vectors[1], strange[5] // the first query
	old, late, queries := vectors[:n], vectors[n:n+100], vectors[n+100:]
	for _, engine := range []string{EngineExact, EngineGraph} {
		t.Run(engine, func(t *testing.T) {
			x, o := filledWith(t, Spec{Engine: engine, EfConstruction: 20, M: 4, EfSearch: 10}, old), oracleOf(old)
			mustTune(t, x)
			if x.Stats().Head == 0 {
				t.Fatalf("Stats() after Tune = %+v, want heads", x.Stats())
			}
			for key := uint64(0); key < 50; key++ { // rows are used again, and new ones
				x.Remove(3 * key)
				o.remove(3 * key)
			}
			for i, v := range late {
				mustAdd(t, x, uint64(n+i), v)
				o.add(uint64(n+i), v)
			}
			for i, query := range slices.Concat(queries, late[:10]) {
				mustAnswer(t, x, o, query, 1+i%10, Filter{})
				mustAnswer(t, x, o, query, 10, filters[i%len(filters)].filter)
			}
		})
	}
}

func mustTune(t fataler, x Index) {
	t.Helper()
	if err := Tune(context.Background(), x); err != nil {
		t.Fatalf("Tune = %v, want no error", err)
	}
}

func TestParallelScansAreTheSerialScan(t *testing.T) {
	const n, d = 28_017, 300
	vectors := uniform(n, d)
	x, o := filledWith(t, Spec{}, vectors).(*Exact), oracleOf(vectors)
	for key := uint64(0); key < n; key += 3 {
		x.Remove(key)
		o.remove(key)
	}
	x.partSize = 1 << 20 // so that few vectors make many parts
	if parts := n * x.stride / x.partSize; parts < 4 {
		t.Fatalf("%d vectors make %d parts, want 4: the test must scan in parallel", n, parts)
	}
	for i, c := range []struct {
		k int
		f Filter
	}{
		{n, Filter{}}, // all, so that no row is missed
		{50, Filter{}},
		{50, Filter{In: multiples(3, n), Accept: func(key uint64) bool { return key%2 == 0 }}},
		{50, Filter{In: multiples(5, n), Group: func(key uint64) uint64 { return key % 1000 }}},
	} {
		want := o.nearest(vectors[i], c.k, c.f)
		for _, procs := range []int{1, 3, 4} {
			withProcs(procs, func() {
				if got := search(t, x, vectors[i], c.k, c.f); !slices.Equal(got, want) {
					t.Errorf("case %d on %d processors: Search = %v, want %v", i, procs, brief(got), brief(want))
				}
			})
		}
	}
}

// Law: a set of few keys, whose rows are looked up, answers as a set of all keys
// with an Accept that lets the same ones, for which all rows are scanned.
func TestAGatherIsAScan(t *testing.T) {
	vectors := nearDuplicates(2000, 70)
	x := filledWith(t, Spec{}, vectors)
	rapid.Check(t, func(t *rapid.T) {
		in := setOf(rapid.SliceOf(rapid.Uint64Range(0, 2100)).Draw(t, "keys")...)
		if in.Len() >= len(vectors)/gatherShare {
			t.Fatalf("%d keys are not gathered: the test must gather", in.Len())
		}
		query, k := vectors[rapid.IntRange(0, 1999).Draw(t, "query")], rapid.IntRange(1, 50).Draw(t, "k")
		got, want := search(t, x, query, k, Filter{In: in}), search(t, x, query, k, Filter{Accept: in.Has})
		if !slices.Equal(got, want) {
			t.Fatalf("Search of %d keys = %v, want %v", in.Len(), brief(got), brief(want))
		}
	})
}

// A search looks up rows after it has taken its view of them. Those added
// between must not be looked for in the view, which may be too short.
func TestAGatherPassesOverRowsAddedMeanwhile(t *testing.T) {
	vectors := clustered(2000, 16)
	x := filledWith(t, Spec{}, vectors[:1000]).(*Exact)
	v := x.view()
	mustAddAll(t, x, keysFrom(1000, 1000), vectors[1000:])
	q := new(query)
	q.set(vectors[1], v.frame)
	got := x.nearest(v, q, 3, &Filter{In: setOf(1, 1001, 1999)})
	if len(got) != 1 || got[0].Key != 1 {
		t.Errorf("nearest in a view of 1,000 rows = %v, want key 1", got)
	}
}

func TestAFullIndexRefuses(t *testing.T) {
	x := mustNew(t, Spec{}, 4).(*Exact)
	mustAdd(t, x, 1, axis(0))
	x.next = maxRows - 1
	if err := x.AddAll([]uint64{2, 3}, [][]float32{axis(0), axis(1)}); !errors.Is(err, ErrFull) {
		t.Errorf("AddAll of two where one has room = %v, want %v", err, ErrFull)
	}
	x.next = maxRows
	if err := x.Add(2, axis(0)); !errors.Is(err, ErrFull) {
		t.Errorf("Add to a full index = %v, want %v", err, ErrFull)
	}
	x.free = append(x.free, 0)
	if err := x.check(2, axis(0)); err != nil {
		t.Errorf("check with a free row = %v, want no error", err)
	}
}
