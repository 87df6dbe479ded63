package index

import (
	"cmp"
	"math"
)

// Stats describes an index.
type Stats struct {
	Engine string `json:"engine"`
	// Len counts the vectors, Rows also the places of removed ones, which are
	// used again.
	Len  int `json:"len"`
	Rows int `json:"rows"`
	// M, EfConstruction and Ef are those of the graph: see Spec.
	M              int `json:"m,omitempty"`
	EfConstruction int `json:"ef_construction,omitempty"`
	Ef             int `json:"ef,omitempty"`
	// Recall is recall@10 as Tune last measured it; 0 is not measured.
	Recall float64 `json:"recall,omitempty"`
	// Head is the number of directions that scans look at first; 0 is none.
	Head int `json:"head,omitempty"`
	// Bytes is about what the index occupies in memory, Mapped what it reads
	// from a mapped file, which the system can drop.
	Bytes  int64 `json:"bytes"`
	Mapped int64 `json:"mapped_bytes,omitempty"`
}

// engine is the name of the engine.
func (s Spec) engine() string { return cmp.Or(s.Engine, EngineExact) }

// links is the M of a graph that a snapshot holds; 0 if it holds none.
func (s Spec) links() int {
	if s.Engine != EngineGraph {
		return 0
	}
	return cmp.Or(s.M, defaultM)
}

// Stats implements Index.
func (r *rows) Stats() Stats {
	v := r.view()
	s := Stats{Engine: EngineExact, Len: r.Len(), Rows: v.n, Bytes: r.keys.bytes() + v.bytes()}
	s.Head = v.frame.size
	for _, b := range v.blocks {
		if b.file != nil {
			s.Mapped += int64(len(raw(b.vectors)))
		} else {
			s.Bytes += int64(len(raw(b.vectors)))
		}
	}
	return s
}

// bytes is the memory of all arrays but the vectors.
func (a *arrays) bytes() (n int64) {
	for _, b := range [][]byte{
		raw(a.keys), a.codes, raw(a.scales), raw(a.lost), raw(a.bias), raw(a.length), raw(a.alive),
		raw(a.base), raw(a.upper), raw(a.first), a.level,
		a.headCodes, raw(a.headScales), raw(a.headLost), raw(a.rest),
	} {
		n += int64(len(b))
	}
	return n
}

// Stats implements Index.
func (g *Graph) Stats() Stats {
	s := g.rows.Stats()
	s.Engine, s.M, s.EfConstruction, s.Ef = EngineGraph, g.m, g.efConstruction, g.Ef()
	s.Recall = math.Float64frombits(g.recall.Load())
	return s
}

// Stats implements Index. The library's graph is counted as its vectors and M
// links of 16 bytes each, which is the least it takes.
func (c *Coder) Stats() Stats {
	s := c.rows.Stats()
	s.Engine, s.M, s.Ef = EngineCoder, c.spec.M, c.spec.EfSearch
	s.Bytes += int64(s.Len) * int64(4*c.dimension+16*c.spec.M)
	return s
}

// LastKey implements Index.
func (r *rows) LastKey() (key uint64, ok bool) {
	r.write.Lock()
	defer r.write.Unlock()
	return r.last, r.used
}

// rowsOf is what all engines share, and which engine it is.
func rowsOf(x Index) (*rows, Spec) {
	switch x := x.(type) {
	case *Graph:
		return x.rows, x.spec
	case *Coder:
		return x.rows, x.spec
	}
	return x.(*Exact).rows, Spec{Engine: EngineExact}
}
