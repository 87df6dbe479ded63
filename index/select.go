package index

import (
	"cmp"
	"slices"

	"nearcase/index/simd"
)

// chooser picks the rows that a list keeps. It is scratch, one for a goroutine.
type chooser struct {
	kept  []candidate
	codes []int8 // of the kept rows, one after another
}

// choose returns up to limit of the candidates, which must be ordered best
// first: each that is nearer to the list's owner than to every row kept before
// it (Malkov and Yashunin 2018, algorithm 4). So a list leads in all directions
// and not only into the nearest clump.
//
// A copy of the nearest, as near to both, is kept while such take no more than
// half of the list: copies stay connected, and do not cut themselves off. The
// result is valid until the next call.
func (h *chooser) choose(v *view, owner uint32, candidates []candidate, limit int) []candidate {
	h.empty(v, limit)
	spread(candidates, owner)
	ties := 0
	for _, c := range candidates {
		if len(h.kept) == limit {
			break
		}
		beaten, tied := h.compare(v, c)
		tied = tied && c.score() == h.kept[0].score()
		if beaten || tied && ties >= limit/2 {
			continue
		}
		if tied {
			ties++
		}
		h.keep(v, c)
	}
	h.fill(candidates, limit/2)
	return h.kept
}

// fill keeps the best that were passed over too, until there are n: in a clump
// most are nearer to each other than to the owner, and what no list holds is lost.
func (h *chooser) fill(candidates []candidate, n int) {
	for _, c := range candidates {
		if len(h.kept) >= n {
			return
		}
		if !slices.Contains(h.kept, c) {
			h.kept = append(h.kept, c)
		}
	}
}

// spread orders the candidates that tie with the best by how far their rows are
// from the owner's: so copies form a ring, and do not all follow the same few.
func spread(candidates []candidate, owner uint32) {
	n := 0
	for n < len(candidates) && candidates[n].score() == candidates[0].score() {
		n++
	}
	far := func(c candidate) uint32 { return max(c.row(), owner) - min(c.row(), owner) }
	slices.SortFunc(candidates[:n], func(c, d candidate) int {
		return cmp.Or(cmp.Compare(far(c), far(d)), cmp.Compare(c, d))
	})
}

// empty forgets what was kept and makes room for limit rows.
func (h *chooser) empty(v *view, limit int) {
	h.kept = h.kept[:0]
	if len(h.codes) < limit*v.stride {
		h.codes = make([]int8, limit*v.stride)
	}
}

// hold makes rows what is kept.
func (h *chooser) hold(v *view, rows []uint32, limit int) {
	h.empty(v, limit)
	for _, row := range rows {
		h.keep(v, candidateOf(0, row))
	}
}

func (h *chooser) keep(v *view, c candidate) {
	signed(h.codes[len(h.kept)*v.stride:][:v.stride], v.code(c.row()))
	h.kept = append(h.kept, c)
}

// compare says whether a candidate is nearer to a kept row than to the owner,
// or else as near.
func (h *chooser) compare(v *view, c candidate) (beaten, tied bool) {
	code, scale, bias, score := v.code(c.row()), v.scales[c.row()], v.bias[c.row()], c.score()
	for i, kept := range h.kept {
		dot := simd.Dot8(code, h.codes[i*v.stride:][:v.stride])
		between := bias + v.bias[kept.row()] + scale*v.scales[kept.row()]*float32(dot)
		if between > score {
			return true, false
		}
		tied = tied || between == score
	}
	return false, tied
}
