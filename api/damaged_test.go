package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// rotten is a catalog of which one document of each kind cannot be read.
type rotten struct{ store.Catalog }

func (r rotten) Documents(ctx context.Context, kind string) ([]store.Document, error) {
	all, err := r.Catalog.Documents(ctx, kind)
	return all, errors.Join(err, fmt.Errorf("%s %q: %w", kind, "rotten", store.ErrDamaged))
}

func TestADamagedDocumentKeepsNobodyFromStarting(t *testing.T) {
	catalog := emptyCatalog(t)
	before := delivering(t, catalog, 1)
	resume(t, before)
	made := hooked(t, before, api.NewWebhook{URL: newReceiver(t).url})
	var log strings.Builder
	s := api.New(api.Options{
		Catalog: rotten{catalog}, OpenModel: openMeans, Refit: api.Refit{When: api.Never},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err := s.Resume(t.Context()); err != nil {
		t.Fatalf("Resume: %v, want none", err)
	}
	if h, err := s.Webhook(t.Context(), made.ID); err != nil || h.ID != made.ID {
		t.Errorf("Webhook: got %+v, %v, want the one that is whole", h, err)
	}
	if _, err := s.Receipts(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Receipts: got %v, want %v", err, store.ErrDamaged)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, kind := range []string{"webhook", "deadletter", "job"} {
		if !strings.Contains(log.String(), kind+` \"rotten\"`) {
			t.Errorf("the log does not name the %s that cannot be read: %s", kind, log.String())
		}
	}
}
