package store

import (
	"errors"
	"strings"
	"time"
)

// Errors of shadows that a caller can act on.
var (
	ErrShadow = errors.New("no other model's vectors stand behind the collection")
	ErrBehind = errors.New("the shadow is too far behind the collection")
)

// Shadow is what makes a collection a hidden one that stands behind another: the
// vectors of another model for the same log. It has that collection's entries, under
// the same keys, as far as it has come; its tasks, settings and amendments are the
// same, and it is created when that was. What is learnt, ordered or awaited by keys
// holds for both.
type Shadow struct {
	// Previous tells that it was the collection before the model was changed.
	Previous bool `json:"previous,omitempty"`
	// LeaveOut tells that instances of which no original is stored may be left out.
	LeaveOut bool `json:"leave_out,omitempty"`
	// Begun is when it was made, Whole when it first had all that the collection had.
	Begun time.Time `json:"begun"`
	Whole time.Time `json:"whole,omitzero"`
}

// shadowMark begins the names of hidden collections, and of no others.
const shadowMark = "~"

// ShadowName is what the hidden collection behind another is called.
func ShadowName(collection string) string { return shadowMark + collection }

// IsShadowName reports whether a collection of that name is a hidden one.
func IsShadowName(name string) bool { return strings.HasPrefix(name, shadowMark) }

// IsHidden reports whether the collection stands behind another.
func (c Collection) IsHidden() bool { return c.Shadow != nil }

// Most that Exchange lets its caller make vectors for, while changes wait.
const MaxRest = 64
