package probe

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestUncertaintyOfProbabilities(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		p     []float64
		multi bool
		want  float64
	}{
		{[]float64{1, 0, 0}, false, 0},
		{[]float64{0.5, 0.5}, false, 1},
		{[]float64{0.2, 0.5, 0.3}, false, 0.8},
		{[]float64{1}, false, 0},
		{[]float64{0.9, 0.5, 0.1}, true, 1},
		{[]float64{0.9, nan}, true, 0.2},
		{[]float64{nan, nan}, true, nan},
		{nil, false, nan},
	} {
		if got := Margin(c.p, c.multi); !equalOrNaN(got, c.want) {
			t.Errorf("Margin(%v, %v) = %v, want %v", c.p, c.multi, got, c.want)
		}
	}
}

func equalOrNaN(a, b float64) bool { return math.Abs(a-b) < 1e-12 || math.IsNaN(a) && math.IsNaN(b) }

func TestTopIsLargestFirstAndTiesByPosition(t *testing.T) {
	values := []float64{0.2, math.NaN(), 0.9, 0.2, 1}
	if got, want := Top(values, 3), []Pick{{4, 1}, {2, 0.9}, {0, 0.2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Top = %v, want %v", got, want)
	}
	if got := Top(values, 9); len(got) != 4 {
		t.Errorf("Top of more than there are = %v, want four", got)
	}
	if got := Top(values, -1); len(got) != 0 {
		t.Errorf("Top of fewer than none = %v, want none", got)
	}
}

func drawUnits(t *rapid.T, least int) [][]float32 {
	xs := make([][]float32, rapid.IntRange(least, 12).Draw(t, "vectors"))
	for i := range xs {
		xs[i] = drawVector(t, 3, 3)
	}
	return xs
}

// Each pick is as far from what is covered and taken before it as any vector
// is, and when fewer are returned than asked the rest are duplicates.
func TestEachPickIsTheFarthest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs, labelled := drawUnits(t, 1), drawUnits(t, 1)
		n := rapid.IntRange(0, 12).Draw(t, "n")
		cover := slices.Repeat([]float64{-1}, len(xs))
		for i, x := range xs {
			for _, l := range labelled {
				cover[i] = max(cover[i], inner(x, l))
			}
		}
		picks, err := Diverse(xs, cover, n)
		if err != nil {
			t.Fatalf("Diverse = %v, want nil", err)
		}
		far := func() float64 {
			most := 0.0
			for _, x := range xs {
				least := 2.0
				for _, l := range labelled {
					least = min(least, 1-inner(x, l))
				}
				most = max(most, least)
			}
			return most
		}
		for _, p := range picks {
			if math.Abs(p.Score-far()) > 1e-6 {
				t.Fatalf("pick %+v of %v, want a distance of %v", p, picks, far())
			}
			labelled = append(labelled, xs[p.Image])
		}
		if len(picks) < min(n, len(xs)) && far() > 2*duplicate {
			t.Fatalf("Diverse = %v, want %d: one is %v away", picks, n, far())
		}
	})
}

func TestDiverseStartsWithTheMostTypical(t *testing.T) {
	s := float32(math.Sqrt(0.5))
	xs := [][]float32{{1, 0}, {s, s}, {0, 1}, {1, 0}}
	got, err := Diverse(xs, nil, 4)
	if err != nil || len(got) != 3 || got[0] != (Pick{1, 2}) || got[1].Image != 0 || got[2].Image != 2 {
		t.Errorf("Diverse = %v, %v, want 1 at 2, then 0 and 2, no duplicate", got, err)
	}
	if got, err := Diverse(nil, nil, 3); err != nil || len(got) != 0 {
		t.Errorf("Diverse of nothing = %v, %v, want none", got, err)
	}
}

func TestDiverseRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name  string
		xs    [][]float32
		cover []float64
		want  error
	}{
		{"dimensions", [][]float32{{1, 0}, {1}}, nil, ErrDimension},
		{"NaN", [][]float32{{1, nan}}, nil, ErrNotFinite},
		{"cover of another length", [][]float32{{1, 0}}, []float64{0, 0}, ErrDimension},
		{"cover of NaN", [][]float32{{1, 0}}, []float64{math.NaN()}, ErrNotFinite},
	} {
		if got, err := Diverse(c.xs, c.cover, 1); !errors.Is(err, c.want) {
			t.Errorf("%s: Diverse = %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestGroupsFollowPairs(t *testing.T) {
	got, err := Groups(7, [][2]int{{5, 2}, {0, 3}, {2, 6}, {4, 4}})
	if want := [][]int{{0, 3}, {2, 5, 6}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Groups = %v, %v, want %v", got, err, want)
	}
	if _, err := Groups(2, [][2]int{{0, 2}}); !errors.Is(err, ErrDimension) {
		t.Errorf("Groups of a pair outside = %v, want ErrDimension", err)
	}
}

// Two positions are in one group if and only if pairs lead from one to the
// other.
func TestGroupsAreWhatPairsConnect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "n")
		position := rapid.IntRange(0, n-1)
		pairs := make([][2]int, rapid.IntRange(0, 10).Draw(t, "pairs"))
		reach := make([][]bool, n)
		for i := range reach {
			reach[i] = make([]bool, n)
			reach[i][i] = true
		}
		for i := range pairs {
			pairs[i] = [2]int{position.Draw(t, "a"), position.Draw(t, "b")}
			reach[pairs[i][0]][pairs[i][1]], reach[pairs[i][1]][pairs[i][0]] = true, true
		}
		for k := range n {
			for i := range n {
				for j := range n {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		groups, err := Groups(n, pairs)
		if err != nil {
			t.Fatalf("Groups = %v, want nil", err)
		}
		in := make([]int, n)
		for g, members := range groups {
			for _, i := range members {
				in[i] = g + 1
			}
		}
		for i := range n {
			for j := range n {
				if together := i == j || in[i] > 0 && in[i] == in[j]; together != reach[i][j] {
					t.Fatalf("Groups(%v) = %v, %d and %d together: %v, want %v", pairs, groups, i, j, together, reach[i][j])
				}
			}
		}
	})
}
