package index

import (
	"cmp"
	"slices"
)

// sweep mends the lists that hold removed rows. It goes over all rows, some with
// every removal, again and again while there are removals.
type sweep struct {
	next, end int      // the rows of this round still to look at
	leaving   []uint32 // rows that no list holds when this round has ended
	waiting   []uint32 // rows removed since it began
	linked    []uint64 // a bit a row: lists may lead to it
}

// A round begins when one in sweepShare rows was removed, and looks at sweepStep
// rows with each removal, so that it ends before the next is due.
const (
	sweepShare = 32
	sweepStep  = 2 * sweepShare
)

func (s *sweep) setLinked(row uint32) {
	if need := int(row/64) + 1; need > len(s.linked) {
		s.linked = append(s.linked, make([]uint64, max(need, 2*len(s.linked))-len(s.linked))...)
	}
	s.linked[row/64] |= 1 << (row % 64)
}

func (s *sweep) isLinked(row uint32) bool {
	return int(row/64) < len(s.linked) && s.linked[row/64]>>(row%64)&1 != 0
}

// mendDue goes on mending if that is due; when nothing is left it mends everything. The
// caller holds write.
func (g *Graph) mendDue() {
	s := &g.sweep
	for {
		due := max(16, g.Len()/sweepShare)
		if g.Len() == 0 {
			due = 1
		}
		if s.leaving == nil && len(s.waiting) < due {
			return
		}
		if s.leaving == nil {
			s.beginRound(g.next)
		}
		g.mendSome()
		if g.Len() > 0 {
			return
		}
	}
}

// beginRound begins a round over so many rows, for those that wait.
func (s *sweep) beginRound(rows int) {
	s.leaving, s.waiting = s.waiting, nil
	s.next, s.end = 0, rows
}

// mendSome looks at the next rows of the round, all of them when no row is live,
// and ends the round after its last.
func (g *Graph) mendSome() {
	s, v := &g.sweep, g.view()
	l := linkers.Get().(*linker)
	defer linkers.Put(l)
	to := min(s.end, s.next+sweepStep)
	if g.Len() == 0 {
		s.next, to = s.end, s.end
	}
	for ; s.next < to; s.next++ {
		// Removed rows too: until they leave, they lead to others.
		for layer := 0; s.isLinked(uint32(s.next)) && layer <= int(v.level[s.next]); layer++ {
			l.mend(&v, uint32(s.next), layer)
		}
	}
	if s.next == s.end {
		g.endRound(&v)
	}
}

func (g *Graph) endRound(v *view) {
	s := &g.sweep
	for _, row := range s.leaving {
		s.linked[row/64] &^= 1 << (row % 64)
	}
	if e := entry(g.entry.Load()); !s.isLinked(e.row()) {
		g.entry.Store(uint64(g.highest(v)))
	}
	g.bury(s.leaving...)
	s.leaving = nil
}

// highest is a live row of the highest layer that is not loose, as an entry.
func (g *Graph) highest(v *view) (best entry) {
	for row := range uint32(v.n) {
		if level := int(v.level[row]); v.isAlive(row) && g.sweep.isLinked(row) && (best == 0 || level > best.level()) {
			best = entryOf(row, level)
		}
	}
	return best
}

// mend takes the dead rows out of a list. Each has led its readers on, so what
// it led to takes its place: the nearest of its followers that choose would
// keep, as many as rows are taken out.
func (l *linker) mend(v *view, owner uint32, layer int) {
	list := v.list(owner, layer)
	l.rows = read(l.rows[:0], list)
	isDead := func(row uint32) bool { return !v.isAlive(row) }
	if !slices.ContainsFunc(l.rows, isDead) {
		return
	}
	l.successors(v, owner, layer)
	dead := len(l.rows)
	l.rows = slices.DeleteFunc(l.rows, isDead)
	dead -= len(l.rows)
	l.replace(v, dead, len(list))
	write(list, l.rows)
}

// successors leaves in all the live rows that dead ones of rows lead to, best
// first by their score to owner.
func (l *linker) successors(v *view, owner uint32, layer int) {
	l.begin(v)
	l.meet(owner)
	for _, row := range l.rows {
		l.meet(row)
	}
	l.ids = l.ids[:0]
	var next []uint32
	for _, row := range l.rows {
		if v.isAlive(row) {
			continue
		}
		for _, n := range read(next[:0], v.list(row, layer)) {
			if v.isAlive(n) && l.meet(n) {
				l.ids = append(l.ids, n)
			}
		}
	}
	l.query.setRow(v, owner)
	l.all = l.scored(v, l.all[:0], l.ids)
	slices.SortFunc(l.all, func(a, b candidate) int { return cmp.Compare(b, a) })
	spread(l.all, owner)
}

// scored appends candidates for rows, scored against the query.
func (l *linker) scored(v *view, all []candidate, rows []uint32) []candidate {
	l.mates = slices.Grow(l.mates[:0], len(rows))[:len(rows)]
	l.query.codes.Many(v.codes, rows, l.mates)
	for i, row := range rows {
		all = append(all, candidateOf(v.approximate(&l.query, row, l.mates[i]), row))
	}
	return all
}

// replace appends to rows, which belong to the query, up to n of all that no row
// before them is nearer to, and others where the list is less than half full.
func (l *linker) replace(v *view, n, limit int) {
	l.hold(v, l.rows, limit)
	for _, c := range l.all[:min(len(l.all), 4*n)] {
		if n == 0 || len(l.rows) == limit {
			break
		}
		if beaten, _ := l.compare(v, c); !beaten {
			l.keep(v, c)
			l.rows = append(l.rows, c.row())
			n--
		}
	}
	for _, c := range l.all { // as fill does, and for the same reason
		if len(l.rows) >= limit/2 {
			return
		}
		if !slices.Contains(l.rows, c.row()) {
			l.rows = append(l.rows, c.row())
		}
	}
}
