package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"nearcase/probe"
	"nearcase/probe/eval"
	"nearcase/store"
)

// EvaluateOptions say how to evaluate. The zero value works.
type EvaluateOptions struct {
	// Task to evaluate; empty is allowed when the collection has one task.
	Task string `json:"task,omitempty"`
	// Folds is the number of patient-grouped folds; 0 means 5.
	Folds int `json:"folds,omitempty"`
	// K is the number of neighbours that vote, beside the nearest alone; 0
	// means the service's default.
	K int `json:"k,omitempty"`
	// Seed of folds and intervals.
	Seed int64 `json:"seed,omitempty"`
}

// Evaluation says how well votes and probe predict the labels of patients that
// they know nothing of.
type Evaluation struct {
	Provenance
	Watermark store.Key `json:"label_watermark"`
	Folds     int       `json:"folds"`
	K         int       `json:"k"`
	eval.Report
}

// Evaluate divides the labelled instances into folds by patient and predicts
// each fold from the others: by the nearest neighbour, by the vote of K, and by
// a ridge probe whose regularisation is chosen on the others too. Kin (see
// store.Families) are never divided.
func (s *Service) Evaluate(ctx context.Context, collection string, o EvaluateOptions, progress func(done, total int)) (Evaluation, error) {
	v, err := s.newEvaluation(ctx, collection, o)
	if err != nil {
		return Evaluation{}, fmt.Errorf("evaluate %s: %w", collection, err)
	}
	v.progress = func() {}
	if done := new(atomic.Int64); progress != nil {
		v.progress = func() { progress(int(done.Add(1)), 2*len(v.cases)) }
	}
	nearest, votes, err := v.votes(ctx)
	if err != nil {
		return Evaluation{}, fmt.Errorf("evaluate %s: %w", collection, err)
	}
	ridge, err := v.ridge(ctx)
	if err != nil {
		return Evaluation{}, fmt.Errorf("evaluate %s: %w", collection, err)
	}
	return v.report([]method{
		{"1-NN", nearest}, {fmt.Sprintf("%d-NN", v.k), votes}, {"ridge", ridge},
	})
}

// method is a way to predict, with its scores for each case and class.
type method struct {
	name   string
	scores [][]float64
}

// evaluation is one call of Evaluate.
type evaluation struct {
	s          *Service
	collection store.Collection
	task       store.Task
	k, folds   int
	seed       int64
	progress   func()
	provenance Provenance
	watermark  store.Key
	cases      []store.Case
	groups     []string
	fold       []int // of each case
}

func (s *Service) newEvaluation(ctx context.Context, collection string, o EvaluateOptions) (*evaluation, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	v := &evaluation{s: s, collection: c, k: cmp.Or(o.K, s.Neighbours), folds: cmp.Or(o.Folds, 5), seed: o.Seed}
	if v.k < 1 || v.k > maxNeighbours {
		return nil, fmt.Errorf("%w: k is %d, use 1 to %d", ErrQuery, v.k, maxNeighbours)
	}
	if v.folds < 2 || v.folds > 1000 {
		return nil, fmt.Errorf("%w: folds is %d, use 2 to 1000", ErrQuery, v.folds)
	}
	if v.task, err = soleTask(c, o.Task); err != nil {
		return nil, err
	}
	status, err := s.Catalog.Status(ctx, collection)
	if err != nil {
		return nil, err
	}
	v.watermark = status.LabelHead
	if v.provenance, err = s.provenance(ctx, c); err != nil {
		return nil, err
	}
	if err := v.load(ctx); err != nil {
		return nil, err
	}
	v.fold, err = eval.Folds(v.groups, v.strata(), v.folds, v.seed)
	if errors.Is(err, eval.ErrFolds) {
		err = fmt.Errorf("task %s: %w: %w", v.task.Name, ErrNotEnough, err)
	}
	return v, err
}

// soleTask returns the task named, or the only one.
func soleTask(c store.Collection, name string) (store.Task, error) {
	if name == "" && len(c.Tasks) == 1 {
		return c.Tasks[0], nil
	}
	if name == "" && len(c.Tasks) > 1 {
		names := make([]string, len(c.Tasks))
		for i, t := range c.Tasks {
			names[i] = t.Name
		}
		return store.Task{}, fmt.Errorf("%w: name the task, one of %s", ErrQuery, strings.Join(names, ", "))
	}
	return c.Task(name)
}

