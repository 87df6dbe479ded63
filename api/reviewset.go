package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"nearcase/probe"
	"nearcase/store"
)

// reviewing is one call of Review.
type reviewing struct {
	s          *Service
	o          ReviewOptions
	kinds      []string
	collection store.Collection
	// task is reviewed; without one taskless says why.
	task     store.Task
	taskless error
	answer   Review

	set      labelledSet
	vectors  [][]float32 // of all instances
	labelled []int       // position among all of each labelled one
	family   []int       // number of each instance's kin, from zero
	known    []bool      // whether a family has a labelled instance
	at       map[string]int
	filter   *store.Condition

	done, total int64
	progress    func(done, total int)

	judgement *judgement // what the probe makes of the task, once asked for
	without   error      // why there is none
	near      []nearby   // what is near each instance, once asked for
	searched  []int      // the instances that near is of
}

func (s *Service) newReviewing(ctx context.Context, collection string, o ReviewOptions, progress func(done, total int)) (r *reviewing, err error) {
	r = &reviewing{s: s, o: o, progress: progress}
	if r.kinds, err = o.check(); err != nil {
		return nil, err
	}
	if r.collection, err = s.Catalog.Collection(ctx, collection); err != nil {
		return nil, err
	}
	if r.filter, err = s.condition(r.collection, o.Filter); err != nil {
		return nil, err
	}
	if err := r.choose(); err != nil {
		return nil, err
	}
	return r, r.load(ctx)
}

// choose finds the task, or why there is none.
func (r *reviewing) choose() (err error) {
	switch tasks := r.collection.Tasks; {
	case r.o.Task == "" && len(tasks) == 0:
		r.taskless = fmt.Errorf("%w: the collection has no task yet", errUnlisted)
	case r.o.Task == "" && len(tasks) > 1:
		r.taskless = fmt.Errorf("%w: name the task, one of %s", errUnlisted, namesOf(tasks))
	default:
		r.task, err = soleTask(r.collection, r.o.Task)
	}
	return err
}

func namesOf(tasks []store.Task) string {
	names := make([]string, len(tasks))
	for i, t := range tasks {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}

// load reads the collection.
func (r *reviewing) load(ctx context.Context) (err error) {
	name := r.collection.Name
	status, err := r.s.Catalog.Status(ctx, name)
	if err != nil {
		return err
	}
	if r.answer.Provenance, err = r.s.provenance(ctx, r.collection); err != nil {
		return err
	}
	r.set = labelledSet{task: r.task, watermark: status.LabelHead}
	if r.set.all, err = r.s.everything(ctx, name); err != nil {
		return err
	}
	if r.vectors, err = r.s.vectorsLeft(ctx, name, r.set.all); err != nil {
		return err
	}
	r.forget()
	r.total = r.steps()
	r.step(len(r.set.all))
	r.arrange()
	r.answer.Watermark, r.answer.Task = status.LabelHead, r.task.Name
	r.answer.Instances, r.answer.Labelled, r.answer.Patients = len(r.set.all), len(r.labelled), len(r.known)
	return nil
}

// forget leaves out instances that were deleted after they were listed.
func (r *reviewing) forget() {
	var all []store.Case
	var vectors [][]float32
	for i, x := range r.vectors {
		if x != nil {
			all, vectors = append(all, r.set.all[i]), append(vectors, x)
		}
	}
	r.set.all, r.vectors = all, vectors
}

// arrange finds who is kin, and what is labelled.
func (r *reviewing) arrange() {
	r.at = make(map[string]int, len(r.set.all))
	for i, c := range r.set.all {
		r.at[c.Instance.ID] = i
	}
	r.set.choose()
	numbers := map[string]int{}
	for i, c := range r.set.all {
		number, ok := numbers[r.set.kin[i]]
		if !ok {
			number = len(numbers)
			numbers[r.set.kin[i]], r.known = number, append(r.known, false)
		}
		r.family = append(r.family, number)
		if r.isLabelled(c) {
			r.labelled, r.known[number] = append(r.labelled, i), true
			r.set.examples.X = append(r.set.examples.X, r.vectors[i])
		}
	}
}

func (r *reviewing) isLabelled(c store.Case) bool {
	_, ok := c.Labels[r.task.Name]
	return ok
}

// wanted reports whether an instance may be listed.
func (r *reviewing) wanted(i int) bool {
	return r.filter.Holds(&r.set.all[i].Instance, r.set.all[i].Labels)
}

// steps is how many instances there are to do in all lists.
func (r *reviewing) steps() int64 {
	n, phases := int64(len(r.set.all)), int64(1)
	has := func(kinds ...string) bool {
		return slices.ContainsFunc(r.kinds, func(k string) bool { return slices.Contains(kinds, k) })
	}
	for _, needed := range []bool{has(ReviewLabelErrors, ReviewUncertain), has(ReviewDuplicates, ReviewNovel), has(ReviewDiverse)} {
		if needed {
			phases++
		}
	}
	return n * phases
}

func (r *reviewing) step(n int) {
	if done := atomic.AddInt64(&r.done, int64(n)); r.progress != nil && n > 0 {
		r.progress(int(done), int(r.total))
	}
}

// each does something for the numbers from 0 to n-1, several at a time.
func (r *reviewing) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(r.s.Workers)
	for i := range n {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error { return do(inner, i) })
	}
	return cmp.Or(group.Wait(), ctx.Err())
}

