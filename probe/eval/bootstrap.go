package eval

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// DefaultRounds is the number of bootstrap rounds where Options name none.
const DefaultRounds = 1000

// Options of the bootstrap. The zero value is DefaultRounds rounds, seed 0 and a
// worker for each processor. With the same patients, rounds and seed, every
// statistic sees the same resamples, whatever the number of workers.
type Options struct {
	Rounds int
	Seed   int64
	// Workers is how many goroutines compute; all have ended on return.
	Workers int
	// Progress, unless nil, is told after every resample, in the caller's
	// goroutine, how many of how many are done.
	Progress func(done, total int)
}

func (o Options) rounds() int {
	if o.Rounds <= 0 {
		return DefaultRounds
	}
	return o.Rounds
}

func (o Options) workers() int {
	if o.Workers <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return o.Workers
}

// blocks is into how many parts patients are divided for the jackknife.
const blocks = 200

// clusters are patients with their images: what is resampled.
type clusters struct {
	of []int32 // patient by image
	n  int     // patients
}

func clustered(groups []string) clusters {
	at, names := index(groups)
	c := clusters{of: make([]int32, len(at)), n: len(names)}
	for i, p := range at {
		c.of[i] = int32(p)
	}
	return c
}

// resamples are the rows of statistics that a bootstrap gave.
type resamples struct {
	whole  []float64   // of all images
	left   [][]float64 // without each block of patients
	rounds [][]float64 // of patients drawn with replacement
}

// statistics fills out with what it computes of images that count weight times
// each; NaN is what is undefined. It must not keep or change weight.
type statistics func(weight []int32, out []float64)

// resample computes size statistics of all images and, where there are two
// patients or more, of every resample. worker makes the statistics for one
// goroutine. It returns the context's error when that ends first.
func (c clusters) resample(ctx context.Context, o Options, size int, worker func() statistics) (resamples, error) {
	left, rounds := min(c.n, blocks), o.rounds()
	if c.n < 2 {
		left, rounds = 0, 0
	}
	rows := make([][]float64, 1+left+rounds)
	for i := range rows {
		rows[i] = make([]float64, size)
	}
	order := rand.New(rand.NewPCG(uint64(o.Seed), 0)).Perm(c.n)
	err := each(ctx, o, len(rows), func() func(int) {
		f, weight, drawn := worker(), make([]int32, len(c.of)), make([]int32, c.n)
		return func(row int) {
			switch {
			case row == 0:
				fill(drawn, 1)
			case row <= left:
				without(drawn, order, row-1, left)
			default:
				draw(rand.New(rand.NewPCG(uint64(o.Seed), uint64(row-left))), drawn)
			}
			for i, p := range c.of {
				weight[i] = drawn[p]
			}
			f(weight, rows[row])
		}
	})
	return resamples{rows[0], rows[1 : 1+left], rows[1+left:]}, err
}

// each calls what worker returns once for every number below n, in several
// goroutines, until ctx ends, and returns when all have ended.
func each(ctx context.Context, o Options, n int, worker func() func(int)) error {
	var next atomic.Int64
	var running sync.WaitGroup
	done := make(chan struct{}, n)
	for range min(o.workers(), n) {
		running.Go(func() {
			f := worker()
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				f(i)
				done <- struct{}{}
			}
		})
	}
	defer running.Wait()
	for i := range n {
		select {
		case <-done:
			if o.Progress != nil {
				o.Progress(i+1, n)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func fill(drawn []int32, times int32) {
	for i := range drawn {
		drawn[i] = times
	}
}

// without takes every patient once but those of one block of several, dealt in
// the given order.
func without(drawn []int32, order []int, block, of int) {
	fill(drawn, 1)
	for i := block; i < len(order); i += of {
		drawn[order[i]] = 0
	}
}

// draw fills in how often each patient is drawn.
func draw(r *rand.Rand, drawn []int32) {
	clear(drawn)
	for range drawn {
		drawn[r.IntN(len(drawn))]++
	}
}
