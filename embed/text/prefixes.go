package text

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// prefixes finds which of its tokens a text starts with. The tokens are sorted
// and distinct.
type prefixes struct {
	tokens []string
	index  []int // of each token in the list that it comes from
}

// newPrefixes sorts tokens; of equal ones the last counts.
func newPrefixes(tokens []string) prefixes {
	order := make([]int, len(tokens))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(tokens[a], tokens[b]), cmp.Compare(b, a))
	})
	order = slices.CompactFunc(order, func(a, b int) bool { return tokens[a] == tokens[b] })
	sorted := make([]string, len(order))
	for i, at := range order {
		sorted[i] = tokens[at]
	}
	return prefixes{sorted, order}
}

// starts calls found with the length and the index of every token but the empty
// one that s starts with, shortest first.
func (p prefixes) starts(s string, found func(length, index int)) {
	low, high := 0, len(p.tokens)
	for k := 0; low < high; k++ {
		if len(p.tokens[low]) == k {
			if k > 0 {
				found(k, p.index[low])
			}
			low++
		}
		if k == len(s) {
			return
		}
		rest := p.tokens[low:high]
		high = low + sort.Search(len(rest), func(i int) bool { return rest[i][k] > s[k] })
		low += sort.Search(high-low, func(i int) bool { return rest[i][k] >= s[k] })
	}
}
