package probe

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// nearOthers returns the most nearest of each example among those of other
// patients.
func nearOthers(e Examples, most int) [][]Near {
	lists := make([][]Near, len(e.X))
	for i, x := range e.X {
		for j, y := range e.X {
			if e.Patient[i] != e.Patient[j] {
				s := float32(0)
				for d, v := range x {
					s += v * y[d]
				}
				lists[i] = append(lists[i], Near{int32(j), s})
			}
		}
		slices.SortStableFunc(lists[i], func(a, b Near) int { return cmp.Compare(b.Score, a.Score) })
		lists[i] = lists[i][:min(most, len(lists[i]))]
	}
	return lists
}

// naiveLoss is the loss of example i by the definition: the vote of its
// neighbours and one voter more.
func naiveLoss(t *rapid.T, e Examples, i int, list []Near, v Voting) float64 {
	neighbours := make([]Neighbour, len(list))
	for j, n := range list {
		neighbours[j] = Neighbour{float64(n.Score), e.Y[n.At], string(rune('A' + e.Patient[n.At]))}
	}
	shares, err := Shares(neighbours, e.Classes, e.Multi, v)
	if err != nil {
		t.Fatal(err)
	}
	others, loss, known := e.outside(e.Patient[i]), 0.0, 0.0
	for c, y := range e.Y[i] {
		if math.IsNaN(y) {
			continue
		}
		sides, have, weight := 3.0, 0.0, 0.0
		if e.Multi {
			sides = 2
		}
		for j, row := range others.Y {
			if !math.IsNaN(row[c]) {
				have, weight = have+row[c]*others.weight(j), weight+others.weight(j)
			}
		}
		p := (have + 1) / (weight + sides)
		if !math.IsNaN(shares[c]) {
			n := effective(neighbours, c, v)
			p = (shares[c]*n + p) / (n + 1)
		}
		known++
		if y > 0 {
			loss -= y * math.Log(p)
		}
		if e.Multi && y < 1 {
			loss -= (1 - y) * math.Log(1-p)
		}
	}
	if e.Multi {
		return loss / max(known, 1)
	}
	return loss
}

// patientLosses are sums of weights and weighted losses by patient.
type patientLosses map[int][2]float64

func naiveLosses(t *rapid.T, e Examples, lists [][]Near, v Voting) patientLosses {
	l := patientLosses{}
	for i, list := range lists {
		if len(list) > 0 {
			s := l[e.Patient[i]]
			l[e.Patient[i]] = [2]float64{s[0] + e.weight(i), s[1] + e.weight(i)*naiveLoss(t, e, i, list, v)}
		}
	}
	return l
}

// beside returns the mean difference of the losses and its standard error, that
// of a ratio of means over patients.
func (l patientLosses) beside(o patientLosses) (mean, deviation float64) {
	weight := 0.0
	for p, s := range l {
		mean, weight = mean+s[1]-o[p][1], weight+s[0]
	}
	mean /= weight
	n, variance := float64(len(l)), 0.0
	for p, s := range l {
		d := s[1] - o[p][1] - mean*s[0]
		variance += d * d / (n - 1)
	}
	return mean, math.Sqrt(variance/n) / (weight / n)
}

// effective is Kish's number of the voters that know of class c.
func effective(neighbours []Neighbour, c int, v Voting) float64 {
	var scores []float64
	for i, w := range (Voting{Weighting{Kind: Uniform}, v.K, v.OnePerPatient}).Weights(neighbours) {
		if w > 0 && !math.IsNaN(neighbours[i].Y[c]) {
			scores = append(scores, neighbours[i].Score)
		}
	}
	weights := v.Weighting.Weights(scores)
	return 1 / innerProduct(weights, weights)
}

// Law: every trial's loss is the mean of what the definition gives, the best has
// no excess, and the choice is near it.
func TestTrialsAreWhatVotesGive(t *testing.T) {
	t.Parallel()
	ways := []Weighting{{}, {Kind: Uniform}, {Kind: Distance}, {Softmax, 0.001}}
	rapid.Check(t, func(t *rapid.T) {
		e := drawTargets(t, rapid.Bool().Draw(t, "multi"), 40)
		e.X[1] = e.X[0] // identical images
		one := rapid.Bool().Draw(t, "one per patient")
		lists := nearOthers(e, 30)
		got, err := ChooseVoting(e, lists, one, ways...)
		if errors.Is(err, ErrNotEnough) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		best := slices.MinFunc(got.Trials, func(a, b Trial) int { return cmp.Compare(a.LogLoss, b.LogLoss) })
		for _, trial := range got.Trials {
			losses := naiveLosses(t, e, lists, Voting{trial.Weighting, trial.K, one})
			mean, deviation := losses.beside(naiveLosses(t, e, lists, Voting{best.Weighting, best.K, one}))
			if loss, _ := losses.beside(nil); math.Abs(trial.LogLoss-loss) > 1e-9 || math.Abs(trial.Excess-mean) > 1e-9 || math.Abs(trial.Error-deviation) > 1e-9 {
				t.Fatalf("trial %+v of %+v, want a loss of %v, %v ± %v above the best", trial, e, loss, mean, deviation)
			}
			if trial.Excess != trial.LogLoss-best.LogLoss || trial.Near != (trial.Excess <= trial.Error) {
				t.Fatalf("trial %+v, the best having %v", trial, best.LogLoss)
			}
			chosen := trial.K == got.K && trial.Weighting == got.Weighting
			if chosen && !trial.Near || trial.Near && preference(trial.K) < preference(got.K) {
				t.Fatalf("chose %+v, but there is %+v", got.Voting, trial)
			}
		}
	})
}

