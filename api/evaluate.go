package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"nearcase/probe"
	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
	"nearcase/store"
)

// EvaluateOptions say how to evaluate. The zero value works.
type EvaluateOptions struct {
	// Task to evaluate; empty is allowed when the collection has one task.
	Task string `json:"task,omitempty"`
	// Filter says which labelled images take part, to learn from and to be tested.
	Filter *store.Filter `json:"filter,omitempty"`
	// Collections are others with the same images, by other networks, to compare.
	// Images are matched by ID, those that are not in all are left out, and labels
	// are those of the collection that is evaluated.
	Collections []string `json:"collections,omitempty"`
	// Folds is the number of patient-grouped folds; 0 means 5.
	Folds int `json:"folds,omitempty"`
	// Split, in place of folds, is a division that is given.
	Split *Split `json:"split,omitempty"`
	// K is the number of neighbours that vote, beside other numbers; 0 means the
	// task's, or else the service's default.
	K int `json:"k,omitempty"`
	// Seed of folds, subsets and intervals.
	Seed int64 `json:"seed,omitempty"`
	// Rounds of the bootstrap, 100 to 10,000; 0 means 1000.
	Rounds int `json:"rounds,omitempty"`
	// Methods to evaluate, by the names in EvaluateMethods; none means all that
	// there are.
	Methods []string `json:"methods,omitempty"`
	// Subgroups are metadata fields, or names of other tasks, by whose values results
	// are given too. Ages are banded.
	Subgroups []string `json:"subgroups,omitempty"`
	// LearningCurve asks for results by the number of labels.
	LearningCurve bool `json:"learning_curve,omitempty"`
	// WithoutLeak leaves out what images divided without regard to patients would
	// have shown.
	WithoutLeak bool `json:"without_leak,omitempty"`
	// Mistakes is how many images that were predicted wrongly are shown; 0 means 12,
	// and a negative number none.
	Mistakes int `json:"mistakes,omitempty"`
	// Cases is how many images of each cell of each confusion matrix are listed, the
	// surest first; 0 means none. All cells together list up to 20,000.
	Cases int `json:"cases,omitempty"`
	// WithoutImages leaves the pictures of mistakes out.
	WithoutImages bool `json:"without_images,omitempty"`
	// Doing, if not nil, is told what is being done, in the caller's goroutine.
	Doing func(what string) `json:"-"`
}

// Split is a given division into images to learn from and images to test.
type Split struct {
	// By is the metadata field, or the name of another task, that tells the side of
	// an image; one without a side takes no part.
	By string `json:"by"`
	// Train is the value of images to learn from; empty means every other than Test.
	Train string `json:"train,omitempty"`
	// Test is the value of images to test; empty means "test".
	Test string `json:"test,omitempty"`
}

// Bounds of EvaluateOptions.
const (
	maxFolds       = 1000
	maxRounds      = 10_000
	maxCollections = 20
	maxMistakes    = 100
	maxCases       = 1000
	maxFigures     = 1 << 26 // that the bootstrap keeps, of 8 bytes
	defaultFolds   = 5
	someMistakes   = 12
)

// Evaluation says how well votes and probes predict the labels of patients that
// they know nothing of.
type Evaluation struct {
	Provenance
	report.Report
}

// Evaluate divides the labelled images into folds by patient, or as given, and
// predicts each fold from the others: by the votes of neighbours, by class means,
// by probes that are chosen, fitted and calibrated on the others too, and by
// texts where the network has a text tower. Kin (see store.Families) are never
// divided: where a given split does, their images are left out of what is learnt.
//
// It returns store.ErrTask for an unknown task, ErrQuery for options that cannot
// be, and ErrNotEnough where the labels tell no class from another or are of
// fewer patients than there are folds.
func (s *Service) Evaluate(ctx context.Context, collection string, o EvaluateOptions, progress func(done, total int)) (Evaluation, error) {
	started := time.Now()
	v, err := s.newEvaluation(ctx, collection, o)
	if err != nil {
		return Evaluation{}, fmt.Errorf("evaluate %s: %w", collection, err)
	}
	v.meter = newMeter(len(v.cases)*(2*len(v.networks)+1), progress)
	r, err := v.run(ctx)
	if err != nil {
		return Evaluation{}, fmt.Errorf("evaluate %s: %w", collection, err)
	}
	r.Data.Time, r.Data.Took = started.UTC().Truncate(time.Second), time.Since(started).Seconds()
	r.Methods = report.Methods(r)
	return Evaluation{v.provenance, r}, nil
}

