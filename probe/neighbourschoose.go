package probe

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrNeighbours says that a list of neighbours is not sorted, names no example
// or has one of the same patient.
var ErrNeighbours = errors.New("probe: invalid list of neighbours")

// DefaultK is how many neighbours vote by default: of those that DINOv2 tried
// (10, 20, 100 and 200) 20 was the best throughout (Oquab et al., arXiv
// 2304.07193).
const DefaultK = 20

// MostK is the most neighbours that ChooseVoting tries, and so how many of each
// example it has a use for.
const MostK = 200

// numbers returns the numbers of neighbours that are tried, ascending.
func numbers() []int { return []int{1, 3, 5, 7, 10, 11, 15, 20, 30, 50, 100, MostK} }

// A Near is one of an example's nearest others.
type Near struct {
	At    int32   // position in Examples
	Score float32 // cosine similarity
}

// A Trial is how well one way of voting did.
type Trial struct {
	Weighting Weighting `json:"weighting"`
	K         int       `json:"k"`
	// LogLoss is the mean over the examples, by weight, of the negative logarithm
	// of the probability given to the truth; in a multi-label task the mean over
	// findings too.
	LogLoss float64 `json:"log_loss"`
	// Excess is how much LogLoss is above the best trial's, and Error the standard
	// error of that difference between patients.
	Excess float64 `json:"excess"`
	Error  float64 `json:"error"`
	// BalancedAccuracy is the mean of the classes' recalls; in a multi-label task
	// the mean over findings of that of sensitivity and specificity.
	BalancedAccuracy float64 `json:"balanced_accuracy"`
	// Short counts the examples that had fewer than K neighbours, all of which
	// voted.
	Short int `json:"short,omitempty"`
	// Near tells that Excess is not above Error: the trial may be as good as the
	// best.
	Near bool `json:"near,omitempty"`
}

// A Choice is a way of voting, and the trials that it was chosen by.
type Choice struct {
	Voting
	Examples int     `json:"examples"` // that were voted on
	Patients int     `json:"patients"` // whose they are
	Trials   []Trial `json:"trials"`
}

// ChooseVoting tries votes of 1, 3, 5, 7, 10, 11, 15, 20, 30, 50, 100 and 200
// neighbours, with each of the weightings, and returns the one that predicts
// the examples best from those of other patients. lists[i] are the nearest of
// example i among those of other patients, best first: MostK of them, or more
// where only one of each patient shall vote; what is missing is told by
// Trial.Short. No weightings means DINOv2's.
//
// The measure is the logarithmic loss: it is a proper score, is defined for
// uncertain targets and for findings, and tells close ways apart where balanced
// accuracy, given beside it, moves by whole images. A vote is taken for a
// probability together with one voter more, who votes for the classes as they
// are frequent in other patients; the voters count as many as Kish's effective
// number, (sum of weights)^2 / sum of squared weights (Survey Sampling, 1965).
// Without it one unanimous error would cost infinitely much.
//
// Among the trials within one standard error of the best, paired by patient
// (Breiman et al., Classification and Regression Trees, 1984), it chooses
// DefaultK, otherwise the smallest K, and then the weighting given first.
//
// It returns ErrNotEnough if the examples that have neighbours are of one
// patient or one class, and ErrNeighbours, ErrWeighting or the errors of
// Examples.Check if what is given is not as described. It takes time in
// proportion to the lists' lengths together times weightings and classes.
func ChooseVoting(e Examples, lists [][]Near, onePerPatient bool, weightings ...Weighting) (Choice, error) {
	if err := e.Check(); err != nil {
		return Choice{}, err
	}
	if len(weightings) == 0 {
		weightings = []Weighting{{}}
	}
	for _, w := range weightings {
		if err := w.Validate(); err != nil {
			return Choice{}, err
		}
	}
	if err := e.checkLists(lists); err != nil {
		return Choice{}, err
	}
	t := newTrials(e, lists, weightings)
	for i, list := range lists {
		if len(list) == 0 {
			continue
		}
		if onePerPatient {
			list = e.onePerPatient(list)
		}
		t.vote(i, list)
	}
	return t.choose(onePerPatient)
}

// checkLists returns ErrNeighbours unless every list is sorted and of other
// patients' examples.
func (e Examples) checkLists(lists [][]Near) error {
	if len(lists) != len(e.X) {
		return fmt.Errorf("%d lists for %d examples: %w", len(lists), len(e.X), ErrNeighbours)
	}
	for i, list := range lists {
		for j, n := range list {
			switch {
			case n.At < 0 || int(n.At) >= len(e.X):
				return fmt.Errorf("example %d: neighbour %d of %d examples: %w", i, n.At, len(e.X), ErrNeighbours)
			case e.Patient[n.At] == e.Patient[i]:
				return fmt.Errorf("example %d: neighbour %d is of the same patient: %w", i, n.At, ErrNeighbours)
			case !(math.Abs(float64(n.Score)) <= math.MaxFloat32) || j > 0 && n.Score > list[j-1].Score:
				return fmt.Errorf("example %d: score %v is not in order: %w", i, n.Score, ErrNeighbours)
			}
		}
	}
	return nil
}

// onePerPatient returns the first of each patient.
func (e Examples) onePerPatient(list []Near) []Near {
	seen := make(map[int]bool, len(list))
	var first []Near
	for _, n := range list {
		if p := e.Patient[n.At]; !seen[p] {
			seen[p] = true
			first = append(first, n)
		}
	}
	return first
}

