package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
	"nearcase/store"
)

// ModelAgreement reports how the vectors of two models of one collection agree.
type ModelAgreement struct {
	Collection string    `json:"collection"`
	Before     ModelSide `json:"before"`
	After      ModelSide `json:"after"`
	// Head is the last log entry of what was compared, Instances how many the
	// collection had, and Missing how many of them the model after has not.
	Head      store.Key `json:"head"`
	Instances int       `json:"instances"`
	Missing   int       `json:"missing"`
	// Overlap of the ten nearest of other patients, among instances that both have.
	Overlap Overlap         `json:"overlap"`
	Tasks   []TaskAgreement `json:"tasks"`
	Seed    int64           `json:"seed"`
	Made    time.Time       `json:"made"`
	Took    float64         `json:"took_seconds"`
}

// ModelSide is one of the two models.
type ModelSide struct {
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	Dimension   int    `json:"dimension"`
	// Milliseconds to read, decode and embed an image, one after the other; 0 where
	// the model cannot be used any more.
	Milliseconds float64 `json:"milliseconds_per_image"`
}

// Overlap is what share of the K nearest two models have in common.
type Overlap struct {
	K       int `json:"k"`
	Sampled int `json:"sampled"`
	// Mean of the images, with its 95 % interval.
	Mean eval.Estimate `json:"mean"`
	// Images counts those by how many they have in common, 0 to K.
	Images []int `json:"images"`
}

// TaskAgreement is how the answers for a task agree. Every image was predicted from
// images of other patients, in the same folds for both.
type TaskAgreement struct {
	Task string `json:"task"`
	// Problem says why there is nothing to compare; empty if there is.
	Problem string `json:"problem,omitempty"`
	Images  int    `json:"images"`
	Votes   Flips  `json:"votes"`
	Probe   Flips  `json:"probe"`
	// AUC of each class against the rest, and under the empty class their mean.
	AUC []AUCChange `json:"auc"`
}

// Flips counts the images for which another class is predicted.
type Flips struct {
	Images  int           `json:"images"`
	Flipped int           `json:"flipped"`
	Share   eval.Estimate `json:"share"`
	// Examples are the first by ID.
	Examples []Flip `json:"examples,omitempty"`
}

// Flip is an image for which another class is predicted.
type Flip struct {
	ID     string   `json:"id"`
	Truth  []string `json:"truth"`
	Before []string `json:"before"`
	After  []string `json:"after"`
}

// AUCChange is an AUC before and after, with 95 % intervals, and the difference, after
// less before, on the same images and resamples.
type AUCChange struct {
	Method     string        `json:"method"`
	Class      string        `json:"class,omitempty"`
	Before     eval.Estimate `json:"before"`
	After      eval.Estimate `json:"after"`
	Difference eval.Estimate `json:"difference"`
}

const (
	comparedK     = 10     // neighbours that are compared
	someCompared  = 1000   // images of which they are, unless it is said
	maxCompared   = 20_000 // at most
	timedImages   = 16     // that are embedded by both
	flipExamples  = 10
	agreementName = "agreement"
)

// keptAgreement is what is kept of a report: what it says, and by task the evaluation
// that it was made from.
type keptAgreement struct {
	ModelAgreement
	Evaluations map[string]report.Report `json:"evaluations"`
}

// withoutExamples names no image.
func (a ModelAgreement) withoutExamples() *ModelAgreement {
	a.Tasks = slices.Clone(a.Tasks)
	for i := range a.Tasks {
		a.Tasks[i].Votes.Examples, a.Tasks[i].Probe.Examples = nil, nil
	}
	return &a
}

// outOf says which bound the report is out of; empty for none.
func (a *ModelAgreement) outOf(o ReembedOptions) string {
	if a.Overlap.Mean.Value < o.MinOverlap {
		return fmt.Sprintf("the mean overlap of the ten nearest is %.4f, and %g at least was asked for", a.Overlap.Mean.Value, o.MinOverlap)
	}
	compared := 0
	for _, t := range a.Tasks {
		for _, c := range t.AUC {
			if c.Class != "" {
				continue
			}
			if compared++; o.MaxAUCLoss != nil && -c.Difference.Value > *o.MaxAUCLoss {
				return fmt.Sprintf("the AUC of %s of task %s falls by %.4f, and %g at most was asked for", c.Method, t.Task, -c.Difference.Value, *o.MaxAUCLoss)
			}
		}
	}
	if o.MaxAUCLoss != nil && compared == 0 {
		return "there is no AUC to compare, and a bound on its loss was asked for"
	}
	return ""
}

