package index

// Mend makes nothing of an index come from the vectors that have been removed: no
// list of a graph leads over them any more, as otherwise happens bit by bit with
// later removals, and the directions in which vectors are coded are found anew. A
// snapshot then has nothing of them. Searches go on meanwhile; changes wait for a
// second or so for a million rows. The engine EngineCoder keeps what it has: build
// it anew instead.
func Mend(x Index) {
	r, _ := rowsOf(x)
	if g, ok := x.(*Graph); ok {
		g.mendAll()
	}
	if r.trained.Load() > 0 {
		r.reframe()
	}
}

// mendAll ends the round under way and the one that is due after it.
func (g *Graph) mendAll() {
	g.write.Lock()
	defer g.write.Unlock()
	for s := &g.sweep; len(s.leaving)+len(s.waiting) > 0; {
		if len(s.leaving) == 0 {
			s.beginRound(g.next)
		}
		g.mendSome()
	}
}
