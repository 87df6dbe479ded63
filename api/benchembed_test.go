package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/embed"
)

// slow is the small network, which takes some time for each picture and knows
// how many each run had.
type slow struct {
	means
	mu   sync.Mutex
	runs []int
}

const slowness = 2 * time.Millisecond // of one picture

func (s *slow) Run(ctx context.Context, batch []float32, n int) ([]float32, []int, error) {
	s.mu.Lock()
	s.runs = append(s.runs, n)
	s.mu.Unlock()
	time.Sleep(time.Duration(n) * slowness)
	return s.means.Run(ctx, batch, n)
}

// benched measures the slow network in batches of 4 by one worker.
func benched(t *testing.T, images []api.Image) (api.EmbedBench, []int, error) {
	t.Helper()
	network := &slow{}
	s := api.New(api.Options{Workers: 1, Batch: 4, OpenModel: func(string) (*embed.Model, error) {
		return embed.NewModel(small, fmt.Sprintf("%064x", 4), network)
	}})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	done, total := 0, 0
	answer, err := s.BenchEmbed(t.Context(), "means", images, func(d, n int) { done, total = d, n })
	if err == nil && (done != total || total != 7*len(images)) {
		t.Errorf("progress ended at %d of %d, want %d", done, total, 7*len(images))
	}
	return answer, network.runs, err
}

func shades(t *testing.T, n int) []api.Image {
	t.Helper()
	images := make([]api.Image, n)
	for i := range images {
		images[i] = given(fmt.Sprint(i), shade(t, i))
	}
	return images
}

// The network's rate is that of full batches, whatever the number of images and
// wherever among them the bad ones are. None of them is counted as embedded.
func TestBenchCountsWhatTheNetworkRan(t *testing.T) {
	bad := given("bad", []byte("no image"))
	for fact, c := range map[string]struct {
		images []api.Image
		failed int
		want   []int // runs by itself, then of two rounds in one
	}{
		"one more than a batch":       {shades(t, 5), 0, []int{4, 1, 4, 4, 4, 1}},
		"a bad last file":             {append(shades(t, 6), bad), 1, []int{4, 2, 4, 4, 4, 2}},
		"a bad last of a batch":       {append(shades(t, 4), bad), 1, []int{4, 4, 4}},
		"bad files in between":        {slices.Concat([]api.Image{bad}, shades(t, 3), []api.Image{bad}, shades(t, 2)), 2, []int{4, 1, 4, 4, 4, 1}},
		"less than a batch":           {shades(t, 2), 0, []int{2, 4, 2}},
		"one file beside many broken": {append(slices.Repeat([]api.Image{bad}, 9), shades(t, 1)...), 9, []int{1, 4, 1}},
	} {
		answer, runs, err := benched(t, c.images)
		if err != nil {
			t.Fatalf("%s: %v", fact, err)
		}
		if len(runs) < len(c.want) || !slices.Equal(runs[:len(c.want)], c.want) {
			t.Errorf("%s: runs of %v pictures, want them to begin %v", fact, runs, c.want)
		}
		if answer.Failed != c.failed || answer.Images != len(c.images)-c.failed {
			t.Errorf("%s: got %d images and %d failed, want %d failed of %d", fact, answer.Images, answer.Failed, c.failed, len(c.images))
		}
		// Nobody can be faster than the network.
		limit := 1.01 / slowness.Seconds()
		if answer.Network > limit || answer.Whole > limit || answer.Stages[3].PerSecond > limit || answer.Network <= 0 || answer.Whole <= 0 {
			t.Errorf("%s: %.0f and %.0f images a second, and %.0f alone, of a network that does at most %.0f",
				fact, answer.Network, answer.Whole, answer.Stages[3].PerSecond, limit)
		}
	}
}

func TestBenchOfNoGoodImageIsAnError(t *testing.T) {
	bad := given("bad", []byte("no image"))
	for fact, images := range map[string][]api.Image{"bad ones": {bad, bad}, "none": nil} {
		if _, runs, err := benched(t, images); !errors.Is(err, api.ErrNoImages) || len(runs) > 0 {
			t.Errorf("bench of %s: got %v after runs %v, want ErrNoImages and none", fact, err, runs)
		}
	}
}
