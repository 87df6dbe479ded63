package index

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"sync"

	"github.com/coder/hnsw"
)

// Coder is the approximate engine on github.com/coder/hnsw, a hierarchical
// navigable small world graph (Malkov and Yashunin 2018) of float32 vectors. The
// graph proposes candidates; the rows decide, and are scanned where the
// candidates do not fill k. It is kept for comparison: Graph finds more, faster.
//
// What the library cannot do is kept from it: no key is added twice or deleted,
// no empty graph is searched. A removed vector stays in the graph, unseen; when
// most of the graph is removed it is built anew, and that Remove takes as long as
// adding the rest did. Searches go on meanwhile, writers wait.
//
// The levels of its nodes are seeded, but the library also walks Go maps: two
// graphs of the same vectors propose slightly different candidates.
type Coder struct {
	Exact
	spec Spec // without zeros

	adding sync.Mutex // held by Add and Remove, so that rows and graph agree
	nodes  int        // that graph has, or would have; guarded by adding
	mu     sync.RWMutex
	graph  *hnsw.Graph[uint64] // guarded by mu; concurrent searches only read
}

func newCoder(spec Spec, dimension int) *Coder {
	spec.M = cmp.Or(spec.M, 64)
	spec.EfSearch = cmp.Or(spec.EfSearch, 20)
	spec.Candidates = cmp.Or(spec.Candidates, 200)
	c := &Coder{Exact: *newExact(dimension), spec: spec}
	c.graph = c.newGraph()
	return c
}

func (c *Coder) newGraph() *hnsw.Graph[uint64] {
	g := hnsw.NewGraph[uint64]()
	g.M, g.EfSearch = c.spec.M, c.spec.EfSearch
	g.Rng = rand.New(rand.NewSource(1))
	return g
}

// Add implements Index.
func (c *Coder) Add(key uint64, vector []float32) error {
	c.adding.Lock()
	defer c.adding.Unlock()
	return c.add(key, vector)
}

// add is Add by a caller that holds adding.
func (c *Coder) add(key uint64, vector []float32) error {
	if err := c.Exact.Add(key, vector); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.graph = added(c.graph, key, slices.Clone(vector))
	c.nodes++
	return nil
}

// AddAll implements Index.
func (c *Coder) AddAll(keys []uint64, vectors [][]float32) error {
	c.adding.Lock()
	defer c.adding.Unlock()
	c.write.Lock()
	err := c.checkAll(keys, vectors)
	c.write.Unlock()
	if err != nil {
		return err
	}
	for i, key := range keys {
		if err := c.add(key, vectors[i]); err != nil {
			return err
		}
	}
	return nil
}

// Remove implements Index.
func (c *Coder) Remove(key uint64) bool {
	c.adding.Lock()
	defer c.adding.Unlock()
	if !c.Exact.Remove(key) {
		return false
	}
	if c.nodes <= 2*c.Len() {
		return true
	}
	g := c.rebuilt()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.graph = g
	return true
}

// rebuilt returns a graph of the live rows.
func (c *Coder) rebuilt() *hnsw.Graph[uint64] {
	defer c.epochs.leave(c.epochs.enter())
	v, g := c.view(), c.newGraph()
	c.nodes = c.Len()
	for row := range uint32(v.n) {
		if v.isAlive(row) {
			g = added(g, v.keys[row], slices.Clone(v.vector(row)))
		}
	}
	return g
}

// added returns g with a node added, or nil when g is nil or the library
// panicked, which leaves its graph unusable. Without a graph every search is a
// scan, until the next rebuild.
func added(g *hnsw.Graph[uint64], key uint64, vector []float32) (result *hnsw.Graph[uint64]) {
	if g == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			result = nil
		}
	}()
	g.Add(hnsw.MakeNode(key, vector))
	return g
}

// Search implements Index. The graph proposes Candidates nodes, or 8 k where
// that is more. It scans when the filter lets fewer than k of them answer, and
// when there are at most four times as many vectors: then a scan is not slower.
func (c *Coder) Search(vector []float32, k int, f Filter) ([]Neighbour, error) {
	if err := checkUnit(vector, c.dimension); err != nil {
		return nil, fmt.Errorf("index: search: %w", err)
	}
	k = min(k, c.Len())
	candidates := max(8*k, c.spec.Candidates)
	if k > 0 && c.Len() > 4*candidates {
		if found := c.rank(vector, c.propose(vector, candidates), k, &f); len(found) == k {
			return found, nil
		}
	}
	return c.SearchExact(vector, k, f)
}

// propose returns up to k nodes of the graph near query, in no order, and none
// when the library panics.
func (c *Coder) propose(query []float32, k int) (nodes []hnsw.Node[uint64]) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	defer func() {
		if recover() != nil {
			nodes = nil
		}
	}()
	if c.graph == nil || c.graph.Len() == 0 {
		return nil
	}
	return c.graph.Search(query, k)
}

// rank returns the k best of the nodes that are live and that the filter lets
// answer. k must be at least 1.
func (c *Coder) rank(vector []float32, nodes []hnsw.Node[uint64], k int, f *Filter) []Neighbour {
	defer c.epochs.leave(c.epochs.enter())
	best := newTop(k, f)
	q, v := &query{vector: vector}, c.view()
	for _, node := range nodes {
		if row, ok := c.keys.row(node.Key); ok && int(row) < v.n {
			v.consider(best, q, f, row)
		}
	}
	return best.ranked()
}