// classGroups are n unit vectors, each of a patient of its own, about as many class
// means with noise, and with wrong labels at the given rate.
func classGroups(n, dimension int, noise, wrong float64) Examples {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	e, means := Examples{Classes: abc}, [][]float32{randomUnit(r, dimension), randomUnit(r, dimension), randomUnit(r, dimension)}
	for i := range n {
		wide, y := make([]float64, dimension), make([]float64, 3)
		for j, v := range randomUnit(r, dimension) {
			wide[j] = float64(means[i%3][j]) + noise*float64(v)
		}
		x, length, class := make([]float32, dimension), euclidean(wide), i%3
		for j, v := range wide {
			x[j] = float32(v / length)
		}
		if r.Float64() < wrong {
			class = r.IntN(3)
		}
		y[class] = 1
		e.X, e.Y, e.Patient = append(e.X, x), append(e.Y, y), append(e.Patient, i)
	}
	return e
}

func TestAChoiceFollowsTheData(t *testing.T) {
	for name, c := range map[string]struct {
		e           Examples
		least, most int
	}{
		"where labels are wrong many neighbours vote": {classGroups(600, 8, 0.3, 0.6), 20, 200},
		"small groups take few neighbours":            {fourfold(300), 1, 5},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ChooseVoting(c.e, nearOthers(c.e, MostK), false, Weighting{Kind: Uniform})
			if err != nil || got.K < c.least || got.K > c.most {
				t.Errorf("ChooseVoting = %+v, %v, want K from %d to %d", got, err, c.least, c.most)
			}
			if got.Examples != len(c.e.X) || got.Patients != len(c.e.X) || len(got.Trials) != len(numbers()) {
				t.Errorf("ChooseVoting tried %d of %d images and %d patients, want all", len(got.Trials), got.Examples, got.Patients)
			}
		})
	}
}

// fourfold are groups of four images that are alike and have one class, among many
// others.
func fourfold(n int) Examples {
	r := rand.New(rand.NewPCG(3, 3))
	e := Examples{Classes: abc}
	for i := range n {
		x, y := randomUnit(r, 32), make([]float64, 3)
		if i%4 > 0 {
			x, y = e.X[i-1], e.Y[i-1]
		} else {
			y[r.IntN(3)] = 1
		}
		e.X, e.Y, e.Patient = append(e.X, x), append(e.Y, y), append(e.Patient, i)
	}
	return e
}

func TestEqualTrialsGoToTheDefault(t *testing.T) {
	e := classGroups(120, 8, 0.01, 0)
	got, err := ChooseVoting(e, nearOthers(e, 20), false)
	if err != nil || got.K != DefaultK || got.Weighting != (Weighting{}) || got.Trials[0].BalancedAccuracy != 1 {
		t.Errorf("ChooseVoting = %+v, %v, want K 20 of softmax", got, err)
	}
	trials := []Trial{{K: 30}, {K: 7, Near: true}, {K: 5, Near: true, Weighting: Weighting{Kind: Uniform}}, {K: 5, Near: true}, {K: 20}}
	if got := preferred(trials); got != trials[2] {
		t.Errorf("preferred(%+v) = %+v, want the first of 5", trials, got)
	}
	if trials[4].Near = true; preferred(trials) != trials[4] {
		t.Errorf("preferred(%+v) = %+v, want that of 20", trials, preferred(trials))
	}
}

