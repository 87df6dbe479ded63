package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

const (
	// MinNovelty is the number of patients below which no distance is unusual: the
	// largest of n values and a new one has a p-value of 1/(n+1), which is above
	// 5 % for n < 19.
	MinNovelty = 19
	// noveltyPoints is the number of reference distances that are kept.
	noveltyPoints = 1001
)

// NeighbourRank returns the k of the k-th neighbour's distance for a collection
// of n images: a thousandth of them, as Sun et al. chose (50 of 50,000, 1,000 of
// 1.3 million), but at least 5 and at most 1,000. At least 5, because a few
// images of other patients must not make a wrong decoding or a duplicate
// look usual; not more, because a rare class must hold more than k images of
// other patients for its own to look usual.
func NeighbourRank(n int) int { return min(max(n/1000, 5), 1000) }

// UnitDistance returns the Euclidean distance of two unit vectors with the given
// cosine similarity.
func UnitDistance(score float64) float64 { return math.Sqrt(max(2-2*score, 0)) }

// Novelty tells how unusual an image is in a collection: its distance to its
// k-th neighbour (Sun et al., "Out-of-distribution detection with deep nearest
// neighbors", ICML 2022) among the same of the collection's own images, each
// without its own patient. It does not change.
type Novelty struct {
	// K is the rank of the neighbour whose distance counts.
	K int `json:"k"`
	// Patients whose images were used.
	Patients int `json:"patients"`
	// Distances of the collection, rising; of more than 1,001, about 1,001 at
	// equal steps of Below and the largest.
	Distances []float64 `json:"distances"`
	// Below is, for each distance, the number of patients whose images are no
	// farther, an image counting as one part of its patient's images.
	Below []float64 `json:"below"`
}

// NewNovelty returns the reference from the distance of each image of a
// collection to its k-th neighbour among those of other patients. It returns
// ErrNotEnough with fewer than MinNovelty patients, ErrDimension unless there
// is a patient for each distance and k is positive, and ErrNotFinite or
// ErrTarget for a distance that is not finite or negative.
func NewNovelty(k int, distances []float64, patient []int) (Novelty, error) {
	if len(distances) != len(patient) || k < 1 {
		return Novelty{}, fmt.Errorf("novelty by neighbour %d from %d distances of %d images: %w", k, len(distances), len(patient), ErrDimension)
	}
	for i, d := range distances {
		if d-d != 0 {
			return Novelty{}, fmt.Errorf("novelty: distance %v of image %d: %w", d, i, ErrNotFinite)
		}
		if d < 0 {
			return Novelty{}, fmt.Errorf("novelty: distance %v of image %d: %w", d, i, ErrTarget)
		}
	}
	s := Scored{Patient: patient}
	masses, _ := s.masses(one)
	n := Novelty{K: k, Patients: s.patients(nil)}
	if n.Patients < MinNovelty {
		return Novelty{}, fmt.Errorf("novelty from %d patients, want %d: %w", n.Patients, MinNovelty, ErrNotEnough)
	}
	n.summarise(distances, masses)
	return n, nil
}

// summarise keeps distances at equal steps of the mass below. A distance between
// two of those kept is taken to be above the lower only, so that dropping some
// never makes an image look more unusual.
func (n *Novelty) summarise(distances, masses []float64) {
	order := make([]int, len(distances))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(distances[a], distances[b]), cmp.Compare(a, b))
	})
	step, sum := 0.0, 0.0
	if len(distances) > noveltyPoints {
		step = float64(n.Patients) / (noveltyPoints - 1)
	}
	kept := math.Inf(-1)
	for at, i := range order {
		sum += masses[i]
		last := at == len(order)-1
		if !last && (distances[order[at+1]] == distances[i] || sum < kept+step-rounding) {
			continue
		}
		n.Distances, n.Below, kept = append(n.Distances, distances[i]), append(n.Below, sum), sum
	}
}

// Percentile returns the part of the collection, with the image itself counted
// in, that is nearer than distance, at least zero and below one. High means
// unusual: one less it is (1 + patients at least as far)/(1 + patients), the
// conformal p-value of an image of a patient like the collection's, patients
// with several images counting once (Bates et al., "Testing for outliers with
// conformal p-values", Ann. Stat. 51, 2023). For a new patient like the others
// that is at or below u with probability at most u. From more than 1,001
// distances it may be up to 0.001 too large, except beyond the largest.
// Percentile is NaN for a NaN, and zero for an empty reference.
func (n Novelty) Percentile(distance float64) float64 {
	if math.IsNaN(distance) {
		return math.NaN()
	}
	nearer, _ := slices.BinarySearch(n.Distances, distance)
	if nearer == 0 {
		return 0
	}
	return n.Below[nearer-1] / float64(n.Patients+1)
}
