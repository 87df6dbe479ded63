package api

import "sync"

// meter adds up how far work is. It is safe for concurrent use.
type meter struct {
	mu    sync.Mutex
	done  float64
	said  int
	total int
	tell  func(done, total int)
}

func newMeter(total int, tell func(done, total int)) *meter {
	return &meter{total: total, tell: tell}
}

// add counts what was done, and tells whole steps.
func (m *meter) add(steps float64) {
	if m.tell == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += steps
	if done := min(int(m.done+1e-6), m.total); done > m.said {
		m.said = done
		m.tell(done, m.total)
	}
}

// part returns a function for work that tells how many of how many of its own
// steps are done, and that counts as so many steps here.
func (m *meter) part(steps float64) func(done, total int) {
	var mu sync.Mutex
	before := 0.0
	return func(done, total int) {
		mu.Lock()
		now := steps * float64(done) / float64(max(total, 1))
		more := now - before
		before = max(before, now)
		mu.Unlock()
		m.add(max(more, 0))
	}
}