// agree makes the report and keeps it with the shadow, so that it goes when something
// is erased. Made while something was erased it is made again.
func (s *Service) agree(ctx context.Context, r *reembedder, o ReembedOptions) (*ModelAgreement, error) {
	for {
		erased := s.erasures.Load()
		kept, err := s.compareModels(ctx, r, o)
		if err != nil {
			return nil, err
		}
		data, err := json.Marshal(kept)
		if err != nil {
			return nil, err
		}
		if err := s.Catalog.SaveDerived(ctx, r.hidden.Name, agreementName, data); err != nil {
			return nil, err
		}
		if s.erasures.Load() == erased {
			return &kept.ModelAgreement, nil
		}
		if err := s.Catalog.DropDerived(ctx, r.hidden.Name, agreementName); err != nil {
			return nil, err
		}
	}
}

// agreement reads the report that is kept, of the collection or of what stands behind
// it: it goes with the vectors that were new.
func (s *Service) agreement(ctx context.Context, collection string) (k keptAgreement, err error) {
	for _, name := range []string{store.ShadowName(collection), collection} {
		var data []byte
		if data, err = s.Catalog.Derived(ctx, name, agreementName); err != nil {
			continue
		}
		return k, json.Unmarshal(data, &k)
	}
	return k, err
}

