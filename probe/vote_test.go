package probe

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWeightsOfKnownScores(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	e := math.Exp(-1)
	for name, c := range map[string]struct {
		w      Weighting
		scores []float64
		want   []float64
	}{
		"no scores have no weights":               {Weighting{}, nil, nil},
		"one score has all":                       {Weighting{}, []float64{0.3}, []float64{1}},
		"0.07 apart is a factor of e":             {Weighting{}, []float64{0.9, 0.83}, []float64{1 / (1 + e), e / (1 + e)}},
		"the temperature divides":                 {Weighting{Softmax, 2}, []float64{1, 3}, []float64{e / (1 + e), 1 / (1 + e)}},
		"uniform ignores scores":                  {Weighting{Uniform, 0}, []float64{1, -1, 0, 7}, []float64{.25, .25, .25, .25}},
		"huge scores do not overflow":             {Weighting{}, []float64{1e300, 1e300, -1e300}, []float64{.5, .5, 0}},
		"infinite scores share all":               {Weighting{}, []float64{inf, 1, inf}, []float64{.5, 0, .5}},
		"what is no number weighs nothing":        {Weighting{}, []float64{nan, 1, nan, 1}, []float64{0, .5, 0, .5}},
		"an inverse distance is of unit vectors":  {Weighting{Kind: Distance}, []float64{0.5, 0.92, -1}, []float64{1 / 4., 5 / 8., 1 / 8.}},
		"only identical ones vote by distance":    {Weighting{Kind: Distance}, []float64{0.999, 1, 1 - 1e-7, 1 + 1e-7}, []float64{0, 1. / 3, 1. / 3, 1. / 3}},
		"nearly identical is not identical":       {Weighting{Kind: Distance}, []float64{1 - 0x1p-18, 1 - 0x1p-16}, []float64{2. / 3, 1. / 3}},
		"infinitely far is nothing by distance":   {Weighting{Kind: Distance}, []float64{-inf, 0, nan}, []float64{0, 1, 0}},
		"all infinitely far are alike":            {Weighting{Kind: Distance}, []float64{-inf, -inf}, []float64{.5, .5}},
		"where nothing is a number all are alike": {Weighting{}, []float64{nan, nan}, []float64{.5, .5}},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.w.Weights(c.scores)
			if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-14 }) {
				t.Errorf("%+v.Weights(%v) = %v, want %v", c.w, c.scores, got, c.want)
			}
		})
	}
}

// Law: weights are not negative, sum to one, rise with the score and do not
// depend on a shift of all scores.
func TestWeightsSumToOneAndFollowTheScores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 50).Draw(t, "scores")
		w := Weighting{Softmax, rapid.Float64Range(0.01, 10).Draw(t, "temperature")}
		weights, sum := w.Weights(scores), 0.0
		shifted := slices.Clone(scores)
		for i := range shifted {
			shifted[i] += 3
		}
		again := w.Weights(shifted)
		for i, v := range weights {
			sum += v
			if math.Abs(v-again[i]) > 1e-12 {
				t.Fatalf("Weights(%v)[%d] = %v, want %v as without the shift", shifted, i, again[i], v)
			}
			for j := range i {
				if (scores[i]-scores[j])*(v-weights[j]) < 0 {
					t.Fatalf("Weights(%v) = %v, want them in the scores' order", scores, weights)
				}
			}
		}
		if math.Abs(sum-1) > 1e-14*float64(len(scores)) || slices.Min(weights) < 0 {
			t.Fatalf("Weights(%v) = %v with sum %v, want 1 and none negative", scores, weights, sum)
		}
	})
}

