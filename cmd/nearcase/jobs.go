package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"nearcase/api"
)

// events are what tells of work in the background and of what has happened.
type events interface {
	Jobs(context.Context) ([]api.Job, error)
	Job(ctx context.Context, id string) (api.Job, error)
	Await(ctx context.Context, id string) (api.Job, error)
	Cancel(ctx context.Context, id string) (api.Job, error)
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

type jobsCommand struct {
	List   jobsList   `cmd:"" default:"1" help:"List jobs, the last started first."`
	Show   jobsShow   `cmd:"" help:"Show a job with its parameters and result."`
	Wait   jobsWait   `cmd:"" help:"Wait for a job of a server to end."`
	Cancel jobsCancel `cmd:"" help:"Ask a job to end."`
}

type jobsList struct{}

func (jobsList) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		all, err := o.Jobs(ctx)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) {
			t := table(w, "JOB", "KIND", "COLLECTION", "STATE", "DONE", "CREATED")
			for _, j := range all {
				t.row(j.ID, j.Kind, orDash(j.Collection), stateOf(j), doneOf(j), j.Created.Format(time.DateTime))
			}
			t.flush()
		})
	})
}

// stateOf is a job's state with what it is doing.
func stateOf(j api.Job) string {
	if j.Stage == "" {
		return string(j.State)
	}
	return fmt.Sprintf("%s: %s", j.State, j.Stage)
}

func doneOf(j api.Job) string {
	if j.Total == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", j.Done, j.Total)
}

type jobsShow struct {
	ID string `arg:"" help:"The job."`
}

func (q jobsShow) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		j, err := o.Job(ctx, q.ID)
		if err != nil {
			return err
		}
		return s.printJob(j)
	})
}

// shownJob is a job in JSON, with why it failed.
type shownJob struct {
	api.Job
	Problem string `json:"problem,omitempty"`
}

func (s *session) printJob(j api.Job) error {
	shown := shownJob{Job: j}
	if j.Err != nil {
		shown.Problem = j.Err.Error()
	}
	return s.print(shown, func(w io.Writer) {
		t := table(w)
		t.row("job", j.ID)
		t.row("kind", j.Kind)
		t.row("collection", orDash(j.Collection))
		t.row("state", stateOf(j))
		t.row("done", doneOf(j))
		t.row("attempts", j.Attempts)
		t.row("created", j.Created.Format(time.DateTime+" MST"))
		if j.HasEnded() {
			t.row("ended", j.Ended.Format(time.DateTime+" MST"))
		}
		t.row("problem", orDash(shown.Problem))
		t.row("parameters", orDash(string(j.Parameters)))
		t.row("result", orDash(string(j.Result)))
		t.flush()
	})
}

type jobsWait struct {
	ID string `arg:"" help:"The job."`
}

func (jobsWait) Help() string {
	return `Prints the job once it has ended, and fails if it did. An interrupt leaves it running.`
}

func (q jobsWait) Run(ctx context.Context, s *session) error {
	if s.Server == "" {
		return errors.New("jobs run in a server: name it with --server")
	}
	return s.with(existing, func(o operations, _ config) error {
		j, err := o.Await(ctx, q.ID)
		if err != nil {
			return err
		}
		return errors.Join(s.printJob(j), j.Err)
	})
}

type jobsCancel struct {
	ID string `arg:"" help:"The job."`
}

func (q jobsCancel) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		j, err := o.Cancel(ctx, q.ID)
		if err != nil {
			return err
		}
		return s.print(j, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", j.ID, j.State) })
	})
}
