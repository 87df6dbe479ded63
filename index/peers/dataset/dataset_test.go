package dataset

import (
	"math"
	"path/filepath"
	"slices"
	"testing"
)

func TestRowsHaveUnitLength(t *testing.T) {
	for _, name := range Names() {
		set := generate(t, name, 300, 50, 96)
		for _, m := range []Matrix{set.Base, set.Queries} {
			for i, row := range m.Rows() {
				var square float64
				for _, x := range row {
					square += float64(x) * float64(x)
				}
				if math.Abs(square-1) > 1e-5 {
					t.Fatalf("%s: row %d has length² %g, want 1", name, i, square)
				}
			}
		}
	}
}

// A set depends on nothing but its name and dimension: another run gives the
// same rows, and a smaller set is the beginning of a larger one.
func TestSmallerSetsBeginLargerOnes(t *testing.T) {
	for _, name := range Names() {
		small, large := generate(t, name, 100, 20, 96), generate(t, name, 257, 40, 96)
		if !slices.Equal(small.Base.Values, large.Base.Values[:len(small.Base.Values)]) {
			t.Errorf("%s: the base of 100 does not begin the base of 257", name)
		}
		if !slices.Equal(small.Queries.Values, large.Queries.Values[:len(small.Queries.Values)]) {
			t.Errorf("%s: 20 queries do not begin 40", name)
		}
		if slices.Equal(small.Base.Row(0), small.Queries.Row(0)) {
			t.Errorf("%s: the first query is the first base vector", name)
		}
	}
}

func TestClusteredHasANearCrowd(t *testing.T) {
	clustered, uniform := generate(t, "clustered", 2000, 20, 128), generate(t, "uniform", 2000, 20, 128)
	for i := range 20 {
		if c, u := nearest(clustered, i), nearest(uniform, i); c < 0.8 || u > 0.5 {
			t.Errorf("query %d: nearest of clustered at %.3f and of uniform at %.3f, want over 0.8 and under 0.5", i, c, u)
		}
	}
}

func TestNearDuplicatesHoldCopies(t *testing.T) {
	set := generate(t, "near-duplicates", 20_000, 50, 64)
	same := map[[4]float32]int{}
	for _, row := range set.Base.Rows() {
		same[[4]float32(row)]++
	}
	if exact := set.Base.Len() - len(same); exact < 500 || exact > 1500 {
		t.Errorf("%d of 20,000 are exact copies of others, want about 1,100", exact)
	}
	for i := range set.Queries.Len() {
		if best := nearest(set, i); best < 0.997 {
			t.Errorf("query %d: nearest at %.4f, want a near-duplicate", i, best)
		}
	}
}

func TestUnknownNamesAndSizesAreErrors(t *testing.T) {
	for _, c := range []struct {
		name            string
		n, queries, dim int
	}{{"other", 1, 1, 1}, {"uniform", 0, 1, 1}, {"uniform", 1, 0, 1}, {"uniform", 1, 1, 0}} {
		if _, err := Generate(c.name, c.n, c.queries, c.dim); err == nil {
			t.Errorf("Generate(%q, %d, %d, %d) gave no error", c.name, c.n, c.queries, c.dim)
		}
	}
}

func TestFilesKeepRowsAndHoldOutTheLast(t *testing.T) {
	made := generate(t, "uniform", 30, 1, 16).Base
	path := filepath.Join(t.TempDir(), "v.f32")
	if err := made.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	set, err := Real("mine", path, 16, 10)
	if err != nil {
		t.Fatal(err)
	}
	if set.Base.Len() != 20 || set.Queries.Len() != 10 {
		t.Fatalf("%d base vectors and %d queries, want 20 and 10", set.Base.Len(), set.Queries.Len())
	}
	for i, got := range append(slices.Clone(set.Base.Values), set.Queries.Values...) {
		if want := made.Values[i]; math.Abs(float64(got-want)) > 1e-6 {
			t.Fatalf("value %d is %g, want %g", i, got, want)
		}
	}
	for _, queries := range []int{0, 30} {
		if _, err := Real("mine", path, 16, queries); err == nil {
			t.Errorf("%d queries of 30 rows gave no error", queries)
		}
	}
	if _, err := Real("mine", path, 17, 10); err == nil {
		t.Error("a file that is no whole number of rows gave no error")
	}
}

func generate(t *testing.T, name string, n, queries, dim int) Set {
	t.Helper()
	set, err := Generate(name, n, queries, dim)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// nearest is the best score of query i.
func nearest(s Set, i int) float64 {
	best, query := -1.0, s.Queries.Row(i)
	for _, row := range s.Base.Rows() {
		var sum float64
		for j, x := range row {
			sum += float64(x) * float64(query[j])
		}
		best = max(best, sum)
	}
	return best
}

func BenchmarkClustered(b *testing.B) {
	for b.Loop() {
		if _, err := Generate("clustered", 10_000, 1, 512); err != nil {
			b.Fatal(err)
		}
	}
}
