package index

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// setOf returns a set of keys.
func setOf(keys ...uint64) *Set {
	s := new(Set)
	for _, key := range keys {
		s.Add(key)
	}
	return s
}

// multiples returns the set of the multiples of n below end.
func multiples(n, end uint64) *Set {
	s := new(Set)
	for key := uint64(0); key < end; key += n {
		s.Add(key)
	}
	return s
}

// filters are of keys below 1,500 and leave as many as they say.
var filters = []struct {
	name   string
	filter Filter
}{
	{"all", Filter{}},
	{"no key in an empty set", Filter{In: new(Set)}},
	{"no key in a set of unknown keys", Filter{In: setOf(1500, 9999, 1<<20)}},
	{"no key that is accepted", Filter{Accept: func(uint64) bool { return false }}},
	{"one key in a set", Filter{In: setOf(3, 777, 5000)}}, // 3 is removed
	{"one key that is accepted", Filter{Accept: func(key uint64) bool { return key == 778 }}},
	{"a few in a set", Filter{In: multiples(100, 3000)}},
	{"a few that are accepted", Filter{Accept: func(key uint64) bool { return key%97 == 5 }}},
	{"half in a set", Filter{In: multiples(2, 1500)}},
	{"half that are accepted", Filter{Accept: func(key uint64) bool { return key%2 == 1 }}},
	{"all in a set", Filter{In: multiples(1, 1500)}},
	{"all in a large set", Filter{In: multiples(1, 9000)}},
	{"half of a set", Filter{In: multiples(2, 1500), Accept: func(key uint64) bool { return key%3 > 0 }}},
	{"few of a set", Filter{In: multiples(7, 1500), Accept: func(key uint64) bool { return key%5 == 1 }}},
	{"seven groups", Filter{Group: func(key uint64) uint64 { return 1 + key%7 }}},
	{"one group", Filter{Group: func(uint64) uint64 { return 1 }}},
	{"no groups", Filter{Group: func(uint64) uint64 { return 0 }}},
	{"every key a group", Filter{Group: func(key uint64) uint64 { return key + 1 }}},
	{"groups of about three, and none", Filter{Group: func(key uint64) uint64 { return key / 3 * (key % 2) }}},
	{"groups of what is accepted", Filter{
		Accept: func(key uint64) bool { return key%4 != 0 }, Group: func(key uint64) uint64 { return key % 5 },
	}},
	{"everything at once", Filter{
		In: multiples(2, 2000), Accept: func(key uint64) bool { return key%3 != 0 }, Group: func(key uint64) uint64 { return key / 10 },
	}},
}

// Where k keys that may answer exist, k are found, however few they are.
func TestSearchesFillKWhateverTheFilter(t *testing.T) {
	vectors := clustered(1500, 16)
	forEngines(t, func(t *testing.T, e engine) {
		x, o := e.open(t, 16), oracleOf(vectors)
		mustAddAll(t, x, keysFrom(0, len(vectors)), vectors)
		for key := uint64(3); key < 1500; key += 11 {
			x.Remove(key)
			o.remove(key)
		}
		for _, c := range filters {
			t.Run(c.name, func(t *testing.T) {
				for _, k := range []int{1, 10, 1500} {
					mustAnswer(t, x, o, vectors[k-1], k, c.filter)
				}
			})
		}
	})
}

// The conformance of one engine at a size at which Graph.Search really walks.
func TestWalksFillKWhateverTheFilter(t *testing.T) {
	vectors := clustered(4000, 16)
	x := filledWith(t, Spec{Engine: EngineGraph, M: 4, EfConstruction: 8, EfSearch: 1}, vectors)
	o := oracleOf(vectors)
	for key := uint64(3); key < 1500; key += 11 {
		x.Remove(key)
		o.remove(key)
	}
	for _, c := range filters {
		t.Run(c.name, func(t *testing.T) {
			for _, k := range []int{1, 3, 10, 40} {
				mustAnswer(t, x, o, vectors[k-1], k, c.filter)
			}
		})
	}
}

func TestAcceptIsAskedOnlyAboutTheBestSoFar(t *testing.T) {
	x := mustNew(t, Spec{}, 4)
	for key := range uint64(100) {
		mustAdd(t, x, key, axis(int(key%4)))
	}
	var asked []uint64
	search(t, x, axis(2), 2, Filter{Accept: func(key uint64) bool { asked = append(asked, key); return true }})
	if want := []uint64{0, 1, 2, 6}; !slices.Equal(asked, want) {
		t.Errorf("Accept was asked about %v, want %v", asked, want)
	}
}

