package index

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// axis returns the unit vector of dimension 4 along axis i.
func axis(i int) []float32 {
	v := make([]float32, 4)
	v[i] = 1
	return v
}

// refused are what no index of dimension 4 takes as a vector or a query.
func refused() []struct {
	name   string
	vector []float32
	want   error
} {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	return []struct {
		name   string
		vector []float32
		want   error
	}{
		{"no vector", nil, ErrDimension},
		{"a short vector", axis(1)[:3], ErrDimension},
		{"a long vector", append(axis(1), 0), ErrDimension},
		{"a zero vector", make([]float32, 4), ErrNotUnit},
		{"a vector too long by 2e-3", []float32{1.002, 0, 0, 0}, ErrNotUnit},
		{"a vector too short by 2e-3", []float32{0.998, 0, 0, 0}, ErrNotUnit},
		{"NaN", []float32{1, nan, 0, 0}, ErrNotUnit},
		{"infinity", []float32{inf, 0, 0, 0}, ErrNotUnit},
		{"negative infinity", []float32{1, -inf, 0, 0}, ErrNotUnit},
		{"infinities of both signs", []float32{inf, -inf, 0, 0}, ErrNotUnit},
		{"the largest float", []float32{math.MaxFloat32, 0, 0, 0}, ErrNotUnit},
		{"the smallest float", []float32{math.SmallestNonzeroFloat32, 0, 0, 0}, ErrNotUnit},
	}
}

// threeAndFive is an index in which key 3 was removed and key 5 is present.
func threeAndFive(t *testing.T, e engine) Index {
	x := e.open(t, 4)
	mustAdd(t, x, 3, axis(0))
	mustAdd(t, x, 5, axis(0))
	x.Remove(3)
	return x
}

// mustBeThreeAndFive checks that a refused call has changed nothing.
func mustBeThreeAndFive(t *testing.T, x Index) {
	t.Helper()
	for _, find := range []func([]float32, int, Filter) ([]Neighbour, error){x.Search, x.SearchExact} {
		if got, err := find(axis(0), 9, Filter{}); err != nil || !slices.Equal(got, []Neighbour{{5, 1}}) {
			t.Errorf("Search after a refusal = %v, %v, want only key 5", got, err)
		}
	}
	if last, ok := x.LastKey(); last != 5 || !ok || x.Len() != 1 {
		t.Errorf("LastKey() = %d, %t, Len() = %d after a refusal, want 5, true, 1", last, ok, x.Len())
	}
	mustAdd(t, x, 6, axis(1))
}

func TestAddRefusesVectors(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		for _, c := range refused() {
			t.Run(c.name, func(t *testing.T) {
				x := threeAndFive(t, e)
				if err := x.Add(6, c.vector); !errors.Is(err, c.want) {
					t.Errorf("Add(6, %v) = %v, want %v", c.vector, err, c.want)
				}
				mustBeThreeAndFive(t, x)
			})
		}
	})
}

func TestAddRefusesKeysThatDoNotGrow(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		for _, c := range []struct {
			name string
			key  uint64
		}{{"an equal key", 5}, {"a smaller key", 4}, {"key zero", 0}, {"a removed key", 3}} {
			t.Run(c.name, func(t *testing.T) {
				x := threeAndFive(t, e)
				if err := x.Add(c.key, axis(1)); !errors.Is(err, ErrKey) {
					t.Errorf("Add(%d) = %v, want %v", c.key, err, ErrKey)
				}
				mustBeThreeAndFive(t, x)
			})
		}
	})
}

