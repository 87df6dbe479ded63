package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"nearcase/api/webhook"
	"nearcase/store"
)

// hookKind is the kind of document that a webhook is.
const hookKind = "webhook"

// hookDocument is a webhook as it is kept.
type hookDocument struct {
	Webhook
	Secret string `json:"secret"`
	// Before is the secret before, which counts until Rotated.
	Before string `json:"before,omitempty"`
	// At is the cursor of the first change that has not been taken.
	At string `json:"at"`
	// Row counts the messages that were given up one after the other.
	Row int `json:"row,omitempty"`
}

// hooks are the webhooks of a service. Each that is begun has a goroutine of its
// own, so that none waits for another.
type hooks struct {
	s       *Service
	catalog store.Catalog
	logger  *slog.Logger
	allowed webhook.Networks
	sender  *webhook.Sender
	retries webhook.Retries
	// after is time.After, save in tests.
	after func(time.Duration) <-chan time.Time

	ctx    context.Context
	stop   context.CancelFunc
	active sync.WaitGroup

	changing sync.Mutex // held by who adds, changes or removes one
	mu       sync.Mutex
	loaded   bool
	sending  bool
	all      map[string]*hook
}

// hook is one webhook.
type hook struct {
	mu   sync.Mutex
	kept hookDocument
	dead []DeadLetter // the oldest first
	stop context.CancelFunc
	done chan struct{} // closed when its goroutine has ended; nil if it has none
}

// usualRetries spread ten attempts over about eleven hours.
var usualRetries = webhook.Retries{Attempts: 10, First: 5 * time.Second, Longest: 6 * time.Hour}

func newHooks(s *Service) *hooks {
	h := &hooks{s: s, catalog: s.Catalog, logger: s.Logger, allowed: s.Networks, retries: usualRetries, after: time.After, all: map[string]*hook{}}
	h.sender = webhook.NewSender(h.allowed, "nearcase")
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

// begin runs what ends with the webhooks.
func (h *hooks) begin(f func(ctx context.Context)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() == nil {
		h.active.Go(func() { f(h.ctx) })
	}
}

// close ends all that has begun and waits for it.
func (h *hooks) close() {
	h.mu.Lock()
	h.stop()
	h.mu.Unlock()
	h.active.Wait()
	h.sender.Close()
}

// resume begins to send.
func (h *hooks) resume(ctx context.Context) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	if err := h.load(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	h.sending = true
	h.mu.Unlock()
	for _, one := range h.each() {
		h.launch(one)
	}
	return nil
}

// load reads the webhooks that are kept, unless that is done.
func (h *hooks) load(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.loaded {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	found, err := h.catalog.Documents(ctx, hookKind)
	if errors.Is(err, store.ErrDamaged) {
		h.logger.Error("webhooks cannot be read", "error", err)
	} else if err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	for _, d := range found {
		one := &hook{}
		if err := json.Unmarshal(d.Data, &one.kept); err != nil {
			h.logger.Error("a webhook cannot be read", "webhook", d.Name, "error", err)
			continue
		}
		h.all[d.Name] = one
	}
	err = h.loadLetters(ctx)
	h.loaded = err == nil
	return err
}

// loadLetters reads the dead letters that are kept; mu is held.
func (h *hooks) loadLetters(ctx context.Context) error {
	letters, err := h.catalog.Documents(ctx, letterKind)
	if errors.Is(err, store.ErrDamaged) {
		h.logger.Error("dead letters cannot be read", "error", err)
	} else if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	for _, one := range h.all {
		one.dead = nil
	}
	for _, d := range letters {
		var l DeadLetter
		if bad := json.Unmarshal(d.Data, &l); bad != nil {
			h.logger.Error("a dead letter cannot be read", "letter", d.Name, "error", bad)
			continue
		}
		if one := h.all[l.Webhook]; one != nil {
			one.dead = append(one.dead, l)
		}
	}
	for _, one := range h.all {
		slices.SortStableFunc(one.dead, func(a, b DeadLetter) int { return a.Time.Compare(b.Time) })
	}
	return nil
}

func (h *hooks) each() []*hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.all))
}

