package api

import (
	"context"
	"slices"
	"sync"
)

// turns are those to use the processor, of which there are a few. Who cannot wait is
// served before who can, but for one in patience.
type turns struct {
	mu    sync.Mutex
	all   int
	free  int
	first []chan struct{} // who waits, each for its channel to be closed
	last  []chan struct{} // who can wait
	since int             // turns given to others since one of last had one
}

// patience is how many turns others may have before one who can wait has one.
const patience = 16

func newTurns(n int) *turns { return &turns{all: n, free: n} }

// take waits for a turn.
func (t *turns) take(ctx context.Context) error { return t.wait(ctx, &t.first) }

// takeLast waits for a turn that nobody else wants.
func (t *turns) takeLast(ctx context.Context) error { return t.wait(ctx, &t.last) }

func (t *turns) wait(ctx context.Context, among *[]chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if t.free > 0 { // then nobody waits
		t.free--
		t.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	*among = append(*among, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	at := slices.Index(*among, mine)
	if at >= 0 {
		*among = slices.Delete(*among, at, at+1)
	}
	t.mu.Unlock()
	if at < 0 { // it was given meanwhile
		t.leave()
	}
	return ctx.Err()
}

// leave gives a turn to the next, or back.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := &t.first
	if len(t.first) == 0 || len(t.last) > 0 && t.since >= patience {
		from = &t.last
	}
	if len(*from) == 0 {
		t.free++
		return
	}
	if t.since++; from == &t.last {
		t.since = 0
	}
	close((*from)[0])
	*from = slices.Delete(*from, 0, 1)
}

// taken is how many are in use.
func (t *turns) taken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all - t.free
}
