package index

import (
	"slices"
	"testing"

	"github.com/coder/hnsw"
)

// builtCoder returns a small graph of the vectors that answers for few of them.
func builtCoder(t fataler, vectors [][]float32) *Coder {
	t.Helper()
	return filledWith(t, Spec{Engine: EngineCoder, M: 8, Candidates: 20}, vectors).(*Coder)
}

// A scan asks Accept about key 0 first; the graph begins with the nearest.
func TestCoderAnswersWithoutAScan(t *testing.T) {
	vectors := clustered(500, 16)
	x := builtCoder(t, vectors)
	var asked []uint64
	search(t, x, vectors[300], 1, Filter{Accept: func(key uint64) bool { asked = append(asked, key); return true }})
	if asked[0] == 0 || len(asked) > 20 {
		t.Errorf("Accept was asked about %v, want only candidates near key 300", asked)
	}
}

func TestCoderRanksCandidatesExactly(t *testing.T) {
	vectors := clustered(500, 16)
	x := builtCoder(t, vectors)
	for _, query := range vectors[:20] {
		nodes, o := x.propose(query, 50), newOracle()
		slices.SortFunc(nodes, func(a, b hnsw.Node[uint64]) int { return int(a.Key) - int(b.Key) })
		for _, node := range nodes {
			o.add(node.Key, vectors[node.Key])
		}
		got, want := x.rank(query, nodes, 7, &Filter{}), o.nearest(query, 7, Filter{})
		if !slices.Equal(got, want) {
			t.Errorf("rank of %d candidates = %v, want %v", len(nodes), got, want)
		}
	}
}

func TestCoderScansForWhatItsGraphCannotFill(t *testing.T) {
	vectors := clustered(500, 16)
	x := builtCoder(t, vectors)
	far := search(t, x, vectors[300], 500, Filter{})[499].Key
	got := search(t, x, vectors[300], 1, Filter{Accept: func(key uint64) bool { return key == far }})
	if len(got) != 1 || got[0].Key != far {
		t.Errorf("Search for the farthest key only = %v, want key %d", got, far)
	}
}

func TestAFailingLibraryLeavesTheScan(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(x *Coder, vector []float32)
	}{
		{"when it panics in Search", func(x *Coder, vector []float32) {
			mustAdd(t, x, 499, vector)
			x.graph.Distance = nil
		}},
		{"when it panics in Add", func(x *Coder, vector []float32) {
			x.graph.Ml = 0
			mustAdd(t, x, 499, vector)
		}},
		{"when it has panicked before", func(x *Coder, vector []float32) {
			x.graph = nil
			mustAdd(t, x, 499, vector)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			vectors := clustered(500, 16)
			x, o := builtCoder(t, vectors[:499]), oracleOf(vectors)
			c.fail(x, vectors[499])
			for _, query := range vectors[490:] {
				got, want := search(t, x, query, 2, Filter{}), o.nearest(query, 2, Filter{})
				if !slices.Equal(got, want) {
					t.Errorf("Search = %v, want %v", got, want)
				}
			}
		})
	}
}

func TestTheLibrarysGraphIsRebuiltWhenMostIsRemoved(t *testing.T) {
	vectors := clustered(500, 16)
	x := builtCoder(t, vectors)
	x.graph.Ml = 0 // this graph can take no more: only another one can
	mustAdd(t, x, 500, vectors[0])
	for key := range uint64(251) {
		if x.graph != nil {
			t.Fatalf("graph was rebuilt after %d of 501 removals, want more than half", key)
		}
		x.Remove(key)
	}
	if x.graph == nil || x.graph.Len() != 250 {
		t.Fatalf("graph = %v, want one of 250 nodes", x.graph)
	}
	for key := uint64(251); key <= 500; key++ {
		stored, _ := x.Vector(key)
		if node, ok := x.graph.Lookup(key); !ok || !slices.Equal(node, stored) {
			t.Errorf("graph.Lookup(%d) = %v, %t, want %v", key, node, ok, stored)
		}
	}
}
