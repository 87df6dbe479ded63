package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

const (
	// MostSwept is how many examples a probe is calibrated by at most: of more,
	// whole patients are left out of that, though not of the probes.
	MostSwept = 10_000
	// mostTried is how many examples a probe's regularisation is chosen by at most.
	// On the radiographs 2,000 of 4,100 chose for the softmax probe what all did,
	// within half a per cent of log loss, and 1,000 were worse by two.
	mostTried = 2_000
)

// TuneOptions say how to tune. The zero value works.
type TuneOptions struct {
	HeadOptions
	// Balance of the ridge probe. (The softmax probe is not balanced.)
	Balance Balance
	// Fold of each example, from zero, the same for all of a patient: what the
	// softmax probe is chosen and calibrated by. Nil means that there is no softmax
	// probe.
	Fold []int
	// Lists are the nearest of each example among those of other patients, as
	// ChooseVoting takes them; nil means that no voting is chosen.
	Lists         [][]Near
	OnePerPatient bool
	// Statistics, if not nil, are a ridge probe that has learnt these examples, and
	// Balance is its own. It is not changed. TuneFolds takes none with folds to leave
	// out.
	Statistics *Ridge
	// Swept is how many examples a probe is calibrated by at most, MostSwept if zero.
	Swept      int
	Weightings []Weighting
	// Workers is how many goroutines work, 1 if zero. The result is the same for
	// every number.
	Workers int
	// Progress, if not nil, is called with the steps done and those there may be. It
	// may be called from several goroutines.
	Progress func(done, total int)
}

// A Tuning is all that is chosen for a task's answers, and what they can be
// trusted with, from labelled examples that were each judged by probes made
// without their patient. It does not change.
type Tuning struct {
	// Classes that any example has; in a multi-label task, or lacks.
	Classes  []string `json:"classes"`
	Multi    bool     `json:"multi,omitempty"`
	Examples int      `json:"examples"`
	Patients int      `json:"patients"`
	// Priors are the shares of the classes among the examples.
	Priors []float64 `json:"priors"`
	Ridge  Head      `json:"ridge"`
	// Softmax is nil where there is no softmax probe: WithoutSoftmax says why.
	Softmax        *Head  `json:"softmax,omitempty"`
	WithoutSoftmax string `json:"without_softmax,omitempty"`
	// Voting is nil where none was chosen.
	Voting *Choice `json:"voting,omitempty"`
	// Better is RidgeHead or SoftmaxHead, whichever gave the truth the higher
	// calibrated out-of-patient probability. Within a hundredth of log loss it is
	// the ridge probe, which knows every label at once.
	Better string `json:"better"`
}

// The names of heads.
const (
	RidgeHead   = "ridge"
	SoftmaxHead = "softmax"
)

// Tune chooses and calibrates the probes of a task: the ridge probe by leaving
// out each patient, the softmax probe by folds, each over the twelve decades of
// regularisation. It returns ErrNotEnough where no class can be told from
// another, the errors of Examples.Check, ErrFold, or that of a context that
// ended.
func Tune(ctx context.Context, e Examples, o TuneOptions) (Tuning, error) {
	all, err := TuneFolds(ctx, e, nil, o)
	if err != nil {
		return Tuning{}, err
	}
	return all[0], nil
}

// TuneFolds returns the tuning of all examples and then, for each fold named by
// without, that of the examples that are not in it, which knows nothing of those
// that are. One that has too few examples is a Tuning without Classes.
func TuneFolds(ctx context.Context, e Examples, without []int, o TuneOptions) ([]Tuning, error) {
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("tuning: %w", err)
	}
	if err := o.check(e, without); err != nil {
		return nil, fmt.Errorf("tuning: %w", err)
	}
	t := tuner{ctx: ctx, TuneOptions: o, shards: map[int]*Ridge{}}
	if err := t.accumulate(e); err != nil {
		return nil, fmt.Errorf("tuning: %w", err)
	}
	t.total.Store(int64((len(without) + 1) * t.steps()))
	tunings, errs := make([]Tuning, len(without)+1), make([]error, len(without)+1)
	each := func(i int) {
		left := -1
		if i > 0 {
			left = without[i-1]
		}
		if tunings[i], errs[i] = t.tune(e, left); i > 0 && errors.Is(errs[i], ErrNotEnough) {
			tunings[i], errs[i] = Tuning{}, nil
		}
	}
	spread(o.Workers, len(tunings), each)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("tuning: %w", err)
	}
	return tunings, nil
}