// forgetAgreement drops the reports on a collection of which something was erased, also
// one that is being kept just now: see agree.
func (s *Service) forgetAgreement(ctx context.Context, collection string) (err error) {
	s.erasures.Add(1)
	for _, name := range []string{collection, store.ShadowName(collection)} {
		if failed := s.Catalog.DropDerived(ctx, name, agreementName); !errors.Is(failed, store.ErrCollection) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// AgreementPage writes the report of a task as a page of HTML: the evaluation of both
// models with what differs. An empty task is the only one.
func (s *Service) AgreementPage(ctx context.Context, collection, task string, w io.Writer) error {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return err
	}
	of, err := soleTask(c, task)
	if err != nil {
		return err
	}
	k, err := s.agreement(ctx, collection)
	if errors.Is(err, store.ErrDerived) || errors.Is(err, store.ErrCollection) {
		err = fmt.Errorf("collection %s: %w: there is no report", collection, store.ErrShadow)
	}
	if err != nil {
		return err
	}
	r, ok := k.Evaluations[of.Name]
	if !ok {
		return fmt.Errorf("task %s: %w: the report has nothing on it", of.Name, ErrNotEnough)
	}
	return report.HTML(w, r)
}

func (s *Service) compareModels(ctx context.Context, r *reembedder, o ReembedOptions) (keptAgreement, error) {
	began := time.Now()
	k := keptAgreement{Evaluations: map[string]report.Report{}}
	a := &k.ModelAgreement
	a.Collection, a.Seed = r.c.Name, o.Seed
	a.Before = ModelSide{Model: r.c.Model, Fingerprint: r.c.Fingerprint, Dimension: r.c.Dimension}
	a.After = ModelSide{Model: r.hidden.Model, Fingerprint: r.hidden.Fingerprint, Dimension: r.hidden.Dimension}
	status, err := s.Catalog.Status(ctx, r.hidden.Name)
	if err != nil {
		return k, err
	}
	a.Head = status.Head
	both, all, err := s.inBoth(ctx, r)
	if err != nil {
		return k, err
	}
	a.Instances, a.Missing = all, all-len(both)
	if a.Overlap, err = s.overlap(ctx, r, both, a.Missing > 0, cmp.Or(o.Sample, someCompared), o.Seed); err != nil {
		return k, err
	}
	if err := s.timeModels(ctx, r, both, a); err != nil {
		return k, err
	}
	for _, task := range r.c.Tasks {
		o.doing("comparing " + task.Name)
		t, page, err := s.compareTask(ctx, r, task.Name, o.Seed)
		if err != nil {
			return k, err
		}
		if a.Tasks = append(a.Tasks, t); t.Problem == "" {
			page.Warnings = append(a.said(t), page.Warnings...)
			k.Evaluations[task.Name] = page
		}
	}
	a.Made, a.Took = began.UTC().Truncate(time.Second), time.Since(began).Seconds()
	return k, nil
}

// inBoth returns the instances that both models have, in key order, and how many there
// are.
func (s *Service) inBoth(ctx context.Context, r *reembedder) (both []store.Case, all int, err error) {
	of, err := s.everything(ctx, r.c.Name)
	if err != nil {
		return nil, 0, err
	}
	behind, err := s.everything(ctx, r.hidden.Name)
	has := map[store.Key]bool{}
	for _, one := range behind {
		has[one.Key] = true
	}
	return slices.DeleteFunc(slices.Clone(of), func(c store.Case) bool { return !has[c.Key] }), len(of), err
}

// overlap compares the nearest of images drawn by a seed, of other patients and among
// what both have.
func (s *Service) overlap(ctx context.Context, r *reembedder, both []store.Case, some bool, sample int, seed int64) (Overlap, error) {
	o := Overlap{K: comparedK, Images: make([]int, comparedK+1)}
	drawn := rand.New(rand.NewPCG(uint64(seed), comparedK)).Perm(len(both))
	drawn = drawn[:min(sample, len(drawn))]
	slices.Sort(drawn)
	among := map[string]bool{}
	for _, c := range both {
		among[c.Instance.ID] = some
	}
	shares, families := make([]float64, len(drawn)), familyNames(instancesOf(both))
	names := make([]string, len(drawn))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.workers)
	for j, at := range drawn {
		names[j] = families[at]
		group.Go(func() (err error) {
			shares[j], err = s.common(ctx, r, both[at].Instance.ID, among)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return o, err
	}
	for _, share := range shares {
		o.Images[int(math.Round(share*comparedK))]++
	}
	o.Sampled, o.Mean = len(shares), meanOf(shares, names)
	return o, nil
}

func instancesOf(cases []store.Case) []store.Instance {
	all := make([]store.Instance, len(cases))
	for i, c := range cases {
		all[i] = c.Instance
	}
	return all
}

// common returns which share of the nearest of an image both models have.
func (s *Service) common(ctx context.Context, r *reembedder, id string, among map[string]bool) (float64, error) {
	var found [2][]string
	for side, name := range []string{r.c.Name, r.hidden.Name} {
		v, err := s.Catalog.Vector(ctx, name, id)
		if errors.Is(err, store.ErrInstance) { // deleted meanwhile
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		q := store.Query{Vector: v, K: comparedK, Exact: true, Brief: true, Exclude: store.Exclude{Instances: []string{id}, Kin: true}}
		if among[id] {
			q.Match = func(i store.Instance, _ map[string]store.Label) bool { return among[i.ID] }
		}
		cases, err := s.Catalog.Search(ctx, name, q)
		if err != nil {
			return 0, err
		}
		for _, c := range cases {
			found[side] = append(found[side], c.Instance.ID)
		}
	}
	n := 0
	for _, one := range found[0] {
		if slices.Contains(found[1], one) {
			n++
		}
	}
	return float64(n) / comparedK, nil
}

// timeModels measures how long the models take for some images.
func (s *Service) timeModels(ctx context.Context, r *reembedder, both []store.Case, a *ModelAgreement) error {
	some := both[:min(timedImages, len(both))]
	old, err := s.modelOf(r.c)
	if err != nil { // its vectors are enough for the rest
		old = nil
	}
	for side, m := range []*reembedder{r, r} {
		timed := *m
		if side == 0 {
			if old == nil {
				continue
			}
			timed.m = old.m
		}
		began, n := time.Now(), 0
		timed.leaveOut, timed.size = true, 1
		for _, c := range some {
			made, err := timed.embed(ctx, []store.Entry{{Key: c.Key, Kind: store.KindPut, Instance: &c.Instance}})
			if err != nil {
				return err
			}
			if made[0] != nil {
				n++
			}
		}
		took := float64(time.Since(began).Microseconds()) / 1000 / float64(max(n, 1))
		if side == 0 {
			a.Before.Milliseconds = took
		} else {
			a.After.Milliseconds = took
		}
	}
	return nil
}

// said is what a page says first of how two models agree.
func (a *ModelAgreement) said(t TaskAgreement) []string {
	flips := func(what string, f Flips) string {
		return fmt.Sprintf("%s: another class for %d of %d images, %.2f %% (95 %% interval %.2f to %.2f)", what, f.Flipped, f.Images, 100*f.Share.Value, 100*f.Share.Low, 100*f.Share.High)
	}
	lines := []string{
		fmt.Sprintf("of the ten nearest of other patients the two models have %.1f %% in common (95 %% interval %.1f to %.1f; %d images)", 100*a.Overlap.Mean.Value, 100*a.Overlap.Mean.Low, 100*a.Overlap.Mean.High, a.Overlap.Sampled),
		flips("votes", t.Votes), flips("probe", t.Probe),
	}
	if a.Missing > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d instances are missing in the model after, and left out here", a.Missing, a.Instances))
	}
	return lines
}
