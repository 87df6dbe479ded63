package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"nearcase/api"
)

type webhooksCommand struct {
	List    webhooksList    `cmd:"" default:"1" help:"List webhooks."`
	Create  webhooksCreate  `cmd:"" help:"Have an address told of changes, and print the secret, once."`
	Show    webhooksShow    `cmd:"" help:"Show a webhook and how its last message was taken."`
	Update  webhooksUpdate  `cmd:"" help:"Change a webhook, stop it or let it go on."`
	Rotate  webhooksRotate  `cmd:"" help:"Give a webhook another secret."`
	Test    webhooksTest    `cmd:"" help:"Send a message without changes."`
	Delete  webhooksDelete  `cmd:"" help:"Remove a webhook."`
	Dead    webhooksDead    `cmd:"" help:"List the messages that were given up."`
	Resend  webhooksResend  `cmd:"" help:"Send a dead letter once more."`
	Discard webhooksDiscard `cmd:"" help:"Forget a dead letter."`
}

type webhooksList struct{}

func (webhooksList) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		all, err := o.Webhooks(ctx)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) {
			t := table(w, "WEBHOOK", "URL", "TYPES", "COLLECTIONS", "STATE", "DEAD LETTERS")
			for _, h := range all {
				t.row(h.ID, h.URL, orAll(h.Types), orAll(h.Collections), hookState(h), h.Dead)
			}
			t.flush()
		})
	})
}

func orAll(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	return strings.Join(names, ", ")
}

// hookState says how a webhook is.
func hookState(h api.Webhook) string {
	switch {
	case h.Disabled != "":
		return "disabled: " + h.Disabled
	case h.Failure != "":
		return fmt.Sprintf("tried %d times: %s", h.Attempts, h.Failure)
	case h.Last.IsZero():
		return "nothing sent yet"
	}
	return "well"
}

func (s *session) printWebhook(h api.Webhook) error {
	return s.print(h, func(w io.Writer) {
		t := table(w)
		t.row("webhook", h.ID)
		t.row("url", h.URL)
		t.row("types", orAll(h.Types))
		t.row("collections", orAll(h.Collections))
		t.row("state", hookState(h))
		for _, at := range []struct {
			name string
			time.Time
		}{{"last taken", h.Last}, {"next attempt", h.Next}, {"secret before valid until", h.Rotated}} {
			if !at.IsZero() {
				t.row(at.name, at.Format(time.DateTime+" MST"))
			}
		}
		t.row("dead letters", h.Dead)
		t.flush()
	})
}

func (s *session) printSecret(m api.MadeWebhook) error {
	return s.print(m, func(w io.Writer) { fmt.Fprintf(w, "webhook %s\nsecret  %s\n", m.ID, m.Secret) })
}

type webhooksCreate struct {
	URL        string   `arg:"" name:"url" help:"Where messages go: https, or http for this machine."`
	Type       []string `help:"Type of changes to be told of, repeatable (default: all)." placeholder:"TYPE"`
	Collection []string `short:"c" help:"Collection whose changes to be told of, repeatable (default: all)." placeholder:"NAME"`
	Since      string   `help:"Cursor from which to tell (default: now)." placeholder:"CURSOR"`
	SecretFile string   `help:"File with the secret, if the receiver has one already." placeholder:"FILE"`
}

func (webhooksCreate) Help() string {
	return `Messages are signed as https://www.standardwebhooks.com says; serve sends them.
Receivers in private networks need webhooks.allow_networks in the configuration.

  nearcase webhooks create https://pacs.example/nearcase --type study.complete`
}

func (q webhooksCreate) Run(ctx context.Context, s *session) error {
	n := api.NewWebhook{URL: q.URL, Types: q.Type, Collections: q.Collection, Since: q.Since}
	if q.SecretFile != "" {
		b, err := os.ReadFile(q.SecretFile)
		if err != nil {
			return err
		}
		n.Secret = strings.TrimSpace(string(b))
	}
	return s.with(orNew, func(o operations, _ config) error {
		made, err := o.CreateWebhook(ctx, n)
		if err != nil {
			return err
		}
		return s.printSecret(made)
	})
}