func (h *hooks) list(ctx context.Context) ([]*hook, error) {
	if err := h.load(ctx); err != nil {
		return nil, err
	}
	return h.each(), nil
}

func (h *hooks) named(ctx context.Context, id string) (*hook, error) {
	if err := h.load(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if one := h.all[id]; one != nil {
		return one, nil
	}
	return nil, fmt.Errorf("webhook %.80q: %w", id, ErrWebhook)
}

// add keeps a webhook and begins it.
func (h *hooks) add(ctx context.Context, one *hook) (Webhook, error) {
	h.changing.Lock()
	defer h.changing.Unlock()
	all, err := h.list(ctx)
	if err != nil {
		return Webhook{}, err
	}
	if len(all) >= maxWebhooks {
		return Webhook{}, fmt.Errorf("%w: there are %d webhooks already, which is the limit", store.ErrInvalid, len(all))
	}
	if err := h.save(one); err != nil {
		return Webhook{}, err
	}
	h.mu.Lock()
	h.all[one.kept.ID] = one
	h.mu.Unlock()
	h.launch(one)
	return one.described(), nil
}

// change stops a webhook, changes it and lets it go on.
func (h *hooks) change(ctx context.Context, id string, change func(*hookDocument) error) (Webhook, error) {
	h.changing.Lock()
	defer h.changing.Unlock()
	one, err := h.named(ctx, id)
	if err != nil {
		return Webhook{}, err
	}
	h.halt(one)
	defer h.launch(one)
	one.mu.Lock()
	was := one.kept
	err = change(&one.kept)
	if err != nil {
		one.kept = was
	}
	one.mu.Unlock()
	if err != nil {
		return Webhook{}, err
	}
	if err := h.save(one); err != nil {
		one.mu.Lock()
		one.kept = was
		one.mu.Unlock()
		return Webhook{}, err
	}
	return one.described(), nil
}

// remove stops a webhook and removes it, its dead letters first.
func (h *hooks) remove(ctx context.Context, id string) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	one, err := h.named(ctx, id)
	if err != nil {
		return err
	}
	h.halt(one)
	for _, l := range one.dead {
		err = errors.Join(err, h.catalog.DropDocument(ctx, letterKind, l.name()))
	}
	if err == nil {
		err = h.catalog.DropDocument(ctx, hookKind, id)
	}
	if err != nil {
		h.launch(one)
		return fmt.Errorf("remove webhook: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, id)
	return nil
}

// launch begins to send, unless the webhook is disabled or this run of the program
// does not send. changing is held.
func (h *hooks) launch(one *hook) {
	one.mu.Lock()
	defer one.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.sending || one.kept.Disabled != "" || one.done != nil || h.ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithCancel(h.ctx)
	done := make(chan struct{})
	one.stop, one.done = stop, done
	h.active.Go(func() {
		defer close(done)
		defer stop()
		h.run(ctx, one)
	})
}

// halt waits until nothing is sent any more. changing is held.
func (h *hooks) halt(one *hook) {
	one.mu.Lock()
	stop, done := one.stop, one.done
	one.stop, one.done = nil, nil
	one.mu.Unlock()
	if done != nil {
		stop()
		<-done
	}
}

// save keeps a webhook as it is.
func (h *hooks) save(one *hook) error {
	one.mu.Lock()
	data, err := json.Marshal(one.kept)
	id := one.kept.ID
	one.mu.Unlock()
	if err == nil {
		err = h.catalog.SaveDocument(context.Background(), hookKind, id, data)
	}
	if err != nil {
		return fmt.Errorf("keep webhook: %w", err)
	}
	return nil
}

// described is a webhook without its secrets.
func (o *hook) described() Webhook {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.kept.Webhook
	d.Dead = len(o.dead)
	if !time.Now().Before(d.Rotated) {
		d.Rotated = time.Time{}
	}
	return d
}

// allows reports whether a name is one of names, where none stands for all.
func allows(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// wanted are the changes that are to be told.
func (o *hook) wanted(changes []Change) (wanted []Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range changes {
		if allows(o.kept.Types, c.Type) && allows(o.kept.Collections, c.Collection) {
			wanted = append(wanted, c)
		}
	}
	return wanted
}
