package store

import "time"

// EngineAuto leaves the engine to the program: the exact scan while a collection
// is small enough for it, and a graph from then on.
const EngineAuto = "auto"

// Index chooses an engine and its parameters. The zero value leaves all of it to
// the program.
type Index struct {
	// Engine is exact, graph, coder, or EngineAuto, also when empty.
	Engine string `json:"engine,omitempty"`
	// The parameters tune only the engines that have them; 0 means the engine's
	// default. M is how many links a new node of a graph gets in each layer.
	M int `json:"m,omitempty"`
	// EfConstruction is how many candidates for them are kept while building,
	// EfSearch how many candidates a search keeps; by default the graph engine
	// finds by itself how many Recall takes: the share of the true ten nearest
	// that it is to find.
	EfConstruction int     `json:"ef_construction,omitempty"`
	EfSearch       int     `json:"ef_search,omitempty"`
	Recall         float64 `json:"recall,omitempty"`
	// Candidates is how many nodes the coder engine proposes for exact ranking.
	Candidates int `json:"candidates,omitempty"`
}

// IsAuto reports whether the engine is left to the program.
func (i Index) IsAuto() bool { return i.Engine == "" || i.Engine == EngineAuto }

// IndexStats describes the index that serves.
type IndexStats struct {
	// Rows counts the places for vectors, those of deleted ones included.
	Rows int `json:"rows"`
	// M, EfConstruction and Ef are those of a graph; Ef is how many candidates a
	// search keeps at present.
	M              int `json:"m,omitempty"`
	EfConstruction int `json:"ef_construction,omitempty"`
	Ef             int `json:"ef,omitempty"`
	// Recall is recall@10 as it was last sampled; 0 is unknown.
	Recall float64 `json:"recall,omitempty"`
	// Bytes is about what the index takes of memory, Mapped what it reads from
	// its snapshot's file.
	Bytes  int64 `json:"bytes"`
	Mapped int64 `json:"mapped_bytes"`
	// Snapshot is the last log entry that the snapshot knows; 0 is none.
	Snapshot Key `json:"snapshot"`
}

// Reindexing says what index to build and how good it must be. Its zero value
// builds what the program chooses.
type Reindexing struct {
	Index
	// MinRecall is the recall@10 below which the new index is given up; 0 means
	// DefaultMinRecall.
	MinRecall float64 `json:"min_recall,omitempty"`
}

// DefaultMinRecall is what a new index must find of the true ten nearest.
const DefaultMinRecall = 0.9

// Reindexed says what a reindex did.
type Reindexed struct {
	From Index `json:"from"`
	To   Index `json:"to"`
	// Engine is the one that serves now, EngineBefore the one that did.
	Engine       string        `json:"engine"`
	EngineBefore string        `json:"engine_before"`
	Instances    int           `json:"instances"`
	Took         time.Duration `json:"took_ns"`
	Comparison
}

// Comparison sets a new index beside the old one. Both were asked for the ten
// nearest of Sampled stored vectors, the vector itself and its kin left out.
type Comparison struct {
	Sampled int `json:"sampled"`
	// Recall10 is recall@10 of the new index against the exact answer,
	// Recall10Before that of the old one.
	Recall10       float64 `json:"recall_at_10"`
	Recall10Before float64 `json:"recall_at_10_before"`
	// Same counts the sampled vectors for which both gave the same ten cases.
	Same int `json:"same"`
	// PerSecond is how many of these queries the new index answers in a second,
	// one after the other; PerSecondBefore is the old one's.
	PerSecond       float64 `json:"queries_per_second"`
	PerSecondBefore float64 `json:"queries_per_second_before"`
}