// image describes an instance by its labels for the tasks that are reviewed: all
// without one.
func (r *reviewing) image(i int) ReviewImage {
	c := r.set.all[i]
	m := ReviewImage{ID: c.Instance.ID, Name: c.Instance.Name, Patient: c.Instance.Patient, Study: c.Instance.Study, Frame: c.Instance.Frame,
		Labels: map[string][]string{}}
	for task, l := range c.Labels {
		if r.taskless != nil || task == r.task.Name {
			m.Labels[task] = append([]string{}, l.Classes...)
		}
	}
	return m
}

func (r *reviewing) item(i int, score float64) ReviewItem {
	return ReviewItem{ReviewImage: r.image(i), Labelled: r.isLabelled(r.set.all[i]), Score: score}
}

// picked are the instances at the picks' positions, or the picks themselves without
// any, of each family the first alone unless every image is wanted; at most limit.
func (r *reviewing) picked(picks []probe.Pick, position []int) []probe.Pick {
	seen := map[int]bool{}
	var kept []probe.Pick
	for _, p := range picks {
		i := p.Image
		if position != nil {
			i = position[i]
		}
		if len(kept) == r.o.limit() || !r.o.EveryImage && seen[r.family[i]] {
			continue
		}
		seen[r.family[i]] = true
		kept = append(kept, probe.Pick{Image: i, Score: p.Score})
	}
	return kept
}

// shownNeighbours is how many neighbours an item has, of those whose labels count.
const shownNeighbours = 5

// evidence adds the nearest cases of other patients, labelled ones if that is
// asked for.
func (r *reviewing) evidence(ctx context.Context, item *ReviewItem, labelled bool) error {
	i := r.at[item.ID]
	q := store.Query{Vector: r.vectors[i], K: r.s.Neighbours, Exact: true, Exclude: r.own(i)}
	if labelled {
		q.Labelled = r.task.Name
	}
	found, err := r.s.Catalog.Search(ctx, r.collection.Name, q)
	if err != nil {
		return err
	}
	item.NeighboursOf, item.Agreement = len(found), map[string]int{}
	for n, c := range found {
		label := append([]string(nil), c.Labels[r.task.Name].Classes...)
		for _, class := range label {
			item.Agreement[class]++
		}
		if n < shownNeighbours {
			item.Neighbours = append(item.Neighbours, ReviewNeighbour{c.Instance.ID, c.Instance.Name, c.Instance.Patient, c.Score, label})
		}
	}
	return nil
}

// own is what must not speak for or against an instance: its kin and its study.
func (r *reviewing) own(i int) store.Exclude {
	own := r.set.all[i].Instance
	return store.Exclude{Instances: []string{own.ID}, Patients: []string{own.Patient}, Studies: []string{own.Study}, Kin: true}
}

// completed adds evidence to items and then says why they are listed.
func (r *reviewing) completed(ctx context.Context, items []ReviewItem, labelled bool, reason func(*ReviewItem) string) ([]ReviewItem, error) {
	err := r.each(ctx, len(items), func(ctx context.Context, i int) error {
		if err := r.evidence(ctx, &items[i], labelled); err != nil {
			return err
		}
		items[i].Reason = reason(&items[i])
		return nil
	})
	return items, err
}
