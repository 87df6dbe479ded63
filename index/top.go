package index

import (
	"cmp"
	"slices"
)

// compare orders neighbours best first: by score descending, then key ascending.
func compare(a, b Neighbour) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Key, b.Key))
}

// top keeps the k best of the neighbours pushed, for k of at least 1, and of
// each group only the best: a binary heap whose root is the worst of them
// (Williams 1964).
type top struct {
	k     int
	heap  []Neighbour
	group func(key uint64) uint64 // nil is no groups
}

func newTop(k int, f *Filter) *top { return &top{k: k, group: f.Group} }

// admits says whether n would be among the k best so far, its group aside.
func (t *top) admits(n Neighbour) bool {
	return len(t.heap) < t.k || isBetter(n, t.heap[0])
}

// least is a score below which nothing is admitted.
func (t *top) least() float32 {
	if len(t.heap) < t.k {
		return -2
	}
	return t.heap[0].Score
}

// push keeps n, which must be admitted, and drops the worst beyond k.
func (t *top) push(n Neighbour) {
	if i := t.rival(n); i >= 0 {
		if isBetter(n, t.heap[i]) {
			t.heap[i] = n
			t.sink(i)
		}
		return
	}
	if len(t.heap) < t.k {
		t.heap = append(t.heap, n)
		t.rise(len(t.heap) - 1)
		return
	}
	t.heap[0] = n
	t.sink(0)
}

// rival returns the position of the neighbour in n's group, or -1.
func (t *top) rival(n Neighbour) int {
	if t.group == nil {
		return -1
	}
	g := t.group(n.Key)
	if g == 0 {
		return -1
	}
	return slices.IndexFunc(t.heap, func(o Neighbour) bool { return t.group(o.Key) == g })
}

// rise restores the heap after its element i was appended.
func (t *top) rise(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !isBetter(t.heap[parent], t.heap[i]) {
			return
		}
		t.heap[parent], t.heap[i] = t.heap[i], t.heap[parent]
		i = parent
	}
}

// sink restores the heap after its element i became better.
func (t *top) sink(i int) {
	for {
		child := 2*i + 1
		if child+1 < len(t.heap) && isBetter(t.heap[child], t.heap[child+1]) {
			child++
		}
		if child >= len(t.heap) || !isBetter(t.heap[i], t.heap[child]) {
			return
		}
		t.heap[i], t.heap[child] = t.heap[child], t.heap[i]
		i = child
	}
}

// ranked returns what is kept, best first, and leaves the heap unusable.
func (t *top) ranked() []Neighbour {
	slices.SortFunc(t.heap, compare)
	return t.heap
}

// isBetter says whether a comes before b; compare, but cheap enough for a scan.
func isBetter(a, b Neighbour) bool {
	return a.Score > b.Score || a.Score == b.Score && a.Key < b.Key
}