// oneWebhook names a webhook.
type oneWebhook struct {
	ID string `arg:"" help:"The webhook."`
}

type webhooksShow struct{ oneWebhook }

func (q webhooksShow) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		h, err := o.Webhook(ctx, q.ID)
		if err != nil {
			return err
		}
		return s.printWebhook(h)
	})
}

type webhooksUpdate struct {
	oneWebhook
	URL        *string   `name:"url" help:"Another address." placeholder:"URL"`
	Type       *[]string `help:"Types of changes in place of those before; none, as --type=, is all." placeholder:"TYPE"`
	Collection *[]string `short:"c" help:"Collections in place of those before; none, as --collection=, is all." placeholder:"NAME"`
	Stop       bool      `help:"Send nothing; nothing is lost meanwhile." xor:"enabled"`
	Start      bool      `help:"Go on from where it stopped." xor:"enabled"`
}

func (q webhooksUpdate) Run(ctx context.Context, s *session) error {
	c := api.WebhookChange{URL: q.URL, Types: given(q.Type), Collections: given(q.Collection)}
	if q.Stop || q.Start {
		c.Enabled = &q.Start
	}
	if c == (api.WebhookChange{}) {
		return errors.New("nothing to change: give --url, --type, --collection, --stop or --start")
	}
	return s.with(existing, func(o operations, _ config) error {
		h, err := o.UpdateWebhook(ctx, q.ID, c)
		if err != nil {
			return err
		}
		return s.printWebhook(h)
	})
}

// given is a list that was given, without the empty name that stands for none.
func given(names *[]string) *[]string {
	if names != nil && strings.Join(*names, "") == "" {
		return &[]string{}
	}
	return names
}

type webhooksRotate struct{ oneWebhook }

func (webhooksRotate) Help() string {
	return `For a day messages are signed by the secret before too.`
}

func (q webhooksRotate) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		rotated, err := o.RotateWebhook(ctx, q.ID)
		if err != nil {
			return err
		}
		return s.printSecret(rotated)
	})
}

type webhooksTest struct{ oneWebhook }

func (q webhooksTest) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		d, err := o.TestWebhook(ctx, q.ID)
		if err != nil {
			return err
		}
		return s.printDelivery(d)
	})
}

func (s *session) printDelivery(d api.Delivery) error {
	err := s.print(d, func(w io.Writer) {
		switch {
		case d.Problem != "":
		case d.Status == 0:
			fmt.Fprintln(w, "nothing is left of it to send: it is removed")
		default:
			fmt.Fprintf(w, "taken with status %d after %s\n", d.Status, d.Took.Round(time.Millisecond))
		}
	})
	if d.Problem != "" {
		err = errors.Join(err, errors.New(d.Problem))
	}
	return err
}

type webhooksDelete struct{ oneWebhook }

func (q webhooksDelete) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error { return o.DeleteWebhook(ctx, q.ID) })
}

type webhooksDead struct{ oneWebhook }

func (q webhooksDead) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		all, err := o.DeadLetters(ctx, q.ID)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) {
			t := table(w, "MESSAGE", "CHANGES", "TIME", "ATTEMPTS", "PROBLEM")
			for _, l := range all {
				t.row(l.ID, l.Changes, l.Time.Format(time.DateTime), l.Attempts, l.Problem)
			}
			t.flush()
		})
	})
}

// oneLetter names a dead letter.
type oneLetter struct {
	oneWebhook
	Message string `arg:"" help:"The message."`
}

type webhooksResend struct{ oneLetter }

func (q webhooksResend) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		d, err := o.Redeliver(ctx, q.ID, q.Message)
		if err != nil {
			return err
		}
		return s.printDelivery(d)
	})
}

type webhooksDiscard struct{ oneLetter }

func (q webhooksDiscard) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error { return o.DropDeadLetter(ctx, q.ID, q.Message) })
}
