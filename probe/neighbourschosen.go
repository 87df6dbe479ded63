package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// choose compares the trials.
func (t *trials) choose(onePerPatient bool) (Choice, error) {
	c := Choice{Examples: t.voted}
	for _, w := range t.weight {
		if w > 0 {
			c.Patients++
		}
	}
	if c.Patients < 2 || !t.ways[0].tells(t.e.Multi) {
		return c, fmt.Errorf("choosing votes by %d examples of %d patients: they do not tell any class from another: %w", c.Examples, c.Patients, ErrNotEnough)
	}
	all := sumOf(t.weight)
	for w := range t.ways {
		t.ways[w].LogLoss = sumOf(t.ways[w].loss) / all
		t.ways[w].BalancedAccuracy = t.ways[w].balancedAccuracy(t.e.Multi)
	}
	best := slices.MinFunc(t.ways, func(a, b way) int { return cmp.Compare(a.LogLoss, b.LogLoss) })
	for _, w := range t.ways {
		w.Excess = w.LogLoss - best.LogLoss
		w.Error = t.standardError(w, best)
		w.Near = w.Excess <= w.Error
		c.Trials = append(c.Trials, w.Trial)
	}
	chosen := preferred(c.Trials)
	c.Voting = Voting{chosen.Weighting, chosen.K, onePerPatient}
	return c, nil
}

// tells whether two classes, or some finding and its absence, are among the
// truths.
func (w way) tells(multi bool) bool {
	classes := 0
	for _, all := range w.all {
		if multi && all[0] > 0 && all[1] > 0 {
			return true
		}
		if all[1] > 0 {
			classes++
		}
	}
	return !multi && classes > 1
}

// balancedAccuracy of the trial: the mean of recalls over the classes, or over
// findings that are both present and absent of sensitivity and specificity.
func (w way) balancedAccuracy(multi bool) float64 {
	sum, n := 0.0, 0.0
	for c, all := range w.all {
		switch {
		case multi && all[0] > 0 && all[1] > 0:
			sum += (w.right[c][0]/all[0] + w.right[c][1]/all[1]) / 2
			n++
		case !multi && all[1] > 0:
			sum += w.right[c][1] / all[1]
			n++
		}
	}
	return sum / n
}

// standardError of the difference of two trials' mean losses, which are ratios
// of sums over patients: that of Cochran (Sampling Techniques, 1977, 6.13).
func (t *trials) standardError(a, b way) float64 {
	all, patients := sumOf(t.weight), 0.0
	mean, squares := a.LogLoss-b.LogLoss, 0.0
	for p, weight := range t.weight {
		if weight > 0 {
			d := a.loss[p] - b.loss[p] - mean*weight
			squares += d * d
			patients++
		}
	}
	return math.Sqrt(squares*patients/(patients-1)) / all
}

// preferred returns the trial to choose among those near the best.
func preferred(trials []Trial) Trial {
	var near []Trial
	for _, t := range trials {
		if t.Near {
			near = append(near, t)
		}
	}
	return slices.MinFunc(near, func(a, b Trial) int { return cmp.Compare(preference(a.K), preference(b.K)) })
}

// preference orders numbers of neighbours: DefaultK, then the smaller.
func preference(k int) int {
	if k == DefaultK {
		return 0
	}
	return k
}
