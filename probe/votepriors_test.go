package probe

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestPriorsAreTheMeanOfWhatIsKnown(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		e    Examples
		want []float64
	}{
		"hard targets count":          {Examples{Classes: abc, Y: [][]float64{{1, 0, 0}, {0, 1, 0}, {1, 0, 0}, {1, 0, 0}}}, []float64{.75, .25, 0}},
		"soft targets are split":      {Examples{Classes: abc, Y: [][]float64{{.5, .25, .25}, {0, 1, 0}}}, []float64{.25, .625, .125}},
		"weights count":               {Examples{Classes: []string{"a", "b"}, Y: [][]float64{{1, 0}, {0, 1}}, Weight: []float64{3, 1}}, []float64{.75, .25}},
		"what is unknown is left out": {Examples{Classes: abc, Multi: true, Y: [][]float64{{1, nan, nan}, {0, 1, nan}}}, []float64{.5, 1, nan}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.e.Priors(); !closeTo(got, c.want, 1e-15) {
				t.Errorf("%+v.Priors() = %v, want %v", c.e, got, c.want)
			}
		})
	}
}

func TestKnownProbabilitiesAreCorrected(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		multi  bool
		from   []float64
		stated map[string]float64
		p      []float64
		want   []float64
	}{
		"equal priors change nothing": {false, []float64{.5, .3, .2}, map[string]float64{"a": .5, "b": .3, "c": .2}, []float64{.1, .2, .7}, []float64{.1, .2, .7}},
		"a rare class gets rarer": {false, []float64{.5, .25, .25}, map[string]float64{"a": .9, "b": .05, "c": .05},
			[]float64{.5, .5, 0}, []float64{.9 / 1.0, .1, 0}},
		"certainty stays":          {false, []float64{.5, .25, .25}, map[string]float64{"a": .01, "b": .01, "c": .98}, []float64{1, 0, 0}, []float64{1, 0, 0}},
		"no votes stay none":       {false, []float64{.5, .25, .25}, map[string]float64{"a": .9, "b": .05, "c": .05}, []float64{nan, nan, nan}, []float64{nan, nan, nan}},
		"each finding for itself":  {true, []float64{.5, .25, nan}, map[string]float64{"a": .1, "b": .25}, []float64{.5, .6, .7}, []float64{.1, .6, .7}},
		"an unknown finding stays": {true, []float64{.5, .25, .5}, map[string]float64{"a": .1}, []float64{nan, 1, 0}, []float64{nan, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := NewCorrection(abc, c.multi, c.from, c.stated)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.Apply(c.p); err != nil || !closeTo(got, c.want, 1e-15) {
				t.Errorf("Apply(%v) from %v to %v = %v, %v, want %v", c.p, c.from, c.stated, got, err, c.want)
			}
		})
	}
}

// Law: correcting there and back changes nothing, and what is corrected is
// Bayes' theorem with the same likelihoods.
func TestCorrectionIsBayes(t *testing.T) {
	draw := func(t *rapid.T, name string) []float64 {
		p := rapid.SliceOfN(rapid.Float64Range(0.01, 1), 3, 3).Draw(t, name)
		sum := sumOf(p)
		for i := range p {
			p[i] /= sum
		}
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		from, to, likelihood := draw(t, "from"), draw(t, "to"), draw(t, "likelihood")
		multi := rapid.Bool().Draw(t, "multi")
		posterior := func(prior []float64) []float64 {
			p, sum := make([]float64, 3), innerProduct(prior, likelihood)
			for c := range p {
				if multi { // 0.3 is the likelihood of absence
					sum = prior[c]*likelihood[c] + (1-prior[c])*0.3
				}
				p[c] = prior[c] * likelihood[c] / sum
			}
			return p
		}
		named := func(p []float64) map[string]float64 { return map[string]float64{"a": p[0], "b": p[1], "c": p[2]} }
		there, err := NewCorrection(abc, multi, from, named(to))
		if err != nil {
			t.Fatal(err)
		}
		got, err := there.Apply(posterior(from))
		if err != nil || !closeTo(got, posterior(to), 1e-12) {
			t.Fatalf("Apply(%v) = %v, %v, want %v", posterior(from), got, err, posterior(to))
		}
		back, err := NewCorrection(abc, multi, to, named(from))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := back.Apply(got); err != nil || !closeTo(again, posterior(from), 1e-12) {
			t.Fatalf("Apply there and back = %v, %v, want %v", again, err, posterior(from))
		}
	})
}

func TestInvalidPriorsAreRefused(t *testing.T) {
	good := []float64{.5, .25, .25}
	even := map[string]float64{"a": .4, "b": .3, "c": .3}
	for name, c := range map[string]struct {
		multi  bool
		from   []float64
		stated map[string]float64
	}{
		"priors of fewer classes":               {false, good[:2], even},
		"an unknown class":                      {true, good, map[string]float64{"d": .5}},
		"a class without prior":                 {false, good, map[string]float64{"a": .5, "b": .5}},
		"a stated prior of zero":                {false, good, map[string]float64{"a": .5, "b": .5, "c": 0}},
		"a stated prior below zero":             {true, good, map[string]float64{"a": -.5}},
		"a stated prior that is no number":      {true, good, map[string]float64{"a": math.NaN()}},
		"a stated certainty of a finding":       {true, good, map[string]float64{"a": 1}},
		"stated priors that do not sum to one":  {false, good, map[string]float64{"a": .5, "b": .5, "c": .5}},
		"a class that no label has":             {false, []float64{.5, .5, 0}, even},
		"a finding that every label has":        {true, []float64{1, .5, .5}, map[string]float64{"a": .5}},
		"a finding that no label knows":         {true, []float64{math.NaN(), .5, .5}, map[string]float64{"a": .5}},
		"labels' priors that do not sum to one": {false, []float64{.5, .5, .5}, even},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewCorrection(abc, c.multi, c.from, c.stated); !errors.Is(err, ErrPrior) {
				t.Errorf("NewCorrection(%v, %v, %v) = %v, want ErrPrior", c.multi, c.from, c.stated, err)
			}
		})
	}
}

func TestWhatIsNoProbabilityIsNotCorrected(t *testing.T) {
	single, err := NewCorrection(abc, false, []float64{.5, .25, .25}, map[string]float64{"a": .4, "b": .3, "c": .3})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]float64{{.5, .5}, {1.5, -.5, 0}, {.5, .5, .5}, {0, 0, 0}, {math.NaN(), .5, .5}} {
		if got, err := single.Apply(p); !errors.Is(err, ErrPrior) {
			t.Errorf("Apply(%v) = %v, %v, want ErrPrior", p, got, err)
		}
	}
}
