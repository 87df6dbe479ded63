package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"nearcase/api/webhook"
)

// Bounds of a message, and of what is given up.
const (
	maxBatch   = 100  // changes in a message
	maxSkipped = 2000 // changes that are passed over before that is kept
	maxRow     = 3    // messages given up one after the other that disable
)

// Message is what a webhook is sent: the changes in their order.
type Message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Webhook   string    `json:"webhook"`
	Data      []Change  `json:"data"`
}

// The types of a Message.
const (
	MessageChanges = "nearcase.changes"
	MessageTest    = "nearcase.test"
)

// letter is a message in the making: the changes from a position to another.
type letter struct {
	id       string
	from, to position
	changes  []Change
}

// run sends what is new until the context ends or the webhook is disabled.
func (h *hooks) run(ctx context.Context, one *hook) {
	p, err := parsePosition(one.kept.At)
	if err != nil {
		h.disable(one, err.Error())
		return
	}
	skipped := 0
	for ctx.Err() == nil {
		wake := h.s.waking()
		l, read, err := h.letter(ctx, one, &p)
		switch {
		case errors.Is(err, ErrCursor): // the data is of before: begin with what comes
			h.logger.Error("webhook is ahead of the data: changes may have been missed", "webhook", one.kept.ID, "error", err)
			if now, failed := h.s.now(ctx, ""); failed == nil {
				p = now
				h.moved(one, p)
			} else {
				h.wait(ctx, h.retries.First)
			}
		case err != nil && ctx.Err() == nil:
			h.logger.Error("changes cannot be read for a webhook", "webhook", one.kept.ID, "error", err)
			h.wait(ctx, h.retries.First)
		case err == nil && len(l.changes) > 0:
			if !h.deliver(ctx, one, l) {
				return
			}
			skipped = 0
		case err == nil && read == 0:
			wake.wait(ctx)
		}
		if skipped += read; skipped > maxSkipped {
			h.moved(one, p)
			skipped = 0
		}
	}
}

// letter gathers the next message, and moves the position past it. read counts
// the changes there were, wanted or not.
func (h *hooks) letter(ctx context.Context, one *hook, p *position) (l letter, read int, err error) {
	l.from = p.clone()
	changes, _, err := h.s.changesAfter(ctx, p, maxBatch, nil)
	if err != nil {
		*p = l.from
		return l, 0, err
	}
	l.to = p.clone()
	l.changes = one.wanted(changes)
	l.id = "msg_" + changeID(one.kept.ID, l.from, l.to)
	return l, len(changes), nil
}

// deliver sends a message until it is taken or given up, and reports whether the
// next may follow.
func (h *hooks) deliver(ctx context.Context, one *hook, l letter) bool {
	for attempt := 1; ; attempt++ {
		sent, err := h.attempt(ctx, one, &l, attempt)
		switch {
		case err == nil:
			h.taken(one, l)
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, webhook.ErrGone):
			h.disable(one, disabledByGone)
			return false
		case attempt >= h.retries.Attempts && h.bury(one, l, attempt, err):
			return h.giveUp(one, l, attempt, err)
		}
		delay := h.retries.Delay(attempt, rand.Float64(), sent.After)
		h.failed(one, attempt, err, time.Now().UTC().Add(delay))
		if !h.wait(ctx, delay) {
			return false
		}
	}
}

// attempt sends a message. From the second time on its changes are read anew, so
// that nothing is told of what was erased meanwhile; of a message of which nothing
// is left nothing is sent.
func (h *hooks) attempt(ctx context.Context, one *hook, l *letter, n int) (webhook.Sent, error) {
	if n > 1 {
		changes, err := h.still(ctx, one, l.from, l.to)
		if err != nil {
			return webhook.Sent{}, err
		}
		if l.changes = changes; len(changes) == 0 {
			return webhook.Sent{}, nil
		}
	}
	return h.send(ctx, one, *l)
}

// still returns what there is of the changes from a position to another.
func (h *hooks) still(ctx context.Context, one *hook, from, to position) ([]Change, error) {
	from = from.clone()
	changes, _, err := h.s.changesAfter(ctx, &from, math.MaxInt, &to)
	return one.wanted(changes), err
}

// wait reports false if the context ends first.
func (h *hooks) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-h.after(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (h *hooks) send(ctx context.Context, one *hook, l letter) (webhook.Sent, error) {
	m, err := one.message(l.id, l.changes)
	if err != nil {
		return webhook.Sent{}, err
	}
	return h.sender.Send(ctx, m)
}

// message makes what is sent; without changes it is a test.
func (o *hook) message(id string, changes []Change) (webhook.Message, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now().UTC()
	m := Message{Type: MessageChanges, Timestamp: now, Webhook: o.kept.ID, Data: append([]Change{}, changes...)}
	if len(changes) == 0 {
		m.Type = MessageTest
	}
	body, err := json.Marshal(m)
	if err != nil {
		return webhook.Message{}, fmt.Errorf("encode message: %w", err)
	}
	secrets := []string{o.kept.Secret}
	if o.kept.Before != "" && now.Before(o.kept.Rotated) {
		secrets = append(secrets, o.kept.Before)
	}
	return webhook.Message{URL: o.kept.URL, ID: id, Time: now, Body: body, Secrets: secrets}, nil
}

// taken notes that a message was taken, or that nothing was left of it, and that
// the next begins after it.
func (h *hooks) taken(one *hook, l letter) {
	one.mu.Lock()
	if one.kept.Failure, one.kept.Attempts, one.kept.Next = "", 0, (time.Time{}); len(l.changes) > 0 {
		one.kept.Last, one.kept.Row = time.Now().UTC(), 0
	}
	one.mu.Unlock()
	h.moved(one, l.to)
}

// moved keeps where the next message begins.
func (h *hooks) moved(one *hook, p position) {
	one.mu.Lock()
	one.kept.At = p.String()
	one.mu.Unlock()
	if err := h.save(one); err != nil { // it may be told again
		h.logger.Error("webhook not kept: a restart may tell changes again", "webhook", one.kept.ID, "error", err)
	}
}

// shown is the text of an error as far as it is kept: a receiver may have chosen
// some of it.
func shown(err error) string { return fmt.Sprintf("%.500s", err) }

func (h *hooks) failed(one *hook, attempt int, err error, next time.Time) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.kept.Failure, one.kept.Attempts, one.kept.Next = shown(err), attempt, next
}

// disable stops a webhook, which loses nothing by it.
func (h *hooks) disable(one *hook, why string) {
	one.mu.Lock()
	one.kept.Disabled, one.kept.Next = why, time.Time{}
	one.mu.Unlock()
	h.logger.Warn("webhook disabled", "webhook", one.kept.ID, "reason", why)
	if err := h.save(one); err != nil {
		h.logger.Error("webhook not kept", "webhook", one.kept.ID, "error", err)
	}
}

// giveUp goes on after a message that is a dead letter now, and reports whether
// the next may follow.
func (h *hooks) giveUp(one *hook, l letter, attempts int, err error) bool {
	h.logger.Warn("webhook message given up", "webhook", one.kept.ID, "message", l.id, "attempts", attempts, "error", err)
	one.mu.Lock()
	one.kept.Row++
	row := one.kept.Row
	one.kept.Failure, one.kept.Attempts, one.kept.Next = shown(err), attempts, time.Time{}
	one.mu.Unlock()
	h.moved(one, l.to)
	if row >= maxRow {
		h.disable(one, disabledByDead)
	}
	return row < maxRow
}