func TestAddAllAddsAllOrNone(t *testing.T) {
	vector, zero := axis(1), make([]float32, 4)
	forEngines(t, func(t *testing.T, e engine) {
		for _, c := range []struct {
			name    string
			keys    []uint64
			vectors [][]float32
			want    error
		}{
			{"the first key does not grow", []uint64{5, 6}, [][]float32{vector, vector}, ErrKey},
			{"the last key does not grow", []uint64{6, 7, 7}, [][]float32{vector, vector, vector}, ErrKey},
			{"the keys fall", []uint64{7, 6}, [][]float32{vector, vector}, ErrKey},
			{"the last vector is zero", []uint64{6, 7, 8}, [][]float32{vector, vector, zero}, ErrNotUnit},
			{"the last vector is short", []uint64{6, 7}, [][]float32{vector, vector[:3]}, ErrDimension},
			{"a key has no vector", []uint64{6, 7}, [][]float32{vector}, ErrKey},
			{"a vector has no key", []uint64{6}, [][]float32{vector, vector}, ErrKey},
			{"there are only keys", []uint64{6}, nil, ErrKey},
			{"nothing is added", nil, nil, nil},
		} {
			t.Run(c.name, func(t *testing.T) {
				x := threeAndFive(t, e)
				if err := x.AddAll(c.keys, c.vectors); !errors.Is(err, c.want) {
					t.Errorf("AddAll(%v) = %v, want %v", c.keys, err, c.want)
				}
				mustBeThreeAndFive(t, x)
			})
		}
	})
}

func TestAddAllIsAsManyAdds(t *testing.T) {
	vectors := clustered(700, 20)
	forEngines(t, func(t *testing.T, e engine) {
		x, o := e.open(t, 20), oracleOf(vectors)
		for from, n := 0, 1; from < len(vectors); from, n = from+n, 3*n {
			to := min(len(vectors), from+n)
			mustAddAll(t, x, keysFrom(uint64(from), to-from), vectors[from:to])
		}
		for _, query := range vectors[:20] {
			mustAnswer(t, x, o, query, 7, Filter{})
		}
		mustAnswer(t, x, o, vectors[0], len(vectors), Filter{})
	})
}

func TestSearchRefuses(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		for _, c := range refused() {
			t.Run(c.name, func(t *testing.T) {
				x := e.open(t, 4)
				for _, when := range []string{"empty", "filled"} {
					for _, k := range []int{-1, 0, 1} {
						got, err := x.Search(c.vector, k, Filter{})
						if !errors.Is(err, c.want) || got != nil {
							t.Errorf("%s: Search(%v, %d) = %v, %v, want %v", when, c.vector, k, got, err, c.want)
						}
						if got, err = x.SearchExact(c.vector, k, Filter{}); !errors.Is(err, c.want) || got != nil {
							t.Errorf("%s: SearchExact(%v, %d) = %v, %v, want %v", when, c.vector, k, got, err, c.want)
						}
					}
					mustAdd(t, x, uint64(len(when)), axis(0))
				}
			})
		}
	})
}

func TestLengthsWithin1e3OfUnitAreTaken(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		x := e.open(t, 4)
		mustAdd(t, x, 0, []float32{1.0009, 0, 0, 0})
		mustAdd(t, x, 1, []float32{0.9991, 0, 0, 0})
		mustAdd(t, x, math.MaxUint64, axis(0))
		if err := x.Add(0, axis(0)); !errors.Is(err, ErrKey) {
			t.Errorf("Add(0) after the largest key = %v, want ErrKey", err)
		}
		want := []Neighbour{{0, 1.0009}, {math.MaxUint64, 1}, {1, 0.9991}}
		if got := search(t, x, axis(0), 3, Filter{}); !slices.Equal(got, want) {
			t.Errorf("Search = %v, want %v", got, want)
		}
		if got := search(t, x, []float32{-1.0009, 0, 0, 0}, 3, Filter{}); len(got) != 3 || got[2].Key != 0 {
			t.Errorf("Search of the opposite = %v, want three, key 0 last", got)
		}
	})
}

