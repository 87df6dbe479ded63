package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/client"
	"nearcase/api/rest"
	"nearcase/api/webhook"
	"nearcase/store"
	"nearcase/store/local"
)

// events is what a service and a client share of what happens.
type events interface {
	Await(ctx context.Context, id string) (api.Job, error)
	Changes(context.Context, api.ChangesQuery) (api.Changes, error)
	CreateWebhook(context.Context, api.NewWebhook) (api.MadeWebhook, error)
	Webhooks(context.Context) ([]api.Webhook, error)
	Webhook(ctx context.Context, id string) (api.Webhook, error)
	UpdateWebhook(ctx context.Context, id string, c api.WebhookChange) (api.Webhook, error)
	RotateWebhook(ctx context.Context, id string) (api.MadeWebhook, error)
	DeleteWebhook(ctx context.Context, id string) error
	TestWebhook(ctx context.Context, id string) (api.Delivery, error)
	DeadLetters(ctx context.Context, id string) ([]api.DeadLetter, error)
	Redeliver(ctx context.Context, id, message string) (api.Delivery, error)
	DropDeadLetter(ctx context.Context, id, message string) error
}

var (
	_ events = (*api.Service)(nil)
	_ events = (*client.Client)(nil)
)

func TestChangesOverHTTPAreThoseOfTheService(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(t.Context(), "cases", pictures(t, 4), api.IngestOptions{}))
	since := ""
	for _, q := range []api.ChangesQuery{{}, {Limit: 2}, {Collection: "cases"}, {Since: api.Now}, {Wait: time.Millisecond, Since: api.Now}} {
		over, err := c.Changes(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		direct, err := s.Changes(t.Context(), q)
		if diff := cmp.Diff(direct, over); err != nil || diff != "" {
			t.Errorf("Changes(%+v): %v, over HTTP they differ:\n%s", q, err, diff)
		}
		since = over.Next
	}
	if _, err := c.Changes(t.Context(), api.ChangesQuery{Since: since + "x"}); !errors.Is(err, api.ErrCursor) {
		t.Errorf("Changes of no cursor: got %v, want ErrCursor", err)
	}
	if _, err := c.Await(t.Context(), "none"); !errors.Is(err, api.ErrJob) {
		t.Errorf("Await of no job: got %v, want ErrJob", err)
	}
}

func TestWebhooksOverHTTPAreThoseOfTheService(t *testing.T) {
	catalog, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Options{Catalog: catalog, OpenModel: apitest.OpenModel, Models: apitest.Models, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			t.Error(err)
		}
	})
	c := serve(t, s, rest.Options{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer receiver.Close()
	made, err := c.CreateWebhook(t.Context(), api.NewWebhook{URL: receiver.URL, Types: []string{api.JobEnded}})
	if err != nil || webhook.CheckSecret(made.Secret) != nil {
		t.Fatalf("CreateWebhook: got %+v, %v", made, err)
	}
	rotated, err := c.RotateWebhook(t.Context(), made.ID)
	if err != nil || rotated.Secret == made.Secret {
		t.Errorf("RotateWebhook: got %+v, %v", rotated, err)
	}
	stop := false
	if h, err := c.UpdateWebhook(t.Context(), made.ID, api.WebhookChange{Enabled: &stop}); err != nil || h.Disabled == "" {
		t.Errorf("UpdateWebhook: got %+v, %v, want it disabled", h, err)
	}
	over, err := c.Webhooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	direct, err := s.Webhooks(t.Context())
	if diff := cmp.Diff(direct, over); err != nil || diff != "" {
		t.Errorf("Webhooks: %v, over HTTP they differ:\n%s", err, diff)
	}
	if h, err := c.Webhook(t.Context(), made.ID); err != nil || h.URL != receiver.URL {
		t.Errorf("Webhook: got %+v, %v", h, err)
	}
	if d, err := c.TestWebhook(t.Context(), made.ID); err != nil || d.Status != http.StatusTeapot || d.Problem == "" {
		t.Errorf("TestWebhook: got %+v, %v, want that it is not taken", d, err)
	}
	if letters, err := c.DeadLetters(t.Context(), made.ID); err != nil || len(letters) != 0 {
		t.Errorf("DeadLetters: got %+v, %v, want none", letters, err)
	}
	_, resent := c.Redeliver(t.Context(), made.ID, "none")
	_, refused := c.CreateWebhook(t.Context(), api.NewWebhook{URL: "http://example.org/"})
	for want, err := range map[error]error{api.ErrWebhook: errors.Join(resent, c.DropDeadLetter(t.Context(), made.ID, "none")), webhook.ErrURL: refused} {
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if err := c.DeleteWebhook(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Webhook(t.Context(), made.ID); !errors.Is(err, api.ErrWebhook) {
		t.Errorf("Webhook that is deleted: got %v, want ErrWebhook", err)
	}
}