func TestAWalkAsksAcceptAboutTheBestFirst(t *testing.T) {
	vectors := clustered(500, 16)
	x := filledWith(t, Spec{Engine: EngineGraph, EfSearch: 10}, vectors).(*Graph)
	for _, query := range vectors[:50] {
		asked := 0
		accept := func(key uint64) bool { asked++; return asked > 3 }
		if got := x.walked(query, 5, 20, Filter{Accept: accept}); len(got) != 5 || asked > 15 {
			t.Errorf("Accept was asked %d times for %d neighbours, want for 5 at most 15 times", asked, len(got))
		}
	}
}

// Changes during a search may be seen by it or not; they must not stop it.
func TestAcceptMayUseTheIndex(t *testing.T) {
	vectors := clustered(300, 8)
	forEngines(t, func(t *testing.T, e engine) {
		x := e.open(t, 8)
		mustAddAll(t, x, keysFrom(0, len(vectors)), vectors)
		next := uint64(len(vectors))
		f := Filter{Accept: func(key uint64) bool {
			mustAdd(t, x, next, vectors[next%300])
			next++
			search(t, x, vectors[key%300], 2, Filter{})
			_, ok := x.Vector(key)
			return ok && x.Remove(key)
		}}
		got := search(t, x, vectors[0], 3, f)
		if len(got) != 3 || x.Len() <= len(vectors)-3 || !slices.IsSortedFunc(got, compare) {
			t.Errorf("Search = %v, Len() = %d, want 3 of at least %d", got, x.Len(), len(vectors)-2)
		}
		for _, n := range got {
			if _, ok := x.Vector(n.Key); ok {
				t.Errorf("Search = %v, want only keys that Accept removed", got)
			}
		}
	})
}

// Law: a Set holds what a map would hold.
func TestASetIsAMapOfKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.Uint64Range(0, 200), rapid.Uint64Range(0, 1<<16))
		s, m := new(Set), map[uint64]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add":    func(t *rapid.T) { k := key.Draw(t, "key"); s.Add(k); m[k] = true },
			"remove": func(t *rapid.T) { k := key.Draw(t, "key"); s.Remove(k); delete(m, k) },
			"has": func(t *rapid.T) {
				if k := key.Draw(t, "key"); s.Has(k) != m[k] {
					t.Fatalf("Has(%d) = %t, want %t", k, s.Has(k), m[k])
				}
			},
			"": func(t *rapid.T) { mustHold(t, "Set", s, m) },
		})
	})
}

// Law: And is the intersection, Or the union, and both leave their operands.
func TestSetsCombineAsMapsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.Uint64Range(0, 400))
		a, b := keys.Draw(t, "a"), keys.Draw(t, "b")
		in, either := map[uint64]bool{}, map[uint64]bool{}
		for _, key := range a {
			in[key], either[key] = true, true
		}
		for _, key := range b {
			either[key] = true
		}
		s, o := setOf(a...), setOf(b...)
		or := s.Or(o)
		mustHold(t, "Or", or, either)
		or.Add(500)
		mustHold(t, "a after Or", s, in)
	})
}

// mustHold checks that a set holds the keys of a map, by each way to ask it.
func mustHold(t fataler, what string, s *Set, m map[uint64]bool) {
	t.Helper()
	if got, want := slices.Collect(s.All()), slices.Sorted(maps.Keys(m)); !slices.Equal(got, want) || s.Len() != len(want) {
		t.Fatalf("%s holds %v, Len() = %d, want %v", what, got, s.Len(), want)
	}
}

func TestTheKeysOfASetCanBeLeftEarly(t *testing.T) {
	var got []uint64
	for key := range setOf(1, 63, 64, 70, 200).All() {
		if got = append(got, key); key == 64 {
			break
		}
	}
	if fmt.Sprint(got) != "[1 63 64]" {
		t.Errorf("All() up to 64 = %v, want [1 63 64]", got)
	}
}

// Law: a search without a key answers as an index that never had it: exactly in a
// scan, and without its own row to lead it in a graph.
func TestASearchWithoutAKeyDoesNotKnowIt(t *testing.T) {
	vectors := clustered(1500, 48)
	x, o := filledWith(t, Spec{Engine: EngineGraph, EfSearch: 200}, vectors), oracleOf(vectors)
	for key := uint64(0); key < 50; key++ {
		f := Filter{Without: &key}
		want := o.nearest(vectors[key], 5, f)
		if got, _ := x.SearchExact(vectors[key], 5, f); !slices.Equal(got, want) {
			t.Fatalf("SearchExact without %d = %v, want %v", key, got, want)
		}
		if found := search(t, x, vectors[key], 5, f); slices.ContainsFunc(found, func(n Neighbour) bool { return n.Key == key }) || len(found) != 5 {
			t.Fatalf("Search without %d = %v, want five others", key, found)
		}
	}
	unknown := uint64(99999)
	if got, want := search(t, x, vectors[3], 5, Filter{Without: &unknown}), search(t, x, vectors[3], 5, Filter{}); !slices.Equal(got, want) {
		t.Errorf("Search without an unknown key = %v, want %v", got, want)
	}
}
