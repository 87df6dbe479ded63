// Package index turns vectors into ranked keys. An engine keeps unit vectors in
// memory under growing keys and answers a query with the nearest of them; it
// stores nothing, knows no records, and starts no goroutine that outlives a call.
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
	// ErrNotUnit, or ErrKey when key does not exceed every key ever added,
	// removed ones included; then nothing has changed.
	Add(key uint64, vector []float32) error

	// Remove drops key and says whether it was there. It may tidy up the index
	// before it returns.
	Remove(key uint64) bool

	// Vector returns the stored vector of key and whether it is there. The
	// slice must not be changed; its values stay as they are for as long as it
	// is held, also after Remove.
	Vector(key uint64) ([]float32, bool)

	// Search returns the k nearest neighbours of query that accept says yes
	// to, best first and ties by smaller key; nil accepts all. It returns
	// fewer only when fewer exist, and none when k <= 0. Which neighbours an
	// approximate engine finds is approximate; their scores and order are not.
	// The error is ErrDimension or ErrNotUnit.
	//
	// accept is called on the calling goroutine, holding no lock, and only for
	// keys that would be among the k nearest so far; it may be asked twice
	// about a key and should answer the same. Search sees the index as it was
	// when it began, whatever is added or removed meanwhile.
	Search(query []float32, k int, accept func(key uint64) bool) ([]Neighbour, error)

	// Len is the number of vectors present.
	Len() int
}

// The names of the engines in Spec.Engine.
const (
	EngineExact = "exact"
	EngineCoder = "coder"
)

// Spec says which engine an index has and how it is tuned. The zero value is
// the exact scan. The numbers tune only the approximate engine, are ignored by
// the exact one, and mean their default when zero.
type Spec struct {
	// Engine is EngineExact, also when empty, or EngineCoder.
	Engine string `json:"engine,omitempty" yaml:"engine,omitempty"`
	// M is the number of links of a node of the graph, up to 256; 64 by default.
	M int `json:"m,omitempty" yaml:"m,omitempty"`
	// EfSearch is the length of the queue of nodes to visit, up to 65,536; 20
	// by default.
	EfSearch int `json:"ef_search,omitempty" yaml:"ef_search,omitempty"`
	// Candidates is the number of nodes that the graph proposes for exact
	// ranking, up to 65,536; 200 by default.
	Candidates int `json:"candidates,omitempty" yaml:"candidates,omitempty"`
}

// Validate returns nil, or ErrSpec with the name and value of the first field
// that is out of range.
func (s Spec) Validate() error {
	switch s.Engine {
	case "", EngineExact, EngineCoder:
	default:
		return fmt.Errorf("index: %w: engine %q is neither %q nor %q", ErrSpec, s.Engine, EngineExact, EngineCoder)
	}
	return cmp.Or(
		inRange("m", s.M, 256),
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
	if spec.Engine == EngineCoder {
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
