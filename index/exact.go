package index

import "fmt"

// Exact is the engine that scores every vector, so that its answers are exact.
// It scans codes of one byte a dimension and looks at a vector only where its
// code does not prove that others are nearer.
//
// Searches hold no lock: they never wait for writers, nor do these for them.
type Exact struct{ *rows }

func newExact(dimension int) *Exact { return &Exact{newRows(dimension)} }

// Add implements Index.
func (e *Exact) Add(key uint64, vector []float32) error {
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.check(key, vector); err != nil {
		return err
	}
	e.show(e.place(key, vector))
	return nil
}

// AddAll implements Index.
func (e *Exact) AddAll(keys []uint64, vectors [][]float32) error {
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.checkAll(keys, vectors); err != nil {
		return err
	}
	e.reserveFor(len(keys))
	for i, key := range keys {
		e.show(e.place(key, vectors[i]))
	}
	return nil
}

// Remove implements Index.
func (e *Exact) Remove(key uint64) bool {
	e.write.Lock()
	defer e.write.Unlock()
	row, ok := e.hide(key)
	if ok {
		e.bury(row)
	}
	return ok
}

// Search implements Index.
func (e *Exact) Search(vector []float32, k int, f Filter) ([]Neighbour, error) {
	return e.SearchExact(vector, k, f)
}

// SearchExact implements Index.
func (r *rows) SearchExact(vector []float32, k int, f Filter) ([]Neighbour, error) {
	if err := checkUnit(vector, r.dimension); err != nil {
		return nil, fmt.Errorf("index: search: %w", err)
	}
	defer r.epochs.leave(r.epochs.enter())
	q := queries.Get().(*query)
	defer queries.Put(q)
	v := r.view()
	q.set(vector, v.frame)
	return r.nearest(v, q, k, &f), nil
}
