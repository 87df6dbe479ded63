package probe

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// clinic simulates embeddings of patients who have one to ten images each:
// Gaussian around the mean of the patient's class plus what is peculiar to the
// patient, which is what makes images of one patient depend on each other.
type clinic struct {
	classes   int
	rate      []float64 // of the classes, summing to one; nil if equal
	means     [][]float64
	peculiar  float64 // spread of patients
	noise     float64 // spread of a patient's images
	dimension int
	r         *rand.Rand
	next      int // patient
}

func newClinic(seed uint64, classes int, peculiar float64) *clinic {
	c := &clinic{classes: classes, peculiar: peculiar, noise: 1, dimension: 8, r: rand.New(rand.NewPCG(seed, 7))}
	for range classes {
		mean := make([]float64, c.dimension)
		for j := range mean {
			mean[j] = c.r.NormFloat64()
		}
		c.means = append(c.means, mean)
	}
	return c
}

func (c *clinic) class() int {
	u := c.r.Float64()
	for k, rate := range c.rate {
		if u -= rate; u < 0 {
			return k
		}
	}
	return c.r.IntN(c.classes)
}

// cohort is a number of patients with images and classes, and the sums of their
// images' vectors, led by their number.
type cohort struct {
	x       [][]float64
	class   []int
	patient []int
	sums    map[int][]float64    // per class
	own     map[[2]int][]float64 // per patient and class
}

func (c *clinic) cohort(patients, images int) cohort {
	h := cohort{sums: map[int][]float64{}, own: map[[2]int][]float64{}}
	for range patients {
		c.next++
		k, own := c.class(), make([]float64, c.dimension)
		for j := range own {
			own[j] = c.means[k][j] + c.peculiar*c.r.NormFloat64()
		}
		for range 1 + c.r.IntN(images) {
			x := make([]float64, c.dimension)
			for j := range x {
				x[j] = own[j] + c.noise*c.r.NormFloat64()
			}
			h.x, h.class, h.patient = append(h.x, x), append(h.class, k), append(h.patient, c.next)
			h.sums[k] = plus(h.sums[k], append([]float64{1}, x...))
			h.own[[2]int{c.next, k}] = plus(h.own[[2]int{c.next, k}], append([]float64{1}, x...))
		}
	}
	return h
}

// plus returns a+b; nil is zero.
func plus(a, b []float64) []float64 {
	if a == nil {
		return slices.Clone(b)
	}
	for j, v := range b {
		a[j] += v
	}
	return a
}

// scores returns the similarity of x to the class means of the cohort without
// the given patient, less half of the mean's square: a linear probe.
func (h cohort) scores(x []float64, classes, without int) []float64 {
	scores := make([]float64, classes)
	for k := range scores {
		sum, own := h.sums[k], h.own[[2]int{without, k}]
		if sum == nil {
			continue
		}
		if own == nil {
			own = make([]float64, len(sum))
		}
		for j, v := range x {
			m := (sum[1+j] - own[1+j]) / max(sum[0]-own[0], 1)
			scores[k] += m*v - m*m/2
		}
	}
	return scores
}

// scored returns the out-of-patient scores of the cohort.
func (h cohort) scored(classes int) Scored {
	s := Scored{Classes: strings.Split("abcdefgh"[:classes], ""), Patient: h.patient}
	for i, x := range h.x {
		s.Scores = append(s.Scores, h.scores(x, classes, h.patient[i]))
		s.Y = append(s.Y, oneHot(h.class[i], classes))
	}
	return s
}

func oneHot(c, classes int) []float64 {
	y := make([]float64, classes)
	y[c] = 1
	return y
}
