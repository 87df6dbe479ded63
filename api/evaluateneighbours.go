package api

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"nearcase/probe"
	"nearcase/store"
)

// exactUpTo is how many labelled images are searched exactly; of more the index
// of the collection is asked.
const exactUpTo = 20_000

// list is the nearest labelled images of one, best first.
type list struct {
	others []probe.Near // of other patients
	kin    []probe.Near // of its own
	// whole tells that nothing is missing after the last.
	whole bool
}

// longest is how many neighbours of other patients are looked for: so many that
// when those of one fold have gone there are mostly enough left. More are looked
// for where there are not.
func (v *evaluation) longest(w *network) int {
	enough := probe.MostK
	if !w.exact {
		enough = 30 // to choose among fewer
	}
	enough = max(enough, v.k)
	if v.folds < 2 {
		return enough
	}
	return enough*v.folds/(v.folds-1) + 10
}

// search finds the neighbours of every image.
func (v *evaluation) search(ctx context.Context, w *network) error {
	w.exact = len(v.cases) <= exactUpTo
	if w.exact {
		w.about.Index = "exact scan"
	}
	status, err := v.s.Catalog.Status(ctx, w.Name)
	if err != nil {
		return err
	}
	w.all = status.Instances == len(v.cases)
	w.near = make([]list, len(v.cases))
	size := map[string]int{}
	for _, family := range v.families {
		size[family]++
	}
	longest := v.longest(w)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(v.s.Workers)
	for i := range v.cases {
		group.Go(func() (err error) {
			w.near[i], err = v.nearest(ctx, w, i, longest+size[v.families[i]])
			v.meter.add(1)
			return err
		})
	}
	return group.Wait()
}

// nearest returns the k nearest of image i among the others.
func (v *evaluation) nearest(ctx context.Context, w *network, i, k int) (list, error) {
	q := store.Query{Vector: w.examples.X[i], K: k, Exact: w.exact, Brief: true, Exclude: store.Exclude{Instances: []string{v.cases[i].Instance.ID}}}
	switch {
	case w.all:
	case len(v.networks) == 1 && v.filter == nil:
		q.Labelled = v.task.Name // of which the index has a set
	default:
		q.Match = func(c store.Instance, _ map[string]store.Label) bool {
			_, ok := v.at[c.ID]
			return ok
		}
	}
	found, err := v.s.Catalog.Search(ctx, w.Name, q)
	if err != nil {
		return list{}, err
	}
	l := list{whole: len(found) < k}
	for _, c := range found {
		at, ok := v.at[c.Instance.ID]
		switch near := (probe.Near{At: at, Score: c.Score}); {
		case !ok: // has come meanwhile
		case v.families[at] == v.families[i]:
			l.kin = append(l.kin, near)
		default:
			l.others = append(l.others, near)
		}
	}
	return l, nil
}

// among returns the k nearest of image i among what is learnt from where it is
// tested by a division, its own patient's images too if kin.
func (v *evaluation) among(ctx context.Context, w *network, d division, i, k int, kin bool) ([]probe.Near, error) {
	l, length := w.near[i], len(w.near[i].others)+len(w.near[i].kin)
	for {
		near := l.of(kin)
		near = slices.DeleteFunc(near, func(n probe.Near) bool { return !d.learns(int(n.At), d.fold[i]) })
		if len(near) >= k || l.whole {
			return near[:min(k, len(near))], nil
		}
		length = 2*length + k
		var err error
		if l, err = v.nearest(ctx, w, i, length); err != nil {
			return nil, err
		}
	}
}

// of returns the list, with or without kin, as one of its own.
func (l list) of(kin bool) []probe.Near {
	if !kin || len(l.kin) == 0 {
		return slices.Clone(l.others)
	}
	all := slices.Concat(l.others, l.kin)
	slices.SortStableFunc(all, func(a, b probe.Near) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return int(a.At) - int(b.At) // in key order
	})
	return all
}

// voters are neighbours as they vote.
func (v *evaluation) voters(near []probe.Near) []probe.Neighbour {
	voters := make([]probe.Neighbour, len(near))
	for j, n := range near {
		voters[j] = probe.Neighbour{Score: float64(n.Score), Y: v.examples.Y[n.At], Patient: v.families[n.At]}
	}
	return voters
}

// voting is one way to let neighbours vote, by fold.
type voting struct {
	method
	of func(f int) probe.Voting
}

// votings are the ways that are wanted.
func (v *evaluation) votings(w *network) (all []voting) {
	weighting := v.weighting()
	add := func(key, name string, settings, chosen string, of func(f int) probe.Voting) {
		if v.wanted[key] {
			m := method{key: key}
			m.Model, m.Predictions.Method = w.Name, name
			m.Classifier = classifierOf(name, "neighbours", settings, chosen)
			all = append(all, voting{m, of})
		}
	}
	always := func(o probe.Voting) func(int) probe.Voting { return func(int) probe.Voting { return o } }
	nearest, _ := probe.NamedPreset("nearest")
	medmnist, _ := probe.NamedPreset("medmnist")
	add(methodNearest, "1-NN", "k = 1", "", always(nearest.Voting))
	add(methodVotes, fmt.Sprintf("%d-NN", v.k), fmt.Sprintf("k = %d, %s", v.k, inWords(weighting)), "", always(probe.Voting{Weighting: weighting, K: v.k}))
	add(methodUniform, "11-NN uniform", "k = 11, all votes weigh the same", "", always(medmnist.Voting))
	if chosen := w.chosen(); chosen != "" {
		add(methodChosen, "chosen k-NN", chosen, "k and the weights were chosen by patient-grouped validation within the training images",
			func(f int) probe.Voting { return w.tunings[f].Voting.Voting })
	}
	return all
}

