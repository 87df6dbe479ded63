package probe

import (
	"fmt"
	"math"
	"slices"
)

// Disagreement is how far a vote and a probe differ about one image.
type Disagreement struct {
	// Vote and Probe are the positions of their best classes, the first of equals.
	Vote  int `json:"vote"`
	Probe int `json:"probe"`
	// Gap is the total variation distance of the two distributions: half the sum
	// of their absolute differences, zero if equal and one if they exclude each
	// other.
	Gap float64 `json:"gap"`
	// Flag tells that a person should look: the best classes differ and Gap is at
	// least 0.2, so that neither is a near tie; or they are the same and Gap is at
	// least 0.5, so that one is sure and the other is not.
	Flag bool `json:"flag"`
}

const (
	differentGap = 0.2
	sameGap      = 0.5
)

// Disagree compares the shares of a vote with the probabilities of a probe over
// the same classes. Shares that do not sum to one, as some neighbours have other
// classes, are scaled to. For one finding of a multi-label task pass
// {share, 1-share} and {probability, 1-probability}. It returns ErrDimension
// unless both have one length, ErrTarget for a value that is negative or not a
// finite number, and ErrNotEnough where either is all zero: nobody voted.
func Disagree(shares, probabilities []float64) (Disagreement, error) {
	if len(shares) != len(probabilities) {
		return Disagreement{}, fmt.Errorf("comparing %d shares with %d probabilities: %w", len(shares), len(probabilities), ErrDimension)
	}
	v, err := distribution(shares)
	if err != nil {
		return Disagreement{}, fmt.Errorf("comparing votes: %w", err)
	}
	p, err := distribution(probabilities)
	if err != nil {
		return Disagreement{}, fmt.Errorf("comparing probabilities: %w", err)
	}
	d := Disagreement{Vote: slices.Index(v, slices.Max(v)), Probe: slices.Index(p, slices.Max(p))}
	for c := range v {
		d.Gap += math.Abs(v[c]-p[c]) / 2
	}
	d.Flag = d.Gap >= sameGap || d.Vote != d.Probe && d.Gap >= differentGap
	return d, nil
}

// distribution returns values over their sum.
func distribution(values []float64) ([]float64, error) {
	sum := 0.0
	for _, v := range values {
		if !(v >= 0 && v <= math.MaxFloat32) {
			return nil, fmt.Errorf("%v: %w", v, ErrTarget)
		}
		sum += v
	}
	if sum == 0 {
		return nil, fmt.Errorf("all of %d are zero: %w", len(values), ErrNotEnough)
	}
	scaled := make([]float64, len(values))
	for i, v := range values {
		scaled[i] = v / sum
	}
	return scaled, nil
}