// load reads the labelled cases and groups them by kin. An unlabelled instance
// may be what makes two of them kin.
func (v *evaluation) load(ctx context.Context) error {
	var all []store.Instance
	var labelled []int // positions of the cases
	var after store.Key
	for {
		page, err := v.s.Catalog.List(ctx, v.collection.Name, after, maxPage)
		if err != nil {
			return err
		}
		for _, c := range page {
			if _, ok := c.Labels[v.task.Name]; ok {
				v.cases, labelled = append(v.cases, c), append(labelled, len(all))
			}
			all = append(all, c.Instance)
		}
		if len(page) < maxPage {
			break
		}
		after = page[len(page)-1].Key
	}
	if len(v.cases) == 0 {
		return fmt.Errorf("task %s: %w: no instance has one", v.task.Name, ErrNotEnough)
	}
	names := familyNames(all)
	v.groups = make([]string, len(v.cases))
	for i, at := range labelled {
		v.groups[i] = names[at]
	}
	return nil
}

// familyNames names each instance's family after the smallest patient in it,
// or the smallest ID if none is known, so that the folds do not depend on the
// order in which instances were stored.
func familyNames(all []store.Instance) []string {
	families := store.Families(all)
	smallest := map[int]string{}
	for n, i := range all {
		name := "instance " + i.ID
		if i.Patient != "" {
			name = "a patient " + i.Patient // before instances
		}
		if have, ok := smallest[families[n]]; !ok || name < have {
			smallest[families[n]] = name
		}
	}
	names := make([]string, len(all))
	for n := range all {
		names[n] = smallest[families[n]]
	}
	return names
}

// truth of a case: the classes of its label.
func (v *evaluation) truth(i int) []string { return v.cases[i].Labels[v.task.Name].Classes }

// strata name what folds are balanced by: the label as a whole.
func (v *evaluation) strata() []string {
	strata := make([]string, len(v.cases))
	for i := range v.cases {
		strata[i] = strings.Join(v.truth(i), "|")
	}
	return strata
}

// votes asks the catalog for each case's neighbours outside its fold.
func (v *evaluation) votes(ctx context.Context) (nearest, votes [][]float64, err error) {
	exclude := v.exclusions()
	nearest, votes = make([][]float64, len(v.cases)), make([][]float64, len(v.cases))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(v.s.Workers)
	for i, c := range v.cases {
		group.Go(func() error {
			x, err := v.s.Catalog.Vector(ctx, v.collection.Name, c.Instance.ID)
			if err != nil {
				return err
			}
			found, err := v.s.Catalog.Search(ctx, v.collection.Name, store.Query{
				Vector: x, K: v.k, Labelled: v.task.Name, Exclude: exclude[v.fold[i]], Exact: true,
			})
			nearest[i], votes[i] = v.shares(found[:min(1, len(found))]), v.shares(found)
			v.progress()
			return err
		})
	}
	return nearest, votes, group.Wait()
}

// exclusions are the cases of each fold, all kin of each among them.
func (v *evaluation) exclusions() []store.Exclude {
	exclude := make([]store.Exclude, v.folds)
	for i, c := range v.cases {
		e := &exclude[v.fold[i]]
		e.Instances = append(e.Instances, c.Instance.ID)
	}
	return exclude
}

// shares are the votes in the order of the task's classes.
func (v *evaluation) shares(found []store.Case) []float64 {
	neighbours := make([]probe.Neighbour, len(found))
	for i, f := range found {
		neighbours[i] = probe.Neighbour{Score: float64(f.Score), Classes: f.Labels[v.task.Name].Classes}
	}
	by := map[string]float64{}
	for _, vote := range probe.Votes(neighbours, v.task.Classes, v.s.Weighting) {
		by[vote.Class] = vote.Share
	}
	return v.inOrder(by)
}

func (v *evaluation) inOrder(by map[string]float64) []float64 {
	scores := make([]float64, len(v.task.Classes))
	for i, class := range v.task.Classes {
		scores[i] = by[class]
	}
	return scores
}

