package index

import (
	"fmt"
	"math/rand"
	"sync"

	"github.com/coder/hnsw"

	"nearcase/index/simd"
)

// Coder is the approximate engine on github.com/coder/hnsw, a hierarchical
// navigable small world graph (Malkov and Yashunin 2018). The graph proposes
// candidates; Exact stores and ranks them, and scans where they do not fill k.
//
// What the library cannot do is kept from it: no key is added twice or deleted,
// no empty graph is searched. A removed vector stays in the graph, unseen, and
// when Exact copies its vectors together the graph is built anew; that Remove
// takes as long as adding everything did. Searches go on meanwhile, writers wait.
//
// The levels of its nodes are seeded, but the library also walks Go maps: two
// graphs of the same vectors propose slightly different candidates.
type Coder struct {
	Exact
	spec  Spec       // without zeros
	write sync.Mutex // held by Add and Remove, so that storage and graph agree

	mu    sync.RWMutex // guards graph, which concurrent searches only read
	graph *hnsw.Graph[uint64]
}

func newCoder(spec Spec, dimension int) *Coder {
	orDefault(&spec.M, 64)
	orDefault(&spec.EfSearch, 20)
	orDefault(&spec.Candidates, 200)
	c := &Coder{spec: spec}
	c.table.dimension = dimension
	c.graph = c.newGraph()
	return c
}

func orDefault(value *int, fallback int) {
	if *value == 0 {
		*value = fallback
	}
}

func (c *Coder) newGraph() *hnsw.Graph[uint64] {
	g := hnsw.NewGraph[uint64]()
	g.M, g.EfSearch = c.spec.M, c.spec.EfSearch
	g.Rng = rand.New(rand.NewSource(1))
	return g
}

// Add implements Index.
func (c *Coder) Add(key uint64, vector []float32) error {
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.Exact.Add(key, vector); err != nil {
		return err
	}
	stored, _ := c.Vector(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.graph = grown(c.graph, key, stored)
	return nil
}

// Remove implements Index.
func (c *Coder) Remove(key uint64) bool {
	c.write.Lock()
	defer c.write.Unlock()
	ok, compacted := c.remove(key)
	if compacted {
		g := c.rebuilt()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.graph = g
	}
	return ok
}

// rebuilt returns a graph of what is stored.
func (c *Coder) rebuilt() *hnsw.Graph[uint64] {
	t, g := c.snapshot(), c.newGraph()
	for row := range t.rows {
		if !t.isDead(row) {
			g = grown(g, t.key(row), t.vector(row))
		}
	}
	return g
}

// grown returns g with a node added, or nil when g is nil or the library
// panicked, which leaves its graph unusable. Without a graph every search is a
// scan, until the next rebuild.
func grown(g *hnsw.Graph[uint64], key uint64, stored []float32) (result *hnsw.Graph[uint64]) {
	if g == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			result = nil
		}
	}()
	g.Add(hnsw.MakeNode(key, stored))
	return g
}

// Search implements Index. The graph proposes Candidates nodes, or 8 k where
// that is more. It scans when accept says yes to fewer than k of them, and when
// there are at most four times as many vectors: then a scan is not slower.
func (c *Coder) Search(query []float32, k int, accept func(key uint64) bool) ([]Neighbour, error) {
	t := c.snapshot()
	if err := checkUnit(query, t.dimension); err != nil {
		return nil, fmt.Errorf("index: search: %w", err)
	}
	k = min(k, t.live())
	candidates := max(8*k, c.spec.Candidates)
	if k > 0 && t.live() > 4*candidates {
		found := t.rank(query, c.propose(query, candidates), k, accept)
		if len(found) == k {
			return found, nil
		}
	}
	return t.nearest(query, k, accept), nil
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

// rank returns the k best of the nodes that are live rows of t and that accept
// says yes to. k must be at least 1.
func (t *table) rank(query []float32, nodes []hnsw.Node[uint64], k int, accept func(key uint64) bool) []Neighbour {
	best := top{k: k}
	for _, node := range nodes {
		n := Neighbour{Key: node.Key, Score: simd.Dot(query, node.Value)}
		if !best.admits(n) {
			continue
		}
		if _, ok := t.find(n.Key); ok && (accept == nil || accept(n.Key)) {
			best.push(n)
		}
	}
	return best.ranked()
}

// SearchExact answers as a scan would, whichever engine i is.
func SearchExact(i Index, query []float32, k int, accept func(key uint64) bool) ([]Neighbour, error) {
	if c, ok := i.(*Coder); ok {
		return c.Exact.Search(query, k, accept)
	}
	return i.Search(query, k, accept)
}
