package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/webhook"
	"nearcase/store"
)

// delivering is a service whose webhooks may go to this machine, and whose waits
// are over at once.
func delivering(t testing.TB, catalog store.Catalog, attempts int) *api.Service {
	t.Helper()
	over := make(chan time.Time)
	close(over)
	return retrying(t, catalog, attempts, over)
}

// retrying is one whose waits are over with the next of over.
func retrying(t testing.TB, catalog store.Catalog, attempts int, over <-chan time.Time) *api.Service {
	t.Helper()
	s := api.New(api.Options{
		Catalog: catalog, OpenModel: openMeans, Refit: api.Refit{When: api.Never}, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Retrying(webhook.Retries{Attempts: attempts, First: time.Second, Longest: time.Second}, func(time.Duration) <-chan time.Time { return over })
	return s
}

// receiver takes messages, and answers as it is told.
type receiver struct {
	url    string
	taken  chan api.Message
	ids    chan string
	mu     sync.Mutex
	secret string
	status int
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) signedBy(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret = secret
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{taken: make(chan api.Message, 100), ids: make(chan string, 100), status: http.StatusOK}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		status, secret := r.status, r.secret
		r.mu.Unlock()
		body, err := io.ReadAll(q.Body)
		if secret != "" {
			err = errors.Join(err, webhook.Verify(q.Header, body, secret, time.Now(), time.Minute))
		}
		var m api.Message
		if err = errors.Join(err, json.Unmarshal(body, &m)); err != nil {
			t.Errorf("a message: %v", err)
		}
		w.WriteHeader(status)
		r.ids <- q.Header.Get(webhook.HeaderID)
		r.taken <- m
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func hooked(t testing.TB, s *api.Service, n api.NewWebhook) api.MadeWebhook {
	t.Helper()
	made, err := s.CreateWebhook(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// hookOnce returns a webhook once it is as described; it looks whenever the
// receiver was told.
func hookOnce(t testing.TB, s *api.Service, id string, is func(api.Webhook) bool) api.Webhook {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		h, err := s.Webhook(t.Context(), id)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("Webhook: got %+v, %v", h, err)
		}
		if is(h) {
			return h
		}
	}
}

func TestAWebhookIsToldOfWhatItWants(t *testing.T) {
	s := delivering(t, emptyCatalog(t), 3)
	resume(t, s)
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	all, few := newReceiver(t), newReceiver(t)
	made := hooked(t, s, api.NewWebhook{URL: all.url})
	all.signedBy(made.Secret)
	given := webhook.NewSecret()
	few.signedBy(given)
	if made := hooked(t, s, api.NewWebhook{URL: few.url, Types: []string{api.LabelChanged}, Collections: []string{"c", "d"}, Secret: given}); made.Secret != given {
		t.Errorf("CreateWebhook with a secret: got %s, want %s", made.Secret, given)
	}
	put(t, s.Catalog, ofStudy(c.Fingerprint, "i1", "s1", store.Label{Task: "finding", Classes: []string{"a"}}))
	m := <-all.taken
	if got := told(m.Data); fmt.Sprint(got) != "[instance.stored c i1 s1 label.changed c i1 finding a]" || m.Type != api.MessageChanges || m.Webhook != made.ID || m.Timestamp.IsZero() {
		t.Errorf("a message: got %+v", m)
	}
	if got := told((<-few.taken).Data); fmt.Sprint(got) != "[label.changed c i1 finding a]" {
		t.Errorf("a message to one that wants labels: got %q", got)
	}
	if h := hookOnce(t, s, made.ID, func(h api.Webhook) bool { return !h.Last.IsZero() }); h.Failure != "" || h.Disabled != "" || h.Dead != 0 {
		t.Errorf("Webhook: got %+v, want it well", h)
	}
	if d, err := s.TestWebhook(t.Context(), made.ID); err != nil || d.Status != 200 || d.Problem != "" {
		t.Errorf("TestWebhook: got %+v, %v", d, err)
	}
	if m := <-all.taken; m.Type != api.MessageTest || len(m.Data) != 0 {
		t.Errorf("a test: got %+v", m)
	}
	if err := s.DeleteWebhook(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Webhooks(t.Context()); err != nil || len(left) != 1 {
		t.Errorf("Webhooks: got %+v, %v, want the one left", left, err)
	}
}

func TestAWebhookGoesOnWhereItWas(t *testing.T) {
	catalog, goOn := emptyCatalog(t), make(chan time.Time)
	s := retrying(t, catalog, 1000, goOn)
	resume(t, s)
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	made := hooked(t, s, api.NewWebhook{URL: r.url})
	put(t, s.Catalog, ofStudy(c.Fingerprint, "i1", "s1"))
	<-r.taken
	last := hookOnce(t, s, made.ID, func(h api.Webhook) bool { return !h.Last.IsZero() }).Last
	first := <-r.ids
	r.answers(http.StatusServiceUnavailable)
	put(t, s.Catalog, ofStudy(c.Fingerprint, "i2", "s1"))
	var ids []string
	for range 3 { // it is sent again and again, as the same
		if got := told((<-r.taken).Data); fmt.Sprint(got) != "[instance.stored c i2 s1]" {
			t.Errorf("a message: got %q", got)
		}
		ids = append(ids, <-r.ids)
		hookOnce(t, s, made.ID, func(h api.Webhook) bool { return h.Failure != "" && h.Attempts == len(ids) && !h.Next.IsZero() })
		if len(ids) < 3 {
			goOn <- time.Now()
		}
	}
	if ids[0] != ids[1] || ids[1] != ids[2] || ids[0] == first {
		t.Errorf("IDs of what is sent again: got %v after %s, want the same thrice", ids, first)
	}
	killed := retrying(t, catalog, 1000, goOn) // the one before was killed
	r.answers(http.StatusOK)
	resume(t, killed)
	if got := told((<-r.taken).Data); fmt.Sprint(got) != "[instance.stored c i2 s1]" || <-r.ids != ids[0] {
		t.Errorf("after a kill: got %q, want what was not taken, under its ID", got)
	}
	hookOnce(t, killed, made.ID, func(h api.Webhook) bool { return h.Last.After(last) })
	if err := errors.Join(killed.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	put(t, catalog, ofStudy(c.Fingerprint, "i3", "s1")) // while nothing runs
	later := retrying(t, catalog, 3, goOn)
	if h, err := later.Webhook(t.Context(), made.ID); err != nil || h.URL != r.url {
		t.Errorf("Webhook after a restart: got %+v, %v", h, err)
	}
	resume(t, later)
	if got := told((<-r.taken).Data); fmt.Sprint(got) != "[instance.stored c i3 s1]" {
		t.Errorf("after a restart: got %q, want what came since", got)
	}
}

// What is sent again is read anew, so that it does not tell of what is gone by then.
func TestAMessageThatIsSentAgainTellsNothingOfWhatIsGone(t *testing.T) {
	goOn := make(chan time.Time)
	s := retrying(t, emptyCatalog(t), 1000, goOn)
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	made := hooked(t, s, api.NewWebhook{URL: r.url, Types: []string{api.InstanceStored, api.InstanceDeleted}})
	r.answers(http.StatusServiceUnavailable)
	put(t, s.Catalog, ofStudy(c.Fingerprint, "i1", "s1"), ofStudy(c.Fingerprint, "i2", "s1"))
	resume(t, s) // now, that the first message has both
	for attempt, want := range []string{
		"[instance.stored c i1 s1 instance.stored c i2 s1]", "[instance.stored c i2 s1]", "[instance.deleted c i1 instance.deleted c i2]",
	} {
		m := <-r.taken
		if got := told(m.Data); fmt.Sprint(got) != want {
			t.Errorf("attempt %d: got %q, want %s", attempt+1, got, want)
		}
		if attempt == 2 {
			if m.Data[0].Time.IsZero() {
				t.Errorf("a deletion: got %+v, want its time", m.Data[0])
			}
			break
		}
		hookOnce(t, s, made.ID, func(h api.Webhook) bool { return h.Attempts == attempt+1 })
		if err := s.Delete(t.Context(), "c", fmt.Sprintf("i%d", attempt+1)); err != nil {
			t.Fatal(err)
		}
		goOn <- time.Now()
	}
}

func TestWhatIsGivenUpIsADeadLetter(t *testing.T) {
	catalog := emptyCatalog(t)
	s := delivering(t, catalog, 2)
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	made := hooked(t, s, api.NewWebhook{URL: r.url, Types: []string{api.InstanceStored, api.InstanceDeleted}})
	r.answers(http.StatusTeapot)
	put(t, s.Catalog, ofStudy(c.Fingerprint, "i1", "s1"), ofStudy(c.Fingerprint, "i2", "s1"))
	resume(t, s) // after both, so that one message tells of them
	<-r.taken
	<-r.taken
	hookOnce(t, s, made.ID, func(h api.Webhook) bool { return h.Dead == 1 })
	letters, err := s.DeadLetters(t.Context(), made.ID)
	if err != nil || len(letters) != 1 || letters[0].Changes != 2 || letters[0].Attempts != 2 || !strings.Contains(letters[0].Problem, "418") {
		t.Fatalf("DeadLetters: got %+v, %v", letters, err)
	}
	if d, err := s.Redeliver(t.Context(), made.ID, letters[0].ID); err != nil || d.Status != 418 || d.Problem == "" {
		t.Errorf("Redeliver to one that still does not take it: got %+v, %v", d, err)
	}
	<-r.taken
	r.answers(http.StatusOK)
	put(t, s.Catalog, ofStudy(c.Fingerprint, "i3", "s1"))
	if got := told((<-r.taken).Data); fmt.Sprint(got) != "[instance.stored c i3 s1]" {
		t.Errorf("what comes after: got %q", got)
	}
	if err := s.Delete(t.Context(), "c", "i1"); err != nil {
		t.Fatal(err)
	}
	<-r.taken
	hookOnce(t, s, made.ID, func(h api.Webhook) bool { return h.Attempts == 0 })
	later := another(t, catalog) // whose webhooks may not go to this machine
	if letters, err := later.DeadLetters(t.Context(), made.ID); err != nil || len(letters) != 1 {
		t.Errorf("DeadLetters after a restart: got %+v, %v", letters, err)
	}
	if d, err := later.Redeliver(t.Context(), made.ID, letters[0].ID); err != nil || !strings.Contains(d.Problem, "not allowed") {
		t.Errorf("Redeliver where that is not allowed: got %+v, %v", d, err)
	}
	if d, err := s.Redeliver(t.Context(), made.ID, letters[0].ID); err != nil || d.Problem != "" || d.Status != 200 {
		t.Errorf("Redeliver: got %+v, %v", d, err)
	}
	if m := <-r.taken; fmt.Sprint(told(m.Data)) != "[instance.stored c i2 s1]" {
		t.Errorf("a dead letter: got %q, want what is still there of it", told(m.Data))
	}
	if letters, err := s.DeadLetters(t.Context(), made.ID); err != nil || len(letters) != 0 {
		t.Errorf("DeadLetters once it is taken: got %+v, %v", letters, err)
	}
	for _, err := range []error{s.DropDeadLetter(t.Context(), made.ID, letters[0].ID), s.DropDeadLetter(t.Context(), "none", "none")} {
		if !errors.Is(err, api.ErrWebhook) {
			t.Errorf("DropDeadLetter of none: got %v, want ErrWebhook", err)
		}
	}
}

func TestAWebhookIsDisabled(t *testing.T) {
	s := delivering(t, emptyCatalog(t), 1)
	resume(t, s)
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	gone, failing := newReceiver(t), newReceiver(t)
	g, f := hooked(t, s, api.NewWebhook{URL: gone.url}), hooked(t, s, api.NewWebhook{URL: failing.url})
	gone.answers(http.StatusGone)
	failing.answers(http.StatusInternalServerError)
	for i := range 3 {
		put(t, s.Catalog, ofStudy(c.Fingerprint, fmt.Sprintf("i%d", i), "s1"))
		<-failing.taken
	}
	hookOnce(t, s, g.ID, func(h api.Webhook) bool { return strings.Contains(h.Disabled, "410") })
	hookOnce(t, s, f.ID, func(h api.Webhook) bool { return h.Disabled != "" && h.Dead == 3 })
	if n := len(gone.taken); n != 1 {
		t.Errorf("who wants no more was sent %d messages, want 1", n)
	}
	<-gone.taken
	gone.answers(http.StatusOK)
	yes, no := true, false
	if h, err := s.UpdateWebhook(t.Context(), g.ID, api.WebhookChange{Enabled: &yes}); err != nil || h.Disabled != "" {
		t.Errorf("UpdateWebhook: got %+v, %v, want it enabled", h, err)
	}
	var got []string
	for len(got) < 3 {
		got = append(got, told((<-gone.taken).Data)...)
	}
	if fmt.Sprint(got) != "[instance.stored c i0 s1 instance.stored c i1 s1 instance.stored c i2 s1]" {
		t.Errorf("once it is enabled: got %q, want all that it missed", got)
	}
	if h, err := s.UpdateWebhook(t.Context(), g.ID, api.WebhookChange{Enabled: &no}); err != nil || h.Disabled == "" {
		t.Errorf("UpdateWebhook: got %+v, %v, want it disabled", h, err)
	}
}

// One receiver that takes its time keeps no other waiting.
func TestASlowReceiverKeepsNobodyWaiting(t *testing.T) {
	s := delivering(t, emptyCatalog(t), 3)
	resume(t, s)
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 1)
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer slow.Close()
	quick := newReceiver(t)
	made := hooked(t, s, api.NewWebhook{URL: slow.URL})
	hooked(t, s, api.NewWebhook{URL: quick.url})
	put(t, s.Catalog, ofStudy(c.Fingerprint, "i0", "s1"))
	<-asked
	<-quick.taken
	put(t, s.Catalog, ofStudy(c.Fingerprint, "i1", "s1"))
	<-quick.taken
	if err := s.DeleteWebhook(t.Context(), made.ID); err != nil { // ends what is under way
		t.Fatal(err)
	}
}

func TestSecretsAreRotated(t *testing.T) {
	s := delivering(t, emptyCatalog(t), 3)
	r := newReceiver(t)
	made := hooked(t, s, api.NewWebhook{URL: r.url})
	rotated, err := s.RotateWebhook(t.Context(), made.ID)
	if err != nil || rotated.Secret == made.Secret || rotated.Rotated.Before(time.Now().Add(23*time.Hour)) {
		t.Fatalf("RotateWebhook: got %+v, %v", rotated, err)
	}
	for _, secret := range []string{made.Secret, rotated.Secret} {
		r.signedBy(secret)
		if d, err := s.TestWebhook(t.Context(), made.ID); err != nil || d.Problem != "" {
			t.Errorf("TestWebhook: got %+v, %v", d, err)
		}
		<-r.taken
	}
	found, err := s.Webhooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(found); err != nil || strings.Contains(string(text), "whsec_") {
		t.Errorf("Webhooks tells a secret: %s, %v", text, err)
	}
}

func TestWebhooksThatCannotBe(t *testing.T) {
	s := delivering(t, emptyCatalog(t), 3)
	made := hooked(t, s, api.NewWebhook{URL: "http://127.0.0.1:9/"})
	text, types := "http://example.org", []string{"x"}
	for name, c := range map[string]struct {
		n    api.NewWebhook
		want error
	}{
		"an address of http":       {api.NewWebhook{URL: text}, webhook.ErrURL},
		"a private address":        {api.NewWebhook{URL: "https://10.0.0.1/"}, webhook.ErrAddress},
		"an unknown type":          {api.NewWebhook{URL: "https://example.org/", Types: types}, store.ErrInvalid},
		"no name of a collection":  {api.NewWebhook{URL: "https://example.org/", Collections: []string{"../x"}}, store.ErrInvalid},
		"a weak secret":            {api.NewWebhook{URL: "https://example.org/", Secret: "whsec_abcd"}, webhook.ErrSecret},
		"a cursor that is none":    {api.NewWebhook{URL: "https://example.org/", Since: "x"}, api.ErrCursor},
		"too many types":           {api.NewWebhook{URL: "https://example.org/", Types: slices.Repeat([]string{api.JobEnded}, 101)}, store.ErrInvalid},
		"a cursor of a collection": {api.NewWebhook{URL: "https://example.org/", Since: changes(t, s, api.ChangesQuery{Collection: "c"}).Next}, api.ErrCursor},
	} {
		if _, err := s.CreateWebhook(t.Context(), c.n); !errors.Is(err, c.want) {
			t.Errorf("CreateWebhook with %s: got %v, want %v", name, err, c.want)
		}
	}
	for _, c := range []api.WebhookChange{{URL: &text}, {Types: &types}, {Collections: &types}} {
		c.Collections = func() *[]string { bad := []string{"A"}; return &bad }()
		if _, err := s.UpdateWebhook(t.Context(), made.ID, c); err == nil {
			t.Errorf("UpdateWebhook(%+v): got no error", c)
		}
	}
	if h, err := s.Webhook(t.Context(), made.ID); err != nil || len(h.Types) != 0 || h.URL != made.URL {
		t.Errorf("Webhook after changes that cannot be: got %+v, %v", h, err)
	}
	for name, ask := range map[string]func(context.Context, string) error{
		"Webhook": func(ctx context.Context, id string) error { _, err := s.Webhook(ctx, id); return err },
		"UpdateWebhook": func(ctx context.Context, id string) error {
			_, err := s.UpdateWebhook(ctx, id, api.WebhookChange{})
			return err
		},
		"RotateWebhook": func(ctx context.Context, id string) error { _, err := s.RotateWebhook(ctx, id); return err },
		"TestWebhook":   func(ctx context.Context, id string) error { _, err := s.TestWebhook(ctx, id); return err },
		"DeleteWebhook": s.DeleteWebhook,
		"DeadLetters":   func(ctx context.Context, id string) error { _, err := s.DeadLetters(ctx, id); return err },
	} {
		if err := ask(t.Context(), "none"); !errors.Is(err, api.ErrWebhook) {
			t.Errorf("%s of none: got %v, want ErrWebhook", name, err)
		}
	}
	for range 49 {
		hooked(t, s, api.NewWebhook{URL: "http://127.0.0.1:9/"})
	}
	if _, err := s.CreateWebhook(t.Context(), api.NewWebhook{URL: "http://127.0.0.1:9/"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("CreateWebhook of one too many: got %v, want ErrInvalid", err)
	}
}
