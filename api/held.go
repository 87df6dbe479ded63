package api

import (
	"context"
	"sync"
)

// maxHeld is how many bytes of images one ingest may have in memory and not yet
// stored before it takes more.
const maxHeld = 256 << 20

// held counts the bytes of images that are in memory and not yet stored. The
// batch that is stored next may always read, so that work goes on.
type held struct {
	mu    sync.Mutex
	less  sync.Cond
	bytes int
	first int // number of the batch that is stored next
	ended bool
}

func newHeld(ctx context.Context) *held {
	h := &held{}
	h.less.L = &h.mu
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ended = true
		h.less.Broadcast()
	})
	return h
}

// wait waits until the batch of that number may read another image, or until
// the context has ended.
func (h *held) wait(number int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.bytes >= maxHeld && number != h.first && !h.ended {
		h.less.Wait()
	}
}

// add reports whether no more are to be added before some are released.
func (h *held) add(n int) (full bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes += n
	return h.bytes >= maxHeld
}

// release gives back what a batch held, once it is stored.
func (h *held) release(b *batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, image := range b.images {
		if image.Held > 0 {
			h.bytes -= image.Held
		} else {
			h.bytes -= len(b.data[i])
		}
	}
	h.first = b.number + 1
	h.less.Broadcast()
}
