package onnx

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Trial is one way to run a graph, and how fast that was.
type Trial struct {
	Threads int `json:"threads"` // that share one run
	Callers int `json:"callers"` // at the same time
	Batch   int `json:"batch"`   // pictures of one call
	// PerSecond is pictures a second, of all callers together.
	PerSecond float64 `json:"per_second"`
}

// enough is the share of the fastest rate at which a trial with fewer threads or
// a smaller batch is preferred: it takes less memory and answers sooner.
const enough = 0.95

// sizes are the batches that are tried.
var sizes = []int{1, 2, 4, 8, 16}

// Calibrate measures how a graph runs fastest on so many processors: with one
// thread for each of as many callers or all threads for one, and with which
// batch, for about so long each. open opens the graph with the options given.
// It returns the options with Threads and Batch set, and all trials.
func Calibrate(ctx context.Context, o Options, processors int, each time.Duration, open func(Options) (*Session, error)) (Options, []Trial, error) {
	threads := []int{1}
	if processors > 1 {
		threads = append(threads, processors)
	}
	var trials []Trial
	for _, n := range threads {
		more, err := tryThreads(ctx, o, n, processors/n, each, open)
		if err != nil {
			return o, nil, err
		}
		trials = append(trials, more...)
	}
	best := choice(trials)
	o.Threads, o.Batch = best.Threads, best.Batch
	return o, trials, nil
}

// choice is the first trial, by threads and then by batch, that is fast enough.
func choice(trials []Trial) Trial {
	most := 0.0
	for _, t := range trials {
		most = max(most, t.PerSecond)
	}
	for _, t := range trials {
		if t.PerSecond >= enough*most {
			return t
		}
	}
	return Trial{Threads: 1, Batch: chunk}
}

// tryThreads tries all batches with one session.
func tryThreads(ctx context.Context, o Options, threads, callers int, each time.Duration, open func(Options) (*Session, error)) (trials []Trial, err error) {
	o.Threads, o.Batch = threads, sizes[len(sizes)-1]
	s, err := open(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	best := 0.0
	for _, size := range s.sizes() {
		if best > 0 && float64(size*callers)/best > patience.Seconds() {
			break
		}
		t := Trial{Threads: threads, Callers: callers, Batch: size}
		for range rounds {
			rate, err := s.rate(ctx, size, callers, each/rounds)
			if err != nil {
				return nil, err
			}
			t.PerSecond = max(t.PerSecond, rate)
		}
		best = max(best, t.PerSecond)
		trials = append(trials, t)
	}
	return trials, nil
}

// patience is how long one run may take for its batch to be tried: longer ones
// would keep a lone caller waiting, and calibration too.
const patience = 250 * time.Millisecond

// rounds is how often everything is tried. The best time counts: other work of the
// machine only ever slows a trial down.
const rounds = 3

// sizes returns the batches that the graph takes.
func (s *Session) sizes() []int {
	if s.fixed {
		return []int{s.size}
	}
	return sizes
}

// rate is the pictures a second that callers get who each run batches one after
// the other, at least two and the first not counted.
func (s *Session) rate(ctx context.Context, size, callers int, each time.Duration) (float64, error) {
	var group sync.WaitGroup
	rates, errs := make([]float64, callers), make([]error, callers)
	for i := range callers {
		group.Go(func() {
			batch := make([]float32, size*volume(s.picture))
			for j := range batch {
				batch[j] = float32(j%251)/64 - 2
			}
			_, _, errs[i] = s.Run(ctx, batch, size)
			started, runs := time.Now(), 0
			for errs[i] == nil && (runs == 0 || time.Since(started) < each) {
				_, _, errs[i] = s.Run(ctx, batch, size)
				runs++
			}
			rates[i] = float64(runs*size) / time.Since(started).Seconds()
		})
	}
	group.Wait()
	sum := 0.0
	for _, r := range rates {
		sum += r
	}
	return sum, errors.Join(errs...)
}