func TestAnIndexWithoutVectorsFindsNothing(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		x := e.open(t, 4)
		mustBeEmpty(t, x, "new")
		if last, ok := x.LastKey(); ok {
			t.Errorf("LastKey() of a new index = %d, true, want false", last)
		}
		for first := uint64(0); first < 600; first += 200 {
			for key := first; key < first+200; key++ {
				mustAdd(t, x, key, axis(int(key%4)))
			}
			for key := first; key < first+200; key++ {
				if !x.Remove(key) || x.Remove(key) {
					t.Fatalf("Remove(%d) must be true once", key)
				}
			}
			mustBeEmpty(t, x, "all removed")
			if last, ok := x.LastKey(); last != first+199 || !ok {
				t.Errorf("LastKey() = %d, %t, want %d, true", last, ok, first+199)
			}
		}
		mustAdd(t, x, 600, axis(0))
		if got := search(t, x, axis(0), 2, Filter{}); !slices.Equal(got, []Neighbour{{600, 1}}) {
			t.Errorf("Search after refilling = %v, want only key 600", got)
		}
	})
}

func mustBeEmpty(t *testing.T, x Index, when string) {
	t.Helper()
	for _, k := range []int{math.MinInt, -1, 0, 1, math.MaxInt} {
		if got := search(t, x, axis(0), k, Filter{}); len(got) != 0 {
			t.Errorf("%s: Search(k = %d) = %v, want none", when, k, got)
		}
	}
	if x.Len() != 0 || x.Remove(0) {
		t.Errorf("%s: Len() = %d, want 0, and Remove(0) false", when, x.Len())
	}
	if v, ok := x.Vector(0); ok {
		t.Errorf("%s: Vector(0) = %v, want none", when, v)
	}
}

func TestAnyNumberOfNeighboursCanBeAskedFor(t *testing.T) {
	vectors := clustered(300, 12)
	forEngines(t, func(t *testing.T, e engine) {
		x, o := e.open(t, 12), oracleOf(vectors)
		mustAddAll(t, x, keysFrom(0, len(vectors)), vectors)
		for _, k := range []int{math.MinInt, -1, 0, 1, 2, 299, 300, 301, math.MaxInt32, math.MaxInt} {
			mustAnswer(t, x, o, vectors[7], k, Filter{})
		}
	})
}

func TestVectorsAreCopiedInAndOut(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		x := e.open(t, 4)
		v := axis(0)
		mustAdd(t, x, 1, v)
		v[0], v[1] = 0, 1
		mustAddAll(t, x, []uint64{2}, [][]float32{v})
		v[1], v[2] = 0, 1
		for range 2 {
			for key, want := range [][]float32{nil, axis(0), axis(1)} {
				got, ok := x.Vector(uint64(key))
				if ok != (want != nil) || !slices.Equal(got, want) {
					t.Errorf("Vector(%d) = %v, %t, want %v", key, got, ok, want)
				}
				clear(got)
				_ = append(got, 7)
			}
		}
		if got := search(t, x, axis(1), 1, Filter{}); !slices.Equal(got, []Neighbour{{2, 1}}) {
			t.Errorf("Search = %v, want key 2 with score 1", got)
		}
	})
}

func TestAVectorOutlivesItsKey(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		x := e.open(t, 4)
		mustAdd(t, x, 1, axis(0))
		v, _ := x.Vector(1)
		x.Remove(1)
		for key := uint64(2); key < 20; key++ { // the row is used again
			mustAdd(t, x, key, axis(1))
			x.Remove(key)
		}
		if !slices.Equal(v, axis(0)) {
			t.Errorf("Vector(1) = %v after its removal, want %v", v, axis(0))
		}
	})
}

func TestTiesGoToTheSmallerKey(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		x, o := e.open(t, 4), newOracle()
		for key := range uint64(60) {
			mustAdd(t, x, 3*key, axis(int(key%2)))
			o.add(3*key, axis(int(key%2)))
		}
		for key := uint64(0); key < 60; key += 9 {
			x.Remove(key)
			o.remove(key)
		}
		for _, k := range []int{5, 30, 60} {
			mustAnswer(t, x, o, axis(1), k, Filter{})
		}
	})
}

func TestOneVectorIsFound(t *testing.T) {
	forEngines(t, func(t *testing.T, e engine) {
		x := e.open(t, 1)
		mustAdd(t, x, 7, []float32{-1})
		if got := search(t, x, []float32{1}, 3, Filter{}); !slices.Equal(got, []Neighbour{{7, -1}}) {
			t.Errorf("Search = %v, want key 7 with score -1", got)
		}
	})
}
