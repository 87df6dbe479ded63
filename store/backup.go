package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrBackup is a backup that is not whole, or not as it was written, or not the
	// one that comes next.
	ErrBackup = errors.New("the backup cannot be used")
	// ErrUnfinished is a data directory in which a restore has not come to its end.
	ErrUnfinished = errors.New("a restore was not finished")
)

// BackupFormat is that of the backups that are written, and the highest that is
// read.
const BackupFormat = 1

// Backup says what a backup holds: a copy of all that is stored as it was at one
// moment, when each collection's log had its last entry so far. One that is
// incremental holds what has changed since another, its base.
type Backup struct {
	Format int `json:"format"`
	// ID names the backup; IDs sort as the backups were begun. Base is that of the
	// one before, empty where there needs none to be.
	ID   string `json:"id"`
	Base string `json:"base,omitempty"`
	// Created is the moment whose state it holds, Ended when it was written.
	Created time.Time `json:"created"`
	Ended   time.Time `json:"ended,omitzero"`
	Program string    `json:"program,omitempty"`
	// Directory is the format of the data directory.
	Directory   int     `json:"directory_format"`
	Collections []Point `json:"collections"`
	// Pairs counts the keys with their values in Badger once it is restored, and Log
	// is the SHA-256 of all of them, in hex.
	Pairs int    `json:"pairs"`
	Log   string `json:"log_sha256"`
	// Originals are in this backup itself.
	Originals     int   `json:"originals"`
	OriginalBytes int64 `json:"original_bytes"`
	// Documents, Derived and Files are all that there are; those whose file is the
	// same as in the base are there.
	Documents []BackupFile `json:"documents"`
	Derived   []BackupFile `json:"derived"`
	Files     []BackupFile `json:"files"`
	// LeftOut names files that it does not hold, and without which what is restored
	// cannot be used as before: keys, which are kept elsewhere.
	LeftOut []BackupFile `json:"left_out,omitempty"`
	// Damaged counts what could not be read as it was stored and is missing here or
	// not whole, and Damages has the first MaxFindings of it.
	Damaged int       `json:"damaged"`
	Damages []Finding `json:"damages"`
	// Parts counts the files in the archive before the manifest, Bytes theirs, and
	// SHA256 is that of their names, sizes and SHA-256.
	Parts  int    `json:"parts"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Point is where a collection's log stands in a backup.
type Point struct {
	Number    uint32    `json:"number"`
	Name      string    `json:"name"`
	Created   time.Time `json:"created"`
	Head      Key       `json:"head"`
	Instances int       `json:"instances"`
	// Blocks has 16 bytes of the SHA-256 of each 256 keys, from key 0.
	Blocks []byte `json:"blocks,omitempty"`
}

// BackupFile is a file in a backup, by its path in the data directory, for documents
// by kind and name.
type BackupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Damage notes what could not be backed up as it was stored.
func (b *Backup) Damage(f Finding) {
	if b.Damaged++; len(b.Damages) < MaxFindings {
		b.Damages = append(b.Damages, f)
	}
}

// IsFull reports whether a backup can be restored by itself.
func (b Backup) IsFull() bool { return b.Base == "" }

// Brief is a backup without what only the next incremental one needs.
func (b Backup) Brief() Backup {
	points := make([]Point, len(b.Collections))
	for i, p := range b.Collections {
		p.Blocks = nil
		points[i] = p
	}
	b.Collections, b.Documents, b.Derived, b.Files = points, []BackupFile{}, []BackupFile{}, []BackupFile{}
	return b
}

// BackupOptions say how a backup is made. The zero value works.
type BackupOptions struct {
	// ID of the backup; empty makes one.
	ID string
	// Base is the backup since which changes are kept; nil keeps all.
	Base *Backup
	// Recipients are public keys of age (age1…), for which the backup is encrypted;
	// none leaves it as it is.
	Recipients []string
	// Beside are files and folders of the data directory that are no part of the
	// store and go with it, by their paths in it, and LeftOut those that do not, but
	// are named.
	Beside, LeftOut []string
	// WithoutKinds are kinds of documents that are not kept.
	WithoutKinds []string
	// Program that makes the backup.
	Program string
	// Progress, if set, is told how many of the log's keys and of the originals are
	// written.
	Progress func(done, total int)
	// At, if set, is told of the moment whose state is kept, while no change is made.
	At func(Backup)
}

// NewBackupID returns an ID for a backup that is begun at a time.
func NewBackupID(at time.Time) string {
	return at.UTC().Format("20060102T150405.000Z") + "-" + rand.Text()[:8]
}

// MaxManifest bounds a manifest.
const MaxManifest = 64 << 20

// ParseBackup reads a manifest. One of another format is ErrFormat.
func ParseBackup(data []byte) (Backup, error) {
	var b Backup
	if err := json.Unmarshal(data, &b); err != nil {
		return b, fmt.Errorf("manifest: %w: %w", ErrBackup, err)
	}
	if b.Format < 1 || b.Format > BackupFormat {
		return b, fmt.Errorf("%w: backup of format %d, this program reads up to %d", ErrFormat, b.Format, BackupFormat)
	}
	return b, nil
}
