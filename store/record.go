package store

import (
	"math"
	"time"
)

// Key is a position in a collection's log. The first is 1; 0 is before all.
type Key uint64

// Instance is one image (or one frame of one): DICOM's instance.
type Instance struct {
	// ID is the SOP Instance UID, or the SHA-256 of the content.
	ID string `json:"id"`
	// Patient, Study and Series group instances; empty means unknown.
	Patient string `json:"patient,omitempty"`
	Study   string `json:"study,omitempty"`
	Series  string `json:"series,omitempty"`
	// Name is what the sender called the image, for people; may be empty.
	Name string `json:"name,omitempty"`
	// Digest is the lower-case hex SHA-256 of the original bytes, or of the vector
	// as it was sent, as little-endian float32, where that came alone.
	Digest string `json:"digest,omitempty"`
	// Kept is the digest of what is kept of the original where that is not what
	// was received, and NotKept where nothing is.
	Kept string `json:"kept,omitempty"`
	// File is what the images of a file with several have in common: the ID that
	// the file has, of which each instance's begins. Frame counts them from 1. Of a
	// file with one image both are empty.
	File  string `json:"file,omitempty"`
	Frame int    `json:"frame,omitempty"`
	// Metadata is what may be known of the image by DICOM keyword.
	Metadata  map[string]string `json:"metadata,omitempty"`
	MediaType string            `json:"media_type,omitempty"`
	Width     int               `json:"width,omitempty"`
	Height    int               `json:"height,omitempty"`
	Size      int64             `json:"size,omitempty"`
	Added     time.Time         `json:"added"`
}

// NotKept is Instance.Kept where no original is.
const NotKept = "none"

// Original returns the digest of what is kept of the original, empty for
// nothing.
func (i Instance) Original() string {
	switch i.Kept {
	case "":
		return i.Digest
	case NotKept:
		return ""
	}
	return i.Kept
}

// SameAs reports whether two instances have the same identity and content,
// whenever they were added and whatever they are called.
func (i Instance) SameAs(o Instance) bool {
	return i.ID == o.ID && i.Patient == o.Patient && i.Study == o.Study &&
		i.Series == o.Series && i.Digest == o.Digest
}

// Record is an instance on its way into the store.
type Record struct {
	Instance Instance
	// Vector is the embedding: unit length, of the collection's dimension.
	Vector []float32
	// Fingerprint names the model and preprocessing that made Vector.
	Fingerprint string
	// Labels are committed together with the instance. Their Instance field
	// need not be set.
	Labels []Label
	// Original is what is kept of the image, whose digest is that of
	// Instance.Original; nil writes nothing, for the first record of the same file
	// brings it.
	Original []byte
	// Replace lets the record take the place of an instance with the same ID
	// and other content, which is ErrConflict otherwise.
	Replace bool
	// IfKey, if not 0, is the key that what has this ID must have, of a file with
	// several images the first of them; Missing is that of what is not there.
	// Another is ErrChanged.
	IfKey Key
}

// Missing is the key that is expected of an instance that must not be there.
const Missing Key = math.MaxUint64

// Status of a record that was put.
type PutStatus string

const (
	Created   PutStatus = "created"
	Replaced  PutStatus = "replaced"
	Updated   PutStatus = "updated"   // same instance, new labels
	Unchanged PutStatus = "unchanged" // all of it was there already
	Failed    PutStatus = "failed"    // not stored: see Err
)

// Outcome is what became of one record.
type Outcome struct {
	ID     string
	Key    Key // the instance's key; 0 if it failed
	Status PutStatus
	Err    error
}

// Kind of a log entry.
type Kind string

const (
	KindPut    Kind = "put"
	KindDelete Kind = "delete"
	KindLabel  Kind = "label"
)

// Entry is one commit in the log.
type Entry struct {
	Key  Key  `json:"-"`
	Kind Kind `json:"kind"`
	// Instance is set for a put; for a delete only its ID is.
	Instance *Instance `json:"instance,omitempty"`
	// Of is what an erased entry was: KindDelete, KindLabel, or KindPut of an
	// instance that a shadow leaves out.
	Of Kind `json:"of,omitempty"`
	// Retires is the key of the instance that this put or delete takes away.
	Retires Key `json:"retires,omitempty"`
	// Label is set for a label.
	Label *Label `json:"label,omitempty"`
	// Vector is the embedding of a put. It must not be changed.
	Vector []float32 `json:"-"`
}

// Case is an instance with what its current labels say by task (see Resolve) and,
// as an answer to a query, its score: the cosine similarity, higher is closer.
type Case struct {
	Key      Key
	Instance Instance
	Labels   map[string]Label
	Score    float32
	// Members are the instances of a series or study, in key order, in an answer
	// at that level. Instance is then the first of them, and Labels what their
	// labels say together: see Level.
	Members []string
}