// ridge predicts each fold by a probe fitted to the others. The statistics of
// the folds add up, so each image is accumulated once.
func (v *evaluation) ridge(ctx context.Context) ([][]float64, error) {
	vectors := make([][]float32, len(v.cases))
	shards := make([]*probe.Ridge, v.folds)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(v.s.Workers)
	for f := range shards {
		group.Go(func() (err error) {
			shards[f], err = v.accumulate(ctx, f, vectors)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	scores := make([][]float64, len(v.cases))
	for f := range shards {
		if err := v.predict(f, shards, vectors, scores); err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// accumulate gathers the statistics of one fold.
func (v *evaluation) accumulate(ctx context.Context, f int, vectors [][]float32) (*probe.Ridge, error) {
	shard := probe.NewRidge(v.collection.Dimension)
	for i, c := range v.cases {
		if v.fold[i] != f {
			continue
		}
		x, err := v.s.Catalog.Vector(ctx, v.collection.Name, c.Instance.ID)
		if err != nil {
			return nil, err
		}
		vectors[i] = x
		if err := shard.Add(x, v.truth(i)); err != nil {
			return nil, err
		}
		v.progress()
	}
	return shard, nil
}

// predict scores fold f by a probe of all other folds.
func (v *evaluation) predict(f int, shards []*probe.Ridge, vectors [][]float32, scores [][]float64) error {
	others := probe.NewRidge(v.collection.Dimension)
	for g, shard := range shards {
		if g != f {
			if err := others.Merge(shard); err != nil {
				return err
			}
		}
	}
	linear, err := others.Fit(0)
	if errors.Is(err, probe.ErrNotEnough) {
		return fmt.Errorf("task %s: %w: without fold %d its %d labels are all of one class; label more patients of other classes",
			v.task.Name, ErrNotEnough, f+1, others.Examples())
	}
	if err != nil {
		return fmt.Errorf("fit without fold %d: %w", f+1, err)
	}
	for i := range v.cases {
		if v.fold[i] != f {
			continue
		}
		by := map[string]float64{}
		predicted, err := linear.Predict(vectors[i])
		if err != nil {
			return err
		}
		for _, p := range predicted {
			by[p.Class] = p.Score
		}
		scores[i] = v.inOrder(by)
	}
	return nil
}

// report measures the methods.
func (v *evaluation) report(methods []method) (Evaluation, error) {
	e := Evaluation{Provenance: v.provenance, Watermark: v.watermark, Folds: v.folds, K: v.k,
		Report: eval.Report{Task: v.task.Name, MultiLabel: v.task.Multi, Classes: v.task.Classes, Warnings: v.warnings()}}
	truth := make([][]string, len(v.cases))
	single := make([]string, len(v.cases))
	for i := range v.cases {
		truth[i] = v.truth(i)
		single[i] = strings.Join(truth[i], "|")
	}
	for _, m := range methods {
		var row eval.Row
		var err error
		if o := (eval.Options{Seed: v.seed}); v.task.Multi {
			row, err = eval.EvaluateFindings(m.name, truth, v.groups, v.task.Classes, m.scores, o)
		} else {
			row, err = eval.Evaluate(m.name, single, v.groups, v.task.Classes, m.scores, o)
		}
		if err != nil {
			return Evaluation{}, fmt.Errorf("evaluate %s: %w", v.collection.Name, err)
		}
		e.Rows = append(e.Rows, row)
	}
	return e, nil
}

// warnings about the data as a whole.
func (v *evaluation) warnings() []string {
	unknown, patients, groups := 0, map[string]bool{}, map[string]bool{}
	for i, c := range v.cases {
		if c.Instance.Patient == "" {
			unknown++
			continue
		}
		patients[c.Instance.Patient], groups[v.groups[i]] = true, true
	}
	var w []string
	if unknown > 0 {
		w = append(w, fmt.Sprintf("%d of %d images have no patient: if some are of one patient, the figures are too good", unknown, len(v.cases)))
	}
	if n := len(patients) - len(groups); n > 0 {
		w = append(w, fmt.Sprintf("patients kept in one fold with another, because they share an identical image or a study: %d", n))
	}
	return w
}
