package api

import (
	"context"

	"nearcase/store"
)

// Amend changes a collection's description, or whether it keeps originals, and
// returns it as it is then.
func (s *Service) Amend(ctx context.Context, collection string, a store.Amendment) (Collection, error) {
	if err := s.Catalog.Amend(ctx, collection, a); err != nil {
		return Collection{}, err
	}
	return s.Collection(ctx, collection)
}

// Statistics counts what a collection has, and says what it takes of the disk.
func (s *Service) Statistics(ctx context.Context, collection string) (store.Statistics, error) {
	return s.Catalog.Statistics(ctx, collection)
}
