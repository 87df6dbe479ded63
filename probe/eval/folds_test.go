package eval

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Law: a group is never split, every image has a fold, no fold is empty, and
// the same arguments give the same folds.
func TestFoldsNeverSplitAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(t, "n")
		groups, classes := make([]string, n), make([]string, n)
		for i := range n {
			groups[i] = fmt.Sprint("patient ", rapid.IntRange(0, 20).Draw(t, "group"))
			classes[i] = rapid.SampledFrom(split("abc")).Draw(t, "class")
		}
		k, seed := rapid.IntRange(2, 8).Draw(t, "k"), rapid.Int64().Draw(t, "seed")
		folds, err := Folds(groups, classes, k, seed)
		if _, names := index(groups); len(names) < k {
			if !errors.Is(err, ErrFolds) {
				t.Fatalf("Folds of %d groups into %d = %v, want ErrFolds", len(names), k, err)
			}
			return
		}
		foldOf, sizes := map[string]int{}, make([]int, k)
		for i, f := range folds {
			if before, ok := foldOf[groups[i]]; ok && before != f {
				t.Fatalf("Folds(%q, %q, %d, %d) = %v, which splits %q", groups, classes, k, seed, folds, groups[i])
			}
			foldOf[groups[i]] = f
			sizes[f]++
		}
		if err != nil || len(folds) != n || slices.Min(sizes) == 0 {
			t.Fatalf("Folds(%q, %q, %d, %d) = %v, %v, want %d images in %d folds", groups, classes, k, seed, folds, err, n, k)
		}
		if again, _ := Folds(groups, classes, k, seed); !slices.Equal(again, folds) {
			t.Fatalf("Folds(%q, %q, %d, %d) = %v, then %v", groups, classes, k, seed, folds, again)
		}
	})
}

// A hospital's patients have few images each, of one or two classes, one of
// them rare. Every fold then has its share of each class but for one patient.
func TestFoldsAreStratified(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var groups, classes []string
	totals := map[string]int{}
	for p := range 400 {
		for range 1 + r.IntN(6) {
			class := "common"
			if p%20 == 0 || r.IntN(50) == 0 {
				class = "rare"
			}
			groups, classes = append(groups, fmt.Sprint(p)), append(classes, class)
			totals[class]++
		}
	}
	const k = 5
	folds, err := Folds(groups, classes, k, 1)
	if err != nil {
		t.Fatalf("Folds = %v, want nil", err)
	}
	for f := range k {
		counts := map[string]int{}
		for i, g := range folds {
			if g == f {
				counts[classes[i]]++
			}
		}
		for class, total := range totals {
			if got, want := counts[class], total/k; got < want-3 || got > want+3 {
				t.Errorf("fold %d has %d images of %q, want within 3 of %d", f, got, class, want)
			}
		}
	}
}

func TestFoldsFollowTheSeed(t *testing.T) {
	var groups []string
	for i := range 40 {
		groups = append(groups, fmt.Sprint(i))
	}
	classes := slices.Repeat(split("ab"), 20)
	one, _ := Folds(groups, classes, 4, 1)
	two, _ := Folds(groups, classes, 4, 2)
	if slices.Equal(one, two) {
		t.Errorf("Folds with seeds 1 and 2 = %v both, want them to differ", one)
	}
}

func TestFoldsRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		groups, classes []string
		k               int
		want            error
	}{
		"fewer groups than folds": {split("ppqq"), split("abab"), 3, ErrFolds},
		"one fold":                {split("pq"), split("ab"), 1, ErrFolds},
		"a negative number":       {split("pq"), split("ab"), -1, ErrFolds},
		"no images":               {nil, nil, 2, ErrFolds},
		"a class missing":         {split("pq"), split("a"), 2, ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			if folds, err := Folds(c.groups, c.classes, c.k, 0); !errors.Is(err, c.want) {
				t.Errorf("Folds(%q, %q, %d) = %v, %v, want %v", c.groups, c.classes, c.k, folds, err, c.want)
			}
		})
	}
}