func TestWeightingIsValidated(t *testing.T) {
	for name, c := range map[string]struct {
		w    Weighting
		want error
	}{
		"the zero value is valid":              {Weighting{}, nil},
		"softmax is valid":                     {Weighting{Softmax, 0.1}, nil},
		"distance is valid":                    {Weighting{Kind: Distance}, nil},
		"uniform is valid":                     {Weighting{Kind: Uniform}, nil},
		"an unknown kind is not":               {Weighting{Kind: "gaussian"}, ErrWeighting},
		"a negative temperature is not":        {Weighting{Temperature: -1}, ErrWeighting},
		"a NaN temperature is not":             {Weighting{Temperature: math.NaN()}, ErrWeighting},
		"an infinite temperature is not":       {Weighting{Temperature: math.Inf(1)}, ErrWeighting},
		"uniform with a bad temperature isn't": {Weighting{Uniform, -1}, ErrWeighting},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.w.Validate(); !errors.Is(err, c.want) {
				t.Errorf("%+v.Validate() = %v, want %v", c.w, err, c.want)
			}
		})
	}
}

// targetOf is the target of an image with the given ones of the classes.
func targetOf(classes string, have string) []float64 {
	y := make([]float64, len(classes))
	for _, c := range have {
		y[strings.IndexRune(classes, c)] = 1
	}
	return y
}

func shareOf(v float64) *float64 { return &v }

func TestVotesOfKnownNeighbours(t *testing.T) {
	nan := math.NaN()
	uniform := Voting{Weighting: Weighting{Kind: Uniform}}
	near := 1 / (1 + 2*math.Exp(-0.3/0.07))
	for name, c := range map[string]struct {
		neighbours []Neighbour
		classes    []string
		multi      bool
		v          Voting
		want       []Vote
	}{
		"no neighbours give no share": {nil, []string{"a", "b"}, false, Voting{}, []Vote{{"a", nil, 0, 0}, {"b", nil, 0, 0}}},
		"no classes give no votes":    {[]Neighbour{{1, nil, ""}}, nil, true, Voting{}, []Vote{}},
		"the best share comes first, ties in order": {
			[]Neighbour{{1, targetOf("abcd", "c"), ""}, {1, targetOf("abcd", "d"), ""}, {1, targetOf("abcd", "b"), ""}, {1, targetOf("abcd", "d"), ""}},
			[]string{"a", "b", "c", "d"}, false, uniform,
			[]Vote{{"d", shareOf(0.5), 2, 4}, {"b", shareOf(0.25), 1, 4}, {"c", shareOf(0.25), 1, 4}, {"a", shareOf(0), 0, 4}},
		},
		"a closer neighbour outweighs two": {
			[]Neighbour{{0.9, targetOf("ab", "a"), ""}, {0.6, targetOf("ab", "b"), ""}, {0.6, targetOf("ab", "b"), ""}},
			[]string{"a", "b"}, false, Voting{},
			[]Vote{{"a", shareOf(near), 1, 3}, {"b", shareOf(1 - near), 2, 3}},
		},
		"soft degrees split a weight": {
			[]Neighbour{{1, []float64{0.75, 0.25}, ""}, {1, []float64{0.5, 0.5}, ""}},
			[]string{"a", "b"}, false, uniform,
			[]Vote{{"a", shareOf(0.625), 2, 2}, {"b", shareOf(0.375), 1, 2}},
		},
		"findings share without summing to one": {
			[]Neighbour{{1, targetOf("ab", "ab"), ""}, {1, targetOf("ab", "b"), ""}, {1, targetOf("ab", ""), ""}, {1, targetOf("ab", "b"), ""}},
			[]string{"a", "b"}, true, uniform,
			[]Vote{{"b", shareOf(0.75), 3, 4}, {"a", shareOf(0.25), 1, 4}},
		},
		"a finding is voted on by those who know": {
			[]Neighbour{{1, []float64{nan, 1, nan}, ""}, {1, []float64{0, nan, nan}, ""}, {1, []float64{1, 0.5, nan}, ""}},
			[]string{"a", "b", "c"}, true, uniform,
			[]Vote{{"b", shareOf(0.75), 2, 2}, {"a", shareOf(0.5), 1, 2}, {"c", nil, 0, 0}},
		},
		"an identical image that does not know leaves the vote to others": {
			[]Neighbour{{1, []float64{nan, 1}, ""}, {0.5, []float64{1, 0}, ""}},
			[]string{"a", "b"}, true, Voting{Weighting: Weighting{Kind: Distance}},
			[]Vote{{"a", shareOf(1), 1, 1}, {"b", shareOf(1), 1, 2}},
		},
		"a label that says nothing does not vote": {
			[]Neighbour{{1, []float64{nan, nan}, ""}, {0.5, targetOf("ab", "b"), ""}},
			[]string{"a", "b"}, false, uniform,
			[]Vote{{"b", shareOf(1), 1, 1}, {"a", shareOf(0), 0, 1}},
		},
		"only the k nearest vote, also where they do not know": {
			[]Neighbour{{0.1, []float64{1}, ""}, {0.9, []float64{nan}, ""}, {0.8, []float64{0}, ""}},
			[]string{"a"}, true, Voting{Weighting: Weighting{Kind: Uniform}, K: 2},
			[]Vote{{"a", shareOf(0), 0, 1}},
		},
		"the nearest of each patient votes": {
			[]Neighbour{{0.7, targetOf("ab", "a"), "p"}, {0.9, targetOf("ab", "b"), "p"}, {0.1, targetOf("ab", "a"), ""}, {0.2, targetOf("ab", "a"), ""}},
			[]string{"a", "b"}, false, Voting{Weighting: Weighting{Kind: Uniform}, OnePerPatient: true},
			[]Vote{{"a", shareOf(2. / 3), 2, 3}, {"b", shareOf(1. / 3), 1, 3}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Votes(c.neighbours, c.classes, c.multi, c.v)
			near := func(a, b Vote) bool {
				return a.Class == b.Class && a.Count == b.Count && a.Known == b.Known && (a.Share == nil) == (b.Share == nil) &&
					(a.Share == nil || math.Abs(*a.Share-*b.Share) < 1e-14)
			}
			if err != nil || got == nil || !slices.EqualFunc(got, c.want, near) {
				t.Errorf("Votes(%v, %q, %v, %+v) = %s, %v, want %s", c.neighbours, c.classes, c.multi, c.v, inJSON(got), err, inJSON(c.want))
			}
		})
	}
}

func inJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestAVoteWithoutShareSaysSoInJSON(t *testing.T) {
	got, want := inJSON([]Vote{{"a", shareOf(0), 0, 2}, {Class: "b"}}),
		`[{"class":"a","share":0,"count":0,"known":2},{"class":"b","count":0,"known":0}]`
	if got != want {
		t.Errorf("Marshal gives %s, want %s", got, want)
	}
}

func TestInvalidVotesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		y     []float64
		multi bool
		v     Voting
		want  error
	}{
		"a target short":                    {[]float64{1}, false, Voting{}, ErrDimension},
		"a target above one":                {[]float64{0, 1.5}, true, Voting{}, ErrTarget},
		"a single label of two":             {[]float64{1, 1}, false, Voting{}, ErrTarget},
		"a single label of none":            {[]float64{0, 0}, false, Voting{}, ErrTarget},
		"a single label that is half known": {[]float64{1, math.NaN()}, false, Voting{}, ErrTarget},
		"fewer than no voters":              {[]float64{1, 0}, false, Voting{K: -1}, ErrWeighting},
		"an unknown weighting":              {[]float64{1, 0}, false, Voting{Weighting: Weighting{Kind: "x"}}, ErrWeighting},
	} {
		t.Run(name, func(t *testing.T) {
			neighbours := []Neighbour{{1, []float64{1, 0}, ""}, {1, c.y, ""}}
			if _, err := Votes(neighbours, []string{"a", "b"}, c.multi, c.v); !errors.Is(err, c.want) {
				t.Errorf("Votes of target %v = %v, want %v", c.y, err, c.want)
			}
			if _, err := Shares(neighbours, []string{"a", "b"}, c.multi, c.v); !errors.Is(err, c.want) {
				t.Errorf("Shares of target %v = %v, want %v", c.y, err, c.want)
			}
		})
	}
}

