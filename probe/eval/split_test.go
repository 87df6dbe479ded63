package eval

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAGivenSplitNamesItsSides(t *testing.T) {
	groups := split("ppqqrs")
	sides := []string{"train", "TEST ", "val", "test", "Train", ""}
	for name, c := range map[string]struct {
		train string
		want  Split
	}{
		"by name":       {"train", Split{[]int{0, 4}, []int{1, 3}, []string{"p"}}},
		"all but test":  {"", Split{[]int{0, 2, 4}, []int{1, 3}, []string{"p", "q"}}},
		"of one a side": {"val", Split{[]int{2}, []int{1, 3}, []string{"q"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Given(groups, sides, c.train, "test"); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("Given(%q, %q, %q, test) = %+v, %v, want %+v", groups, sides, c.train, got, err, c.want)
			}
		})
	}
}

func TestGivenRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		groups, sides []string
		want          error
	}{
		"nothing to test":       {split("pq"), []string{"train", "train"}, ErrFolds},
		"nothing to learn from": {split("pq"), []string{"test", ""}, ErrFolds},
		"no images":             {nil, nil, ErrFolds},
		"a side missing":        {split("pq"), []string{"test"}, ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Given(c.groups, c.sides, "", "test"); !errors.Is(err, c.want) {
				t.Errorf("Given(%q, %q) = %+v, %v, want %v", c.groups, c.sides, got, err, c.want)
			}
		})
	}
}

func TestImageFoldsAreThoseOfGroupsOfOne(t *testing.T) {
	var groups []string
	for i := range 60 {
		groups = append(groups, fmt.Sprintf("%02d", i))
	}
	classes := slices.Repeat(split("aab"), 20)
	want, err := Folds(groups, classes, 4, 7)
	if err != nil {
		t.Fatalf("Folds = %v, want nil", err)
	}
	if got, err := ImageFolds(classes, 4, 7); err != nil || !slices.Equal(got, want) {
		t.Errorf("ImageFolds = %v, %v, want %v", got, err, want)
	}
	if got, err := ImageFolds(split("ab"), 3, 7); !errors.Is(err, ErrFolds) {
		t.Errorf("ImageFolds of two images into three = %v, %v, want ErrFolds", got, err)
	}
}

// Law: a subset is of whole groups, holds the one before, has at most its size
// of every class, and leaves out no group that would still fit.
func TestSubsetsAreNestedAndOfWholeGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth, _ := drawn(t, rapid.IntRange(0, 30).Draw(t, "n"), 3, rapid.Bool().Draw(t, "multi"))
		sizes, seed := []int{1, 3, 4, 10}, rapid.Int64().Draw(t, "seed")
		subsets, err := Subsets(truth.Groups, truth.Y, sizes, seed)
		if err != nil {
			t.Fatalf("Subsets = %v, want nil", err)
		}
		var before []int
		for s, images := range subsets {
			if !slices.IsSorted(images) || slices.ContainsFunc(before, func(i int) bool { return !slices.Contains(images, i) }) {
				t.Fatalf("subset of %d = %v, want it sorted and to hold %v", sizes[s], images, before)
			}
			before = images
			if n := most(truth, images); n > sizes[s] {
				t.Fatalf("subset of %d has %d of a class", sizes[s], n)
			}
			_, names := index(truth.Groups)
			for _, g := range names {
				members := of(truth.Groups, g)
				in := slices.Contains(images, members[0])
				for _, i := range members {
					if slices.Contains(images, i) != in {
						t.Fatalf("subset %v splits %q", images, g)
					}
				}
				if !in && most(truth, append(slices.Clone(images), members...)) <= sizes[s] {
					t.Fatalf("subset %v of %d leaves out %q, which fits", images, sizes[s], g)
				}
			}
		}
		if again, _ := Subsets(truth.Groups, truth.Y, sizes, seed); !reflect.DeepEqual(again, subsets) {
			t.Fatalf("Subsets = %v, then %v", subsets, again)
		}
	})
}

// most is how many images the most frequent class has, no class being one.
func most(t Truth, images []int) int {
	counts := make([]int, len(t.Classes)+1)
	for _, i := range images {
		if !slices.Contains(t.Y[i], 1) {
			counts[len(t.Classes)]++
		}
		for c, y := range t.Y[i] {
			if y == 1 {
				counts[c]++
			}
		}
	}
	return slices.Max(counts)
}

func TestSubsetsFollowTheSeed(t *testing.T) {
	y := slices.Repeat([][]float64{{1, 0}, {0, 1}}, 20)
	groups := make([]string, len(y))
	for i := range groups {
		groups[i] = fmt.Sprint(i)
	}
	one, err := Subsets(groups, y, []int{5}, 1)
	two, _ := Subsets(groups, y, []int{5}, 2)
	if err != nil || len(one[0]) != 10 || reflect.DeepEqual(one, two) {
		t.Errorf("Subsets with seeds 1 and 2 = %v, %v, %v, want ten images each that differ", one, two, err)
	}
}

func TestSubsetsRefusals(t *testing.T) {
	y := [][]float64{{1}, {1}}
	for name, c := range map[string]struct {
		groups []string
		sizes  []int
		want   error
	}{
		"a group missing": {split("p"), []int{1}, ErrLength},
		"a size of none":  {split("pq"), []int{0, 1}, ErrFolds},
		"falling sizes":   {split("pq"), []int{2, 1}, ErrFolds},
		"a size twice":    {split("pq"), []int{2, 2}, ErrFolds},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Subsets(c.groups, y, c.sizes, 0); !errors.Is(err, c.want) {
				t.Errorf("Subsets(%q, %v) = %v, %v, want %v", c.groups, c.sizes, got, err, c.want)
			}
		})
	}
}
