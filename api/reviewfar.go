package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"nearcase/probe"
	"nearcase/store"
)

// mostDiverse bounds the images that the diverse are chosen from times how many are
// chosen, for each is compared with all: of more, as many drawn at random, but
// always the same. mostListed bounds the choice.
const (
	mostDiverse = 100_000_000
	mostListed  = 4000
)

// novel lists the images farthest from all those of other patients.
func (r *reviewing) novel(ctx context.Context) (ReviewList, error) {
	if err := r.neighbourhood(ctx); err != nil {
		return ReviewList{}, err
	}
	rank := probe.NeighbourRank(len(r.set.all))
	var distances, wanted []float64
	var families, position []int
	for i, n := range r.near {
		if math.IsNaN(n.rank) {
			continue
		}
		d := probe.UnitDistance(n.rank)
		distances, families = append(distances, d), append(families, r.family[i])
		if r.wanted(i) {
			wanted, position = append(wanted, d), append(position, i)
		}
	}
	reference, err := probe.NewNovelty(rank, distances, families)
	if errors.Is(err, probe.ErrNotEnough) {
		err = fmt.Errorf("%w: images of fewer than %d patients, or with fewer than %d images of others", errUnlisted, probe.MinNovelty, rank)
	}
	if err != nil {
		return ReviewList{}, err
	}
	list := ReviewList{Judged: len(wanted), Found: len(wanted), Notes: r.sampled(len(r.searched), len(r.near))}
	picks := r.picked(probe.Top(wanted, len(wanted)), position)
	if err := r.exactly(ctx, picks, rank); err != nil {
		return ReviewList{}, err
	}
	for _, p := range picks {
		item := r.item(p.Image, p.Score)
		percentile := reference.Percentile(p.Score)
		item.Percentile = &percentile
		list.Items = append(list.Items, item)
	}
	list.Items, err = r.completed(ctx, list.Items, false, func(item *ReviewItem) string {
		return fmt.Sprintf("its %s case of another patient is at distance %.3f, farther than that of %.1f %% of other patients' images",
			ordinal(rank), item.Score, 100**item.Percentile)
	})
	return list, err
}

// exactly measures the distances of the picks by exact searches, for an index that
// missed a case makes an image look novel, and puts them in order.
func (r *reviewing) exactly(ctx context.Context, picks []probe.Pick, rank int) error {
	err := r.each(ctx, len(picks), func(ctx context.Context, n int) error {
		i := picks[n].Image
		found, err := r.s.Catalog.Search(ctx, r.collection.Name, store.Query{Vector: r.vectors[i], K: rank, Exact: true,
			Exclude: store.Exclude{Instances: []string{r.set.all[i].Instance.ID}, Kin: true}})
		if len(found) == rank {
			picks[n].Score = probe.UnitDistance(float64(found[rank-1].Score))
		}
		return err
	})
	slices.SortStableFunc(picks, func(a, b probe.Pick) int { return cmp.Compare(b.Score, a.Score) })
	return err
}

// ordinal names a rank among the nearest.
func ordinal(rank int) string {
	suffix := "th"
	if tens := rank / 10 % 10; tens != 1 && rank%10 > 0 && rank%10 < 4 {
		suffix = []string{"st", "nd", "rd"}[rank%10-1]
	}
	return fmt.Sprintf("%d%s nearest", rank, suffix)
}

// diverse lists the images that are least like what is labelled or listed before:
// those without a label or, if all have one, a selection of all.
func (r *reviewing) diverse(ctx context.Context) (ReviewList, error) {
	position, started := r.undecided()
	var list ReviewList
	pool := min(mostDiverse/r.candidates(), mostSearched)
	if started {
		pool = min(pool, r.searches())
	}
	list.Notes = r.sampled(pool, len(position))
	position = valuesAt(position, drawnOf(len(position), pool))
	list.Judged, list.Found = len(position), len(position)
	xs := make([][]float32, len(position))
	for n, i := range position {
		xs[n] = r.vectors[i]
	}
	var cover []float64
	if started {
		var err error
		if cover, err = r.cover(ctx, position); err != nil {
			return ReviewList{}, err
		}
	}
	picks, err := probe.Diverse(xs, cover, r.candidates())
	if err != nil {
		return ReviewList{}, err
	}
	for _, p := range r.picked(picks, position) {
		list.Items = append(list.Items, r.item(p.Image, p.Score))
	}
	switch {
	case !started && len(r.labelled) > 0:
		list.Notes = append(list.Notes, "every image has a label: chosen from all, the most typical first")
	case !started:
		list.Notes = append(list.Notes, "no label to begin with: the most typical image is first")
	}
	list.Items, err = r.completed(ctx, list.Items, started, whyDiverse(started))
	return list, err
}

// undecided are the instances to choose from, and whether there are labelled ones
// that they are to be unlike.
func (r *reviewing) undecided() (position []int, started bool) {
	var all, some []int
	for i, c := range r.set.all {
		if !r.wanted(i) {
			continue
		}
		if all = append(all, i); r.taskless != nil || !r.isLabelled(c) {
			some = append(some, i)
		}
	}
	if len(some) == 0 {
		return all, false
	}
	return some, len(r.labelled) > 0
}

// candidates is how many diverse images to choose, of which some may be of one
// patient.
func (r *reviewing) candidates() int {
	if r.o.EveryImage {
		return min(r.o.limit(), mostListed)
	}
	return min(4*r.o.limit(), mostListed)
}

// cover is the similarity of instances to the nearest labelled image, be it of the
// same patient: what that shows need not be labelled again.
func (r *reviewing) cover(ctx context.Context, position []int) ([]float64, error) {
	cover := make([]float64, len(position))
	return cover, r.each(ctx, len(position), func(ctx context.Context, n int) error {
		defer r.step(1)
		found, err := r.s.Catalog.Search(ctx, r.collection.Name, store.Query{Vector: r.vectors[position[n]], K: 1, Labelled: r.task.Name})
		if err != nil {
			return err
		}
		cover[n] = math.Inf(-1)
		if len(found) > 0 {
			cover[n] = float64(found[0].Score)
		}
		return nil
	})
}

// whyDiverse says why an image is listed, among labelled ones or from none.
func whyDiverse(started bool) func(*ReviewItem) string {
	before := "listed before"
	if started {
		before = "labelled or listed before"
	}
	return func(item *ReviewItem) string {
		if item.Score >= 2 {
			return "the most typical image"
		}
		return fmt.Sprintf("unlike what is %s: the nearest of that has similarity %.3f", before, 1-item.Score)
	}
}
