package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// letterKind is the kind of document that a dead letter is.
const letterKind = "deadletter"

// maxLetters is how many dead letters of a webhook are kept, the last ones.
const maxLetters = 1000

// DeadLetter is a message that was given up. It has the place of its changes, not
// the changes: those are read anew, and what was erased meanwhile is not among
// them.
type DeadLetter struct {
	ID      string `json:"id"` // the message's
	Webhook string `json:"webhook"`
	// Changes is how many it had.
	Changes  int       `json:"changes"`
	Time     time.Time `json:"time"`
	Attempts int       `json:"attempts"`
	Problem  string    `json:"problem"`
	// From and To are the cursors between which its changes are.
	From string `json:"from"`
	To   string `json:"to"`
}

// name is that of its document.
func (l DeadLetter) name() string { return l.Webhook + "." + l.ID }

// bury puts a message among the dead letters, and reports whether it could.
func (h *hooks) bury(one *hook, l letter, attempts int, why error) bool {
	d := DeadLetter{ID: l.id, Webhook: one.kept.ID, Changes: len(l.changes), Time: time.Now().UTC(), Attempts: attempts,
		Problem: shown(why), From: l.from.String(), To: l.to.String()}
	data, err := json.Marshal(d)
	if err == nil {
		err = h.catalog.SaveDocument(context.Background(), letterKind, d.name(), data)
	}
	for _, old := range one.lay(d, err) {
		err = errors.Join(err, h.catalog.DropDocument(context.Background(), letterKind, old.name()))
	}
	if err != nil {
		h.logger.Error("dead letter not kept: the message is sent again", "webhook", one.kept.ID, "error", err)
	}
	return err == nil
}

// lay adds a dead letter, unless it could not be kept, and returns those that make
// way for it.
func (o *hook) lay(d DeadLetter, err error) (old []DeadLetter) {
	if err != nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dead = slices.DeleteFunc(o.dead, func(l DeadLetter) bool { return l.ID == d.ID })
	o.dead = append(o.dead, d)
	if n := len(o.dead) - maxLetters; n > 0 {
		old, o.dead = o.dead[:n:n], slices.Clone(o.dead[n:])
	}
	return old
}

// DeadLetters returns the messages of a webhook that were given up, the oldest
// first.
func (s *Service) DeadLetters(ctx context.Context, id string) ([]DeadLetter, error) {
	one, err := s.hooks.named(ctx, id)
	if err != nil {
		return nil, err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	return slices.Clone(one.dead), nil
}

// Redeliver sends a dead letter once more, and removes it if it is taken. Changes
// that are no longer there are left out; if that is all of them it is removed
// without being sent.
func (s *Service) Redeliver(ctx context.Context, id, message string) (Delivery, error) {
	one, found, err := s.hooks.dead(ctx, id, message)
	if err != nil {
		return Delivery{}, err
	}
	changes, err := s.hooks.exhume(ctx, one, found)
	if err != nil {
		return Delivery{}, fmt.Errorf("message %s: %w", message, err)
	}
	if len(changes) == 0 {
		return Delivery{}, s.DropDeadLetter(ctx, id, message)
	}
	d := delivered(s.hooks.send(ctx, one, letter{id: found.ID, changes: changes}))
	if d.Problem != "" {
		return d, ctx.Err()
	}
	return d, s.DropDeadLetter(ctx, id, message)
}

// DropDeadLetter forgets a dead letter.
func (s *Service) DropDeadLetter(ctx context.Context, id, message string) error {
	one, found, err := s.hooks.dead(ctx, id, message)
	if err != nil {
		return err
	}
	if err := s.Catalog.DropDocument(ctx, letterKind, found.name()); err != nil {
		return err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	one.dead = slices.DeleteFunc(one.dead, func(l DeadLetter) bool { return l.ID == message })
	return nil
}

func (h *hooks) dead(ctx context.Context, id, message string) (*hook, DeadLetter, error) {
	one, err := h.named(ctx, id)
	if err != nil {
		return nil, DeadLetter{}, err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	for _, l := range one.dead {
		if l.ID == message {
			return one, l, nil
		}
	}
	return nil, DeadLetter{}, fmt.Errorf("dead letter %.80q of webhook %s: %w", message, id, ErrWebhook)
}

// exhume reads the changes of a dead letter anew.
func (h *hooks) exhume(ctx context.Context, one *hook, l DeadLetter) ([]Change, error) {
	from, err := parsePosition(l.From)
	if err != nil {
		return nil, err
	}
	to, err := parsePosition(l.To)
	if err != nil {
		return nil, err
	}
	return h.still(ctx, one, from, to)
}
