package eval

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const tolerance = 1e-12

func near(a, b float64) bool { return math.Abs(a-b) <= tolerance }

// split returns one label per letter.
func split(letters string) []string { return strings.Split(letters, "") }

// Expected values are scikit-learn 1.2.1's, for L = list("abc"):
//
//	confusion_matrix(t, p, labels=L); accuracy_score(t, p); balanced_accuracy_score(t, p)
//	recall_score(t, p, labels=L, average=None, zero_division=0), likewise precision_score and f1_score
func TestLabelMetricsEqualScikitLearn(t *testing.T) {
	for name, c := range map[string]struct {
		truth, predicted      string
		want                  Confusion
		accuracy, balanced    float64
		recall, precision, f1 []float64
	}{
		"three classes": {
			"aabcacabbabcaaababbb", "aaccaaabbabcaaababbb", Confusion{{9, 0, 0}, {0, 7, 1}, {1, 0, 2}}, 0.9, 0.8472222222222222,
			[]float64{1.0, 0.875, 0.6666666666666666}, []float64{0.9, 1.0, 0.6666666666666666}, []float64{0.9473684210526316, 0.9333333333333333, 0.6666666666666666},
		},
		"a class never predicted": {
			"cabcbccbbbcbacc", "abbbaaabababbba", Confusion{{0, 2, 0}, {2, 4, 0}, {5, 2, 0}}, 0.26666666666666666, 0.2222222222222222,
			[]float64{0.0, 0.6666666666666666, 0.0}, []float64{0.0, 0.5, 0.0}, []float64{0.0, 0.5714285714285715, 0.0},
		},
		"a class never true": {
			"bbbaabbbbbbbabb", "bbbaabbabacbaba", Confusion{{3, 0, 0}, {3, 8, 1}, {0, 0, 0}}, 0.7333333333333333, 0.8333333333333333,
			[]float64{1.0, 0.6666666666666666, 0.0}, []float64{0.5, 1.0, 0.0}, []float64{0.6666666666666666, 0.8, 0.0},
		},
		"a class neither true nor predicted": {
			"aaaabaaa", "abaabaaa", Confusion{{6, 1, 0}, {0, 1, 0}, {0, 0, 0}}, 0.875, 0.9285714285714286,
			[]float64{0.8571428571428571, 1.0, 0.0}, []float64{1.0, 0.5, 0.0}, []float64{0.923076923076923, 0.6666666666666666, 0.0},
		},
		"one image": {
			"a", "b", Confusion{{0, 1, 0}, {0, 0, 0}, {0, 0, 0}}, 0, 0,
			[]float64{0, 0, 0}, []float64{0, 0, 0}, []float64{0, 0, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Confuse(split(c.truth), split(c.predicted), split("abc"))
			if err != nil || !reflect.DeepEqual(m, c.want) {
				t.Fatalf("Confuse(%s, %s) = %v, %v, want %v", c.truth, c.predicted, m, err, c.want)
			}
			if got := m.Accuracy(); !near(got, c.accuracy) {
				t.Errorf("Accuracy() = %v, want %v", got, c.accuracy)
			}
			if got := m.BalancedAccuracy(); !near(got, c.balanced) {
				t.Errorf("BalancedAccuracy() = %v, want %v", got, c.balanced)
			}
			for i := range 3 {
				got, want := []float64{m.Recall(i), m.Precision(i), m.F1(i)}, []float64{c.recall[i], c.precision[i], c.f1[i]}
				if !slices.EqualFunc(got, want, near) {
					t.Errorf("recall, precision, F1 of class %d = %v, want %v", i, got, want)
				}
			}
		})
	}
}

func TestConfuseRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		truth, predicted, classes []string
		want                      error
	}{
		"an unknown label":      {split("ax"), split("aa"), split("ab"), ErrClass},
		"an unknown prediction": {split("aa"), split("ax"), split("ab"), ErrClass},
		"a class named twice":   {split("a"), split("a"), split("aba"), ErrClass},
		"fewer predictions":     {split("aa"), split("a"), split("ab"), ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := Confuse(c.truth, c.predicted, c.classes); !errors.Is(err, c.want) {
				t.Errorf("Confuse(%q, %q, %q) = %v, %v, want %v", c.truth, c.predicted, c.classes, m, err, c.want)
			}
		})
	}
}

// Expected values are scikit-learn 1.2.1's roc_auc_score(positive, scores).
func TestAUCEqualsScikitLearn(t *testing.T) {
	const no, yes = false, true
	for name, c := range map[string]struct {
		scores   []float64
		positive []bool
		want     float64
	}{
		"ties of one decimal": {
			[]float64{0.9, 1.0, 0.2, 0.5, 0.9, 0.1, 0.5, 1.1, 1.0, 0.5, 0.2, 0.5, 0.7, 0.8, 0.7, 0.8, 1.1, 0.3, 0.6, 0.6},
			[]bool{yes, no, no, no, no, no, no, yes, yes, no, no, no, yes, yes, yes, no, yes, no, no, yes}, 0.8541666666666667,
		},
		"few positives": {
			[]float64{0.59, 0.24, 0.96, 0.95, 0.85, 0.47, 0.84, 0.13, 0.31, 0.46, 0.74, 0.49, 0.14, 0.34, 0.32, 0.6, 0.47, 0.41, 0.45, 0.77, 0.8, 0.52, 0.76, 0.78},
			[]bool{no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, yes, yes, no, no, no, no, no, yes, no}, 0.5793650793650793,
		},
		"heavy ties": {
			[]float64{1, 1, 2, 2, 0, 1, 1, 0, 1, 1, 2, 2, 1, 1, 1, 1},
			[]bool{no, no, no, no, yes, no, yes, yes, no, no, yes, no, yes, yes, no, yes}, 0.30952380952380953,
		},
		"no ties": {
			[]float64{1.019232, 0.845345, 0.468275, 0.664969, 0.807835, 0.849714, 0.164717, 0.035529, 0.281534, 1.107871, 0.344766, 0.008217, 0.361617, 0.363622, 0.449486},
			[]bool{yes, no, yes, no, no, yes, no, no, no, yes, yes, no, no, yes, yes}, 0.7678571428571428,
		},
		"one score for all": {[]float64{.5, .5, .5, .5, .5, .5}, []bool{yes, no, yes, no, no, no}, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := AUC(c.scores, c.positive); err != nil || !near(got, c.want) {
				t.Errorf("AUC(%v, %v) = %v, %v, want %v", c.scores, c.positive, got, err, c.want)
			}
		})
	}
}

// Law: the AUC is the share of pairs of a positive and a negative in which the
// positive scores higher, ties counting half.
func TestAUCCountsPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "n")
		scores, positive := make([]float64, n), make([]bool, n)
		for i := range n {
			scores[i] = float64(rapid.IntRange(-3, 3).Draw(t, "score"))
			positive[i] = rapid.Bool().Draw(t, "positive")
		}
		won, pairs := 0.0, 0.0
		for i := range n {
			for j := range n {
				if !positive[i] || positive[j] {
					continue
				}
				pairs++
				if scores[i] > scores[j] {
					won++
				} else if scores[i] == scores[j] {
					won += 0.5
				}
			}
		}
		got, err := AUC(scores, positive)
		if pairs == 0 {
			if !errors.Is(err, ErrOneClass) {
				t.Fatalf("AUC(%v, %v) = %v, %v, want ErrOneClass", scores, positive, got, err)
			}
		} else if err != nil || !near(got, won/pairs) {
			t.Fatalf("AUC(%v, %v) = %v, %v, want %v", scores, positive, got, err, won/pairs)
		}
	})
}

func TestAUCRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		scores   []float64
		positive []bool
		want     error
	}{
		"no images":          {nil, nil, ErrOneClass},
		"positives only":     {[]float64{1, 2}, []bool{true, true}, ErrOneClass},
		"negatives only":     {[]float64{1, 2}, []bool{false, false}, ErrOneClass},
		"a NaN":              {[]float64{1, math.NaN()}, []bool{true, false}, ErrNotFinite},
		"an infinity":        {[]float64{math.Inf(-1), 1}, []bool{true, false}, ErrNotFinite},
		"fewer labels":       {[]float64{1, 2}, []bool{true}, ErrLength},
		"fewer scores still": {nil, []bool{true}, ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := AUC(c.scores, c.positive); !errors.Is(err, c.want) {
				t.Errorf("AUC(%v, %v) = %v, %v, want %v", c.scores, c.positive, got, err, c.want)
			}
		})
	}
}

// Expected values are scikit-learn 1.2.1's: of the first
//
//	roc_auc_score(t, scores, multi_class="ovr", average="macro")
//
// and of the others, whose rows do not sum to one, with cl the sorted classes
//
//	np.mean([roc_auc_score(t == c, scores[:, j]) for j, c in enumerate(cl)])
func TestMacroAUCEqualsScikitLearn(t *testing.T) {
	for name, c := range map[string]struct {
		truth, classes string
		scores         [][]float64
		want           float64
	}{
		"probabilities": {
			"acabbcbacbcabcccaa", "abc",
			[][]float64{{.5, .3, .2}, {.3, .1, .6}, {.6, .3, .1}, {.1, .6, .3}, {.2, .6, .2}, {0, .4, .6}, {.4, .5, .1}, {.3, .5, .2}, {.2, .4, .4}, {.3, .3, .4}, {.3, .3, .4}, {.5, .4, .1}, {.2, .4, .4}, {.1, .4, .5}, {.2, .3, .5}, {.2, .2, .6}, {.2, .4, .4}, {.4, .3, .3}},
			0.8789289414289415,
		},
		"scores of three classes": {
			"acabbcbacbcabcccaa", "abc",
			[][]float64{{11, 2, 2}, {2, 3, 7}, {6, 10, 2}, {6, 7, 3}, {9, 15, 6}, {1, 11, 6}, {5, 11, 10}, {14, 7, 5}, {9, 10, 15}, {8, 7, 4}, {6, 6, 14}, {8, 8, 5}, {9, 8, 6}, {2, 3, 15}, {4, 10, 11}, {1, 9, 7}, {14, 1, 8}, {8, 4, 11}},
			0.8015540015540016,
		},
		"scores of two classes": {
			"abbbbbaaaaba", "ab",
			[][]float64{{16, 4}, {8, 14}, {5, 16}, {7, 11}, {8, 10}, {8, 9}, {15, 6}, {8, 5}, {15, 9}, {11, 5}, {5, 16}, {7, 10}},
			0.9027777777777778,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := MacroAUC(c.scores, split(c.truth), split(c.classes)); err != nil || !near(got, c.want) {
				t.Errorf("MacroAUC(%v, %s) = %v, %v, want %v", c.scores, c.truth, got, err, c.want)
			}
		})
	}
}

func TestMacroAUCLeavesOutMissingClasses(t *testing.T) {
	scores := [][]float64{{3, 1, 9}, {1, 2, 8}, {2, 3, 7}}
	got, err := MacroAUC(scores, split("aba"), split("abc"))
	if want := (1.0 + 0.5) / 2; err != nil || got != want {
		t.Errorf("MacroAUC without a c = %v, %v, want %v", got, err, want)
	}
	if got, err := MacroAUC(scores, split("aaa"), split("abc")); !errors.Is(err, ErrOneClass) {
		t.Errorf("MacroAUC of a alone = %v, %v, want ErrOneClass", got, err)
	}
	if got, err := MacroAUC(scores, split("aba"), split("ab")); !errors.Is(err, ErrLength) {
		t.Errorf("MacroAUC with a column too many = %v, %v, want ErrLength", got, err)
	}
}
