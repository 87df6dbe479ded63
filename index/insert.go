package index

import (
	"cmp"
	"slices"
	"sync"
)

// Rows are linked in batches, as ParlayANN does (Manohar et al. 2024): every row
// of a batch searches the graph as it was, in parallel, and considers the rows
// before it in the batch too; then the lists that lead to the batch are changed,
// each by one goroutine. Nothing depends on which goroutine is faster, so a graph
// is the same on one processor as on many, and no list needs a lock. And a list
// that many of a batch want to be in is chosen anew once, not for each.

// batchRows is the number of rows linked together: enough to share the work on
// lists, and few beside a graph that is worth one.
const batchRows = 512

// edge asks for row from to be in the list of row to in a layer.
type edge struct {
	layer    int
	to, from uint32
	score    float32
}

// linker is the scratch of a goroutine that links.
type linker struct {
	beam
	chooser
	edges []edge
	mates []int32
	rows  []uint32
	all   []candidate
	dead  []candidate // and what is alive between them
}

var linkers = sync.Pool{New: func() any { return new(linker) }}

// link makes rows that are shown part of the graph. The caller holds write.
func (g *Graph) link(batch []uint32) {
	slices.Sort(batch) // rows that are used again come in any order, see join
	for _, row := range batch {
		g.sweep.setLinked(row)
	}
	e := entry(g.entry.Load())
	v := g.view()
	edges := make([][]edge, len(batch))
	inParallel(len(batch), func(l *linker, i int) { edges[i] = g.reach(l, &v, e, batch, i) })
	all := slices.Concat(edges...)
	slices.SortFunc(all, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(a.to, b.to), cmp.Compare(a.from, b.from))
	})
	lists := split(all)
	inParallel(len(lists), func(l *linker, i int) { l.admit(&v, lists[i]) })
	for _, row := range batch {
		g.raise(row, int(v.level[row]))
	}
}

// split cuts edges into those of one list each.
func split(edges []edge) (lists [][]edge) {
	from := 0
	for i := range edges {
		if i+1 == len(edges) || edges[i+1].layer != edges[i].layer || edges[i+1].to != edges[i].to {
			lists = append(lists, edges[from:i+1])
			from = i + 1
		}
	}
	return lists
}

// inParallel is forEach with a linker for each call.
func inParallel(n int, f func(l *linker, i int)) {
	forEach(n, func(i int) {
		l := linkers.Get().(*linker)
		defer linkers.Put(l)
		f(l, i)
	})
}

// reach writes the lists of row i of a batch and returns the edges back to it.
func (g *Graph) reach(l *linker, v *view, e entry, batch []uint32, i int) []edge {
	row := batch[i]
	l.query.setRow(v, row)
	l.mates = slices.Grow(l.mates[:0], len(batch))[:len(batch)]
	l.query.codes.Many(v.codes, batch, l.mates)
	l.edges = l.edges[:0]
	level := int(v.level[row])
	at := e.row()
	if e != 0 {
		at = l.descend(v, at, e.level(), level)
	}
	for layer := level; layer >= 0; layer-- {
		if l.best = l.best[:0]; e != 0 && layer <= e.level() {
			at = g.near(l, v, row, at, layer)
		}
		l.join(v, batch, i, layer, g.efConstruction)
		l.follow(v, row, layer, g.m)
	}
	return slices.Clone(l.edges)
}

// near leaves in best the live rows near a new row, and returns the nearest of
// all. The dead among them are asked to lead to it too: while they lead anywhere,
// a walk that comes to them must find what took their place. Where most are dead
// it looks farther, so that no row is left without a list.
func (g *Graph) near(l *linker, v *view, row, at uint32, layer int) uint32 {
	isDead := func(c candidate) bool { return !v.isAlive(c.row()) }
	for width := g.efConstruction; ; width *= 2 {
		l.explore(v, at, layer, width)
		at = l.best[0].row()
		met := len(l.best)
		l.dead = append(l.dead[:0], l.best...)
		if l.best = slices.DeleteFunc(l.best, isDead); len(l.best) == met {
			return at
		}
		if len(l.best) >= g.m || met < width {
			break
		}
	}
	for _, c := range l.choose(v, row, l.dead, g.m) {
		if isDead(c) {
			l.edges = append(l.edges, edge{layer, c.row(), row, c.score()})
		}
	}
	return at
}

// join puts the rows before it in the batch that reach a layer into best: later
// ones follow it, so that copies form a chain and do not all follow the same few.
func (l *linker) join(v *view, batch []uint32, i, layer, width int) {
	for j, row := range batch[:i] {
		if int(v.level[row]) < layer {
			continue
		}
		c := candidateOf(v.approximate(&l.query, row, l.mates[j]), row)
		if len(l.best) < width || c > l.best[len(l.best)-1] {
			l.put(c, width)
		}
	}
}

// follow chooses the list of a new row from best.
func (l *linker) follow(v *view, row uint32, layer, m int) {
	l.rows = l.rows[:0]
	for _, c := range l.choose(v, row, l.best, m) {
		l.rows = append(l.rows, c.row())
		l.edges = append(l.edges, edge{layer, c.row(), row, c.score()})
	}
	write(v.list(row, layer), l.rows)
}

// admit puts the rows that edges come from into the list that they lead to. A
// list that they overfill is chosen anew.
func (l *linker) admit(v *view, edges []edge) {
	owner, layer := edges[0].to, edges[0].layer
	list := v.list(owner, layer)
	l.rows = read(l.rows[:0], list)
	had := len(l.rows)
	for _, e := range edges {
		if !slices.Contains(l.rows[:had], e.from) {
			l.rows = append(l.rows, e.from)
		}
	}
	if len(l.rows) > len(list) {
		l.trim(v, owner, len(list))
	}
	write(list, l.rows)
}

// trim chooses limit of rows for the list of owner. Dead ones go first.
func (l *linker) trim(v *view, owner uint32, limit int) {
	l.query.setRow(v, owner)
	l.rows = slices.DeleteFunc(l.rows, func(row uint32) bool { return !v.isAlive(row) })
	l.all = l.scored(v, l.all[:0], l.rows)
	slices.SortFunc(l.all, func(a, b candidate) int { return cmp.Compare(b, a) })
	l.rows = l.rows[:0]
	for _, c := range l.choose(v, owner, l.all, limit) {
		l.rows = append(l.rows, c.row())
	}
}
