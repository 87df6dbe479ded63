package api

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// reembeds are what is being embedded again, by collection.
type reembeds struct {
	mu  sync.Mutex
	all map[string]*pace
}

// pace is how fast a collection is embedded.
type pace struct {
	stop  func() // of what makes way; nil for what does not
	ended chan struct{}

	mu     sync.Mutex
	began  time.Time
	images int
	took   time.Duration // of the workers together
}

func (p *pace) add(images int, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.images, p.took = p.images+images, p.took+took
}

// perSecond is how many images were embedded in a second, 0 for none yet.
func (p *pace) perSecond() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if since := time.Since(p.began).Seconds(); since > 0 {
		return float64(p.images) / since
	}
	return 0
}

// begin takes a collection, which one at a time may embed again, switch or drop. What
// follows it in the background makes way.
func (r *reembeds) begin(ctx context.Context, collection string) (p *pace, end func(), err error) {
	for {
		r.mu.Lock()
		has := r.all[collection]
		if has == nil {
			defer r.mu.Unlock()
			p, end = r.take(collection, nil)
			return p, end, nil
		}
		r.mu.Unlock()
		if has.stop == nil {
			return nil, nil, fmt.Errorf("collection %s: %w: wait for the job, or cancel it", collection, ErrReembedding)
		}
		has.stop()
		select {
		case <-has.ended:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// follow takes a collection in the background, if nobody has it, until the context that
// it returns ends.
func (r *reembeds) follow(ctx context.Context, collection string) (until context.Context, end func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[collection] != nil {
		return nil, nil, false
	}
	until, stop := context.WithCancel(ctx)
	_, leave := r.take(collection, stop)
	return until, func() { stop(); leave() }, true
}

// take takes a collection; mu is held.
func (r *reembeds) take(collection string, stop func()) (p *pace, end func()) {
	p = &pace{began: time.Now(), stop: stop, ended: make(chan struct{})}
	if r.all == nil {
		r.all = map[string]*pace{}
	}
	r.all[collection] = p
	return p, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all, collection)
		close(p.ended)
	}
}

func (r *reembeds) of(collection string) *pace {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[collection]
}
