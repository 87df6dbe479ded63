package probe

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrWeighting says that a Weighting names no known kind or has a temperature
// that is not a finite, non-negative number.
var ErrWeighting = errors.New("probe: invalid weighting")

// The kinds of Weighting.
const (
	Softmax = "softmax" // weights proportional to exp(score / temperature)
	Uniform = "uniform" // every neighbour counts alike
)

// DefaultTemperature is the softmax temperature of DINOv2's k-NN protocol
// (Oquab et al., arXiv 2304.07193), meant for cosine similarities.
const DefaultTemperature = 0.07

// A Neighbour is what a vote needs to know of a neighbour: how similar it is
// and which classes it carries: one in a single-label task, any number (also
// none) in a multi-label task.
type Neighbour struct {
	Score   float64 // cosine similarity, higher is closer
	Classes []string
}

// A Weighting says how much each neighbour's vote counts. The zero value is
// DINOv2's: softmax at DefaultTemperature. Temperature zero means
// DefaultTemperature; Uniform ignores it.
type Weighting struct {
	Kind        string
	Temperature float64
}

// Validate returns ErrWeighting unless w can be used.
func (w Weighting) Validate() error {
	if w.Kind != "" && w.Kind != Softmax && w.Kind != Uniform {
		return fmt.Errorf("kind %q: %w", w.Kind, ErrWeighting)
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
	best := best(scores)
	if w.Kind == Uniform || math.IsNaN(best) {
		for i := range weights {
			weights[i] = 1 / float64(len(scores))
		}
		return weights
	}
	temperature := w.Temperature
	if temperature == 0 {
		temperature = DefaultTemperature
	}
	// The best score is subtracted so that no exponential overflows.
	sum := 0.0
	for i, s := range scores {
		switch {
		case s == best: // also where both are infinite
			weights[i] = 1
		case s < best:
			weights[i] = math.Exp((s - best) / temperature)
		}
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	return weights
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

// A Vote is one class's part of a vote.
type Vote struct {
	Class string  `json:"class"`
	Share float64 `json:"share"` // of the neighbours' weight, 0 to 1
	Count int     `json:"count"` // neighbours that carry the class
}

// Votes returns the share of the neighbours' weight that each of classes has,
// for every class given, best first and ties by class name. In a single-label
// task whose classes are all given the shares sum to one; in a multi-label
// task they need not, since each class has the weight of all neighbours that
// carry it. A class outside classes takes its weight but is not returned. With
// no neighbours every share is zero. w must be valid.
func Votes(neighbours []Neighbour, classes []string, w Weighting) []Vote {
	scores := make([]float64, len(neighbours))
	for i, n := range neighbours {
		scores[i] = n.Score
	}
	weights := w.Weights(scores)
	votes := make([]Vote, 0, len(classes))
	for _, class := range distinct(classes) {
		v := Vote{Class: class}
		for i, n := range neighbours {
			if slices.Contains(n.Classes, class) {
				v.Share += weights[i]
				v.Count++
			}
		}
		v.Share = min(v.Share, 1) // a sum of weights may pass one by rounding
		votes = append(votes, v)
	}
	slices.SortStableFunc(votes, func(a, b Vote) int { return cmp.Compare(b.Share, a.Share) })
	return votes
}

// distinct returns the given names sorted and without repetition.
func distinct(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
