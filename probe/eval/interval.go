package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// DefaultRounds is the number of bootstrap rounds where Options name none.
const DefaultRounds = 1000

// Options of the bootstrap. The zero value is DefaultRounds rounds and seed 0.
// With the same patients and seed, every statistic sees the same resamples.
type Options struct {
	Rounds int
	Seed   int64
}

func (o Options) rounds() int {
	if o.Rounds <= 0 {
		return DefaultRounds
	}
	return o.Rounds
}

// An Estimate is a statistic of all images with its 95 % interval.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Interval returns statistic with its 95 % percentile bootstrap interval over
// patients (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
// chapter 13; the cluster bootstrap of Field and Welsh, J. R. Stat. Soc. B 69,
// 2007): in each round as many patients are drawn with replacement as there
// are, with all their images. groups names each image's patient. statistic is
// given how often each image counts and returns NaN where it is undefined, as
// an AUC is without positives; such rounds are left out, and defined is the
// number of the others. statistic must not keep or change weight.
//
// It returns ErrPatients when there are fewer than two patients, and
// ErrOneClass when the statistic of all images or of every round is undefined.
func Interval(groups []string, o Options, statistic func(weight []int) float64) (e Estimate, defined int, err error) {
	one := func(weight []int, out []float64) { out[0] = statistic(weight) }
	estimates, rounds, patients := intervals(groups, o, 1, one)
	if patients < 2 {
		return Estimate{}, 0, fmt.Errorf("resampling %d patients: %w", patients, ErrPatients)
	}
	if math.IsNaN(estimates[0].Value) || rounds[0] == 0 {
		return Estimate{}, 0, fmt.Errorf("resampling an undefined statistic: %w", ErrOneClass)
	}
	return estimates[0], rounds[0], nil
}

// intervals is Interval for size statistics of the same resamples. It also
// returns the number of rounds in which each was defined; where none was, the
// interval is NaN.
func intervals(groups []string, o Options, size int, statistics func(weight []int, out []float64)) (estimates []Estimate, defined []int, patients int) {
	patient, names := index(groups)
	patients = len(names)
	values, samples := make([]float64, size), make([][]float64, size)
	statistics(ones(len(groups)), values)
	drawn, weight, out := make([]int, patients), make([]int, len(groups)), make([]float64, size)
	r := rand.New(rand.NewPCG(uint64(o.Seed), 0))
	for range o.rounds() {
		draw(r, drawn)
		for i, p := range patient {
			weight[i] = drawn[p]
		}
		statistics(weight, out)
		for s, v := range out {
			if !math.IsNaN(v) {
				samples[s] = append(samples[s], v)
			}
		}
	}
	for s, v := range values {
		slices.Sort(samples[s])
		estimates = append(estimates, Estimate{v, quantile(samples[s], 0.025), quantile(samples[s], 0.975)})
		defined = append(defined, len(samples[s]))
	}
	return estimates, defined, patients
}

// draw fills in how often each patient is drawn.
func draw(r *rand.Rand, drawn []int) {
	clear(drawn)
	for range drawn {
		drawn[r.IntN(len(drawn))]++
	}
}

// quantile interpolates between order statistics: type 7 of Hyndman and Fan,
// Am. Stat. 50 (1996), the default of NumPy and R. It is NaN for no values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	// Rounded by itself, so that no machine fuses product and sum.
	step := float64((at - float64(below)) * (sorted[below+1] - sorted[below]))
	return sorted[below] + step
}
