package api

import (
	"context"
	"maps"
)

// The stages of the work that Options.Begin is told of. A store has stages of its
// own, for what it does for several callers at once.
const (
	StageDecode = "decode" // one image, or frame of one, to what the network takes
	StageEmbed  = "embed"  // pictures or a text to vectors; of a query with the wait for a turn
	StageStore  = "store"  // records or labels until they are durable and can be searched
	StageSearch = "search" // a vector to cases
	StageProbe  = "probe"  // a vector to what the probes of all its tasks say
)

// begin tells that a stage begins, and by the function that it returns how it
// ended.
func (s *Service) begin(ctx context.Context, stage string) (context.Context, func(error)) {
	if s.Begin == nil {
		return ctx, func(error) {}
	}
	return s.Begin(ctx, stage)
}

// Load says what a service is busy with.
type Load struct {
	// Turns is how many may use the processor at the same time to embed, Taken how
	// many do.
	Turns, Taken int
	// Waiting counts the queries that wait to be embedded together with others.
	Waiting int
	// Models tells of each model that has been asked for whether it is open, and not
	// still being opened.
	Models map[string]bool
}

// Load returns what the service is busy with just now.
func (s *Service) Load() Load {
	l := Load{Turns: s.slots.all, Taken: s.slots.taken(), Models: map[string]bool{}}
	s.mu.Lock()
	models := maps.Clone(s.models)
	s.mu.Unlock()
	for name, m := range models {
		if l.Models[name] = m.open.Load(); l.Models[name] {
			l.Waiting += m.batcher.length()
		}
	}
	return l
}

// length is how many callers wait for the next turn.
func (b *batcher) length() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}
