package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"nearcase/api"
)

type changesCommand struct {
	Collection string `short:"c" help:"Collection whose changes to tell (default: all)." placeholder:"NAME"`
	Since      string `help:"Cursor to go on from: the one printed last, or now (default: the beginning)." placeholder:"CURSOR"`
	Limit      int    `default:"100" help:"How many changes at most at a time."`
	Follow     bool   `short:"f" help:"Go on telling what happens on a server, until interrupted."`
}

func (changesCommand) Help() string {
	return `Prints one change a line, and at the end the cursor from which to go on. With
--json each line is a change, and the last an object with next, the cursor.

  nearcase --server http://127.0.0.1:8417 changes --follow --since now`
}

func (q changesCommand) Run(ctx context.Context, s *session) error {
	if q.Follow && s.Server == "" {
		return errors.New("nothing else changes a data directory while this command has it: name a server with --server to follow it")
	}
	return s.with(existing, func(o operations, _ config) error { return q.tell(ctx, s, o) })
}

func (q changesCommand) tell(ctx context.Context, s *session, o operations) error {
	asked := api.ChangesQuery{Since: q.Since, Collection: q.Collection, Limit: q.Limit}
	for {
		found, err := o.Changes(ctx, asked)
		if err != nil && ctx.Err() != nil && q.Follow { // interrupted, as is usual
			return s.printCursor(asked.Since)
		}
		if err != nil {
			return err
		}
		if err := s.printChanges(found.Changes); err != nil {
			return err
		}
		asked.Since = found.Next
		if !q.Follow {
			return s.printCursor(found.Next)
		}
		asked.Wait = api.MaxWait
	}
}

func (s *session) printCursor(next string) error {
	if s.JSON {
		return json.NewEncoder(s.stdout).Encode(map[string]string{"next": next})
	}
	_, err := fmt.Fprintln(s.stdout, "next:", next)
	return err
}

func (s *session) printChanges(changes []api.Change) error {
	for _, c := range changes {
		if s.JSON {
			if err := json.NewEncoder(s.stdout).Encode(c); err != nil {
				return err
			}
			continue
		}
		if _, err := io.WriteString(s.stdout, strings.Map(printable, changeText(c))+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// changeText is a change in a line.
func changeText(c api.Change) string {
	when := "-"
	if !c.Time.IsZero() {
		when = c.Time.UTC().Format(time.RFC3339)
	}
	parts := []string{when, c.Type, c.Collection, c.Instance, c.Study, c.Task, strings.Join(c.Classes, "|"), c.Kind, c.Job, string(c.State)}
	text := ""
	for _, p := range parts {
		if p != "" {
			text += " " + p
		}
	}
	if c.Withdrawn {
		text += " withdrawn"
	}
	if c.Instances > 0 {
		text += fmt.Sprintf(" %d instances", c.Instances)
	}
	return text[1:]
}
