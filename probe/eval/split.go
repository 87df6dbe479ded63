package eval

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Split is images to learn from and images to test, positions in rising order.
type Split struct {
	Train, Test []int
	// Shared are the groups that are on both sides, sorted: their images in Test
	// flatter.
	Shared []string
}

// Given returns the split that sides, one for each image, name: test images are
// those of side test, training images those of side train or, if that is empty,
// of every other side that is not empty. Case and space around do not matter.
// It returns ErrFolds when either side has no image.
func Given(groups, sides []string, train, test string) (Split, error) {
	if len(groups) != len(sides) {
		return Split{}, fmt.Errorf("splitting %d groups by %d sides: %w", len(groups), len(sides), ErrLength)
	}
	var s Split
	learned, shared := map[string]bool{}, map[string]bool{}
	for i, side := range sides {
		switch side = strings.TrimSpace(side); {
		case strings.EqualFold(side, test):
			s.Test = append(s.Test, i)
		case train == "" && side != "", train != "" && strings.EqualFold(side, train):
			s.Train = append(s.Train, i)
			learned[groups[i]] = true
		}
	}
	if len(s.Train) == 0 || len(s.Test) == 0 {
		return Split{}, fmt.Errorf("%d images to learn from and %d of %q to test: %w", len(s.Train), len(s.Test), test, ErrFolds)
	}
	for _, i := range s.Test {
		if learned[groups[i]] {
			shared[groups[i]] = true
		}
	}
	s.Shared = slices.Sorted(maps.Keys(shared))
	return s, nil
}

// Subsets draws, for a learning curve, a subset of images for each size, in
// rising order of size: groups are taken whole, in an order drawn by seed, each
// unless it brought a class to more than size images. Of a multi-label task, no
// class at all is a class of its own. Each subset holds those before it. A class
// may have fewer than size, and none where no group fits. y is as in Truth; what
// is not known does not count.
//
// It returns ErrLength when there is not one group for each row of y, and
// ErrFolds unless sizes are positive and rising.
func Subsets(groups []string, y [][]float64, sizes []int, seed int64) ([][]int, error) {
	if len(groups) != len(y) {
		return nil, fmt.Errorf("drawing from %d groups of %d images: %w", len(groups), len(y), ErrLength)
	}
	for i, size := range sizes {
		if size < 1 || i > 0 && size <= sizes[i-1] {
			return nil, fmt.Errorf("drawing subsets of %d images per class: %w", sizes, ErrFolds)
		}
	}
	group, names := index(groups)
	members := sums(group, y, len(names))
	order := rand.New(rand.NewPCG(uint64(seed), 0)).Perm(len(names))
	taken, has := make([]bool, len(names)), map[int]int{}
	subsets := make([][]int, len(sizes))
	for s, size := range sizes {
		for _, g := range order {
			if !taken[g] && fits(members[g], has, size) {
				taken[g] = true
				for _, m := range members[g] {
					has[m.class] += m.count
				}
			}
		}
		for i, g := range group {
			if taken[g] {
				subsets[s] = append(subsets[s], i)
			}
		}
	}
	return subsets, nil
}

// sums counts, by group, the images of each class, and as class -1 those of none.
func sums(group []int, y [][]float64, groups int) [][]share {
	counts := make([]map[int]int, groups)
	for i, g := range group {
		if counts[g] == nil {
			counts[g] = map[int]int{}
		}
		none := true
		for c, v := range y[i] {
			if v == 1 {
				counts[g][c]++
				none = false
			}
		}
		if none {
			counts[g][-1]++
		}
	}
	members := make([][]share, groups)
	for g, of := range counts {
		for class, n := range of {
			members[g] = append(members[g], share{class, n})
		}
		slices.SortFunc(members[g], func(a, b share) int { return cmp.Compare(a.class, b.class) })
	}
	return members
}

func fits(group []share, has map[int]int, size int) bool {
	for _, s := range group {
		if has[s.class]+s.count > size {
			return false
		}
	}
	return true
}
