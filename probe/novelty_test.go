package probe

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func rising(n int) (distances []float64, patient []int) {
	for i := range n {
		distances, patient = append(distances, float64(i+1)), append(patient, i)
	}
	return distances, patient
}

func TestPercentileCountsTheImageItself(t *testing.T) {
	n, err := NewNovelty(5, slices.Repeat([]float64{1, 2, 2, 3}, 5), rangeOf(20))
	if err != nil {
		t.Fatalf("NewNovelty = %v, want nil", err)
	}
	for _, c := range []struct{ distance, want float64 }{
		{0.5, 0}, {1, 0}, {1.5, 5. / 21}, {2, 5. / 21}, {2.5, 15. / 21}, {3, 15. / 21}, {4, 20. / 21}, {math.Inf(1), 20. / 21},
	} {
		if got := n.Percentile(c.distance); got != c.want {
			t.Errorf("Percentile(%v) = %v, want %v", c.distance, got, c.want)
		}
	}
	if got := n.Percentile(math.NaN()); !math.IsNaN(got) {
		t.Errorf("Percentile(NaN) = %v, want NaN", got)
	}
	if got := (Novelty{}).Percentile(3); got != 0 {
		t.Errorf("Percentile without a reference = %v, want 0", got)
	}
}

func rangeOf(n int) []int {
	_, patient := rising(n)
	return patient
}

func TestImagesOfOnePatientShareItsNovelty(t *testing.T) {
	distances, patient := rising(20)
	for range 500 {
		distances, patient = append(distances, 1000), append(patient, 20)
	}
	n, err := NewNovelty(5, distances, patient)
	if err != nil || n.Patients != 21 {
		t.Fatalf("NewNovelty = %d patients, %v, want 21", n.Patients, err)
	}
	if got, want := n.Percentile(999), 20./22; math.Abs(got-want) > 1e-12 {
		t.Errorf("Percentile = %v, want %v", got, want)
	}
}

// Kept and dropped distances give the same percentile within 0.001, never a
// higher one, and the same beyond the largest.
func TestASketchIsWithinAThousandth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		count := rapid.IntRange(1000, 4000).Draw(t, "images")
		steps := float64(rapid.SampledFrom([]int{10, 1 << 30}).Draw(t, "distinct"))
		distances, patient := make([]float64, count), make([]int, count)
		for i := range distances {
			distances[i], patient[i] = math.Floor(r.Float64()*steps)/steps, r.IntN(count/2)
		}
		n, err := NewNovelty(5, distances, patient)
		if err != nil || len(n.Distances) > 1100 {
			t.Fatalf("NewNovelty = %d distances, %v, want about 1,001", len(n.Distances), err)
		}
		masses, _ := Scored{Patient: patient}.masses(one)
		for range 50 {
			d, below := r.Float64()*1.05, 0.0
			for i, v := range distances {
				if v < d {
					below += masses[i]
				}
			}
			want := below / float64(n.Patients+1)
			if got := n.Percentile(d); got > want+1e-9 || got < want-0.001-1e-9 || d > 1 && math.Abs(got-want) > 1e-9 {
				t.Fatalf("Percentile(%v) = %v, want %v", d, got, want)
			}
		}
	})
}

// For a new patient like the others the p-value is at or below u with
// probability u or less, and not much less.
func TestPValuesAreValid(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	const rounds = 4000
	low := map[float64]float64{0.05: 0, 0.1: 0, 0.5: 0}
	for range rounds {
		var distances []float64
		var patient []int
		for p := range 60 {
			own := r.NormFloat64()
			for range 1 + r.IntN(6) {
				distances, patient = append(distances, math.Exp(own+0.5*r.NormFloat64())), append(patient, p)
			}
		}
		n, err := NewNovelty(5, distances, patient)
		if err != nil {
			t.Fatalf("NewNovelty = %v, want nil", err)
		}
		p := 1 - n.Percentile(math.Exp(r.NormFloat64()+0.5*r.NormFloat64()))
		for u := range low {
			if p <= u {
				low[u] += 1. / rounds
			}
		}
	}
	for u, rate := range low {
		if rate > u+0.015 || rate < u-2./61-0.015 {
			t.Errorf("p-values at or below %v = %.4f of all, want %v or up to 2/61 less", u, rate, u)
		}
	}
}

func TestNoveltyRefuses(t *testing.T) {
	d, p := rising(30)
	with := func(v float64) []float64 { return append([]float64{v}, d[1:]...) }
	few, fewPatients := rising(18)
	for _, c := range []struct {
		name      string
		k         int
		distances []float64
		patient   []int
		want      error
	}{
		{"nothing", 5, nil, nil, ErrNotEnough},
		{"eighteen patients", 5, few, fewPatients, ErrNotEnough},
		{"one patient", 5, d, make([]int, 30), ErrNotEnough},
		{"no rank", 0, d, p, ErrDimension},
		{"a patient too few", 5, d, p[1:], ErrDimension},
		{"NaN", 5, with(math.NaN()), p, ErrNotFinite},
		{"infinite", 5, with(math.Inf(1)), p, ErrNotFinite},
		{"a negative distance", 5, with(-1), p, ErrTarget},
	} {
		if n, err := NewNovelty(c.k, c.distances, c.patient); !errors.Is(err, c.want) {
			t.Errorf("%s: NewNovelty = %+v, %v, want %v", c.name, n, err, c.want)
		}
	}
}

func TestNoveltySurvivesJSON(t *testing.T) {
	want, err := NewNovelty(5, slices.Repeat([]float64{1, 2.5}, 10), rangeOf(20))
	if err != nil {
		t.Fatalf("NewNovelty = %v, want nil", err)
	}
	data, _ := json.Marshal(want)
	var got Novelty
	if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after JSON = %+v, %v, want %+v", got, err, want)
	}
}

func TestNeighbourRankAndUnitDistance(t *testing.T) {
	for n, want := range map[int]int{0: 5, 100: 5, 5000: 5, 50000: 50, 10000000: 1000} {
		if got := NeighbourRank(n); got != want {
			t.Errorf("NeighbourRank(%d) = %d, want %d", n, got, want)
		}
	}
	for score, want := range map[float64]float64{1: 0, 0: math.Sqrt2, -1: 2, 1.0000001: 0} {
		if got := UnitDistance(score); got != want {
			t.Errorf("UnitDistance(%v) = %v, want %v", score, got, want)
		}
	}
}
