package api

import (
	"context"
	"fmt"
	"math/rand/v2"

	"nearcase/store"
)

// recallK is how many neighbours SampleRecall asks for.
const recallK = 10

// SampleRecall asks the index of a collection for the ten nearest of a stored
// vector, drawn at random, without the instance itself, and returns how many there
// are and how many of them it finds. One that scores as well as the last of them is
// as good as it. Of a collection with fewer than two instances both are 0.
func (s *Service) SampleRecall(ctx context.Context, collection string) (wanted, found int, err error) {
	q, err := s.drawn(ctx, collection)
	if err != nil || q.Vector == nil {
		return 0, 0, err
	}
	answer, err := s.Catalog.Search(ctx, collection, q)
	if err != nil {
		return 0, 0, fmt.Errorf("sample recall: %w", err)
	}
	q.Exact = true
	exact, err := s.Catalog.Search(ctx, collection, q)
	if err != nil || len(exact) == 0 {
		return 0, 0, err
	}
	for _, c := range answer {
		if c.Score >= exact[len(exact)-1].Score {
			found++
		}
	}
	return len(exact), min(found, len(exact)), nil
}

// drawn returns a query by a stored vector; one without a vector where there is
// none.
func (s *Service) drawn(ctx context.Context, collection string) (store.Query, error) {
	status, err := s.Catalog.Status(ctx, collection)
	if err != nil || status.Head == 0 {
		return store.Query{}, err
	}
	after := store.Key(rand.Uint64N(uint64(status.Head)))
	cases, err := s.Catalog.List(ctx, collection, after, 1)
	if err == nil && len(cases) == 0 { // the last entries are no instances
		cases, err = s.Catalog.List(ctx, collection, 0, 1)
	}
	if err != nil || len(cases) == 0 {
		return store.Query{}, err
	}
	id := cases[0].Instance.ID
	vector, err := s.Catalog.Vector(ctx, collection, id)
	return store.Query{Vector: vector, K: recallK, Brief: true, Exclude: store.Exclude{Instances: []string{id}}}, err
}
