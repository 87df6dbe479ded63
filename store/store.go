// Package store says what a case store is: its records, its log, its queries,
// and the Catalog contract that every store keeps. It holds no data itself.
//
// Every collection is a log. A commit gives each entry the next Key, keys only
// grow, and nothing is ever changed in place: replacing an instance takes a new
// key and retires the old one. Indexes, probes and thumbnails are derived from
// the log and can be rebuilt from it at any time.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Errors that a caller can act on. Implementations wrap them with the operation
// and the object concerned.
var (
	ErrCollection  = errors.New("no such collection")
	ErrExists      = errors.New("collection already exists")
	ErrInstance    = errors.New("no such instance")
	ErrOriginal    = errors.New("original image is not stored")
	ErrConflict    = errors.New("already stored with other content")
	ErrChanged     = errors.New("the instance has changed meanwhile")
	ErrFingerprint = errors.New("embedded by another model or preprocessing")
	ErrDimension   = errors.New("wrong vector length")
	ErrVector      = errors.New("not a unit vector")
	ErrTask        = errors.New("no such task")
	ErrClass       = errors.New("no such class")
	ErrDerived     = errors.New("nothing derived is stored under this name")
	ErrDocument    = errors.New("no such document")
	ErrInvalid     = errors.New("not valid")
	ErrRecall      = errors.New("the new index finds too little")
	ErrLocked      = errors.New("data directory is in use by another process")
	ErrFormat      = errors.New("data directory was written by another version")
	ErrDamaged     = errors.New("stored data is damaged")
	ErrKey         = errors.New("encryption key")
	ErrClosed      = errors.New("store is closed")
	ErrFull        = errors.New("the disk is full")
	ErrQuota       = errors.New("the collection is as large as it may be")
	ErrFiles       = errors.New("too many files and connections are open")
	ErrStopped     = errors.New("the log is being opened again after a failure")
)

// Document is something small that is kept for who uses a catalog.
type Document struct {
	Name string
	Data []byte
}

// MaxDeletes bounds one call of DeleteAll, which is one commit.
const MaxDeletes = 10_000

