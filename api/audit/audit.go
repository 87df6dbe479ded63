// Package audit keeps a record of who saw or changed what: a folder of files
// with one JSON line for each access, which can be added to and, once it has
// been changed in any other way, is known to have been.
//
// Every line names its number and the SHA-256 of the line before, and ends in
// an HMAC-SHA256 of itself, so that lines that were changed, removed, put in
// or put elsewhere do not fit. The number and hash of the last line that is
// durable are kept apart, in the head, with an HMAC too, so that the end cannot
// be cut off either. Who has the key can write another record, and who can put
// back the whole folder as it was once can do that: keep the key, and copies
// of the head, on another machine.
//
// No line has an identifier of a patient or an instance: they are there as
// HMACs by the key, by which who knows an identifier finds its lines.
package audit

import (
	"errors"
	"slices"
	"time"
)

var (
	// ErrTampered is a record that is not as it was written.
	ErrTampered = errors.New("audit log was changed")
	// ErrClosed is a Log that takes no entries any more.
	ErrClosed = errors.New("audit log is closed")
	// ErrKey is a key that is too short.
	ErrKey = errors.New("audit key has fewer than 32 bytes")
)

// Entry is one access.
type Entry struct {
	Time time.Time `json:"time"`
	// Request is the ID under which the server's log has the request.
	Request string `json:"request,omitempty"`
	// Key says who: the ID of an API key, oidc: and the subject of a token, or
	// command. Empty means that nobody had to say.
	Key        string `json:"key,omitempty"`
	Remote     string `json:"remote,omitempty"` // address
	Operation  string `json:"operation"`
	Collection string `json:"collection,omitempty"`
	// Object is what else it concerns: the ID of an API key, for example.
	Object string `json:"object,omitempty"`
	// Status is the one of HTTP that was answered; 0 where none was.
	Status int            `json:"status,omitempty"`
	Counts map[string]int `json:"counts,omitempty"`
	// Subjects are the instances and patients concerned, see Log.Subject. At
	// most 100 are named.
	Subjects []string `json:"subjects,omitempty"`
}

// Line is an entry as it is written.
type Line struct {
	N int64 `json:"n"` // from 1, without gaps
	Entry
	// Previous is the SHA-256 in hex of the line before, and of nothing for the
	// first.
	Previous string `json:"previous"`
}

const (
	maxLine     = 64 << 10
	maxText     = 200
	maxSubjects = 100
)

// clipped is an entry whose line has at most maxLine bytes.
func (e Entry) clipped() Entry {
	for _, text := range []*string{&e.Request, &e.Key, &e.Remote, &e.Operation, &e.Collection, &e.Object} {
		*text = (*text)[:min(len(*text), maxText)]
	}
	e.Time = e.Time.UTC()
	e.Subjects = slices.Clip(e.Subjects[:min(len(e.Subjects), maxSubjects)])
	return e
}

// Filter says which lines somebody looks for. The zero value is all.
type Filter struct {
	Since   time.Time
	Key     string
	Subject string
}

// Accepts reports whether a line is looked for.
func (f Filter) Accepts(l Line) bool {
	return !l.Time.Before(f.Since) && (f.Key == "" || f.Key == l.Key) &&
		(f.Subject == "" || slices.Contains(l.Subjects, f.Subject))
}
