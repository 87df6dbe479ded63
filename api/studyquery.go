package api

import (
	"context"
	"fmt"

	"nearcase/store"
)

// resolveStudy makes a question of all images of a stored study, which answer as
// little as the rest of its patient's.
func (s *Service) resolveStudy(ctx context.Context, u *question, q Query) error {
	f := store.Among("study", q.Study)
	if q.Patient != "" {
		names, err := s.names(u.collection, []string{q.Patient})
		if err != nil {
			return err
		}
		f = store.Filter{All: []store.Filter{f, store.Among("patient", names...)}}
	}
	found, err := s.findAll(ctx, u.collection, &f, 1)
	if err != nil {
		return err
	}
	if len(found.Cases) == 0 {
		return fmt.Errorf("study %q in collection %s: %w: none is of it", q.Study, u.collection.Name, store.ErrInstance)
	}
	first := found.Cases[0].Instance
	other := store.Filter{All: []store.Filter{f, {Not: new(store.Among("patient", first.Patient))}}}
	others, err := s.findAll(ctx, u.collection, &other, 0)
	if err != nil {
		return err
	}
	if others.Count > 0 {
		return fmt.Errorf("%w: several patients have a study that is called %q; name the patient, too", ErrQuery, q.Study)
	}
	u.subject = Subject{Study: q.Study, Images: found.Count, Stored: true}
	u.exclude.Studies = []string{q.Study}
	if u.exclude.Kin {
		u.exclude.Patients = append(u.exclude.Patients, first.Patient)
	}
	u.vector, err = s.Catalog.Pooled(ctx, u.collection.Name, first.ID, store.Level{Of: store.Studies, Pool: q.Pool})
	return err
}

// findAll counts the instances that pass a filter whose patients are called as the
// collection calls them, and returns some.
func (s *Service) findAll(ctx context.Context, c store.Collection, f *store.Filter, limit int) (store.Found, error) {
	condition, err := c.Compile(f, nil)
	if err != nil {
		return store.Found{}, err
	}
	return s.Catalog.Find(ctx, c.Name, store.Listing{Filter: condition, Limit: limit, Count: true})
}
