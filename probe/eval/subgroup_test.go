package eval

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
)

func TestSubgroupsAreByValue(t *testing.T) {
	got, err := Subgroups([]string{"M", "F", "", "M", "M"}, split("pqrps"), 2, 2)
	want := []Subgroup{
		{"", []int{2}, 1, true}, {"F", []int{1}, 1, true}, {"M", []int{0, 3, 4}, 2, false},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Subgroups = %+v, %v, want %+v", got, err, want)
	}
	got, _ = Subgroups([]string{"M", "M", "M"}, split("ppp"), 2, 2)
	if len(got) != 1 || !got[0].Small {
		t.Errorf("Subgroups of one patient = %+v, want it small", got)
	}
	if got, err := Subgroups(split("MM"), split("p"), 1, 1); !errors.Is(err, ErrLength) {
		t.Errorf("Subgroups of two values and one group = %+v, %v, want ErrLength", got, err)
	}
}

func TestASubgroupIsMeasuredAsIfAlone(t *testing.T) {
	truth := Truth{Classes: split("ab"), Y: [][]float64{{1, 0}, {0, 1}, {1, 0}, {0, 1}}, Groups: split("pqrs")}
	p := Predictions{Scores: [][]float64{{1, 0}, {1, 0}, {1, 0}, {0, 1}}, Relevant: [][]bool{{true}, nil, {false}, {true}}}
	some := []int{0, 1, 3}
	r, err := Assess(t.Context(), truth.Only(some), p.Only(some), Options{Rounds: 10})
	accuracy, _ := r.Measure(Accuracy)
	first, _ := r.Measure(Precision1)
	if err != nil || r.N != 3 || !near(accuracy.Value, 2.0/3) || !near(first.Value, 2.0/3) {
		t.Errorf("Assess of three = %+v, %v, want accuracy and P@1 of two in three", r, err)
	}
}

func TestAges(t *testing.T) {
	for text, want := range map[string]float64{
		"045Y": 45, "006M": 0.5, "010D": 10 / 365.25, "052W": 52 * 7 / 365.25, "45": 45, "45.5": 45.5, " 7y ": 7, "0": 0, "120Y": 120, "730D": 730 / 365.25,
	} {
		if got, err := Age(text); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("Age(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Y", "adult", "-4", "1e3", "NaN", "Inf", "0x1p4", "4.5.6", "045Y1", "4.5Y", "999Y", "200", ".", "4_5", "４５"} {
		if got, err := Age(text); !errors.Is(err, ErrAge) {
			t.Errorf("Age(%q) = %v, %v, want ErrAge", text, got, err)
		}
	}
}

func TestAgesAreBanded(t *testing.T) {
	got, ok := AgeBands([]string{"017Y", "018Y", "39.9", "40", "064Y", "65", "079Y", "080Y", "", "011M"})
	want := []string{"0-17", "18-39", "18-39", "40-64", "40-64", "65-79", "65-79", "80+", "", "0-17"}
	if !ok || !slices.Equal(got, want) {
		t.Errorf("AgeBands = %q, %v, want %q", got, ok, want)
	}
	for _, values := range [][]string{{"045Y", "M"}, {"", ""}, nil} {
		if got, ok := AgeBands(values); ok || !slices.Equal(got, values) {
			t.Errorf("AgeBands(%q) = %q, %v, want them as they are", values, got, ok)
		}
	}
}

func FuzzAge(f *testing.F) {
	for _, text := range []string{"045Y", "006M", "45.5", "", "Y", "1e999", "9999999999999999999999Y"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		years, err := Age(text)
		if err == nil && !(years >= 0 && years <= 150) || err != nil && !errors.Is(err, ErrAge) {
			t.Errorf("Age(%q) = %v, %v, want 0 to 150 or ErrAge", text, years, err)
		}
	})
}