// check returns why folds and lists do not fit the examples.
func (o TuneOptions) check(e Examples, without []int) error {
	if o.Fold != nil && len(o.Fold) != len(e.X) || o.Fold == nil && len(without) > 0 {
		return fmt.Errorf("%d folds for %d examples: %w", len(o.Fold), len(e.X), ErrDimension)
	}
	if r := o.Statistics; r != nil && (len(without) > 0 || r.dimension != e.Dimension() || r.balance != o.Balance) {
		return fmt.Errorf("statistics of dimension %d for %d, leaving out %d folds: %w", r.dimension, e.Dimension(), len(without), ErrDimension)
	}
	if o.Lists != nil && len(o.Lists) != len(e.X) {
		return fmt.Errorf("%d lists for %d examples: %w", len(o.Lists), len(e.X), ErrNeighbours)
	}
	of := map[int]int{}
	for i, f := range o.Fold {
		if before, ok := of[e.Patient[i]]; f < 0 || ok && before != f {
			return fmt.Errorf("fold %d of example %d, whose patient is in fold %d too: %w", f, i, before, ErrFold)
		}
		of[e.Patient[i]] = f
	}
	for i, list := range o.Lists {
		for _, near := range list {
			if near.At < 0 || int(near.At) >= len(e.X) {
				return fmt.Errorf("neighbour %d of example %d of %d: %w", near.At, i, len(e.X), ErrNeighbours)
			}
		}
	}
	return nil
}

// tuner is one call of TuneFolds.
type tuner struct {
	TuneOptions
	ctx         context.Context
	shards      map[int]*Ridge // statistics by fold
	done, total atomic.Int64
}

// coarseGrid are regularisations of two points per decade. On the radiographs the
// best of one per decade cost up to 3.4 per cent of log loss, of four no less.
func coarseGrid() []float64 {
	var grid []float64
	for i := 0; i <= decades*perDecade; i += perDecade / 2 {
		grid = append(grid, gridPoint(i))
	}
	return grid
}

func (t *tuner) steps() int {
	if t.Fold == nil {
		return 1
	}
	folds := map[int]bool{}
	for _, f := range t.Fold {
		folds[f] = true
	}
	return 2 + len(folds)*len(coarseGrid())
}

func (t *tuner) step() {
	if done := t.done.Add(1); t.Progress != nil {
		t.Progress(int(min(done, t.total.Load())), int(t.total.Load()))
	}
}

// accumulate adds up the ridge statistics of each fold.
func (t *tuner) accumulate(e Examples) error {
	if t.Statistics != nil {
		t.shards[0] = t.Statistics
		return nil
	}
	members := map[int][]int{}
	for i := range e.X {
		f := 0
		if t.Fold != nil {
			f = t.Fold[i]
		}
		members[f] = append(members[f], i)
	}
	for f, at := range members {
		r, targets := NewRidge(e.Dimension(), t.Balance), make([]Target, len(at))
		for j, i := range at {
			targets[j] = e.Target(i)
		}
		if err := r.AddAll(e.Subset(at).X, targets); err != nil {
			return err
		}
		t.shards[f] = r
	}
	return nil
}

// tune tunes the examples that are not in fold left.
func (t *tuner) tune(e Examples, left int) (Tuning, error) {
	var at []int
	for i := range e.X {
		if left < 0 || t.Fold[i] != left {
			at = append(at, i)
		}
	}
	part := e.Subset(at).observed()
	u := Tuning{Classes: part.Classes, Multi: e.Multi, Examples: len(at), Patients: part.patients(), Priors: part.Priors()}
	if len(part.Classes) == 0 || !e.Multi && len(part.Classes) < 2 {
		return Tuning{}, fmt.Errorf("%d examples of %d classes: %w", len(at), len(part.Classes), ErrNotEnough)
	}
	if err := t.ridge(&u, part, left); err != nil {
		return Tuning{}, err
	}
	if err := t.softmax(&u, part, at); err != nil {
		return Tuning{}, err
	}
	u.Better = u.better()
	return u, t.voting(&u, part, at, len(e.X))
}

// ridge adds the ridge probe.
func (t *tuner) ridge(u *Tuning, e Examples, left int) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	r := NewRidge(e.Dimension(), t.Balance)
	for _, f := range sortedKeys(t.shards) {
		if f == left {
			continue
		}
		if err := r.Merge(t.shards[f]); err != nil {
			return err
		}
	}
	tried, swept := e.Subset(e.sample(mostTried)), e.Subset(e.sample(t.swept()))
	found, err := r.LeaveOut(tried, LeaveOutOptions{Lambdas: coarseGrid()})
	if err != nil {
		return err
	}
	u.Ridge.Lambda = found.Lambdas[found.Best]
	if len(tried.X) < len(swept.X) {
		if found, err = r.LeaveOut(swept, LeaveOutOptions{Lambdas: []float64{u.Ridge.Lambda}}); err != nil {
			return err
		}
	}
	if u.Ridge.Linear, err = r.Fit(u.Ridge.Lambda); err != nil {
		return err
	}
	t.step()
	return u.Ridge.judge(swept.Scored(found.Scores), t.HeadOptions)
}

