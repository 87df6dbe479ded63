package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Listing asks for instances in an order. The zero value asks for none.
type Listing struct {
	// Filter, if set, keeps only instances for which it holds.
	Filter *Condition
	// Sort is one of Sorts; empty is ByAdded.
	Sort string
	// Descending turns the order round.
	Descending bool
	// After, if set, begins behind a place of the same order.
	After *Place
	// Limit is how many instances to return.
	Limit int
	// Count asks how many there are in all, whatever Limit and After.
	Count bool
}

// The values of Listing.Sort. Instances are equal in none: those that have the same
// follow each other by ID.
const (
	ByAdded     = "added" // in the order of their keys
	ByID        = "id"
	ByPatient   = "patient"
	ByStudy     = "study"
	ByName      = "name"
	BySize      = "size"
	ByLabelTime = "label_time" // of the latest label; without one first
)

// Sorts are the orders that there are.
func Sorts() []string {
	return []string{ByAdded, ByID, ByPatient, ByStudy, ByName, BySize, ByLabelTime}
}

// Found is a page of instances. What was there for as long as the pages were read,
// and kept its place in the order, is in one of them, once.
type Found struct {
	Cases []Case
	// Next is the place of the last of them, nil where nothing follows.
	Next *Place
	// Count is how many there are in all, if that was asked for.
	Count int
}

// Place is where an instance is in an order.
type Place struct {
	Number int64  `json:"n,omitempty"`
	Text   string `json:"t,omitempty"`
	ID     string `json:"id,omitempty"`
}

// Compare orders two places of one order.
func (p Place) Compare(o Place) int {
	return cmp.Or(cmp.Compare(p.Number, o.Number), strings.Compare(p.Text, o.Text), strings.Compare(p.ID, o.ID))
}

// Check returns ErrInvalid unless the order is one of those there are.
func (l Listing) Check() error {
	if l.Sort != "" && !slices.Contains(Sorts(), l.Sort) {
		return fmt.Errorf("sort %.80q: %w: use %s", l.Sort, ErrInvalid, strings.Join(Sorts(), ", "))
	}
	return nil
}

// AsksLabels reports whether labels matter to which instances are found, or to their
// order.
func (l Listing) AsksLabels() bool { return l.Filter.AsksLabels() || l.Sort == ByLabelTime }

// PlaceOf returns the place of an instance.
func (l Listing) PlaceOf(key Key, i *Instance, labels map[string]Label) Place {
	switch l.Sort {
	case ByID:
		return Place{ID: i.ID}
	case ByPatient:
		return Place{Text: i.Patient, ID: i.ID}
	case ByStudy:
		return Place{Text: i.Study, ID: i.ID}
	case ByName:
		return Place{Text: i.Name, ID: i.ID}
	case BySize:
		return Place{Number: i.Size, ID: i.ID}
	case ByLabelTime:
		return Place{Number: latest(labels), ID: i.ID}
	}
	return Place{Number: int64(key)}
}

// latest is when the last of some labels was given, in microseconds since 1970; the
// least of all for none.
func latest(labels map[string]Label) int64 {
	var last time.Time
	for _, l := range labels {
		if l.Time.After(last) {
			last = l.Time
		}
	}
	return last.UnixMicro()
}