// drawNeighbours draws neighbours of three classes, unsorted and with ties.
func drawNeighbours(t *rapid.T, multi bool) []Neighbour {
	neighbours := make([]Neighbour, rapid.IntRange(1, 30).Draw(t, "neighbours"))
	for i := range neighbours {
		n := Neighbour{Score: float64(rapid.IntRange(-5, 5).Draw(t, "score")) / 5, Y: make([]float64, 3),
			Patient: rapid.SampledFrom([]string{"", "p", "q", "r"}).Draw(t, "patient")}
		if multi {
			for c := range n.Y {
				n.Y[c] = rapid.SampledFrom([]float64{0, 1, 0.5, math.NaN()}).Draw(t, "degree")
			}
		} else {
			n.Y[rapid.IntRange(0, 2).Draw(t, "one")] += 0.75
			n.Y[rapid.IntRange(0, 2).Draw(t, "other")] += 0.25
		}
		neighbours[i] = n
	}
	return neighbours
}

func drawVoting(t *rapid.T) Voting {
	return Voting{Weighting{rapid.SampledFrom([]string{Softmax, Uniform, Distance}).Draw(t, "kind"), 0},
		rapid.IntRange(0, 10).Draw(t, "k"), rapid.Bool().Draw(t, "one per patient")}
}

// Law: in a single-label task shares sum to one, and each is the sum of the
// neighbours' weights times their degrees.
func TestSingleLabelVotesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		neighbours, v := drawNeighbours(t, false), drawVoting(t)
		shares, err := Shares(neighbours, []string{"a", "b", "c"}, false, v)
		if err != nil || math.Abs(sumOf(shares)-1) > 1e-12 {
			t.Fatalf("Shares(%v, %+v) = %v, %v, want a sum of 1", neighbours, v, shares, err)
		}
		for c, got := range shares {
			want := 0.0
			for i, w := range v.Weights(neighbours) {
				want += w * neighbours[i].Y[c]
			}
			if math.Abs(got-want) > 1e-12 {
				t.Fatalf("Shares(%v, %+v)[%d] = %v, want %v", neighbours, v, c, got, want)
			}
		}
	})
}

// Law: the share of a finding is that of a vote of the voters that know it
// alone.
func TestAFindingIsVotedOnByThoseWhoKnowIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		neighbours, v := drawNeighbours(t, true), drawVoting(t)
		shares, err := Shares(neighbours, []string{"a", "b", "c"}, true, v)
		if err != nil {
			t.Fatal(err)
		}
		for c, got := range shares {
			var scores, degrees []float64
			for i, w := range (Voting{Weighting{Kind: Uniform}, v.K, v.OnePerPatient}).Weights(neighbours) {
				if y := neighbours[i].Y[c]; w > 0 && !math.IsNaN(y) {
					scores, degrees = append(scores, neighbours[i].Score), append(degrees, y)
				}
			}
			want := math.NaN()
			if len(scores) > 0 {
				want = innerProduct(v.Weighting.Weights(scores), degrees)
			}
			if !(math.Abs(got-want) < 1e-12) && !(math.IsNaN(got) && math.IsNaN(want)) {
				t.Fatalf("Shares(%v, %+v)[%d] = %v, want %v", neighbours, v, c, got, want)
			}
		}
	})
}

