package local

import "sync"

// told wakes who waits for a commit. The zero value works.
type told struct {
	mu   sync.Mutex
	next chan struct{} // nil while nobody waits
}

// Changed implements store.Catalog.
func (l *Catalog) Changed() <-chan struct{} {
	l.told.mu.Lock()
	defer l.told.mu.Unlock()
	if l.told.next == nil {
		l.told.next = make(chan struct{})
	}
	return l.told.next
}

// happened wakes all who wait.
func (t *told) happened() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		close(t.next)
		t.next = nil
	}
}
