package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nearcase/api/webhook"
	"nearcase/store"
)

// ErrWebhook is a webhook, or one of its dead letters, that is not there.
var ErrWebhook = errors.New("no such webhook")

// Webhook is an address that is told of changes.
type Webhook struct {
	ID  string `json:"id"`
	URL string `json:"url"`
	// Types of changes, and Collections, that it is told of; none means all. What is
	// of no collection is told if no collections are named.
	Types       []string  `json:"types"`
	Collections []string  `json:"collections"`
	Created     time.Time `json:"created"`
	// Disabled says why nothing is sent; empty if it is. Nothing is lost meanwhile.
	Disabled string `json:"disabled,omitempty"`
	// Last is when something was taken last, and Failure why what was sent after
	// that was not, Attempts times.
	Last     time.Time `json:"last,omitzero"`
	Failure  string    `json:"failure,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	// Next is when the next attempt is.
	Next time.Time `json:"next,omitzero"`
	// Rotated is until when messages are signed by the secret before too.
	Rotated time.Time `json:"rotated,omitzero"`
	// Dead counts the messages that were given up: see DeadLetters.
	Dead int `json:"dead_letters"`
}

// NewWebhook says what webhook to make.
type NewWebhook struct {
	URL         string   `json:"url"`
	Types       []string `json:"types,omitempty"`
	Collections []string `json:"collections,omitempty"`
	// Since is the cursor from which changes are told; empty means from now on.
	Since string `json:"since,omitempty"`
	// Secret, if the receiver has one already: whsec_ and 24 to 64 bytes in base64.
	Secret string `json:"secret,omitempty"`
}

// MadeWebhook is a webhook with its secret, which is not shown again.
type MadeWebhook struct {
	Webhook `json:"webhook"`
	Secret  string `json:"secret"`
}

// WebhookChange says what to change of a webhook: what is set.
type WebhookChange struct {
	URL         *string   `json:"url,omitempty"`
	Types       *[]string `json:"types,omitempty"`
	Collections *[]string `json:"collections,omitempty"`
	// Enabled false stops it, and true lets it go on from where it stopped.
	Enabled *bool `json:"enabled,omitempty"`
}

// Delivery says how a message was taken.
type Delivery struct {
	webhook.Sent
	// Problem says why it was not; empty if it was.
	Problem string `json:"problem,omitempty"`
}

// Bounds of webhooks.
const (
	maxWebhooks    = 50
	maxFilter      = 100 // of types or collections that one names
	secretOverlap  = 24 * time.Hour
	disabledByHand = "it was stopped"
	disabledByGone = "the receiver answered 410: it wants no more"
	disabledByDead = "several messages in a row were given up"
)

// checkFilter reports what is wrong with what a webhook is to be told.
func checkFilter(types, collections []string) error {
	for _, t := range types {
		if !slices.Contains(ChangeTypes(), t) {
			return fmt.Errorf("type %.80q: %w: there are %s", t, store.ErrInvalid, strings.Join(ChangeTypes(), ", "))
		}
	}
	for _, c := range collections {
		if err := (store.Collection{Name: c, Fingerprint: "x", Dimension: 1}).Validate(); err != nil {
			return err
		}
	}
	if len(types) > maxFilter || len(collections) > maxFilter {
		return fmt.Errorf("%w: more than %d types or collections", store.ErrInvalid, maxFilter)
	}
	return nil
}

// CreateWebhook makes a webhook. An address or secret that cannot be is
// webhook.ErrURL, webhook.ErrAddress or webhook.ErrSecret, a filter that cannot be
// store.ErrInvalid, and a cursor ErrCursor.
func (s *Service) CreateWebhook(ctx context.Context, n NewWebhook) (MadeWebhook, error) {
	if err := errors.Join(s.hooks.allowed.CheckURL(n.URL), checkFilter(n.Types, n.Collections)); err != nil {
		return MadeWebhook{}, err
	}
	secret := n.Secret
	if secret == "" {
		secret = webhook.NewSecret()
	}
	if err := webhook.CheckSecret(secret); err != nil {
		return MadeWebhook{}, err
	}
	since := n.Since
	if since == "" {
		since = Now
	}
	p, err := s.begins(ctx, ChangesQuery{Since: since})
	if err != nil {
		return MadeWebhook{}, err
	}
	made, err := s.hooks.add(ctx, &hook{kept: hookDocument{
		Webhook: Webhook{ID: newID(), URL: n.URL, Types: once(n.Types), Collections: once(n.Collections), Created: time.Now().UTC()},
		Secret:  secret, At: p.String(),
	}})
	return MadeWebhook{made, secret}, err
}

// once returns each of the names once, in order, and never nil.
func once(names []string) []string {
	return append([]string{}, slices.Compact(slices.Sorted(slices.Values(names)))...)
}

// Webhooks returns all webhooks, the oldest first.
func (s *Service) Webhooks(ctx context.Context) ([]Webhook, error) {
	all, err := s.hooks.list(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Webhook, len(all))
	for i, h := range all {
		found[i] = h.described()
	}
	slices.SortStableFunc(found, func(a, b Webhook) int { return a.Created.Compare(b.Created) })
	return found, nil
}

// Webhook returns a webhook, or ErrWebhook.
func (s *Service) Webhook(ctx context.Context, id string) (Webhook, error) {
	h, err := s.hooks.named(ctx, id)
	if err != nil {
		return Webhook{}, err
	}
	return h.described(), nil
}

// UpdateWebhook changes a webhook. What is being sent may be sent again.
func (s *Service) UpdateWebhook(ctx context.Context, id string, c WebhookChange) (Webhook, error) {
	return s.hooks.change(ctx, id, func(d *hookDocument) error {
		if c.URL != nil {
			if err := s.hooks.allowed.CheckURL(*c.URL); err != nil {
				return err
			}
			d.URL = *c.URL
		}
		if c.Types != nil {
			d.Types = once(*c.Types)
		}
		if c.Collections != nil {
			d.Collections = once(*c.Collections)
		}
		switch {
		case c.Enabled == nil:
		case *c.Enabled:
			d.Disabled, d.Row, d.Failure, d.Attempts = "", 0, "", 0
		default:
			d.Disabled = disabledByHand
		}
		return checkFilter(d.Types, d.Collections)
	})
}

// RotateWebhook gives a webhook another secret. For a day messages are signed by
// the one before too.
func (s *Service) RotateWebhook(ctx context.Context, id string) (MadeWebhook, error) {
	secret := webhook.NewSecret()
	changed, err := s.hooks.change(ctx, id, func(d *hookDocument) error {
		d.Before, d.Secret, d.Rotated = d.Secret, secret, time.Now().UTC().Add(secretOverlap)
		return nil
	})
	return MadeWebhook{changed, secret}, err
}

// DeleteWebhook removes a webhook with its dead letters.
func (s *Service) DeleteWebhook(ctx context.Context, id string) error { return s.hooks.remove(ctx, id) }

// TestWebhook sends a message without changes, once, whether the webhook is
// disabled or not. That it was not taken is in the answer, and no error.
func (s *Service) TestWebhook(ctx context.Context, id string) (Delivery, error) {
	h, err := s.hooks.named(ctx, id)
	if err != nil {
		return Delivery{}, err
	}
	m, err := h.message("test_"+newID(), nil)
	if err != nil {
		return Delivery{}, err
	}
	return delivered(s.hooks.sender.Send(ctx, m)), ctx.Err()
}

func delivered(sent webhook.Sent, err error) Delivery {
	d := Delivery{Sent: sent}
	if err != nil {
		d.Problem = err.Error()
	}
	return d
}
