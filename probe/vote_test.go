package probe

import (
	"errors"
	"math"
	"slices"
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

func TestVotesOfKnownNeighbours(t *testing.T) {
	uniform := Weighting{Kind: Uniform}
	for name, c := range map[string]struct {
		neighbours []Neighbour
		classes    []string
		w          Weighting
		want       []Vote
	}{
		"no neighbours give no share": {nil, []string{"b", "a"}, Weighting{}, []Vote{{"a", 0, 0}, {"b", 0, 0}}},
		"no classes give no votes":    {[]Neighbour{{1, []string{"a"}}}, nil, Weighting{}, []Vote{}},
		"the best share comes first, ties by name": {
			[]Neighbour{{1, []string{"c"}}, {1, []string{"d"}}, {1, []string{"b"}}, {1, []string{"d"}}},
			[]string{"d", "c", "b", "a"}, uniform,
			[]Vote{{"d", 0.5, 2}, {"b", 0.25, 1}, {"c", 0.25, 1}, {"a", 0, 0}},
		},
		"a closer neighbour outweighs two": {
			[]Neighbour{{0.9, []string{"a"}}, {0.6, []string{"b"}}, {0.6, []string{"b"}}},
			[]string{"a", "b"}, Weighting{},
			[]Vote{{"a", 1 / (1 + 2*math.Exp(-0.3/0.07)), 1}, {"b", 1 - 1/(1+2*math.Exp(-0.3/0.07)), 2}},
		},
		"findings share without summing to one": {
			[]Neighbour{{1, []string{"a", "b"}}, {1, []string{"b", "b"}}, {1, nil}, {1, []string{"b"}}},
			[]string{"a", "b", "b"}, uniform,
			[]Vote{{"b", 0.75, 3}, {"a", 0.25, 1}},
		},
		"a class not asked for keeps its weight": {
			[]Neighbour{{1, []string{"other"}}, {1, []string{"a"}}}, []string{"a"}, uniform,
			[]Vote{{"a", 0.5, 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Votes(c.neighbours, c.classes, c.w)
			near := func(a, b Vote) bool {
				return a.Class == b.Class && a.Count == b.Count && math.Abs(a.Share-b.Share) < 1e-14
			}
			if got == nil || !slices.EqualFunc(got, c.want, near) {
				t.Errorf("Votes(%v, %q, %+v) = %v, want %v", c.neighbours, c.classes, c.w, got, c.want)
			}
		})
	}
}

// Law: in a single-label task whose classes are all given, shares sum to one
// and counts to the number of neighbours.
func TestSingleLabelVotesAddUp(t *testing.T) {
	classes := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		neighbours := make([]Neighbour, rapid.IntRange(1, 30).Draw(t, "neighbours"))
		for i := range neighbours {
			neighbours[i] = Neighbour{
				rapid.Float64Range(-1, 1).Draw(t, "score"),
				[]string{rapid.SampledFrom(classes).Draw(t, "class")},
			}
		}
		sum, count := 0.0, 0
		for _, v := range Votes(neighbours, classes, Weighting{}) {
			sum, count = sum+v.Share, count+v.Count
		}
		if math.Abs(sum-1) > 1e-12 || count != len(neighbours) {
			t.Fatalf("Votes(%v) sum to %v and %d, want 1 and %d", neighbours, sum, count, len(neighbours))
		}
	})
}

func TestAUnanimousShareIsNotAboveOne(t *testing.T) {
	var neighbours []Neighbour
	for k := 1; k <= 200; k++ {
		neighbours = append(neighbours, Neighbour{1 / float64(k), []string{"a"}})
		for _, w := range []Weighting{{}, {Kind: Uniform}} {
			if votes := Votes(neighbours, []string{"a"}, w); votes[0].Share > 1 || votes[0].Share < 1-1e-13 {
				t.Errorf("Votes of %d neighbours alike, %+v = %v, want a share of 1", k, w, votes)
			}
		}
	}
}
