package api

import (
	"context"
	"sync"
)

// news wakes who waits for an event of the journal.
type news struct {
	mu   sync.Mutex
	next chan struct{} // closed by the next event
}

func newNews() *news { return &news{next: make(chan struct{})} }

func (n *news) waiting() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.next
}

// happened wakes all who wait.
func (n *news) happened() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.next)
	n.next = make(chan struct{})
}

// wake ends when something changes: in the catalog, or in the journal.
type wake struct{ catalog, journal <-chan struct{} }

// waking returns what the next change ends. Who takes it before reading misses
// none.
func (s *Service) waking() wake { return wake{s.Catalog.Changed(), s.journal.news.waiting()} }

// wait waits for a change, and reports false if the context ends before.
func (w wake) wait(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case <-w.catalog:
	case <-w.journal:
	case <-ctx.Done():
		return false
	}
	return true
}
