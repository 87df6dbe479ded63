package index

import (
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"nearcase/index/simd"
)

// withHeads returns an index of the vectors whose rows have heads.
func withHeads(t *testing.T, spec Spec, vectors [][]float32) Index {
	t.Helper()
	x := filledWith(t, spec, vectors)
	r, _ := rowsOf(x)
	r.reframe()
	if v := r.view(); !v.hasHeads() {
		t.Fatalf("%d vectors of %d have no heads", len(vectors), len(vectors[0]))
	}
	return x
}

// Law: q·v is never more than the codes of v and its head allow, and never less
// than its codes do, whatever the frame was trained on.
func TestCodesBoundScores(t *testing.T) {
	known := clustered(600, 300)
	for name, f := range map[string]*frame{
		"of its vectors": train(known, 300), "of others": train(flat(600, 300, 70), 300), "none": new(frame),
	} {
		if name != "none" && f.size == 0 {
			t.Fatalf("frame %s has no directions", name)
		}
		v := view{arrays: &arrays{coded: (&coded{frame: f}).grown(1, stride(300))}}
		rapid.Check(t, func(t *rapid.T) {
			a := known[rapid.IntRange(0, 599).Draw(t, "query")]
			b := noisy(known[rapid.IntRange(0, 599).Draw(t, "vector")], rapid.Float64Range(0, 1).Draw(t, "noise"))
			q := new(query)
			q.set(a, f)
			v.set(new(encoder), 0, b)
			var dots [1]int32
			q.codes.Many(v.codes, []uint32{0}, dots[:])
			middle, doubt := float64(v.approximate(q, 0, dots[0])), float64(v.doubt(q, 0))
			for _, score := range []float64{exactDot(a, b), float64(simd.Dot(a, b))} {
				if math.Abs(score-middle) > doubt {
					t.Fatalf("frame %s: score %g, want within %g of %g", name, score, doubt, middle)
				}
				if f.size == 0 {
					continue
				}
				q.headCodes.Many(v.headCodes, []uint32{0}, dots[:])
				if most := float64(v.headMost(q, 0, dots[0])); score > most {
					t.Fatalf("frame %s: score %g, want at most %g", name, score, most)
				}
			}
		})
	}
}

// flat returns n unit vectors in the first size of d dimensions.
func flat(n, d, size int) [][]float32 {
	vectors := clustered(n, size)
	for i, v := range vectors {
		vectors[i] = append(v, make([]float32, d-size)...)
	}
	return vectors
}

// noisy returns v with noise in all directions, at unit length.
func noisy(v []float32, noise float64) []float32 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = float64(x) + noise*math.Sin(float64(7*i*i))/10
	}
	return normalised(w)
}

func TestDirectionsAreOrthonormalAndLeaveLittle(t *testing.T) {
	vectors := clustered(2100, 512)
	f := train(vectors[:2000], 512)
	if f.size != 64 || f.delta > 1e-5 {
		t.Fatalf("train = %d directions, %g from orthonormal, want 64 within 1e-5", f.size, f.delta)
	}
	h := make([]float32, f.size)
	for _, v := range vectors[2000:] {
		w := f.difference(nil, v)
		if rest := f.head(h, w, math.Sqrt(exactDot(w, w))); rest > 0.2 {
			t.Errorf("rest of a new vector = %g, want at most 0.2", rest)
		}
	}
}

func TestNoDirectionsWhereAllCount(t *testing.T) {
	for name, vectors := range map[string][][]float32{
		"uniform": uniform(2000, 512), "too few dimensions": clustered(500, 100), "no vectors": nil,
	} {
		d := 512
		if len(vectors) > 0 {
			d = len(vectors[0])
		}
		if f := train(vectors, d); f.size != 0 {
			t.Errorf("%s: train = %d directions, want none", name, f.size)
		}
	}
}