func TestBalancedAccuracyOfKnownTrials(t *testing.T) {
	for name, c := range map[string]struct {
		multi bool
		y     [][]float64
		want  float64
	}{
		// Example 0 is told by 1, and so on around.
		"recalls of two classes": {false, [][]float64{{1, 0}, {1, 0}, {1, 0}, {0, 1}, {0, 1}}, (2./3 + 1./2) / 2},
		"sensitivity and specificity of the one finding that is also absent": {true,
			[][]float64{{1, 1}, {0.5, 1}, {0, 1}, {0, 1}, {0, 1}}, (1./2 + 2./3) / 2},
	} {
		t.Run(name, func(t *testing.T) {
			e := Examples{Classes: []string{"a", "b"}, Multi: c.multi, Y: c.y, Patient: []int{0, 1, 2, 3, 4}}
			lists := make([][]Near, len(c.y))
			for i := range c.y {
				e.X, lists[i] = append(e.X, []float32{1}), []Near{{int32((i + 1) % len(c.y)), 1}}
			}
			got, err := ChooseVoting(e, lists, false)
			if err != nil || math.Abs(got.Trials[0].BalancedAccuracy-c.want) > 1e-15 {
				t.Errorf("ChooseVoting = %+v, %v, want a balanced accuracy of %v", got, err, c.want)
			}
		})
	}
}

func TestVotesOfFewNeighboursAreShort(t *testing.T) {
	e := classGroups(30, 8, 0.3, 0)
	for i := range e.Patient {
		e.Patient[i] = i / 3
	}
	lists := nearOthers(e, 15)
	lists[0] = lists[0][:2]
	lists[1] = nil
	got, err := ChooseVoting(e, lists, false)
	if err != nil || got.Examples != 29 || got.Patients != 10 {
		t.Fatalf("ChooseVoting = %+v, %v, want 29 examples of 10 patients", got, err)
	}
	for _, trial := range got.Trials {
		if want := min(1, trial.K/3); trial.Short != want || trial.K > 15 {
			t.Errorf("trial %+v, want %d short and K 15 at most", trial, want)
		}
	}
	one, err := ChooseVoting(e, lists, true)
	if last := one.Trials[len(one.Trials)-1]; err != nil || last.K != 15 || last.Short != 29 || !one.OnePerPatient {
		t.Errorf("ChooseVoting of one per patient = %+v, %v, want all 29 short of 15", one, err)
	}
}

func TestInvalidListsAreRefused(t *testing.T) {
	e := Examples{Classes: []string{"a", "b"}, X: [][]float32{{1}, {1}, {1}, {1}}, Patient: []int{0, 0, 1, 2},
		Y: [][]float64{{1, 0}, {0, 1}, {1, 0}, {0, 1}}}
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		lists [][]Near
		w     Weighting
		want  error
	}{
		"too few":                {make([][]Near, 3), Weighting{}, ErrNeighbours},
		"of no example":          {[][]Near{{{4, 1}}, nil, nil, nil}, Weighting{}, ErrNeighbours},
		"of an example below 0":  {[][]Near{{{-1, 1}}, nil, nil, nil}, Weighting{}, ErrNeighbours},
		"of the same patient":    {[][]Near{{{1, 1}}, nil, nil, nil}, Weighting{}, ErrNeighbours},
		"of the example itself":  {[][]Near{nil, nil, nil, {{3, 1}}}, Weighting{}, ErrNeighbours},
		"not in order":           {[][]Near{{{2, 0.5}, {3, 0.6}}, nil, nil, nil}, Weighting{}, ErrNeighbours},
		"with a score of none":   {[][]Near{{{2, nan}}, nil, nil, nil}, Weighting{}, ErrNeighbours},
		"with an unknown weight": {make([][]Near, 4), Weighting{Kind: "x"}, ErrWeighting},
		"without any neighbour":  {make([][]Near, 4), Weighting{}, ErrNotEnough},
		"of one class only":      {[][]Near{{{2, 1}}, nil, {{0, 1}}, nil}, Weighting{}, ErrNotEnough},
		"of one patient only":    {[][]Near{{{2, 1}}, {{2, 1}}, nil, nil}, Weighting{}, ErrNotEnough},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ChooseVoting(e, c.lists, false, c.w); !errors.Is(err, c.want) {
				t.Errorf("ChooseVoting(%v) = %v, want %v", c.lists, err, c.want)
			}
		})
	}
}

func BenchmarkChooseVoting(b *testing.B) {
	e := classGroups(10000, 8, 1, 0.1)
	r, lists := rand.New(rand.NewPCG(1, 1)), make([][]Near, 10000)
	for i := range lists {
		for j := range MostK {
			at := r.IntN(9999)
			if at >= i {
				at++
			}
			lists[i] = append(lists[i], Near{int32(at), 1 - float32(j)/1000})
		}
	}
	for b.Loop() {
		if _, err := ChooseVoting(e, lists, false, Weighting{}, Weighting{Kind: Uniform}, Weighting{Kind: Distance}); err != nil {
			b.Fatal(err)
		}
	}
}