// Catalog holds collections of embedded, labelled instances.
//
// What a call has acknowledged is durable and is seen by every later call.
// Methods are safe for concurrent use. A collection that does not exist is
// ErrCollection.
type Catalog interface {
	// Collections returns all collections by name.
	Collections(ctx context.Context) ([]Collection, error)
	// Collection returns one collection.
	Collection(ctx context.Context, name string) (Collection, error)
	// Create makes an empty collection. A name in use is ErrExists, a
	// collection that does not pass Validate is ErrInvalid.
	Create(ctx context.Context, c Collection) error
	// Declare adds tasks, or classes to tasks there are. What exists already
	// is left as it is, its settings too (see Configure); a task declared both
	// single- and multi-label is ErrInvalid.
	Declare(ctx context.Context, collection string, tasks []Task) error
	// Configure replaces the settings of a task. Unknown tasks are ErrTask,
	// unknown classes in policies or priors ErrClass, and values that cannot be
	// ErrInvalid with the name of the field.
	Configure(ctx context.Context, collection, task string, s Settings) error
	// Amend changes what a collection is; values that cannot be are ErrInvalid.
	Amend(ctx context.Context, collection string, a Amendment) error
	// Drop deletes a collection and everything in it.
	Drop(ctx context.Context, collection string) error
	// Statistics counts what a collection has in full, which takes a while.
	Statistics(ctx context.Context, collection string) (Statistics, error)
	// Damages returns the log entries that were acknowledged and are lost, by
	// collection and key.
	Damages(ctx context.Context) ([]Damage, error)
	// Status returns counts and the state of what is derived.
	Status(ctx context.Context, collection string) (Status, error)

	// Put stores records, each one wholly or not at all, and returns one
	// outcome for each in the same order. The error is for what concerns the
	// whole call; a record that is refused has its reason in its outcome.
	// Records that follow each other and are of one file (Instance.File) are
	// all refused for what is wrong with one. A record or file that replaces
	// others replaces all images of the file of that ID.
	Put(ctx context.Context, collection string, records []Record) ([]Outcome, error)
	// Label stores labels, all or none, and returns the key of the last.
	// A label that says what is said already is not stored again; if none is
	// stored the key is the head's. Of two of one reader for one instance and task
	// the later counts.
	Label(ctx context.Context, collection string, labels []Label) (Key, error)
	// Delete removes an instance, its vector, its labels and, when nothing
	// else refers to it, its original. The ID of a file with several images
	// stands for all of them, here and in Label, and for the first elsewhere.
	Delete(ctx context.Context, collection, id string) error
	// DeleteIf is Delete of what still has the key that is given, as
	// Record.IfKey says: another is ErrChanged, also where nothing is there. Key
	// 0 is any.
	DeleteIf(ctx context.Context, collection, id string, key Key) error
	// DeleteAll deletes up to MaxDeletes instances or files, all or none, and
	// returns how many instances that were. Those that are not there, and those
	// for which a condition does not hold when they are deleted, are passed over.
	DeleteAll(ctx context.Context, collection string, ids []string, only *Condition) (deleted int, err error)

	// Erase deletes all instances of a patient so that the log names nothing of
	// them, drops all that was derived from the collection, and leaves nothing of
	// them in its index. The log still has what it had, deleted, until Compact. A patient of whom
	// nothing is stored is ErrInstance.
	Erase(ctx context.Context, collection, patient string) (Erased, error)
	// Compact rewrites what is stored, of all collections, without anything that
	// was deleted or overwritten. Searches go on meanwhile, changes wait.
	Compact(ctx context.Context, progress func(done, total int)) (Compacted, error)
	// Backup writes a backup of all that is stored as it is at one moment, and
	// returns its manifest: see package store/backup. Changes and searches go on
	// meanwhile; Compact waits. What could not be read as it was stored is in the
	// manifest, and no error; with an error what was written is worth nothing.
	Backup(ctx context.Context, w io.Writer, o BackupOptions) (Backup, error)
	// Seek looks for traces in every byte that is stored, deleted or not. Only what
	// is found in runs of 16 bytes counts of a vector, and only whole words of
	// texts.
	Seek(ctx context.Context, t Traces) (Sought, error)
	// Unshared returns the traces that nothing has which is stored now: others may have
	// stored the same since they were taken down.
	Unshared(ctx context.Context, t Traces) (Traces, error)

	// Instance returns one instance with its labels; an unknown one is
	// ErrInstance.
	Instance(ctx context.Context, collection, id string) (Case, error)
	// History returns every label entry of an instance, oldest first, with
	// corrections and withdrawals. It outlives Put with Replace and ends with
	// Delete; an unknown instance is ErrInstance.
	History(ctx context.Context, collection, id string) ([]Entry, error)
	// Vector returns the embedding of an instance.
	Vector(ctx context.Context, collection, id string) ([]float32, error)
	// Pooled returns the vector of the series or study that an instance is in,
	// ErrInvalid if it is in none; and of the instance itself, or of all images
	// of a file, at the level of instances.
	Pooled(ctx context.Context, collection, id string, level Level) ([]float32, error)
	// WithDigest returns the instances whose original has this SHA-256.
	WithDigest(ctx context.Context, collection, digest string) ([]Case, error)
	// Excluded returns the IDs of the instances that an exclusion covers, in
	// key order.
	Excluded(ctx context.Context, collection string, e Exclude) ([]string, error)
	// List returns up to limit instances in key order, beginning after a key.
	List(ctx context.Context, collection string, after Key, limit int) ([]Case, error)
	// Find returns instances that a filter lets pass, in an order, a page at a time:
	// see Listing.
	Find(ctx context.Context, collection string, l Listing) (Found, error)
	// Original opens the stored bytes of an instance: ErrOriginal if they were
	// not retained, ErrDamaged if they are not those of its digest.
	Original(ctx context.Context, collection, id string) (io.ReadCloser, error)
	// Log returns the entries after since, in key order, up to the head at the
	// time of the call. Entries of retired instances may be missing; what
	// retired them never is, though it may be a KindErased.
	Log(ctx context.Context, collection string, since Key) iter.Seq2[Entry, error]

	// Search returns the cases nearest to a query, best first and ties by key. A
	// task or class that the collection does not have is ErrTask or ErrClass.
	Search(ctx context.Context, collection string, q Query) ([]Case, error)
	// Verify re-reads all that is stored, of all collections, and says what is not as
	// it was stored: the log, the originals by their digests, the index and the
	// snapshots beside the log, what is derived, and the documents. The error is of
	// what could not be read at all. Changes and searches go on meanwhile.
	Verify(ctx context.Context, progress func(done, total int)) (Verified, error)

	// Reindex builds a new index from the stored vectors while the old one
	// serves, compares the two, swaps them, and drops the old one. A new one that
	// finds less than it must is ErrRecall; any failure leaves the old one in
	// place. What was compared is returned with either.
	Reindex(ctx context.Context, collection string, to Reindexing, progress func(done, total int)) (Reindexed, error)

	// Shadow makes a hidden collection behind another for the vectors of s.Model, of
	// which Fingerprint, Dimension and Index are given too: see Shadow. It is called
	// ShadowName, is not among Collections, and goes with the collection, or by Drop.
	// It takes nothing but by Mirror and Exchange. What is deleted is deleted from it
	// when it has come so far, and what is erased at once. A second one is ErrExists,
	// and one behind a collection that has Damages is ErrDamaged.
	Shadow(ctx context.Context, collection string, s Collection) error
	// Mirror brings the shadow of a collection up to an entry of its log, and returns
	// up to which entry it is then. vectors are those of the other model for the
	// instances that were put since, by key; nil leaves the instance out, and one that
	// is missing is ErrInvalid. What is gone meanwhile is not stored. Repeated it
	// changes nothing.
	Mirror(ctx context.Context, collection string, upTo Key, vectors map[Key][]float32) (Key, error)
	// Exchange lets a collection and its shadow take each other's place, as one
	// change: the shadow has the name from then on, and the collection stands behind
	// it. It is given all that it lacks before, for which rest makes the vectors as
	// Mirror takes them while changes wait; it may be nil where there are none to make.
	// Instances beyond MaxRest are ErrBehind. Without a shadow it is ErrShadow, and
	// where one of the two has Damages ErrDamaged.
	Exchange(ctx context.Context, collection string, rest func([]Entry) (map[Key][]float32, error)) error
	// Hold returns a context in which a name stands for the collection that it stood
	// for when it was first used there, whatever is exchanged meanwhile: for all that
	// reads, and for what is derived. Changes are to what has the name by then.
	Hold(ctx context.Context) context.Context

	// SaveDerived keeps up to 1 GiB that was derived from the log under a name of
	// 1 to 100 of a-z, 0-9, '.', '_' and '-', in place of what was there. It
	// appears whole or not at all and goes with the collection.
	SaveDerived(ctx context.Context, collection, name string, data []byte) error
	// Derived returns what was saved last under a name, to the last bit, and
	// ErrDerived if that is nothing or damaged: it is to be derived anew.
	Derived(ctx context.Context, collection, name string) ([]byte, error)
	// DerivedNames returns the names in use, sorted.
	DerivedNames(ctx context.Context, collection string) ([]string, error)
	// DropDerived removes what is saved under a name, if anything is.
	DropDerived(ctx context.Context, collection, name string) error

	// SaveDocument keeps up to 64 MiB durably under a kind of 1 to 32 of a-z and a
	// name of 1 to 120 bytes, in place of what was there. Documents are of no
	// collection and are not derived from anything: keys, jobs and the like.
	SaveDocument(ctx context.Context, kind, name string, data []byte) error
	// Document returns what was saved last under a name: ErrDocument if that is
	// nothing, ErrDamaged if it is not what was saved.
	Document(ctx context.Context, kind, name string) ([]byte, error)
	// Documents returns those of a kind, by name. With an error that is ErrDamaged,
	// which names those that are, it returns all others.
	Documents(ctx context.Context, kind string) ([]Document, error)
	// DropDocument removes what is saved under a name, if anything is.
	DropDocument(ctx context.Context, kind, name string) error

	// SaveThumbnail keeps a picture of up to 1 MiB that was derived from the
	// original of the instance with a key, and which goes with that instance. A key
	// that no instance has any more is ErrInstance.
	SaveThumbnail(ctx context.Context, collection string, key Key, data []byte) error
	// Thumbnail returns what was saved for a key, and ErrDerived as Derived does.
	Thumbnail(ctx context.Context, collection string, key Key) ([]byte, error)

	// Changed returns a channel that is closed by the next commit to any collection,
	// or when one is made, described anew or dropped. Who takes it before reading
	// misses nothing.
	Changed() <-chan struct{}

	// Ready reports why the store cannot take records just now: ErrClosed, or
	// the failure that stopped its writer. Nil means that it can.
	Ready(ctx context.Context) error

	// Close ends background work and releases the store. Calls after it
	// return ErrClosed.
	Close() error
}