// evaluation is one call of Evaluate. Slices have one entry for each image.
type evaluation struct {
	s          *Service
	o          EvaluateOptions
	k          int // neighbours that vote
	wanted     map[string]bool
	provenance Provenance
	watermark  store.Key
	task       store.Task
	networks   []*network
	cases      []store.Case
	families   []string
	at         map[string]int32 // positions by ID
	examples   probe.Examples   // without X, which each network has
	filter     *store.Condition // of what takes part
	truth      eval.Truth
	division
	columns  []subgroups
	warnings []string
	meter    *meter
	// comparison is of the results, once there are any.
	comparison *eval.Comparison
}

// network is one of the collections evaluated.
type network struct {
	store.Collection
	examples probe.Examples
	about    report.Network
	exact    bool
	all      bool // its images all take part
	near     []list
	tunings  []*probe.Tuning // by fold
	methods  []method
	leaks    []leak
}

// method is a way to predict, with what it predicts.
type method struct {
	eval.Predictions
	report.Classifier
	key string // in EvaluateMethods
	// masked has the probabilities where they are not of all classes; nil otherwise.
	masked *maskedPredictions
	// reasons say why something is missing.
	reasons []string
}

func (s *Service) newEvaluation(ctx context.Context, collection string, o EvaluateOptions) (*evaluation, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	v := &evaluation{s: s, o: o}
	if v.task, err = soleTask(c, o.Task); err != nil {
		return nil, err
	}
	if err := v.check(); err != nil {
		return nil, err
	}
	if v.filter, err = s.condition(c, o.Filter); err != nil {
		return nil, err
	}
	if v.provenance, err = s.provenance(ctx, c); err != nil {
		return nil, err
	}
	v.doing("reading labels and vectors")
	if err := v.load(ctx, c); err != nil {
		return nil, err
	}
	if err := v.tells(); err != nil {
		return nil, err
	}
	if err := v.divide(); err != nil {
		return nil, err
	}
	return v, v.group()
}

// check completes the options, or says which of them cannot be.
func (v *evaluation) check() (err error) {
	o := &v.o
	v.k = cmp.Or(o.K, v.task.Settings.Neighbours, v.s.Neighbours)
	o.Folds, o.Rounds = cmp.Or(o.Folds, defaultFolds), cmp.Or(o.Rounds, eval.DefaultRounds)
	o.Mistakes = max(cmp.Or(o.Mistakes, someMistakes), 0)
	for _, b := range []struct {
		name           string
		n, least, most int
	}{
		{"k", v.k, 1, maxNeighbours}, {"folds", o.Folds, 2, maxFolds}, {"rounds", o.Rounds, 100, maxRounds},
		{"mistakes", o.Mistakes, 0, maxMistakes}, {"cases", o.Cases, 0, maxCases}, {"the number of other collections", len(o.Collections), 0, maxCollections},
	} {
		if b.n < b.least || b.n > b.most {
			return fmt.Errorf("%w: %s is %d, use %d to %d", ErrQuery, b.name, b.n, b.least, b.most)
		}
	}
	if v.wanted, err = wantedMethods(o.Methods); err != nil {
		return err
	}
	figures := (len(o.Collections) + 1) * (len(v.wanted) + leakMethods) * eval.Figures(len(v.task.Classes))
	if most := maxFigures / figures; o.Rounds > most {
		return fmt.Errorf("%w: %d rounds of the figures of so many classes, methods and collections are too many to keep, use %d or ask for fewer of these", ErrQuery, o.Rounds, most)
	}
	return nil
}

// doing tells what is being done.
func (v *evaluation) doing(what string) {
	if v.o.Doing != nil {
		v.o.Doing(what)
	}
}

// run predicts by every network and method and reports on them.
func (v *evaluation) run(ctx context.Context) (report.Report, error) {
	for _, w := range v.networks {
		v.doing(w.Name + ": searching")
		if err := v.search(ctx, w); err != nil {
			return report.Report{}, err
		}
		v.doing(w.Name + ": fitting")
		if err := v.tune(ctx, w); err != nil {
			return report.Report{}, err
		}
		v.doing(w.Name + ": predicting")
		if err := v.predict(ctx, w); err != nil {
			return report.Report{}, err
		}
	}
	v.doing("intervals")
	return v.report(ctx)
}

// predict adds the methods that are wanted and that there are.
func (v *evaluation) predict(ctx context.Context, w *network) error {
	for _, step := range []func(context.Context, *network) error{v.votes, v.means, v.probes, v.texts} {
		if err := step(ctx, w); err != nil {
			return err
		}
	}
	if len(w.methods) == 0 {
		return fmt.Errorf("%w: none of the methods asked for is there for collection %s", ErrQuery, w.Name)
	}
	if v.o.WithoutLeak {
		return nil
	}
	return v.leak(ctx, w)
}

// notEnough is an error of probe or eval about labels as one of this package.
func notEnough(task string, err error) error {
	if errors.Is(err, probe.ErrNotEnough) || errors.Is(err, eval.ErrFolds) {
		return fmt.Errorf("task %s: %w: %w", task, ErrNotEnough, err)
	}
	return err
}