// Law: with heads a scan answers as the oracle does, also for vectors that were
// added after the basis was trained and lie outside of it, after removals, for
// every filter, and on several processors.
func TestScansWithHeadsAreExact(t *testing.T) {
	const n, d = 3000, 256
	vectors := slices.Concat(clustered(n, d), uniform(300, d))
	x := withHeads(t, Spec{}, vectors[:n])
	o := newOracle()
	for i, v := range vectors {
		if i >= n {
			mustAdd(t, x, uint64(i), v)
		}
		o.add(uint64(i), v)
	}
	for key := uint64(0); key < n; key += 7 {
		x.Remove(key)
		o.remove(key)
	}
	for i, query := range slices.Concat(vectors[5:40], vectors[n:n+30]) {
		for _, f := range []Filter{
			{}, {In: multiples(2, n)}, {In: multiples(31, n+300)},
			{Accept: func(key uint64) bool { return key%3 == 1 }},
			{Group: func(key uint64) uint64 { return key % 50 }},
		} {
			k := []int{1, 10, 100}[i%3]
			got := search(t, x, query, k, f)
			if want := o.nearest(query, k, f); !slices.Equal(got, want) {
				t.Fatalf("Search(query %d, k = %d, %+v) = %v, want %v", i, k, f, got, want)
			}
		}
	}
}

func TestHeadsOutliveASnapshot(t *testing.T) {
	vectors := clustered(2100, 256)
	for _, spec := range []Spec{{Engine: EngineExact}, {Engine: EngineGraph, EfSearch: 60}} {
		x := withHeads(t, spec, vectors[:2000])
		path := filepath.Join(t.TempDir(), "x")
		if err := saveTo(Freeze(x), path, nil); err != nil {
			t.Fatal(err)
		}
		y, _, err := loadFrom(path, spec, 256)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := y.Stats().Head, x.Stats().Head; got != want || got == 0 {
			t.Errorf("%s: Head after Load = %d, want %d", spec.Engine, got, want)
		}
		for _, query := range vectors[2000:] {
			got, want := search(t, y, query, 10, Filter{}), search(t, x, query, 10, Filter{})
			if !slices.Equal(got, want) {
				t.Fatalf("%s: Search after Load = %v, want %v", spec.Engine, got, want)
			}
		}
	}
}

// Rows that are added, removed and used again while heads are made have theirs.
func TestHeadsAreMadeWhileWriting(t *testing.T) {
	vectors := clustered(4000, 256)
	x := filledWith(t, Spec{}, vectors[:2000])
	r, _ := rowsOf(x)
	var group sync.WaitGroup
	group.Go(func() {
		for key := 2000; key < 4000; key++ {
			mustAdd(t, x, uint64(key), vectors[key])
			x.Remove(uint64(key - 1500))
		}
	})
	for range 3 {
		r.reframe()
	}
	group.Wait()
	o := newOracle()
	for key := 2500; key < 4000; key++ {
		o.add(uint64(key), vectors[key])
	}
	for key := 0; key < 500; key++ {
		o.add(uint64(key), vectors[key])
	}
	slices.Sort(o.keys)
	for _, query := range vectors[:50] {
		if got, want := search(t, x, query, 10, Filter{}), o.nearest(query, 10, Filter{}); !slices.Equal(got, want) {
			t.Fatalf("Search = %v, want %v", got, want)
		}
	}
}

// Few different vectors span fewer directions than a head has; those it lacks
// must not loosen its bounds.
func TestHeadsOfFewDirectionsAreTight(t *testing.T) {
	var vectors [][]float32
	for range 50 {
		vectors = append(vectors, clustered(30, 256)...)
	}
	f := train(vectors, 256)
	if f.size == 0 || f.delta > 1e-4 {
		t.Fatalf("train on 30 vectors = %d directions, %g from orthonormal, want some within 1e-4", f.size, f.delta)
	}
}

// Vectors that come with their opposites have the origin for a mean, which a
// snapshot does not hold.
func TestAMeanAtTheOriginOutlivesASnapshot(t *testing.T) {
	vectors := clustered(100, 128)
	for i := range 50 {
		for j, x := range vectors[i] {
			vectors[50+i][j] = -x
		}
	}
	x := filledWith(t, Spec{}, vectors).(*Exact)
	x.reframe()
	if v := x.view(); v.frame.mean != nil {
		t.Fatalf("mean = %v, want none", v.frame.mean)
	}
	path := filepath.Join(t.TempDir(), "x")
	if err := saveTo(Freeze(x), path, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := loadFrom(path, Spec{}, 128); err != nil {
		t.Errorf("Load = %v, want no error", err)
	}
}
