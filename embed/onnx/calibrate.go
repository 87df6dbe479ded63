package onnx

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Trial is one way to run a graph, and how fast that was in several rounds.
type Trial struct {
	Threads int `json:"threads"` // that share one run
	Callers int `json:"callers"` // at the same time
	Batch   int `json:"batch"`   // pictures of one call
	// PerSecond is pictures a second, of all callers together, in the fastest
	// round, and Slowest in the slowest; 0 before the first.
	PerSecond float64 `json:"per_second"`
	Slowest   float64 `json:"slowest"`
}

// IsSteady reports whether all rounds were about as fast. If not, the machine did
// something else meanwhile, and another time may find otherwise.
func (t Trial) IsSteady() bool { return t.PerSecond <= unsteady*t.Slowest }

// add adds a round.
func (t *Trial) add(rate float64) {
	if t.Slowest == 0 || rate < t.Slowest {
		t.Slowest = rate
	}
	t.PerSecond = max(t.PerSecond, rate)
}

const (
	// enough is the share of the fastest rate at which a trial with fewer threads
	// or a smaller batch is preferred: it takes less memory and answers sooner.
	enough = 0.95
	// rounds is how often everything is tried. The best time counts: other work of
	// the machine only ever slows a trial down.
	rounds = 3
	// unsteady is how far the fastest round may be from the slowest.
	unsteady = 1.3
	// patience is how long one run may take for its batch to be tried: longer ones
	// would keep a lone caller waiting, and calibration too.
	patience = 250 * time.Millisecond
	// inFlight bounds the pictures of all callers that a trial runs at the same
	// time, and with them its memory, which is tens of megabytes a picture for the
	// larger networks.
	inFlight = 32
)

// sizes are the batches that are tried.
var sizes = []int{1, 2, 4, 8, 16}

// Calibrate measures how a graph runs fastest on so many processors: with one
// thread for each of as many callers or all threads for one, and with which
// batch, for about so long each. open opens the graph with the options given;
// one session is open at a time. Calibrate returns the options with Threads and
// Batch set, and all trials. It ends with the context's error before the next run
// once that has ended.
//
// The batch is for throughput: one of 1 says that larger ones would not make this
// machine embed noticeably more pictures a second, for whoever waits longer for
// them.
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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.Threads, o.Batch = threads, sizes[len(sizes)-1]
	s, err := open(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, size := range s.sizes(callers) {
		trials = append(trials, Trial{Threads: threads, Callers: callers, Batch: size})
	}
	return try(trials, func(t Trial) (float64, error) { return s.rate(ctx, t.Batch, t.Callers, each/rounds) })
}

// try measures trials of ascending batches in rounds, each of which goes through
// all of them, so that what else the machine does meanwhile is borne by all alike.
// Those that the first round's rates call too slow are left out.
func try(trials []Trial, rate func(Trial) (float64, error)) ([]Trial, error) {
	for range rounds {
		most := 0.0
		for i := range trials {
			t := &trials[i]
			if t.PerSecond == 0 && i > 0 && float64(t.Batch*t.Callers)/most > patience.Seconds() {
				trials = trials[:i]
				break
			}
			r, err := rate(*t)
			if err != nil {
				return nil, err
			}
			t.add(r)
			most = max(most, r)
		}
	}
	return trials, nil
}

// sizes returns the batches that the graph takes and that so many callers may run
// at the same time, at least one.
func (s *Session) sizes(callers int) []int {
	if s.fixed {
		return []int{s.size}
	}
	n := 1
	for n < len(sizes) && callers*sizes[n] <= inFlight {
		n++
	}
	return sizes[:n]
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
