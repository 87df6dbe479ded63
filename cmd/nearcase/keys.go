package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"nearcase/api/audit"
	"nearcase/api/client"
	"nearcase/api/keys"
)

type keysCommand struct {
	List   keysList   `cmd:"" default:"1" help:"List API keys."`
	Create keysCreate `cmd:"" help:"Make an API key and print it, once."`
	Rotate keysRotate `cmd:"" help:"Give an API key another secret."`
	Revoke keysRevoke `cmd:"" help:"End an API key at once."`
}

// keyring is what both a data directory and a server can do with API keys.
type keyring interface {
	CreateKey(context.Context, keys.New) (keys.Issued, error)
	Keys(context.Context) ([]keys.Key, error)
	RotateKey(ctx context.Context, id string, grace time.Duration) (keys.Issued, error)
	RevokeKey(ctx context.Context, id string) (keys.Key, error)
}

var (
	_ keyring = (*keys.Ring)(nil)
	_ keyring = (*client.Client)(nil)
)

// withKeys works on the API keys of the data directory or server. A server
// records by itself what is done; what is done to a data directory is recorded
// as operation.
func (s *session) withKeys(ctx context.Context, operation string, work func(keyring) error) (err error) {
	c, err := s.configuration()
	if err != nil {
		return err
	}
	if s.Server != "" {
		o, err := s.connect()
		if err != nil {
			return err
		}
		return errors.Join(work(o), o.Close())
	}
	catalog, err := s.openCatalog(c.calm(), orNew)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, catalog.Close()) }()
	g, err := c.openGuards(ctx, catalog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	if operation != "" && g.log != nil {
		e := audit.Entry{Time: time.Now(), Key: "command", Operation: operation}
		if err := g.log.Commit(ctx, e); err != nil {
			return err
		}
	}
	return work(g.ring)
}

type keysList struct{}

func (keysList) Run(ctx context.Context, s *session) error {
	return s.withKeys(ctx, "", func(k keyring) error {
		all, err := k.Keys(ctx)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) {
			t := table(w, "KEY", "NAME", "SCOPES", "COLLECTIONS", "STATE", "CREATED", "LAST USED")
			for _, k := range all {
				t.row(k.ID, k.Name, scopeNames(k.Scopes), collectionNames(k.Grant), keyState(k, time.Now()), day(k.Created), day(k.LastUsed))
			}
			t.flush()
		})
	})
}

func scopeNames(scopes []keys.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

func collectionNames(g keys.Grant) string {
	if len(g.Collections) == 0 {
		return "all"
	}
	return strings.Join(g.Collections, ", ")
}

// keyState says whether a key opens something.
func keyState(k keys.Key, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	case !k.Expires.IsZero():
		return "until " + day(k.Expires)
	}
	return "valid"
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

type keysCreate struct {
	Name       string        `required:"" help:"Whose it is: a person, a modality, a script."`
	Scope      []keys.Scope  `required:"" help:"What it may do: read, write, label or admin, which may all. Repeatable." placeholder:"SCOPE"`
	Collection []string      `short:"c" help:"Collection that it is for, repeatable (default: all)." placeholder:"NAME"`
	Expires    time.Duration `help:"How long it is valid, such as 2160h (default: for ever)." placeholder:"DURATION"`
}

func (keysCreate) Help() string {
	return `Prints the key, which is stored as a hash and cannot be printed again.

  nearcase keys create --name ct-scanner --scope write --collection cxr > ct.key
  nearcase --server https://cases.example --key-file ct.key ingest -c cxr image.dcm`
}

func (q keysCreate) Run(ctx context.Context, s *session) error {
	n := keys.New{Name: q.Name, Grant: keys.Grant{Scopes: q.Scope, Collections: q.Collection}}
	if q.Expires != 0 {
		n.Expires = time.Now().Add(q.Expires).UTC().Truncate(time.Second)
	}
	return s.withKeys(ctx, "createKey", func(k keyring) error {
		made, err := k.CreateKey(ctx, n)
		if err != nil {
			return err
		}
		return s.printIssued(made)
	})
}

// printIssued prints a token alone, so that it can go to a file, and to people
// what it is.
func (s *session) printIssued(made keys.Issued) error {
	if !s.JSON && !s.Quiet {
		fmt.Fprintf(s.stderr, "key %s (%s): may %s in %s; this is the only time that it is shown\n",
			made.Key.ID, made.Key.Name, scopeNames(made.Key.Scopes), strings.Replace(collectionNames(made.Key.Grant), "all", "all collections", 1))
	}
	return s.print(made, func(w io.Writer) { fmt.Fprintln(w, made.Token) })
}

type keysRotate struct {
	ID    string        `arg:"" help:"ID of the key, as nearcase keys lists it."`
	Grace time.Duration `default:"24h" help:"How long the old secret is valid still (default: 24h)."`
}

func (q keysRotate) Run(ctx context.Context, s *session) error {
	return s.withKeys(ctx, "rotateKey", func(k keyring) error {
		made, err := k.RotateKey(ctx, q.ID, q.Grace)
		if err != nil {
			return err
		}
		return s.printIssued(made)
	})
}

type keysRevoke struct {
	ID string `arg:"" help:"ID of the key, as nearcase keys lists it."`
}

func (q keysRevoke) Run(ctx context.Context, s *session) error {
	return s.withKeys(ctx, "revokeKey", func(k keyring) error {
		revoked, err := k.RevokeKey(ctx, q.ID)
		if err != nil {
			return err
		}
		return s.print(revoked, func(w io.Writer) { fmt.Fprintf(w, "revoked key %s (%s)\n", revoked.ID, revoked.Name) })
	})
}
