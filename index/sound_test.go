package index

import "slices"

// mustBeSound checks what holds of a graph between any two calls that change it.
func mustBeSound(t fataler, g *Graph) {
	t.Helper()
	v := g.view()
	linked := g.linkedRows()
	for _, row := range linked {
		for layer := 0; layer <= int(v.level[row]); layer++ {
			mustBeASoundList(t, g, &v, row, layer)
		}
	}
	mustHaveARowEach(t, g, linked)
	mustHavePlacesOfTheirOwn(t, g)
	mustEnterAtTheTop(t, g, &v)
}

// linkedRows are the rows that lists may lead to: those alive, and those whose
// removal is not yet mended.
func (g *Graph) linkedRows() (rows []uint32) {
	for row := range uint32(g.next) {
		if g.sweep.isLinked(row) {
			rows = append(rows, row)
		}
	}
	return rows
}

// A list leads to other rows of its layer that are linked, each once.
func mustBeASoundList(t fataler, g *Graph, v *view, owner uint32, layer int) {
	t.Helper()
	list := read(nil, v.list(owner, layer))
	for i, row := range list {
		switch {
		case int(row) >= g.next:
			t.Fatalf("row %d leads to row %d in layer %d, want one of %d", owner, row, layer, g.next)
		case row == owner:
			t.Fatalf("row %d leads to itself in layer %d", owner, layer)
		case slices.Contains(list[:i], row):
			t.Fatalf("row %d leads to row %d twice in layer %d", owner, row, layer)
		case !g.sweep.isLinked(row):
			t.Fatalf("row %d leads to row %d in layer %d, which is not linked", owner, row, layer)
		case int(v.level[row]) < layer:
			t.Fatalf("row %d leads to row %d in layer %d, want one that reaches it", owner, row, layer)
		}
	}
}

// Every row is linked, loose, in a grave or free; the linked ones are alive, leaving or
// waiting, the loose ones alive, and only they have keys.
func mustHaveARowEach(t fataler, g *Graph, linked []uint32) {
	t.Helper()
	state := make([]string, g.next)
	put := func(row uint32, what string) {
		if state[row] != "" {
			t.Fatalf("row %d is %s and %s, want one of them", row, state[row], what)
		}
		state[row] = what
	}
	a, live := g.arrays.Load(), 0
	for row := range uint32(g.next) {
		if !a.isAlive(row) {
			continue
		}
		put(row, "alive")
		live++
		if got, ok := g.keys.row(a.keys[row]); !ok || got != row {
			t.Fatalf("key %d of row %d has row %d, %t", a.keys[row], row, got, ok)
		}
	}
	for _, row := range slices.Concat(g.sweep.leaving, g.sweep.waiting) {
		put(row, "waiting")
	}
	loose := g.looseRows()
	for i, row := range loose {
		if state[row] != "alive" || g.sweep.isLinked(row) || slices.Contains(loose[:i], row) {
			t.Fatalf("loose row %d is %q, linked %t, of %v, want it alive, not linked and there once", row, state[row], g.sweep.isLinked(row), loose)
		}
	}
	if len(linked)+len(loose) != live+len(g.sweep.leaving)+len(g.sweep.waiting) || live != g.Len() {
		t.Fatalf("%d linked rows, %d loose, %d alive, %d leaving, %d waiting, Len() = %d, want them to add up",
			len(linked), len(loose), live, len(g.sweep.leaving), len(g.sweep.waiting), g.Len())
	}
	for _, grave := range g.graves {
		put(grave.row, "in a grave")
	}
	for _, row := range g.free {
		put(row, "free")
	}
	if row := slices.Index(state, ""); row >= 0 {
		t.Fatalf("row %d is neither alive, waiting, in a grave nor free", row)
	}
}

// No two lists above layer 0 share a place.
func mustHavePlacesOfTheirOwn(t fataler, g *Graph) {
	t.Helper()
	a := g.arrays.Load()
	owner := make([]int, len(a.upper))
	take := func(from uint32, level, who int) {
		for i := int(from); i < int(from)+level*a.m; i++ {
			if i >= g.upperUsed || owner[i] != 0 {
				t.Fatalf("slot %d of %d belongs to %d and %d", i, g.upperUsed, owner[i], who)
			}
			owner[i] = who
		}
	}
	for row := range uint32(g.next) {
		if level := int(a.level[row]); level > 0 {
			take(a.first[row], level, int(row)+1)
		}
	}
	for level, places := range g.spare {
		for _, from := range places {
			take(from, level, -1)
		}
	}
	if i := slices.Index(owner[:g.upperUsed], 0); i >= 0 {
		t.Fatalf("slot %d of %d belongs to nobody", i, g.upperUsed)
	}
}

// The entry is a linked row of a layer at least as high as every live row's.
func mustEnterAtTheTop(t fataler, g *Graph, v *view) {
	t.Helper()
	e, top := entry(g.entry.Load()), entry(g.highest(v))
	switch {
	case e == 0 && top == 0:
	case e == 0 || top != 0 && e.level() < top.level():
		t.Fatalf("entry row %d of layer %d, want layer %d", e.row(), e.level(), top.level())
	case !g.sweep.isLinked(e.row()) || e.level() > int(v.level[e.row()]):
		t.Fatalf("entry row %d of layer %d, want a linked row of that layer", e.row(), e.level())
	}
}
