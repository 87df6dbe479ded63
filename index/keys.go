package index

import (
	"iter"
	"sync"
)

// pageKeys is the number of consecutive keys of a page.
const pageKeys = 512

// page holds the row of each of pageKeys consecutive keys, plus one; 0 is none.
type page struct {
	rows [pageKeys]uint32
	used int
}

// keyMap finds the row of a key. Keys are positions in a log, so most pages are
// well filled: about 4 bytes for each key of the log, and none for a page that
// holds no record any more.
type keyMap struct {
	mu    sync.RWMutex
	pages map[uint64]*page
}

func newKeyMap() *keyMap { return &keyMap{pages: map[uint64]*page{}} }

func (m *keyMap) row(key uint64) (row uint32, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	p := m.pages[key/pageKeys]
	if p == nil || p.rows[key%pageKeys] == 0 {
		return 0, false
	}
	return p.rows[key%pageKeys] - 1, true
}

func (m *keyMap) set(key uint64, row uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pages[key/pageKeys]
	if p == nil {
		p = new(page)
		m.pages[key/pageKeys] = p
	}
	p.rows[key%pageKeys] = row + 1
	p.used++
}

// remove drops a key that is there.
func (m *keyMap) remove(key uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pages[key/pageKeys]
	p.rows[key%pageKeys] = 0
	if p.used--; p.used == 0 {
		delete(m.pages, key/pageKeys)
	}
}

// rowsOf appends the rows of those keys that are there, in the keys' order.
func (m *keyMap) rowsOf(rows []uint32, keys iter.Seq[uint64]) []uint32 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var p *page
	at := ^uint64(0)
	for key := range keys {
		if key/pageKeys != at {
			at = key / pageKeys
			p = m.pages[at]
		}
		if p != nil && p.rows[key%pageKeys] != 0 {
			rows = append(rows, p.rows[key%pageKeys]-1)
		}
	}
	return rows
}

// bytes is about what the map occupies.
func (m *keyMap) bytes() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int64(len(m.pages)) * (4*pageKeys + 32)
}
