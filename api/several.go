package api

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"
)

// Bounds of the queries that are asked together, whose answers are all in memory.
const (
	MaxQueries = 1000
	// MaxTogether is how many neighbours they may ask for in all.
	MaxTogether = 200_000
)

// Answered is the answer to one of several queries, or why there is none.
type Answered[T any] struct {
	Answer T
	Err    error
}

// SimilarAll answers several queries, each as Similar does, in their order. The error
// is for what concerns all of them: more than MaxQueries, or than MaxTogether
// neighbours, or no query are ErrQuery.
func (s *Service) SimilarAll(ctx context.Context, collection string, queries iter.Seq[Query]) ([]Answered[Similar], error) {
	return askAll(ctx, s, collection, queries, s.Similar)
}

// ClassifyAll answers several queries, each as Classify does, in their order. The
// error is for what concerns all of them.
func (s *Service) ClassifyAll(ctx context.Context, collection string, queries iter.Seq[Query]) ([]Answered[Classification], error) {
	return askAll(ctx, s, collection, queries, s.Classify)
}

// askAll asks as many at the same time as may be embedded, and takes no more queries
// than that before there is a turn for them.
func askAll[T any](ctx context.Context, s *Service, collection string, queries iter.Seq[Query], ask func(context.Context, string, Query) (T, error)) ([]Answered[T], error) {
	if _, err := s.Catalog.Collection(ctx, collection); err != nil {
		return nil, err
	}
	var answers []*Answered[T]
	var group errgroup.Group
	group.SetLimit(s.Workers)
	neighbours := 0
	for q := range queries {
		if neighbours += s.asksFor(q); neighbours > MaxTogether {
			break
		}
		if len(answers) == MaxQueries || ctx.Err() != nil {
			answers = append(answers, nil)
			break
		}
		a := &Answered[T]{}
		answers = append(answers, a)
		group.Go(func() error {
			a.Answer, a.Err = ask(ctx, collection, q)
			return nil
		})
	}
	if err := cmp.Or(group.Wait(), ctx.Err()); err != nil {
		return nil, err
	}
	if neighbours > MaxTogether {
		return nil, fmt.Errorf("%w: the k of all queries come to more than %d", ErrQuery, MaxTogether)
	}
	if len(answers) == 0 || len(answers) > MaxQueries {
		return nil, fmt.Errorf("%w: there are %d queries or more, use 1 to %d", ErrQuery, len(answers), MaxQueries)
	}
	all := make([]Answered[T], len(answers))
	for i, a := range answers {
		all[i] = *a
	}
	return all, nil
}

// asksFor is how many neighbours a query asks for; one that asks for more than there
// may be is not answered.
func (s *Service) asksFor(q Query) int {
	k := cmp.Or(q.K, s.Neighbours)
	if k < 0 || k > maxNeighbours {
		return 0
	}
	return k
}