// trials gather the results of every weighting and number of neighbours.
type trials struct {
	e       Examples
	ks      []int
	ways    []way
	patient []int // of each example, numbered from 0
	weight  []float64
	// base[p] are the classes' frequencies outside patient p.
	base  [][]float64
	voted int
}

// way is one trial on its way.
type way struct {
	Trial
	loss []float64 // by patient, each example times its weight
	// right and all are the weights of the examples by class and truth.
	right, all [][2]float64
}

func newTrials(e Examples, lists [][]Near, weightings []Weighting) *trials {
	longest := 0
	for _, list := range lists {
		longest = max(longest, len(list))
	}
	t := &trials{e: e}
	for _, k := range numbers() {
		if k <= longest || k == 1 {
			t.ks = append(t.ks, k)
		}
	}
	t.count()
	for _, w := range weightings {
		for _, k := range t.ks {
			t.ways = append(t.ways, way{Trial: Trial{Weighting: w, K: k}, loss: make([]float64, len(t.weight)),
				right: make([][2]float64, len(e.Classes)), all: make([][2]float64, len(e.Classes))})
		}
	}
	return t
}

// count numbers the patients and finds the classes' frequencies outside each,
// with one image more of each class, or with and without each finding, so that
// none is zero.
func (t *trials) count() {
	number := map[int]int{}
	for _, p := range t.e.Patient {
		if _, ok := number[p]; !ok {
			number[p] = len(number)
		}
		t.patient = append(t.patient, number[p])
	}
	t.weight = make([]float64, len(number))
	c := len(t.e.Classes)
	have, known := make([][]float64, len(number)+1), make([][]float64, len(number)+1) // the last is of all
	for p := range have {
		have[p], known[p] = make([]float64, c), make([]float64, c)
	}
	for i, row := range t.e.Y {
		for c, y := range row {
			if !math.IsNaN(y) {
				for _, p := range []int{t.patient[i], len(number)} {
					have[p][c] += t.e.weight(i) * y
					known[p][c] += t.e.weight(i)
				}
			}
		}
	}
	sides := float64(c)
	if t.e.Multi {
		sides = 2
	}
	all := len(number)
	for p := range all {
		base := make([]float64, c)
		for c := range base {
			base[c] = (max(have[all][c]-have[p][c], 0) + 1) / (max(known[all][c]-known[p][c], 0) + sides)
		}
		t.base = append(t.base, base)
	}
}

// vote lets the neighbours vote on example i in every way.
func (t *trials) vote(i int, list []Near) {
	t.voted++
	t.weight[t.patient[i]] += t.e.weight(i)
	tallies := make([]tally, len(t.e.Classes))
	for w := 0; w < len(t.ways); w += len(t.ks) {
		clear(tallies)
		from := 0
		for k := range t.ks {
			to := min(t.ks[k], len(list))
			for _, n := range list[from:to] {
				t.add(tallies, t.ways[w].Weighting, n)
			}
			from = to
			t.judge(&t.ways[w+k], i, tallies)
			if len(list) < t.ks[k] {
				t.ways[w+k].Short++
			}
		}
	}
}

// tally is the running vote on one class.
type tally struct {
	best               float64 // score of the first who knew
	have, all, squares float64 // sums of weights; all is zero while none knew
}

// add adds a neighbour's vote on every class that it knows of. Where the same
// neighbour was the first to know of several, its weight is the same in all.
func (t *trials) add(tallies []tally, w Weighting, n Near) {
	weight, beside := 0.0, math.NaN()
	for c, y := range t.e.Y[n.At] {
		if math.IsNaN(y) {
			continue
		}
		a := &tallies[c]
		if a.all == 0 {
			a.best = float64(n.Score)
		}
		if a.best != beside {
			weight, beside = w.weight(float64(n.Score), a.best), a.best
		}
		a.have += weight * y
		a.all += weight
		a.squares += weight * weight
	}
}

// probability of the class, with one voter more; below one, as the voter's is but
// for rounding.
func (a tally) probability(base float64) float64 {
	if a.all == 0 {
		return min(base, 1-0x1p-53)
	}
	voters := a.all * a.all / a.squares
	return min((a.have/a.all*voters+base)/(voters+1), 1-0x1p-53)
}

// judge compares the vote on example i with its truth.
func (t *trials) judge(w *way, i int, tallies []tally) {
	base, weight, y := t.base[t.patient[i]], t.e.weight(i), t.e.Y[i]
	loss, known := 0.0, 0
	for c, a := range tallies {
		if math.IsNaN(y[c]) {
			continue
		}
		p := a.probability(base[c])
		known++
		if y[c] > 0 {
			loss -= y[c] * math.Log(p)
		}
		if t.e.Multi {
			if y[c] < 1 {
				loss -= (1 - y[c]) * math.Log1p(-p)
			}
			w.seen(c, y[c] >= 0.5, a.all > 0 && a.have >= a.all/2, weight)
		}
	}
	if t.e.Multi {
		loss /= float64(max(known, 1))
	} else {
		truth := slices.Index(y, slices.Max(y))
		w.seen(truth, true, winner(tallies) == truth, weight)
	}
	w.loss[t.patient[i]] += weight * loss
}

// seen counts an example with or without class c, and whether the vote said that
// it has.
func (w *way) seen(c int, has, said bool, weight float64) {
	side := 0
	if has {
		side = 1
	}
	w.all[c][side] += weight
	if has == said {
		w.right[c][side] += weight
	}
}

// winner returns the class with the most, the first where several have.
func winner(tallies []tally) int {
	best := 0
	for c, a := range tallies {
		if a.have > tallies[best].have {
			best = c
		}
	}
	return best
}
