package index

import (
	"math"
	"slices"
	"sync/atomic"
)

// none ends a list that is shorter than its place.
const none = ^uint32(0)

// links are the lists of a graph's layers: who follows whom. A list has a fixed
// place, 2M rows on layer 0 and M above, and ends at none or where it is full.
// The zero value, of an engine without a graph, has no lists.
//
// The one writer changes slots atomically, so that searches read lists that are
// being changed: they see old rows or new ones, which are rows in either case.
type links struct {
	m     int
	base  []uint32 // layer 0: 2m slots a row
	upper []uint32 // the layers above: m slots a list
	first []uint32 // where in upper a row's list of layer 1 begins, if it has one
	level []uint8  // the highest layer of a row
}

func (l links) grown(rows int) links {
	if l.m == 0 {
		return l
	}
	return links{
		m: l.m, base: grown(l.base, rows*2*l.m), upper: slices.Clone(l.upper),
		first: grown(l.first, rows), level: grown(l.level, rows),
	}
}

// list is the place of a row's list in a layer.
func (l *links) list(row uint32, layer int) []uint32 {
	if layer == 0 {
		from := int(row) * 2 * l.m
		return l.base[from : from+2*l.m : from+2*l.m]
	}
	from := int(l.first[row]) + (layer-1)*l.m
	return l.upper[from : from+l.m : from+l.m]
}

// read appends the rows of a list to rows.
func read(rows, list []uint32) []uint32 {
	for i := range list {
		row := atomic.LoadUint32(&list[i])
		if row == none {
			break
		}
		rows = append(rows, row)
	}
	return rows
}

// write makes rows the list, which has place for them.
func write(list, rows []uint32) {
	for i, row := range rows {
		atomic.StoreUint32(&list[i], row)
	}
	for i := len(rows); i < len(list) && list[i] != none; i++ {
		atomic.StoreUint32(&list[i], none)
	}
}

// maxLevel bounds the layers: 16^15 rows would be needed for one more.
const maxLevel = 15

// levelOf is the highest layer of the row of a key: l with a probability of
// M^-l, drawn from the key, so that a graph is the same whenever it is built.
func levelOf(key uint64, m int) int {
	// splitmix64 (Steele, Lea and Flood 2014).
	z := key + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	u := (float64((z^z>>31)>>11) + 1) / (1 << 53) // in (0, 1]
	return min(maxLevel, int(-math.Log(u)/math.Log(float64(max(2, m)))))
}

// prepare gives an unlinked row empty lists up to a layer. The caller holds
// write.
func (g *Graph) prepare(row uint32, level int) {
	a := g.arrays.Load()
	if old := a.level[row]; old > 0 { // of a row that is used again
		g.spare[old] = append(g.spare[old], a.first[row])
	}
	if level > 0 {
		from, ok := g.spare.take(level)
		if !ok {
			from = uint32(g.upperUsed)
			g.upperUsed += level * a.m
			a = g.reserveUpper(g.upperUsed)
		}
		a.first[row] = from
	}
	a.level[row] = uint8(level)
	for layer := 0; layer <= level; layer++ {
		for i, list := 0, a.list(row, layer); i < len(list); i++ {
			list[i] = none
		}
	}
}

// reserveUpper makes the lists above layer 0 hold n slots.
func (g *Graph) reserveUpper(n int) *arrays {
	a := g.arrays.Load()
	if n <= len(a.upper) {
		return a
	}
	b := *a
	b.upper = grown(a.upper, max(n, len(a.upper)*3/2, 64*a.m))
	g.arrays.Store(&b)
	return &b
}

// spare are places in upper that rows of a level have left.
type spare [maxLevel + 1][]uint32

func (s *spare) take(level int) (from uint32, ok bool) {
	n := len(s[level])
	if n == 0 {
		return 0, false
	}
	from = s[level][n-1]
	s[level] = s[level][:n-1]
	return from, true
}
