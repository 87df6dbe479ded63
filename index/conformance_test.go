package index

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// axis returns the unit vector of dimension 4 along axis i.
func axis(i int) []float32 {
	v := make([]float32, 4)
	v[i] = 1
	return v
}

func TestAddRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	forEngines(t, func(t *testing.T, spec Spec) {
		for _, c := range []struct {
			name   string
			key    uint64
			vector []float32
			want   error
		}{
			{"an equal key", 5, axis(1), ErrKey},
			{"a smaller key", 4, axis(1), ErrKey},
			{"key zero", 0, axis(1), ErrKey},
			{"a removed key", 3, axis(1), ErrKey},
			{"no vector", 6, nil, ErrDimension},
			{"a short vector", 6, axis(1)[:3], ErrDimension},
			{"a long vector", 6, append(axis(1), 0), ErrDimension},
			{"a zero vector", 6, make([]float32, 4), ErrNotUnit},
			{"a vector too long by 2e-3", 6, []float32{1.002, 0, 0, 0}, ErrNotUnit},
			{"a vector too short by 2e-3", 6, []float32{0.998, 0, 0, 0}, ErrNotUnit},
			{"NaN", 6, []float32{1, nan, 0, 0}, ErrNotUnit},
			{"infinity", 6, []float32{inf, 0, 0, 0}, ErrNotUnit},
			{"negative infinity", 6, []float32{-inf, 0, 0, 0}, ErrNotUnit},
			{"the largest float", 6, []float32{math.MaxFloat32, 0, 0, 0}, ErrNotUnit},
		} {
			t.Run(c.name, func(t *testing.T) {
				x := mustNew(t, spec, 4)
				mustAdd(t, x, 3, axis(0))
				mustAdd(t, x, 5, axis(0))
				x.Remove(3)
				if err := x.Add(c.key, c.vector); !errors.Is(err, c.want) {
					t.Errorf("Add(%d, %v) = %v, want %v", c.key, c.vector, err, c.want)
				}
				if got := search(t, x, axis(0), 9, nil); !slices.Equal(got, []Neighbour{{5, 1}}) {
					t.Errorf("Search after a refused Add = %v, want only key 5", got)
				}
				mustAdd(t, x, 6, axis(1))
			})
		}
	})
}

func TestSearchRefuses(t *testing.T) {
	forEngines(t, func(t *testing.T, spec Spec) {
		for _, c := range []struct {
			name  string
			query []float32
			want  error
		}{
			{"no query", nil, ErrDimension},
			{"a short query", axis(0)[:3], ErrDimension},
			{"a long query", append(axis(0), 0), ErrDimension},
			{"a zero query", make([]float32, 4), ErrNotUnit},
			{"NaN", []float32{float32(math.NaN()), 0, 0, 0}, ErrNotUnit},
			{"infinity", []float32{float32(math.Inf(1)), 0, 0, 0}, ErrNotUnit},
		} {
			t.Run(c.name, func(t *testing.T) {
				x := mustNew(t, spec, 4)
				for _, when := range []string{"empty", "filled"} {
					if got, err := x.Search(c.query, 1, nil); !errors.Is(err, c.want) || got != nil {
						t.Errorf("%s: Search(%v) = %v, %v, want %v", when, c.query, got, err, c.want)
					}
					mustAdd(t, x, uint64(len(when)), axis(0))
				}
			})
		}
	})
}

func TestAddAcceptsLengthsWithin1e3OfUnit(t *testing.T) {
	forEngines(t, func(t *testing.T, spec Spec) {
		x := mustNew(t, spec, 4)
		mustAdd(t, x, 0, []float32{1.0009, 0, 0, 0})
		mustAdd(t, x, 1, []float32{0.9991, 0, 0, 0})
		mustAdd(t, x, math.MaxUint64, axis(0))
		if err := x.Add(0, axis(0)); !errors.Is(err, ErrKey) {
			t.Errorf("Add(0) after the largest key = %v, want ErrKey", err)
		}
		want := []Neighbour{{0, 1.0009}, {math.MaxUint64, 1}, {1, 0.9991}}
		if got := search(t, x, axis(0), 3, nil); !slices.Equal(got, want) {
			t.Errorf("Search = %v, want %v", got, want)
		}
	})
}

func TestAnIndexWithoutVectorsFindsNothing(t *testing.T) {
	forEngines(t, func(t *testing.T, spec Spec) {
		x := mustNew(t, spec, 4)
		empty := func(when string) {
			for _, k := range []int{math.MinInt, 0, 1, math.MaxInt} {
				if got := search(t, x, axis(0), k, nil); len(got) != 0 {
					t.Errorf("%s: Search(k = %d) = %v, want none", when, k, got)
				}
			}
			if x.Len() != 0 {
				t.Errorf("%s: Len() = %d, want 0", when, x.Len())
			}
		}
		empty("new")
		for key := range uint64(200) {
			mustAdd(t, x, key, axis(int(key%4)))
		}
		for key := range uint64(200) {
			if !x.Remove(key) || x.Remove(key) {
				t.Fatalf("Remove(%d) must be true once", key)
			}
		}
		empty("all removed")
		mustAdd(t, x, 200, axis(0))
		if got := search(t, x, axis(0), 2, nil); !slices.Equal(got, []Neighbour{{200, 1}}) {
			t.Errorf("Search after refilling = %v, want only key 200", got)
		}
	})
}