// Law: one per patient keeps, of each patient, the first of the best scores,
// and all of unknown patient, in order of score.
func TestOnePerPatientKeepsTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		neighbours := drawNeighbours(t, false)
		v := Voting{OnePerPatient: true}
		kept, weights, want := v.voters(neighbours), v.Weights(neighbours), 0
		for i, n := range neighbours {
			better := func(o Neighbour) bool { return o.Patient == n.Patient && o.Score > n.Score }
			equal := func(o Neighbour) bool { return o.Patient == n.Patient && o.Score == n.Score }
			if n.Patient == "" || !slices.ContainsFunc(neighbours, better) && !slices.ContainsFunc(neighbours[:i], equal) {
				want++
				if !slices.Contains(kept, i) {
					t.Fatalf("voters of %v = %v, want %d among them", neighbours, kept, i)
				}
			} else if weights[i] != 0 {
				t.Fatalf("Weights(%v)[%d] = %v, want 0", neighbours, i, weights[i])
			}
		}
		sorted := slices.IsSortedFunc(kept, func(a, b int) int { return cmp.Compare(neighbours[b].Score, neighbours[a].Score) })
		if len(kept) != want || !sorted {
			t.Fatalf("voters of %v = %v, want %d in order", neighbours, kept, want)
		}
	})
}

func TestAUnanimousShareIsNotAboveOne(t *testing.T) {
	var neighbours []Neighbour
	for k := 1; k <= 200; k++ {
		neighbours = append(neighbours, Neighbour{1 / float64(k), []float64{1}, ""})
		for _, kind := range []string{Softmax, Uniform, Distance} {
			v := Voting{Weighting: Weighting{Kind: kind}}
			if shares, err := Shares(neighbours, []string{"a"}, false, v); err != nil || shares[0] > 1 || shares[0] < 1-1e-13 {
				t.Errorf("Shares of %d neighbours alike, %s = %v, %v, want 1", k, kind, shares, err)
			}
		}
	}
}

func TestPresetsAreNamed(t *testing.T) {
	for name, want := range map[string]Preset{
		"":         {"dinov2", Voting{Weighting{Softmax, 0}, 20, false}, false},
		"dinov2":   {"dinov2", Voting{Weighting{Softmax, 0}, 20, false}, false},
		"medmnist": {"medmnist", Voting{Weighting{Uniform, 0}, 11, false}, false},
		"uni":      {"uni", Voting{Weighting{Uniform, 0}, 20, false}, true},
		"distance": {"distance", Voting{Weighting{Distance, 0}, 20, false}, false},
		"nearest":  {"nearest", Voting{Weighting{Uniform, 0}, 1, false}, false},
	} {
		if got, err := NamedPreset(name); got != want || err != nil || got.Validate() != nil {
			t.Errorf("NamedPreset(%q) = %+v, %v, want %+v", name, got, err, want)
		}
	}
	if _, err := NamedPreset("dino"); !errors.Is(err, ErrWeighting) {
		t.Errorf("NamedPreset(dino) = %v, want ErrWeighting", err)
	}
}

// A vector's score beside itself in float32, added as index/simd does in
// sixteen lanes, is Identical.
func TestScoresOfIdenticalVectorsAreIdentical(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, d := range []int{1, 64, 256, 512, 768, 1280, 2048} {
		worst := 0.0
		for range 300 {
			x := randomUnit(r, d)
			var lanes [16]float32
			for i, v := range x {
				lanes[i%16] += float32(v * v)
			}
			score := float32(0)
			for _, l := range lanes {
				score += l
			}
			worst = max(worst, math.Abs(float64(score)-1))
		}
		if t.Logf("dimension %d: off 1 by %.2g", d, worst); worst > 0.5*(1-Identical) {
			t.Errorf("dimension %d: scores of identical vectors are off 1 by %g, want half of %g at most", d, worst, 1-Identical)
		}
	}
}

// randomUnit returns a vector of random direction whose length is one but for
// the rounding of its components.
func randomUnit(r *rand.Rand, d int) []float32 {
	wide := make([]float64, d)
	for i := range wide {
		wide[i] = r.NormFloat64()
	}
	x, length := make([]float32, d), euclidean(wide)
	for i, v := range wide {
		x[i] = float32(v / length)
	}
	return x
}
