package eval

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// Folds deals images into k folds of about equal size and class frequencies
// and returns each image's fold, 0 to k-1. A group (a patient) is never split;
// no fold is empty. Groups are dealt largest first, those of equal size in an
// order drawn by seed, each to the fold that has the least of its classes so
// far: the fold for which the sum over classes of squared class shares rises
// least, so that the folds' class counts vary least. In a multi-label task let
// an image's class be its set of labels.
//
// It returns ErrFolds when k is below two or there are fewer groups than folds.
func Folds(groups, classes []string, k int, seed int64) ([]int, error) {
	if len(groups) != len(classes) {
		return nil, fmt.Errorf("folding %d groups with %d classes: %w", len(groups), len(classes), ErrLength)
	}
	group, names := index(groups)
	return fold(group, len(names), classes, k, seed)
}

// ImageFolds is Folds with every image a group of its own. Images of one patient
// may then be on either side: it serves to measure by how much that flatters.
func ImageFolds(classes []string, k int, seed int64) ([]int, error) {
	image := make([]int, len(classes))
	for i := range image {
		image[i] = i
	}
	return fold(image, len(image), classes, k, seed)
}

func fold(group []int, groups int, classes []string, k int, seed int64) ([]int, error) {
	class, names := index(classes)
	if k < 2 || groups < k {
		return nil, fmt.Errorf("folding %d groups into %d: %w", groups, k, ErrFolds)
	}
	members, totals := tally(group, class, groups, len(names))
	foldOf := deal(members, totals, k, seed)
	folds := make([]int, len(group))
	for i, g := range group {
		folds[i] = foldOf[g]
	}
	return folds, nil
}

// index returns each name's position among the sorted distinct names.
func index(names []string) (positions []int, sorted []string) {
	at := make(map[string]int)
	for _, n := range names {
		at[n] = 0
	}
	sorted = slices.Sorted(maps.Keys(at))
	for i, n := range sorted {
		at[n] = i
	}
	positions = make([]int, len(names))
	for i, n := range names {
		positions[i] = at[n]
	}
	return positions, sorted
}

// share is how many images of a class a group has.
type share struct{ class, count int }

// tally returns per group its classes' counts, only those it has, and per class
// the count over all groups.
func tally(group, class []int, groups, classes int) (members [][]share, totals []int) {
	members, totals = make([][]share, groups), make([]int, classes)
	for i, g := range group {
		totals[class[i]]++
		at := slices.IndexFunc(members[g], func(s share) bool { return s.class == class[i] })
		if at < 0 {
			members[g] = append(members[g], share{class[i], 1})
		} else {
			members[g][at].count++
		}
	}
	return members, totals
}

// deal returns each group's fold. An empty fold costs nothing and is the
// smallest, so the first k groups go to k folds.
func deal(members [][]share, totals []int, k int, seed int64) []int {
	size := func(shares []share) (n int) {
		for _, s := range shares {
			n += s.count
		}
		return n
	}
	order := rand.New(rand.NewPCG(uint64(seed), 0)).Perm(len(members))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(size(members[b]), size(members[a])) })
	counts, sizes := make([][]int, k), make([]int, k)
	for f := range counts {
		counts[f] = make([]int, len(totals))
	}
	foldOf := make([]int, len(members))
	for _, g := range order {
		f := cheapest(members[g], counts, sizes, totals)
		for _, s := range members[g] {
			counts[f][s.class] += s.count
		}
		sizes[f] += size(members[g])
		foldOf[g] = f
	}
	return foldOf
}

// cheapest returns the fold whose sum of squared class shares rises least, then
// the smallest, then the first. The rise by n of a class that has c of all N is
// ((c+n)^2 - c^2)/N^2, less what is the same for every fold.
func cheapest(group []share, counts [][]int, sizes, totals []int) int {
	best, least := 0, 0.0
	for f, count := range counts {
		cost := 0.0
		for _, s := range group {
			total := float64(totals[s.class])
			cost += float64(count[s.class]) * float64(s.count) / (total * total)
		}
		if f == 0 || cost < least || cost == least && sizes[f] < sizes[best] {
			best, least = f, cost
		}
	}
	return best
}