func TestTheVectorIsCopied(t *testing.T) {
	forEngines(t, func(t *testing.T, spec Spec) {
		x := mustNew(t, spec, 4)
		v := axis(0)
		mustAdd(t, x, 1, v)
		v[0], v[1] = 0, 1
		if got, ok := x.Vector(1); !ok || !slices.Equal(got, axis(0)) {
			t.Errorf("Vector(1) = %v, %t, want %v, true", got, ok, axis(0))
		}
		view, _ := x.Vector(1)
		mustAdd(t, x, 2, axis(1))
		_ = append(view, 7)
		if got, _ := x.Vector(2); !slices.Equal(got, axis(1)) {
			t.Errorf("Vector(2) after appending to Vector(1) = %v, want %v", got, axis(1))
		}
	})
}

func TestAViewOutlivesItsRecord(t *testing.T) {
	forEngines(t, func(t *testing.T, spec Spec) {
		vectors := clustered(3*chunkRows/2, 8)
		x, _ := built(t, spec, vectors)
		views := make([][]float32, len(vectors))
		for key := range vectors {
			views[key], _ = x.Vector(uint64(key))
		}
		for key := range vectors {
			x.Remove(uint64(key))
			mustAdd(t, x, uint64(len(vectors)+key), vectors[0])
		}
		for key, want := range vectors {
			if !slices.Equal(views[key], want) {
				t.Fatalf("view of key %d = %v after its removal, want %v", key, views[key], want)
			}
		}
	})
}

func TestAcceptMayUseTheIndex(t *testing.T) {
	forEngines(t, func(t *testing.T, spec Spec) {
		vectors := clustered(300, 8)
		x, _ := built(t, spec, vectors)
		next := uint64(len(vectors))
		got := search(t, x, vectors[0], 3, func(key uint64) bool {
			mustAdd(t, x, next, vectors[0]) // seen only by later searches
			next++
			_, ok := x.Vector(key)
			return ok && x.Remove(key)
		})
		if len(got) != 3 || got[0].Key >= uint64(len(vectors)) || x.Len() <= len(vectors)-3 {
			t.Errorf("Search = %v, Len() = %d, want 3 of the %d keys added before", got, x.Len(), len(vectors))
		}
	})
}

func TestAcceptIsAskedOnlyAboutTheBestSoFar(t *testing.T) {
	x := mustNew(t, Spec{}, 4)
	for key := range uint64(100) {
		mustAdd(t, x, key, axis(int(key%4)))
	}
	var asked []uint64
	search(t, x, axis(2), 2, func(key uint64) bool { asked = append(asked, key); return true })
	if want := []uint64{0, 1, 2, 6}; !slices.Equal(asked, want) {
		t.Errorf("accept was asked about %v, want %v", asked, want)
	}
}

// vectorOf draws from few unit vectors, so that ties and duplicates abound.
func vectorOf(t *rapid.T) []float32 {
	corner := rapid.SliceOfN(rapid.IntRange(-1, 1), 5, 5).
		Filter(func(c []int) bool { return slices.ContainsFunc(c, func(x int) bool { return x != 0 }) }).
		Draw(t, "corner")
	v := make([]float64, len(corner))
	for i, x := range corner {
		v[i] = float64(x)
	}
	return normalised(v)
}

// Law: under any sequence of calls an engine does what the oracle does, and
// its searches agree with it.
func TestEnginesFollowTheOracle(t *testing.T) {
	forEngines(t, func(t *testing.T, spec Spec) {
		rapid.Check(t, func(t *rapid.T) {
			x, o := mustNew(t, spec, 5), newOracle()
			last := uint64(0)
			add := func(t *rapid.T) {
				last += rapid.Uint64Range(1, 3).Draw(t, "step")
				v := vectorOf(t)
				mustAdd(t, x, last, v)
				o.add(last, v)
			}
			for range rapid.IntRange(0, 150).Draw(t, "initial") {
				add(t)
			}
			t.Repeat(map[string]func(*rapid.T){
				"add": add,
				"remove": func(t *rapid.T) {
					from := rapid.Uint64Range(0, last+1).Draw(t, "from")
					to := from + rapid.Uint64Range(1, 40).Draw(t, "n")
					for key := from; key < to; key++ {
						if got, want := x.Remove(key), o.remove(key); got != want {
							t.Fatalf("Remove(%d) = %t, want %t", key, got, want)
						}
					}
				},
				"vector": func(t *rapid.T) {
					key := rapid.Uint64Range(0, last+1).Draw(t, "key")
					got, ok := x.Vector(key)
					if want, is := o.vectors[key]; ok != is || !slices.Equal(got, want) {
						t.Fatalf("Vector(%d) = %v, %t, want %v, %t", key, got, ok, want, is)
					}
				},
				"search": func(t *rapid.T) {
					query, k := vectorOf(t), rapid.SampledFrom([]int{-1, 0, 1, 2, 5, 1000}).Draw(t, "k")
					accept := filterOf(t)
					got, err := x.Search(query, k, accept)
					if err != nil {
						t.Fatalf("Search(%v, %d) = %v, want no error", query, k, err)
					}
					mustAgree(t, spec.Engine, o, got, query, k, accept)
				},
				"": func(t *rapid.T) {
					if got, want := x.Len(), len(o.keys); got != want {
						t.Fatalf("Len() = %d, want %d", got, want)
					}
				},
			})
		})
	})
}

// filterOf draws no filter, or one that keeps some, one in many, or no keys.
func filterOf(t *rapid.T) func(uint64) bool {
	switch rapid.SampledFrom([]string{"nil", "half", "few", "none"}).Draw(t, "accept") {
	case "half":
		return func(key uint64) bool { return key%2 == 0 }
	case "few":
		return func(key uint64) bool { return key%17 == 3 }
	case "none":
		return func(uint64) bool { return false }
	}
	return nil
}
