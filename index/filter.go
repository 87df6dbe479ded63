package index

import (
	"iter"
	"math/bits"
)

// Filter says which keys may answer a search. The zero value lets all.
//
// Where k keys that may answer exist, a search finds k, however few they are
// among all.
type Filter struct {
	// In, if set, holds the only keys that may answer. A search that it narrows
	// much becomes an exact scan of them. It must not change during the search.
	In *Set
	// Accept, if set, says whether a key may answer. It is asked about promising
	// keys only, best first, so that excluding a few costs next to nothing. It
	// may be called from several goroutines, and about one key more than once.
	Accept func(key uint64) bool
	// Without, if set, is the key of a stored vector that the search must not know:
	// it does not answer, and in Graph it leads to no others. So a stored vector is
	// a query like a new one, which its own row would lead to its neighbours.
	Without *uint64
	// Group, if set, names the group of a key: at most one neighbour of each
	// group answers, its best. Group 0 is no group: its keys do not compete. It
	// is called as Accept is.
	Group func(key uint64) uint64
}

// Set is a set of keys as a bitmap: one bit for each key up to the largest.
// The zero value is empty. Reading is safe for concurrent use, writing is not.
type Set struct {
	words []uint64
	n     int
}

// Len is the number of keys in the set.
func (s *Set) Len() int { return s.n }

// Has says whether key is in the set.
func (s *Set) Has(key uint64) bool {
	return key/64 < uint64(len(s.words)) && s.words[key/64]>>(key%64)&1 != 0
}

// Add puts key into the set.
func (s *Set) Add(key uint64) {
	if key/64 >= uint64(len(s.words)) {
		s.words = append(s.words, make([]uint64, key/64+1-uint64(len(s.words)))...)
	}
	if !s.Has(key) {
		s.words[key/64] |= 1 << (key % 64)
		s.n++
	}
}

// Remove takes key out of the set.
func (s *Set) Remove(key uint64) {
	if s.Has(key) {
		s.words[key/64] &^= 1 << (key % 64)
		s.n--
	}
}

// Or returns the keys that are in either set, in a set of its own.
func (s *Set) Or(o *Set) *Set {
	if len(s.words) < len(o.words) {
		s, o = o, s
	}
	either := &Set{words: make([]uint64, len(s.words))}
	copy(either.words, s.words)
	for i, w := range o.words {
		either.words[i] |= w
	}
	for _, w := range either.words {
		either.n += bits.OnesCount64(w)
	}
	return either
}

// All yields the keys, ascending.
func (s *Set) All() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for i, w := range s.words {
			for ; w != 0; w &= w - 1 {
				if !yield(uint64(64*i + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
