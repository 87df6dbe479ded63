package probe

import (
	"errors"
	"fmt"
	"math"
)

// ErrWeighting says that a Weighting names no known kind, has a temperature
// that is not a finite, non-negative number, or that a Voting has a negative
// number of voters or an unknown name.
var ErrWeighting = errors.New("probe: invalid weighting")

// The kinds of Weighting.
const (
	Softmax  = "softmax"  // weights proportional to exp(score / temperature)
	Uniform  = "uniform"  // every neighbour counts alike
	Distance = "distance" // weights proportional to 1 / Euclidean distance
)

// DefaultTemperature is the softmax temperature of DINOv2's k-NN protocol
// (Oquab et al., arXiv 2304.07193), meant for cosine similarities.
const DefaultTemperature = 0.07

// Identical is the score from which on Distance takes two images to be one and
// the same, at distance zero. Scores of identical unit vectors in float32 are
// off 1 by the rounding of vector and product, at most 2e-7 in practice up to
// 2,048 components; 1e-6 is a distance of 0.0014.
const Identical = 1 - 1e-6

// A Weighting says how much each neighbour's vote counts. The zero value is
// DINOv2's: softmax at DefaultTemperature. Temperature zero means
// DefaultTemperature; the other kinds ignore it.
//
// Distance weighs by the inverse of the distance of unit vectors, which is
// sqrt(2 - 2*score). Where some neighbours reach Identical only they vote, and
// alike, as in scikit-learn's KNeighborsClassifier.
type Weighting struct {
	Kind        string  `json:"kind,omitempty"`
	Temperature float64 `json:"temperature,omitempty"`
}

// Validate returns ErrWeighting unless w can be used.
func (w Weighting) Validate() error {
	switch w.Kind {
	case "", Softmax, Uniform, Distance:
	default:
		return fmt.Errorf("kind %q, use %s, %s or %s: %w", w.Kind, Softmax, Uniform, Distance, ErrWeighting)
	}
	if math.IsNaN(w.Temperature) || math.IsInf(w.Temperature, 0) || w.Temperature < 0 {
		return fmt.Errorf("temperature %v: %w", w.Temperature, ErrWeighting)
	}
	return nil
}

// Weights returns one weight per score, in order. They are not negative and
// sum to one: they are renormalised over the scores given, so over the k used.
// It returns nil for no scores. w must be valid. A score that is not a number
// weighs nothing, unless no score is a number; then all weigh alike.
func (w Weighting) Weights(scores []float64) []float64 {
	if len(scores) == 0 {
		return nil
	}
	weights := make([]float64, len(scores))
	best, sum := best(scores), 0.0
	for i, s := range scores {
		weights[i] = w.weight(s, best)
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	return weights
}

// weight returns the weight of a score beside the best one, before all are
// renormalised. The best, and what equals it, weighs more than zero.
func (w Weighting) weight(score, best float64) float64 {
	switch {
	case w.Kind == Uniform || math.IsNaN(best):
		return 1
	case math.IsNaN(score):
		return 0
	case w.Kind == Distance:
		return inverseDistance(score, best)
	case score == best: // also where both are infinite
		return 1
	}
	// The best score is subtracted so that no exponential overflows.
	return math.Exp((score - best) / w.temperature())
}

func (w Weighting) temperature() float64 {
	if w.Temperature == 0 {
		return DefaultTemperature
	}
	return w.Temperature
}

// inverseDistance returns the best score's distance over that of the score, or
// where the best is Identical, whether the score is.
func inverseDistance(score, best float64) float64 {
	switch {
	case score >= Identical || score == best:
		return 1
	case best >= Identical:
		return 0
	}
	return math.Sqrt((1 - best) / (1 - score))
}

// best returns the largest score that is a number, or NaN if none is.
func best(scores []float64) float64 {
	best := math.NaN()
	for _, s := range scores {
		if s > best || math.IsNaN(best) {
			best = s
		}
	}
	return best
}
