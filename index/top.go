package index

import (
	"cmp"
	"slices"
)

// compare orders neighbours best first: by score descending, then key ascending.
func compare(a, b Neighbour) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Key, b.Key))
}

// top keeps the k best of the neighbours pushed, for k of at least 1: a binary
// heap whose root is the worst of them (Williams 1964).
type top struct {
	k    int
	heap []Neighbour
}

// admits says whether n would be among the k best so far.
func (t *top) admits(n Neighbour) bool {
	return len(t.heap) < t.k || isBetter(n, t.heap[0])
}

// push keeps n, which must be admitted, and drops the worst beyond k.
func (t *top) push(n Neighbour) {
	if len(t.heap) < t.k {
		t.heap = append(t.heap, n)
		t.rise(len(t.heap) - 1)
		return
	}
	t.heap[0] = n
	t.sink()
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

// sink restores the heap after its root was replaced.
func (t *top) sink() {
	for i := 0; ; {
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
