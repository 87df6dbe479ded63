package observe

import (
	"context"
	"time"

	"nearcase/api"
)

const (
	// diskEvery is how often the data directory is measured.
	diskEvery = time.Minute
	// restFor is how many times as long as something took the recorder rests after
	// it: what it measures by itself takes one part in a hundred of one processor at
	// most.
	restFor = 100
)

// sample measures by and by what takes too long for a scrape.
func (r *Recorder) sample(w Watched) {
	var background []func(ctx context.Context)
	every := []time.Duration{diskEvery}
	background = append(background, func(ctx context.Context) { r.sampleDisk(ctx, w) })
	if r.RecallEvery > 0 {
		every = append(every, r.RecallEvery)
		background = append(background, func(ctx context.Context) { r.sampleRecall(ctx, w.Service) })
	}
	for i, f := range background {
		r.active.Go(func() { r.repeat(every[i], f) })
	}
}

// repeat does something again and again until the recorder is closed.
func (r *Recorder) repeat(every time.Duration, f func(ctx context.Context)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-timer.C:
		}
		began := time.Now()
		f(r.ctx)
		timer.Reset(max(every, restFor*time.Since(began)))
	}
}

// sampleDisk measures the data directory and the models.
func (r *Recorder) sampleDisk(ctx context.Context, w Watched) {
	if w.Disk != nil {
		parts, free, err := w.Disk(ctx)
		if err == nil {
			r.metrics.free.Set(float64(free))
			for part, n := range parts {
				r.metrics.disk.WithLabelValues(part).Set(float64(n))
			}
		} else if ctx.Err() == nil {
			r.Logger.WarnContext(ctx, "the data directory cannot be measured", "error", err)
		}
	}
	infos, err := w.Service.ListModels(ctx)
	if err != nil {
		return
	}
	r.metrics.modelUsable.Reset() // of what has been removed
	r.metrics.modelBytes.Reset()
	for _, m := range infos {
		r.metrics.modelUsable.WithLabelValues(m.Name).Set(flag(m.Problem == ""))
		r.metrics.modelBytes.WithLabelValues(m.Name).Set(float64(m.Bytes))
	}
}

// sampleRecall compares one answer of the index of each collection with the exact
// one, unless all turns to embed are taken. Collections that are no more are
// forgotten.
func (r *Recorder) sampleRecall(ctx context.Context, s *api.Service) {
	if l := s.Load(); l.Taken == l.Turns {
		return
	}
	collections, err := s.Catalog.Collections(ctx)
	if err != nil {
		return
	}
	there := map[string]bool{}
	for _, c := range collections {
		there[c.Name] = true
	}
	r.forget(there)
	for _, c := range collections {
		status, err := s.Catalog.Status(ctx, c.Name)
		if err != nil || status.Engine == exact {
			continue
		}
		if wanted, found, err := s.SampleRecall(ctx, c.Name); err == nil {
			r.metrics.wanted.WithLabelValues(c.Name).Add(float64(wanted))
			r.metrics.found.WithLabelValues(c.Name).Add(float64(found))
			r.sampled[c.Name] = true
		}
	}
}

// forget removes what is counted of collections that are not there.
func (r *Recorder) forget(there map[string]bool) {
	for name := range r.sampled {
		if !there[name] {
			r.metrics.wanted.DeleteLabelValues(name)
			r.metrics.found.DeleteLabelValues(name)
			delete(r.sampled, name)
		}
	}
}

// exact is the engine whose answers are exact.
const exact = "exact"
