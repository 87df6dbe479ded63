package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"nearcase/store"
)

// NewCollection says what collection to make.
type NewCollection struct {
	Name string `json:"name"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	Model       string `json:"model"`
	// Fingerprint, if given, must be the model's.
	Fingerprint string       `json:"fingerprint,omitempty"`
	Tasks       []store.Task `json:"tasks,omitempty"`
	// Index, if left out, is the service's default.
	Index            store.Index `json:"index,omitzero"`
	DiscardOriginals bool        `json:"discard_originals,omitempty"`
}

// Collection is a collection with what it holds.
type Collection struct {
	store.Collection
	Status store.Status `json:"status"`
}

// Create makes an empty collection for a model.
func (s *Service) Create(ctx context.Context, n NewCollection) (Collection, error) {
	opened, err := s.opened(n.Model)
	if err != nil {
		return Collection{}, err
	}
	m := opened.m
	if n.Fingerprint != "" && n.Fingerprint != m.Fingerprint() {
		return Collection{}, fmt.Errorf("collection %s: %w: model %s is %.12s, not %.12s",
			n.Name, store.ErrFingerprint, n.Model, m.Fingerprint(), n.Fingerprint)
	}
	tasks, err := store.Merge(nil, n.Tasks)
	if err := errors.Join(err, checkTasks(nil, n.Tasks)); err != nil {
		return Collection{}, err
	}
	err = s.Catalog.Create(ctx, store.Collection{
		Name: n.Name, Description: n.Description, Model: n.Model, Fingerprint: m.Fingerprint(), Dimension: m.Dimension(),
		Tasks: tasks, Index: cmp.Or(n.Index, s.Index), DiscardOriginals: n.DiscardOriginals, Pseudonyms: s.Privacy.name(),
	})
	if err != nil {
		return Collection{}, err
	}
	return s.Collection(ctx, n.Name)
}

// Collection returns one collection with its status.
func (s *Service) Collection(ctx context.Context, name string) (Collection, error) {
	c, err := s.Catalog.Collection(ctx, name)
	if err != nil {
		return Collection{}, err
	}
	status, err := s.Catalog.Status(ctx, name)
	return Collection{c, status}, err
}

// Collections returns all collections by name.
func (s *Service) Collections(ctx context.Context) ([]Collection, error) {
	all, err := s.Catalog.Collections(ctx)
	if err != nil {
		return nil, err
	}
	collections := make([]Collection, len(all))
	for i, c := range all {
		status, err := s.Catalog.Status(ctx, c.Name)
		if err != nil {
			return nil, err
		}
		collections[i] = Collection{c, status}
	}
	return collections, nil
}

// Declare adds tasks or classes to a collection. Tasks that are new bring their
// settings; those there are keep theirs, and others for them are store.ErrInvalid.
func (s *Service) Declare(ctx context.Context, collection string, tasks []store.Task) (Collection, error) {
	have, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return Collection{}, err
	}
	if err := checkTasks(have.Tasks, tasks); err != nil {
		return Collection{}, err
	}
	if err := s.Catalog.Declare(ctx, collection, tasks); err != nil {
		return Collection{}, err
	}
	return s.Collection(ctx, collection)
}

// Drop deletes a collection and everything in it.
func (s *Service) Drop(ctx context.Context, collection string) error {
	if err := s.Catalog.Drop(ctx, collection); err != nil {
		return err
	}
	s.forgetTraining(collection)
	_, err := s.forgetAnswers(context.WithoutCancel(ctx), collection)
	return errors.Join(err, s.jobs.endOf(ctx, collection), s.journal.drop(func(c Change) bool {
		return c.Type == StudyComplete && c.Collection == collection
	}))
}

// Ready reports why the service cannot store anything just now; nil means that
// it can.
func (s *Service) Ready(ctx context.Context) error { return s.Catalog.Ready(ctx) }

// ListModels describes the models that can be used.
func (s *Service) ListModels(context.Context) ([]ModelInfo, error) { return s.Models() }

// Instance is a stored image with its labels by task, and with the details of
// those of which there is more to say.
type Instance struct {
	store.Instance
	Key     store.Key               `json:"key"`
	Labels  map[string]store.Label  `json:"labels"`
	Details map[string]LabelDetails `json:"label_details,omitempty"`
}

// Instance returns one instance, with what every reader says of it.
func (s *Service) Instance(ctx context.Context, collection, id string) (Instance, error) {
	c, err := s.Catalog.Instance(ctx, collection, id)
	if err != nil {
		return Instance{}, err
	}
	more, err := s.detailed(ctx, collection, c)
	return Instance{c.Instance, c.Key, c.Labels, more}, err
}

// Original opens the bytes of an instance as they were received.
func (s *Service) Original(ctx context.Context, collection, id string) (io.ReadCloser, error) {
	return s.Catalog.Original(ctx, collection, id)
}

// Delete removes an instance with its vector, labels and original.
func (s *Service) Delete(ctx context.Context, collection, id string) error {
	return s.Catalog.Delete(ctx, collection, id)
}

// Reindex rebuilds a collection's index while the old one serves, which stays
// if the new one finds less than it must: store.ErrRecall.
func (s *Service) Reindex(ctx context.Context, collection string, to store.Reindexing, progress func(done, total int)) (store.Reindexed, error) {
	return s.Catalog.Reindex(ctx, collection, to, progress)
}
