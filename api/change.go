package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"nearcase/store"
)

// The types of changes.
const (
	InstanceStored    = "instance.stored"
	InstanceReplaced  = "instance.replaced"
	InstanceDeleted   = "instance.deleted"
	InstanceErased    = "instance.erased"
	LabelChanged      = "label.changed"
	StudyComplete     = "study.complete"
	PatientErased     = "patient.erased"
	JobEnded          = "job.ended"
	CollectionCreated = "collection.created"
	CollectionChanged = "collection.changed"
	CollectionDropped = "collection.dropped"
	// CollectionReembedded tells that the vectors of another model answer.
	CollectionReembedded = "collection.reembedded"
)

// ChangeTypes returns all types of changes.
func ChangeTypes() []string {
	return []string{
		InstanceStored, InstanceReplaced, InstanceDeleted, InstanceErased, LabelChanged, StudyComplete, PatientErased, JobEnded,
		CollectionCreated, CollectionChanged, CollectionReembedded, CollectionDropped,
	}
}

// Change is one thing that has happened. It names patients by what the collection
// calls them, their pseudonym, and has no vector.
type Change struct {
	// ID is the same whenever the change is told of.
	ID         string `json:"id"`
	Type       string `json:"type"`
	Collection string `json:"collection,omitempty"`
	// Key is the position in the collection's log; 0 for what is not in it.
	Key store.Key `json:"key,omitempty"`
	// Time is when it was; zero where that is not known, as of collections that
	// were dropped.
	Time     time.Time `json:"time,omitzero"`
	Instance string    `json:"instance,omitempty"`
	Patient  string    `json:"patient,omitempty"`
	Study    string    `json:"study,omitempty"`
	Series   string    `json:"series,omitempty"`
	// Task and the classes of a label, which Withdrawn takes back.
	Task      string   `json:"task,omitempty"`
	Classes   []string `json:"classes,omitempty"`
	Absent    []string `json:"absent,omitempty"`
	Uncertain []string `json:"uncertain,omitempty"`
	Partial   bool     `json:"partial,omitempty"`
	Withdrawn bool     `json:"withdrawn,omitempty"`
	// Instances that a study has that is complete.
	Instances int `json:"instances,omitempty"`
	// Job that has ended, of a kind and in a state.
	Job   string   `json:"job,omitempty"`
	Kind  string   `json:"kind,omitempty"`
	State JobState `json:"state,omitempty"`
}

// placed is up to where a collection is known.
type placed struct {
	created   time.Time
	described uint32 // checksum of its description
	key       store.Key
}

// changeID names a change by what it is of.
func changeID(parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		text := fmt.Sprint(p)
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ofCollection is a change of a collection as such.
func ofCollection(kind, name string, at placed) Change {
	c := Change{ID: changeID(kind, name, at.created.UnixNano()), Type: kind, Collection: name}
	switch kind {
	case CollectionCreated:
		c.Time = at.created
	case CollectionChanged:
		c.ID = changeID(kind, name, at.created.UnixNano(), at.described)
	}
	return c
}

// ofEntry is what an entry of a collection's log changes.
func ofEntry(name string, at placed, e store.Entry) Change {
	c := Change{ID: changeID("log", name, at.created.UnixNano(), uint64(e.Key)), Collection: name, Key: e.Key}
	switch e.Kind {
	case store.KindErased:
		c.Type = InstanceErased
		return c
	case store.KindLabel:
		c.Type, c.Instance, c.Time = LabelChanged, e.Label.Instance, e.Label.Time
		c.Task, c.Classes, c.Absent, c.Uncertain = e.Label.Task, e.Label.Classes, e.Label.Absent, e.Label.Uncertain
		c.Partial, c.Withdrawn = e.Label.Partial, e.Label.Removed
		return c
	case store.KindDelete:
		c.Type = InstanceDeleted
	case store.KindPut:
		if c.Type = InstanceStored; e.Retires != 0 {
			c.Type = InstanceReplaced
		}
	}
	i := e.Instance
	c.Instance, c.Patient, c.Study, c.Series, c.Time = i.ID, i.Patient, i.Study, i.Series, i.Added
	return c
}
