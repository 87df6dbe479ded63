// Package index turns vectors into ranked keys. An engine keeps unit vectors
// under growing keys and answers a query with the nearest of them. It knows no
// records, starts no goroutine that outlives a call, and writes a file only when
// it is asked to: a snapshot, which can always be made again.
//
// Approximate engines propose and the stored vectors decide: a score is always
// simd.Dot of the query and the stored vector, whichever engine and path found
// it, and the order is score descending, then key ascending.
package index

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// The conditions a caller can act on. Every error of this package wraps one.
var (
	// ErrKey reports a key that does not exceed every key added before.
	ErrKey = errors.New("keys must grow")
	// ErrNotUnit reports a vector or query whose length is not within 1e-3 of
	// 1, or that holds NaN or an infinity.
	ErrNotUnit = errors.New("vector is not of unit length")
	// ErrDimension reports a dimension other than the index's, or one that no
	// index can have.
	ErrDimension = errors.New("wrong dimension")
	// ErrFull reports an index that has no row left: it has 2,147,483,647.
	ErrFull = errors.New("index is full")
	// ErrSpec reports a Spec that cannot be built; the error names the field.
	ErrSpec = errors.New("invalid index specification")
)

// Neighbour is a key and its score: the cosine similarity of unit vectors,
// higher is closer. Rounding, and the tolerance of unit length, can bring it
// slightly beyond [-1, 1].
type Neighbour struct {
	Key   uint64
	Score float32
}

// Index holds unit vectors of one dimension under keys that only grow. All
// methods are safe for concurrent use.
type Index interface {
	// Add stores a copy of vector under key. The error is ErrDimension,
	// ErrNotUnit, ErrFull, or ErrKey when key does not exceed every key ever
	// added, removed ones included; then nothing has changed.
	Add(key uint64, vector []float32) error

	// AddAll adds all or, with an error, none. It is faster than Add.
	AddAll(keys []uint64, vectors [][]float32) error

	// Remove drops key and says whether it was there.
	Remove(key uint64) bool

	// Vector returns a copy of the vector of key and whether it is there.
	Vector(key uint64) ([]float32, bool)

	// Search returns the k nearest neighbours of query that the filter lets
	// answer, best first and ties by smaller key. It returns fewer only when
	// fewer exist, and none when k <= 0. Which neighbours an approximate engine
	// finds is approximate; their scores and order are not. The error is
	// ErrDimension or ErrNotUnit.
	//
	// What is added or removed during a search may be seen by it or not.
	Search(query []float32, k int, f Filter) ([]Neighbour, error)

	// SearchExact is Search with the answer of a scan, whatever the engine.
	SearchExact(query []float32, k int, f Filter) ([]Neighbour, error)

	// Len is the number of vectors present.
	Len() int

	// LastKey is the largest key ever added, if any was.
	LastKey() (key uint64, ok bool)

	// Stats describes the index as it is.
	Stats() Stats
}

// The names of the engines in Spec.Engine.
const (
	EngineExact = "exact"
	EngineGraph = "graph"
	EngineCoder = "coder"
)

// Spec says which engine an index has and how it is tuned. The zero value is
// the exact scan. The numbers tune only the approximate engines, are ignored by
// the exact one, and mean their default when zero.
type Spec struct {
	// Engine is EngineExact, also when empty, EngineGraph or EngineCoder.
	Engine string `json:"engine,omitempty" yaml:"engine,omitempty"`
	// M is the number of rows that a new one follows in each layer, up to 256;
	// 16 by default, 64 for EngineCoder. Twice as many may follow on layer 0. More
	// takes more memory, time and, for one beam, recall.
	M int `json:"m,omitempty" yaml:"m,omitempty"`
	// EfConstruction is the width of the beam that looks for them, up to 65,536;
	// 200 by default. EngineGraph only.
	EfConstruction int `json:"ef_construction,omitempty" yaml:"ef_construction,omitempty"`
	// EfSearch is the width of the beam of a search, up to 65,536. By default
	// EngineGraph finds the width for Recall by itself; EngineCoder takes 20.
	EfSearch int `json:"ef_search,omitempty" yaml:"ef_search,omitempty"`
	// Recall is the share of the true ten nearest that EngineGraph is to find on
	// average, below 1; 0.99 by default.
	Recall float64 `json:"recall,omitempty" yaml:"recall,omitempty"`
	// Candidates is the number of nodes that EngineCoder proposes for exact
	// ranking, up to 65,536; 200 by default.
	Candidates int `json:"candidates,omitempty" yaml:"candidates,omitempty"`
}

// Validate returns nil, or ErrSpec with the name and value of the first field
// that is out of range.
func (s Spec) Validate() error {
	switch s.Engine {
	case "", EngineExact, EngineGraph, EngineCoder:
	default:
		return fmt.Errorf("index: %w: engine %q is none of %q, %q and %q", ErrSpec, s.Engine, EngineExact, EngineGraph, EngineCoder)
	}
	if !(s.Recall >= 0 && s.Recall < 1) {
		return fmt.Errorf("index: %w: recall %g is not within 0 and 1", ErrSpec, s.Recall)
	}
	return cmp.Or(
		inRange("m", s.M, 256),
		inRange("ef_construction", s.EfConstruction, 1<<16),
		inRange("ef_search", s.EfSearch, 1<<16),
		inRange("candidates", s.Candidates, 1<<16),
	)
}

func inRange(field string, value, most int) error {
	if value < 0 || value > most {
		return fmt.Errorf("index: %w: %s %d is not within 0 and %d", ErrSpec, field, value, most)
	}
	return nil
}

// maxDimension keeps the size of a chunk far from overflow.
const maxDimension = 1 << 16

// New returns an empty index of vectors of the given dimension, at least 1 and
// at most 65,536. The error is ErrSpec or ErrDimension.
func New(spec Spec, dimension int) (Index, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if dimension < 1 || dimension > maxDimension {
		return nil, fmt.Errorf("index: %w: %d is not within 1 and %d", ErrDimension, dimension, maxDimension)
	}
	switch spec.Engine {
	case EngineGraph:
		return newGraph(spec, dimension), nil
	case EngineCoder:
		return newCoder(spec, dimension), nil
	}
	return newExact(dimension), nil
}

// checkUnit returns nil for a finite vector of the dimension whose length is
// within 1e-3 of 1, and ErrDimension or ErrNotUnit otherwise.
func checkUnit(vector []float32, dimension int) error {
	if len(vector) != dimension {
		return fmt.Errorf("%w: %d, want %d", ErrDimension, len(vector), dimension)
	}
	var square float64
	for _, x := range vector {
		square += float64(x) * float64(x)
	}
	// Written so that NaN fails too.
	if length := math.Sqrt(square); !(math.Abs(length-1) <= 1e-3) {
		return fmt.Errorf("%w: %g", ErrNotUnit, length)
	}
	return nil
}
