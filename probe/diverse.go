package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Pick is an image chosen for a person to look at, with what chose it.
type Pick struct {
	Image int     `json:"image"` // position among those to choose from
	Score float64 `json:"score"`
}

// Margin returns how uncertain probabilities are: one less the difference of the
// two largest, or, of a multi-label task, the uncertainty of its least certain
// finding, one less the difference of presence and absence. It lies in [0, 1].
// Values that are NaN are passed over; it is NaN if all are.
func Margin(probabilities []float64, multi bool) float64 {
	known := slices.DeleteFunc(slices.Clone(probabilities), math.IsNaN)
	if len(known) == 0 {
		return math.NaN()
	}
	if !multi {
		return margin(known)
	}
	most := 0.0
	for _, p := range known {
		most = max(most, margin([]float64{p, 1 - p}))
	}
	return most
}

// margin returns one less the difference of the two largest.
func margin(probabilities []float64) float64 {
	first, second := 0.0, 0.0
	for _, v := range probabilities {
		if v > first {
			first, second = v, first
		} else {
			second = max(second, v)
		}
	}
	return 1 - (first - second)
}

// Top returns the n largest values, largest first and ties by position; fewer if
// there are fewer. NaN is left out: nothing is known of that image. With Margin
// it finds the most uncertain images, with Novelty.Percentile or the distance
// itself the most novel.
func Top(values []float64, n int) []Pick {
	var picks []Pick
	for i, v := range values {
		if !math.IsNaN(v) {
			picks = append(picks, Pick{i, v})
		}
	}
	slices.SortFunc(picks, func(a, b Pick) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Image, b.Image))
	})
	return picks[:min(max(n, 0), len(picks))]
}

// duplicate is the cosine distance below which unit vectors in single precision
// are the same.
const duplicate = 1e-6

// Diverse returns up to n of the unit vectors xs that are most unlike each other
// and what is covered already: each in turn is the one farthest from all that is
// covered or taken (Gonzalez, Theor. Comput. Sci. 38, 1985), which leaves no
// vector farther than twice the least possible from one of these, as Sener and
// Savarese chose images to label (ICLR 2018). Ties go by position.
//
// cover holds for each of xs the cosine similarity to its nearest labelled
// image, as an index finds it; nil if there is none. Then
// the first taken is the one most like the mean of all. Score is the cosine
// distance from what was covered when it was taken, 2, the largest possible, if
// nothing was. Vectors equal to what is covered are not taken, so that it may
// return fewer. It takes O(n*len(xs)) products of vectors, and returns
// ErrDimension or ErrNotFinite for vectors of different dimensions, other than
// finite components, or cover of another length or NaN.
func Diverse(xs [][]float32, cover []float64, n int) ([]Pick, error) {
	if cover == nil {
		cover = slices.Repeat([]float64{math.Inf(-1)}, len(xs))
	}
	if err := checkCover(xs, cover); err != nil {
		return nil, err
	}
	cover = slices.Clone(cover)
	var picks []Pick
	for len(picks) < min(n, len(xs)) {
		i := slices.Index(cover, slices.Min(cover))
		score := min(1-cover[i], 2)
		if len(picks) == 0 && math.IsInf(slices.Max(cover), -1) {
			i = mostTypical(xs)
		}
		if score < duplicate {
			break
		}
		picks = append(picks, Pick{i, score})
		for j, x := range xs {
			cover[j] = max(cover[j], inner(x, xs[i]))
		}
		cover[i] = 1
	}
	return picks, nil
}

func checkCover(xs [][]float32, cover []float64) error {
	if len(cover) != len(xs) {
		return fmt.Errorf("choosing from %d vectors of which %d are covered: %w", len(xs), len(cover), ErrDimension)
	}
	for i, x := range xs {
		if err := check(x, len(xs[0])); err != nil {
			return fmt.Errorf("choosing from vectors: vector %d: %w", i, err)
		}
		if math.IsNaN(cover[i]) {
			return fmt.Errorf("choosing from vectors: vector %d is covered to %v: %w", i, cover[i], ErrNotFinite)
		}
	}
	return nil
}

// mostTypical returns the first of the vectors most like their mean.
func mostTypical(xs [][]float32) int {
	mean := make([]float32, len(xs[0]))
	for _, x := range xs {
		for j, v := range x {
			mean[j] += v / float32(len(xs))
		}
	}
	likeness := make([]float64, len(xs))
	for i, x := range xs {
		likeness[i] = inner(x, mean)
	}
	return slices.Index(likeness, slices.Max(likeness))
}

// inner returns the product of two vectors of one length, in double precision.
func inner(a, b []float32) float64 {
	b = b[:len(a)]
	var even, odd float64
	i := 0
	for ; i+1 < len(a); i += 2 {
		even += float64(a[i]) * float64(b[i])
		odd += float64(a[i+1]) * float64(b[i+1])
	}
	if i < len(a) {
		even += float64(a[i]) * float64(b[i])
	}
	return even + odd
}

// Groups returns the positions 0 to n-1 that pairs connect, directly or through
// others, each group and the groups themselves in rising order. What no pair
// names is in no group. Pairs outside the range are ErrDimension.
func Groups(n int, pairs [][2]int) ([][]int, error) {
	root := make([]int, max(n, 0))
	for i := range root {
		root[i] = i
	}
	for _, p := range pairs {
		if min(p[0], p[1]) < 0 || max(p[0], p[1]) >= n {
			return nil, fmt.Errorf("grouping pair %v of %d: %w", p, n, ErrDimension)
		}
		a, b := find(root, p[0]), find(root, p[1])
		root[max(a, b)] = min(a, b) // the root of a group is its least member
	}
	members := map[int][]int{}
	var groups [][]int
	for i := range root {
		members[find(root, i)] = append(members[find(root, i)], i)
	}
	for i := range root {
		if len(members[i]) > 1 {
			groups = append(groups, members[i])
		}
	}
	return groups, nil
}

// find returns the root of i and halves the way to it.
func find(root []int, i int) int {
	for root[i] != i {
		root[i] = root[root[i]]
		i = root[i]
	}
	return i
}