// weighting of the votes of K neighbours.
func (v *evaluation) weighting() probe.Weighting {
	if s := v.task.Settings; s.Weighting != "" {
		return probe.Weighting{Kind: s.Weighting, Temperature: s.Temperature}
	}
	return v.s.Weighting
}

func inWords(w probe.Weighting) string {
	switch w.Kind {
	case probe.Uniform:
		return "all votes weigh the same"
	case probe.Distance:
		return "votes weigh by the inverse of the distance"
	}
	t := w.Temperature
	if t == 0 {
		t = probe.DefaultTemperature
	}
	return fmt.Sprintf("softmax weights at temperature %g", t)
}

// chosen says which votings were chosen, empty if any fold has none.
func (w *network) chosen() string {
	var all []string
	for _, u := range w.tunings {
		if u == nil {
			continue
		}
		if u.Voting == nil {
			return ""
		}
		said := fmt.Sprintf("k = %d, %s", u.Voting.K, inWords(u.Voting.Weighting))
		if !slices.Contains(all, said) {
			all = append(all, said)
		}
	}
	if len(all) == 0 {
		return ""
	}
	text := all[0]
	for _, other := range all[1:] {
		text += "; in other folds " + other
	}
	return text
}

// votes lets the neighbours of every tested image vote in all ways wanted.
func (v *evaluation) votes(ctx context.Context, w *network) error {
	ways := v.votings(w)
	if len(ways) == 0 {
		return nil
	}
	most := 10 // for precision
	for i := range ways {
		ways[i].Scores = make([][]float64, len(v.cases))
		for _, f := range v.testing() {
			most = max(most, ways[i].of(f).K)
		}
	}
	relevant := make([][]bool, len(v.cases))
	priors := v.priors()
	err := v.eachTested(ctx, func(ctx context.Context, i int) error {
		f := v.fold[i]
		near, err := v.among(ctx, w, v.division, i, most, false)
		if err != nil {
			return err
		}
		for m := range ways {
			if ways[m].Scores[i], err = v.shares(near, ways[m].of(f), priors[f]); err != nil {
				return err
			}
		}
		for _, n := range near[:min(10, len(near))] {
			relevant[i] = append(relevant[i], v.alike(i, int(n.At)))
		}
		return nil
	})
	retrieving := min(1, len(ways)-1)
	for m := range ways {
		if m == retrieving {
			ways[m].Relevant = relevant
		}
		w.methods = append(w.methods, ways[m].method)
	}
	return err
}

// shares of the classes; of one that no neighbour knows of its prior.
func (v *evaluation) shares(near []probe.Near, way probe.Voting, priors []float64) ([]float64, error) {
	near = near[:min(len(near), way.K)]
	shares, err := probe.Shares(v.voters(near), v.task.Classes, v.task.Multi, way)
	for c, share := range shares {
		shares[c] = known(share, priors[c])
	}
	return shares, err
}

// alike tells whether two images have a class in common or, of a multi-label task,
// neither has any.
func (v *evaluation) alike(i, j int) bool {
	none := true
	for c, y := range v.truth.Y[i] {
		if y == 1 && v.truth.Y[j][c] == 1 {
			return true
		}
		none = none && y != 1 && v.truth.Y[j][c] != 1
	}
	return none
}

// priors are, by fold, the classes' shares among what is learnt from.
func (v *evaluation) priors() map[int][]float64 {
	priors := map[int][]float64{}
	for _, f := range v.testing() {
		priors[f] = v.networks[0].examples.Subset(v.train(f)).Priors()
		for c, p := range priors[f] {
			priors[f][c] = known(p, 0)
		}
	}
	return priors
}

// testing are the folds that are tested.
func (v *evaluation) testing() []int {
	folds := make([]int, v.folds)
	for f := range folds {
		folds[f] = f
	}
	return folds
}

// eachTested calls do for every tested image, eachFold for every fold.
func (v *evaluation) eachTested(ctx context.Context, do func(ctx context.Context, i int) error) error {
	return v.each(ctx, v.tested, do)
}

func (v *evaluation) eachFold(ctx context.Context, do func(ctx context.Context, f int) error) error {
	return v.each(ctx, v.testing(), do)
}

// each calls do from as many goroutines as there are workers.
func (v *evaluation) each(ctx context.Context, all []int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(v.s.Workers)
	for _, i := range all {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, i)
		})
	}
	return group.Wait()
}
