package index

import (
	"fmt"
	"sync"
)

// Exact is the engine that scores every vector, so that its answers are exact.
// It keeps 4 bytes per dimension and 8 per key, in chunks of 1,024 vectors that
// never move. Removed vectors keep their place until more than half of all are
// removed; then the rest is copied together.
//
// A search takes a snapshot and holds no lock while it scans: it never waits
// for writers for longer than one of them copies, nor do they wait for it.
type Exact struct {
	mu    sync.RWMutex
	table table  // replaced, never changed in place below its rows
	last  uint64 // the largest key ever added, when used
	used  bool
}

func newExact(dimension int) *Exact {
	return &Exact{table: table{dimension: dimension}}
}

// Add implements Index.
func (e *Exact) Add(key uint64, vector []float32) error {
	if err := checkUnit(vector, e.snapshot().dimension); err != nil {
		return fmt.Errorf("index: add key %d: %w", key, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.used && key <= e.last {
		return fmt.Errorf("index: add key %d after %d: %w", key, e.last, ErrKey)
	}
	e.last, e.used = key, true
	e.table.add(key, vector)
	return nil
}

// Remove implements Index.
func (e *Exact) Remove(key uint64) bool {
	ok, _ := e.remove(key)
	return ok
}

// remove also says whether the vectors were copied together, after which none
// of the vectors returned before is part of the index's storage any more.
func (e *Exact) remove(key uint64) (ok, compacted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	row, ok := e.table.find(key)
	if !ok {
		return false, false
	}
	e.table.bury(row)
	if e.table.dead > e.table.live() {
		e.table, compacted = e.table.compacted(), true
	}
	return true, compacted
}

// Vector implements Index.
func (e *Exact) Vector(key uint64) ([]float32, bool) {
	t := e.snapshot()
	row, ok := t.find(key)
	if !ok {
		return nil, false
	}
	return t.vector(row), true
}

// Search implements Index.
func (e *Exact) Search(query []float32, k int, accept func(key uint64) bool) ([]Neighbour, error) {
	t := e.snapshot()
	if err := checkUnit(query, t.dimension); err != nil {
		return nil, fmt.Errorf("index: search: %w", err)
	}
	return t.nearest(query, k, accept), nil
}

// Len implements Index.
func (e *Exact) Len() int {
	t := e.snapshot()
	return t.live()
}

// snapshot returns the table as it is now. What is added or removed later does
// not show in it.
func (e *Exact) snapshot() table {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.table
}