// softmax adds the softmax probe, or why there is none.
func (t *tuner) softmax(u *Tuning, e Examples, at []int) error {
	if t.Fold == nil {
		return nil
	}
	tried := e.sample(mostTried)
	swept, fold := e.Subset(tried), valuesAt(valuesAt(t.Fold, at), tried)
	found, err := SweepSoftmax(t.ctx, swept, renumbered(fold), coarseGrid(), SoftmaxOptions{Tolerance: 1e-2}, func(int, int) { t.step() })
	if errors.Is(err, ErrNotEnough) || errors.Is(err, ErrFold) {
		u.WithoutSoftmax = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	h := Head{Lambda: rescaled(found.Lambdas[found.Best], swept, e)}
	path := found.Without[0]
	p, err := FitSoftmax(t.ctx, e, h.Lambda, SoftmaxOptions{Tolerance: 1e-3, Warm: path[len(path)-1]})
	if err != nil {
		return err
	}
	h.Linear = &p.Linear
	scored := swept.Scored(found.Scores)
	if len(tried) < min(len(e.X), t.swept()) {
		if scored, err = t.heldOut(e, at, h.Lambda); err != nil {
			return err
		}
	}
	t.step()
	u.Softmax = &h
	return h.judge(scored.finite(), t.HeadOptions)
}

func (t *tuner) swept() int { return cmp.Or(t.Swept, MostSwept) }

// heldOut returns what the softmax probes at lambda of all examples say of the
// fold that each was fitted without.
func (t *tuner) heldOut(e Examples, at []int, lambda float64) (Scored, error) {
	some := e.sample(t.swept())
	swept, fold := e.Subset(some), valuesAt(valuesAt(t.Fold, at), some)
	lambda = rescaled(lambda, e, swept)
	found, err := SweepSoftmax(t.ctx, swept, renumbered(fold), []float64{lambda}, SoftmaxOptions{Tolerance: 1e-3}, nil)
	if err != nil {
		return Scored{}, err
	}
	return swept.Scored(found.Scores), nil
}

// rescaled returns the lambda that is for some examples the penalty that the
// given one is for others.
func rescaled(lambda float64, from, to Examples) float64 {
	if len(from.X) == len(to.X) {
		return lambda
	}
	if a, b := SoftmaxScale(from), SoftmaxScale(to); a > 0 && b > 0 {
		lambda *= a / b
	}
	return lambda
}

// tieLoss is the log loss by which the softmax probe must be better.
const tieLoss = 0.01

func (u *Tuning) better() string {
	if u.Softmax == nil || u.Softmax.LogLoss == nil {
		return RidgeHead
	}
	if u.Ridge.LogLoss != nil && *u.Softmax.LogLoss > *u.Ridge.LogLoss-tieLoss {
		return RidgeHead
	}
	return SoftmaxHead
}

// voting chooses a voting from the neighbours among the examples at the given
// positions of n.
func (t *tuner) voting(u *Tuning, e Examples, at []int, n int) error {
	if t.Lists == nil {
		return nil
	}
	position := make([]int32, n)
	for i := range position {
		position[i] = -1
	}
	for j, i := range at {
		position[i] = int32(j)
	}
	lists := make([][]Near, len(at))
	for j, i := range at {
		lists[j] = make([]Near, 0, len(t.Lists[i]))
		for _, near := range t.Lists[i] {
			if to := position[near.At]; to >= 0 {
				lists[j] = append(lists[j], Near{to, near.Score})
			}
		}
	}
	c, err := ChooseVoting(e, lists, t.OnePerPatient, t.Weightings...)
	if errors.Is(err, ErrNotEnough) {
		return nil
	}
	u.Voting = &c
	return err
}

// Head returns the head of that name, the better one for "", and false where
// there is none.
func (u *Tuning) Head(name string) (*Head, bool) {
	if name == "" {
		name = u.Better
	}
	if name == SoftmaxHead {
		return u.Softmax, u.Softmax != nil
	}
	return &u.Ridge, name == RidgeHead
}
