// Package keys holds the API keys of a server: who may ask what of which
// collections. A key is random and is kept as a hash alone, so that what is
// stored opens nothing.
package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"nearcase/store"
)

// Errors of a token or of a key. Those of Verify match ErrToken.
var (
	// ErrToken is a token that opens nothing.
	ErrToken = errors.New("not a valid API key")
	// ErrRevoked is the right token of a key that was revoked.
	ErrRevoked = fmt.Errorf("%w: it was revoked", ErrToken)
	// ErrExpired is the right token of a key whose time is over.
	ErrExpired = fmt.Errorf("%w: it has expired", ErrToken)
	// ErrUnverified is a token of which it cannot be known just now what it opens.
	ErrUnverified = errors.New("cannot be verified just now")
	// ErrKey is an ID that no key has.
	ErrKey = errors.New("no such API key")
)

// Scope is a kind of operation.
type Scope string

// The scopes. None includes another, save that Admin includes all.
const (
	Read  Scope = "read"  // see what is stored, search, classify
	Write Scope = "write" // put and delete instances
	Label Scope = "label" // say what instances are
	Admin Scope = "admin" // collections, keys, settings, jobs and all of the above
)

// Scopes are all there are.
var Scopes = []Scope{Read, Write, Label, Admin}

// Grant is what somebody may do. The zero value may nothing.
type Grant struct {
	Scopes []Scope `json:"scopes"`
	// Collections are those it is for; none means all, and what is of no
	// collection.
	Collections []string `json:"collections,omitempty"`
}

// Has reports whether a scope is granted.
func (g Grant) Has(s Scope) bool {
	return slices.Contains(g.Scopes, s) || slices.Contains(g.Scopes, Admin)
}

// Reaches reports whether a collection is among those granted.
func (g Grant) Reaches(collection string) bool {
	return len(g.Collections) == 0 || slices.Contains(g.Collections, collection)
}

// Check returns store.ErrInvalid with what is wrong with a grant.
func (g Grant) Check() error {
	if len(g.Scopes) == 0 {
		return fmt.Errorf("no scopes: %w: use some of %v", store.ErrInvalid, Scopes)
	}
	for i, s := range g.Scopes {
		if !slices.Contains(Scopes, s) || slices.Contains(g.Scopes[:i], s) {
			return fmt.Errorf("scope %.40q: %w: use some of %v, each once", s, store.ErrInvalid, Scopes)
		}
	}
	for i, c := range g.Collections {
		if c == "" || len(c) > maxText || slices.Contains(g.Collections[:i], c) {
			return fmt.Errorf("collection %.40q of a key: %w: use names, each once", c, store.ErrInvalid)
		}
	}
	if len(g.Collections) > maxCollections {
		return fmt.Errorf("%d collections of a key: %w: at most %d", len(g.Collections), store.ErrInvalid, maxCollections)
	}
	return nil
}

// Identity is whose a token of somebody else is, and what it grants.
type Identity struct {
	Subject string
	Grant
}

const (
	maxText        = 100
	maxCollections = 1000
	maxKeys        = 10_000
)

// New is a key to be made.
type New struct {
	// Name says whose it is: 1 to 100 printable characters.
	Name string `json:"name"`
	Grant
	// Expires is when it ends; zero means never.
	Expires time.Time `json:"expires,omitzero"`
}

func (n New) check(now time.Time) error {
	bad := strings.ContainsFunc(n.Name, func(r rune) bool { return !unicode.IsPrint(r) })
	if bad || n.Name == "" || len(n.Name) > maxText {
		return fmt.Errorf("name %.40q of a key: %w: 1 to %d printable characters", n.Name, store.ErrInvalid, maxText)
	}
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		return fmt.Errorf("a key that ends at %s: %w: that is over", n.Expires.Format(time.RFC3339), store.ErrInvalid)
	}
	return n.Check()
}

// Key is what is known of a key; its secret is not.
type Key struct {
	// ID is the part of the token that is not secret.
	ID   string `json:"id"`
	Name string `json:"name"`
	Grant
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	// LastUsed is the hour in which it opened something last; zero: never.
	LastUsed time.Time `json:"last_used,omitzero"`
	Rotated  time.Time `json:"rotated,omitzero"`
	// OldUntil is when the token from before the last rotation ends.
	OldUntil time.Time `json:"old_until,omitzero"`
	Revoked  time.Time `json:"revoked,omitzero"`
}

// Issued is a key with its token, which nobody is told again.
type Issued struct {
	Key   Key    `json:"key"`
	Token string `json:"token"`
}
