package main

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// timings are what the passes of one width took.
type timings struct {
	passes, latencies, shares []float64
	ids                       []uint32
}

// passes runs the repetitions of all widths, those of one width apart in time,
// and one pass before them that is not timed.
func passes(a driverArguments, o ours, queries [][]float32, threads int) ([]timings, error) {
	all := make([]timings, len(a.ef))
	for r := range a.repetitions + 1 {
		for i, ef := range a.ef {
			if r == 1 {
				all[i] = timings{}
			}
			if err := o.setEf(ef); err != nil {
				return nil, err
			}
			if err := all[i].pass(o, queries, a.k, threads); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// pass asks every query once, on so many goroutines.
func (t *timings) pass(o ours, queries [][]float32, k, threads int) error {
	t.ids = slices.Repeat([]uint32{math.MaxUint32}, k*len(queries))
	took, failed := make([]float64, len(queries)), make([]error, threads)
	var next atomic.Int64
	began, used := time.Now(), processor()
	var group sync.WaitGroup
	for g := range threads {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(queries) && failed[g] == nil; i = int(next.Add(1)) - 1 {
				from := time.Now()
				failed[g] = o.search(queries[i], t.ids[i*k:(i+1)*k])
				took[i] = time.Since(from).Seconds()
			}
		})
	}
	group.Wait()
	seconds := time.Since(began).Seconds()
	t.passes = append(t.passes, seconds)
	t.shares = append(t.shares, (processor()-used)/seconds/float64(threads))
	t.latencies = append(t.latencies, took...)
	return firstError(failed)
}

func firstError(all []error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t timings) event(threads, ef, queries int) event {
	seconds := quantile(t.passes, 0.5)
	return event{
		Event: "search", Threads: threads, Ef: ef, Queries: queries, Seconds: seconds,
		Single: float64(queries) / seconds, P50: quantile(t.latencies, 0.5), P99: quantile(t.latencies, 0.99),
		CPU: quantile(t.shares, 0.5),
	}
}

// quantile is the value below which the share q of values lies, 0 of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
