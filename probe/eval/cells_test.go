package eval

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Cells has as many images in each cell as the figures count.
func TestCellsHaveWhatTheFiguresCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		multi := rapid.Bool().Draw(t, "multi")
		truth, p := drawn(t, rapid.IntRange(1, 20).Draw(t, "images"), rapid.IntRange(2, 4).Draw(t, "classes"), multi)
		if rapid.Bool().Draw(t, "scores alone") {
			p.Probabilities = nil
		}
		got, want := map[[2]int]int{}, map[[2]int]int{}
		r, err := Assess(t.Context(), truth, p, Options{Rounds: 100})
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range r.Confusion {
			for j, n := range row {
				want[[2]int{i, j}] = n
			}
		}
		seen := map[string]map[int]bool{}
		for _, c := range Cells(truth, p) {
			if seen[c.Class] == nil {
				seen[c.Class] = map[int]bool{}
			}
			for _, i := range c.Images {
				if seen[c.Class][i] {
					t.Fatalf("image %d is in two cells of %q", i, c.Class)
				}
				seen[c.Class][i] = true
			}
			if !multi {
				got[[2]int{c.Truth, c.Predicted}] = len(c.Images)
				continue
			}
			for _, i := range c.Images {
				k := int(c.Class[0] - 'a')
				if present := p.predicts(truth, i, k); truth.Y[i][k] != float64(1-c.Truth) || present != (c.Predicted == 0) {
					t.Fatalf("image %d of truth %v predicted %v is in row %d, column %d of %s", i, truth.Y[i][k], present, c.Truth, c.Predicted, c.Class)
				}
			}
		}
		if multi {
			of := map[string][2][2]int{}
			for _, c := range Cells(truth, p) {
				m := of[c.Class]
				m[c.Truth][c.Predicted] = len(c.Images)
				of[c.Class] = m
			}
			for _, c := range r.Classes {
				m := of[c.Class]
				for _, figure := range []struct {
					name string
					row  [2]int
					of   int
				}{{Sensitivity, m[0], 0}, {Specificity, m[1], 1}} {
					for _, got := range c.Measures {
						if want := float64(figure.row[figure.of]) / float64(figure.row[0]+figure.row[1]); got.Name == figure.name && math.Abs(got.Value-want) > 1e-12 {
							t.Errorf("%s of %s is %v, by its cells %v", figure.name, c.Class, got.Value, want)
						}
					}
				}
			}
		}
		for cell, n := range want {
			if got[cell] != n {
				t.Errorf("cell %v has %d images, the confusion matrix %d", cell, got[cell], n)
			}
		}
		for k, class := range truth.Classes {
			known := 0
			for _, row := range truth.Y {
				if !math.IsNaN(row[k]) {
					known++
				}
			}
			if multi && len(seen[class]) != known {
				t.Errorf("%d images are in cells of %s, of %d it is known", len(seen[class]), class, known)
			}
		}
	})
}

func TestCellsBeginWithTheSurest(t *testing.T) {
	nan := math.NaN()
	truth := Truth{Classes: []string{"a", "b"}, Y: [][]float64{{1, 0}, {1, 0}, {0, 1}, {1, 0}}}
	p := Predictions{Scores: [][]float64{{.6, .4}, {.9, .1}, {.8, .2}, {.3, .7}}}
	want := []Cell{{"", 0, 0, []int{1, 0}, []float64{.9, .6}}, {"", 0, 1, []int{3}, []float64{.7}}, {"", 1, 0, []int{2}, []float64{.8}}}
	if got := Cells(truth, p); !reflect.DeepEqual(got, want) {
		t.Errorf("Cells = %v, want %v", got, want)
	}
	truth = Truth{Classes: []string{"a"}, Multi: true, Y: [][]float64{{1}, {0}, {0}, {nan}}}
	p = Predictions{Scores: [][]float64{{.7}, {.3}, {.1}, {.9}}}
	want = []Cell{{"a", 0, 0, []int{0}, []float64{.7}}, {"a", 1, 1, []int{2, 1}, []float64{.9, .7}}}
	if got := Cells(truth, p); !reflect.DeepEqual(got, want) {
		t.Errorf("Cells = %v, want %v", got, want)
	}
}

// What is predicted wrongly is what the figures count as such, also where a method
// decides otherwise than by a probability of a half.
func TestMistakesAreWhatTheFiguresCountAsWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		multi := rapid.Bool().Draw(t, "multi")
		truth, p := drawn(t, rapid.IntRange(1, 20).Draw(t, "images"), rapid.IntRange(2, 4).Draw(t, "classes"), multi)
		wrong := map[int]bool{}
		for i, row := range truth.Y {
			for c, y := range row {
				if !math.IsNaN(y) && (y == 1) != p.predicts(truth, i, c) {
					wrong[i] = true
				}
			}
		}
		sure := math.Inf(1)
		for _, m := range Mistakes(truth, p) {
			if !wrong[m.Image] {
				t.Fatalf("image %d is told twice, or %v is right of truth %v", m.Image, m.Predicted, truth.Y[m.Image])
			}
			delete(wrong, m.Image)
			for c, class := range truth.Classes {
				if slices.Contains(m.Predicted, class) != p.predicts(truth, m.Image, c) {
					t.Errorf("of image %d %v is predicted, of %s %t", m.Image, m.Predicted, class, p.predicts(truth, m.Image, c))
				}
			}
			if m.Sure > sure {
				t.Errorf("image %d follows one with %v, want %v first", m.Image, sure, m.Sure)
			}
			sure = m.Sure
		}
		if len(wrong) > 0 {
			t.Errorf("images %v are not told", wrong)
		}
	})
}

func TestTheSurestMistakeOfAnImageCounts(t *testing.T) {
	truth := Truth{Classes: []string{"a", "b", "c"}, Multi: true, Y: [][]float64{{1, 0, 1}, {0, 0, 1}}}
	p := Predictions{
		Scores:        [][]float64{{-1, 2, 1}, {1, -1, 1}},
		Predicted:     [][]bool{{false, true, true}, {true, false, true}},
		Probabilities: [][]float64{{.2, .6, .9}, {.4, .1, .9}}, // of a it decides below a half
	}
	want := []Mistake{{0, []string{"b", "c"}, .8}, {1, []string{"a", "c"}, .4}}
	if got := Mistakes(truth, p); !reflect.DeepEqual(got, want) {
		t.Errorf("Mistakes = %v, want %v", got, want)
	}
}
