package onnx

import (
	"errors"
	"slices"
	"testing"
)

// The choice is the least demanding trial that is about as fast as the fastest.
func TestCalibrationChoosesTheLeastDemandingOfTheFastest(t *testing.T) {
	for _, c := range []struct {
		fact  string
		rates []float64 // of 1, 4, 16 pictures with one thread, then with two
		want  Trial
	}{
		{"all alike", []float64{100, 101, 102, 99, 100, 101}, Trial{Threads: 1, Batch: 1}},
		{"larger batches help", []float64{60, 100, 101, 50, 70, 80}, Trial{Threads: 1, Batch: 4}},
		{"two threads help", []float64{60, 61, 62, 90, 100, 101}, Trial{Threads: 2, Batch: 4}},
	} {
		var trials []Trial
		for i, rate := range c.rates {
			trials = append(trials, Trial{Threads: 1 + i/3, Batch: []int{1, 4, 16}[i%3], PerSecond: rate})
		}
		if got := choice(trials); got.Threads != c.want.Threads || got.Batch != c.want.Batch {
			t.Errorf("%s: got %+v, want %+v", c.fact, got, c.want)
		}
	}
	if got := choice(nil); got.Batch != chunk || got.Threads != 1 {
		t.Errorf("choice of nothing: got %+v, want the defaults", got)
	}
	if !slices.IsSorted(sizes) {
		t.Errorf("sizes %v are not sorted", sizes)
	}
}

// paced answers the rates of trials by their batch, in each round the next.
func paced(t *testing.T, rates map[int][]float64) (rate func(Trial) (float64, error), order *[]int) {
	t.Helper()
	order = &[]int{}
	return func(trial Trial) (float64, error) {
		*order = append(*order, trial.Batch)
		round := 0
		for _, batch := range *order {
			if batch == trial.Batch {
				round++
			}
		}
		return rates[trial.Batch][round-1], nil
	}, order
}

// Every round goes through all batches, the fastest round counts, and how slow the
// slowest was is known.
func TestCalibrationGoesThroughAllBatchesInEachRound(t *testing.T) {
	rate, order := paced(t, map[int][]float64{1: {90, 100, 95}, 2: {40, 110, 105}})
	trials, err := try([]Trial{{Batch: 1, Callers: 1}, {Batch: 2, Callers: 1}}, rate)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 2, 1, 2, 1, 2}; !slices.Equal(*order, want) {
		t.Errorf("tried batches in the order %v, want %v", *order, want)
	}
	want := []Trial{{Batch: 1, Callers: 1, PerSecond: 100, Slowest: 90}, {Batch: 2, Callers: 1, PerSecond: 110, Slowest: 40}}
	if !slices.Equal(trials, want) {
		t.Errorf("trials: got %+v, want %+v", trials, want)
	}
	if !trials[0].IsSteady() || trials[1].IsSteady() {
		t.Errorf("steady: got %v and %v, want the first alone", trials[0].IsSteady(), trials[1].IsSteady())
	}
}

// A batch that would keep a caller waiting is not tried in any round.
func TestCalibrationSparesBatchesThatTakeTooLong(t *testing.T) {
	rate, order := paced(t, map[int][]float64{1: {10, 10, 40}, 2: {10, 10, 40}, 4: {10, 10, 40}})
	trials, err := try([]Trial{{Batch: 1, Callers: 1}, {Batch: 2, Callers: 1}, {Batch: 4, Callers: 1}}, rate)
	if want := []int{1, 2, 1, 2, 1, 2}; err != nil || len(trials) != 2 || !slices.Equal(*order, want) {
		t.Errorf("at 10 pictures a second: got trials %+v in the order %v, %v, want batches %v", trials, *order, err, want)
	}
	failing := errors.New("failing")
	if _, err := try([]Trial{{Batch: 1}}, func(Trial) (float64, error) { return 0, failing }); !errors.Is(err, failing) {
		t.Errorf("try that fails: got %v", err)
	}
}

// However many callers there are, few pictures are run at the same time.
func TestCalibrationBoundsThePicturesInFlight(t *testing.T) {
	for callers, want := range map[int]int{1: 16, 2: 16, 4: 8, 16: 2, 17: 1, 128: 1} {
		got := (&Session{}).sizes(callers)
		if got[len(got)-1] != want {
			t.Errorf("%d callers: batches %v, want at most %d", callers, got, want)
		}
	}
	if got := (&Session{batches: batches{size: 64, fixed: true}}).sizes(8); !slices.Equal(got, []int{64}) {
		t.Errorf("a graph of fixed batch: got %v, want it alone", got)
	}
}
