package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nearcase/store"
	"nearcase/store/backup"
)

// KindBackup is the kind of job that makes a backup in the folder for backups, and
// of document that a backup is known by.
const KindBackup = "backup"

// manifestKind is the kind of document that a manifest is. They are in no backup: what
// is restored begins another chain.
const manifestKind = "manifest"

// keptManifests is how many backups another can be incremental on.
const keptManifests = 32

var (
	// ErrNoBackup is a backup that is not known, or not any more.
	ErrNoBackup = errors.New("no such backup")
	// ErrNoFolder is a server that has no folder for backups.
	ErrNoFolder = errors.New("no folder for backups is configured")
)

// Backups say where a service makes backups by itself, and how. The zero value makes
// none.
type Backups struct {
	// Folder is where they are; empty is nowhere.
	Folder string
	// Every is how often one is made; 0 is never. A full one is made every FullEvery,
	// and incremental ones in between; 0 makes full ones alone.
	Every, FullEvery time.Duration
	// Keep is how many full ones, with those that need them, are kept; 0 is all.
	Keep int
	// Recipients are public keys of age for which they are encrypted.
	Recipients []string
	// Beside are files and folders of the data directory that go with a backup, and
	// Keys those that only go with one that is encrypted.
	Beside, Keys []string
}

// BackupRequest says which backup is wanted.
type BackupRequest struct {
	// ID that the backup gets; empty makes one.
	ID string `json:"-"`
	// Incremental makes one that holds what has changed since another: that of Since,
	// or else the last there is; a full one if there is none.
	Incremental bool   `json:"incremental,omitempty"`
	Since       string `json:"since,omitempty"`
	// Recipients are public keys of age for which it is encrypted; none means those
	// that are configured.
	Recipients []string `json:"recipients,omitempty"`
	// Where it is going to be, for people and receipts.
	Where string `json:"where,omitempty"`
}

// BackupRecord is a backup as the data directory knows it.
type BackupRecord struct {
	store.Backup
	// Where it was written to; Size is its bytes, 0 while it is being made or where
	// that has failed unseen.
	Where     string `json:"where"`
	Size      int64  `json:"size"`
	Encrypted bool   `json:"encrypted"`
}

// RecordOf returns the document by which a data directory knows a backup that it was
// restored from.
func RecordOf(b store.Backup) (kind string, d store.Document, err error) {
	r := BackupRecord{Backup: b.Brief(), Where: "restored from it"}
	d.Name = b.ID
	d.Data, err = json.Marshal(r)
	return KindBackup, d, err
}

// Backup writes a backup of all that is stored, and keeps a record of it, by which
// receipts of erasures name it. What could not be read as it was stored is in the
// record, and no error. One that it cannot be incremental on is ErrNoBackup.
func (s *Service) Backup(ctx context.Context, w io.Writer, q BackupRequest, progress func(done, total int)) (BackupRecord, error) {
	base, err := s.baseOf(ctx, q)
	if err != nil {
		return BackupRecord{}, err
	}
	r, err := s.backUp(ctx, w, q, base, progress)
	if err == nil {
		err = s.saveBackup(ctx, r)
	}
	return r, err
}

// backUp writes a backup, of which a record is kept while it is written.
func (s *Service) backUp(ctx context.Context, w io.Writer, q BackupRequest, base *store.Backup, progress func(done, total int)) (BackupRecord, error) {
	counted := &countingWriter{w: w}
	o := s.backupOptions(q)
	o.Base, o.Progress, o.ID = base, progress, cmp.Or(q.ID, store.NewBackupID(time.Now()))
	r := BackupRecord{Where: q.Where, Encrypted: len(o.Recipients) > 0}
	r.Backup = store.Backup{Format: store.BackupFormat, ID: o.ID, Created: time.Now().UTC()}.Brief()
	if err := s.saveBackup(ctx, r); err != nil { // an erasure meanwhile is to name it
		return r, err
	}
	b, err := s.Catalog.Backup(ctx, counted, o)
	if err != nil {
		return r, errors.Join(err, s.dropBackup(ctx, o.ID))
	}
	manifest, err := json.Marshal(b)
	if err == nil {
		err = s.Catalog.SaveDocument(ctx, manifestKind, b.ID, manifest)
	}
	r.Backup, r.Size = b.Brief(), counted.n
	if err = errors.Join(err, s.forgetManifests(ctx)); err != nil {
		err = errors.Join(err, s.dropBackup(ctx, b.ID))
	}
	return r, err
}

func (s *Service) backupOptions(q BackupRequest) store.BackupOptions {
	o := store.BackupOptions{
		Recipients: q.Recipients, Beside: slices.Clone(s.Backups.Beside), Program: s.Version, WithoutKinds: []string{manifestKind},
	}
	if len(o.Recipients) == 0 {
		o.Recipients = s.Backups.Recipients
	}
	if len(o.Recipients) > 0 {
		o.Beside = append(o.Beside, s.Backups.Keys...)
	} else {
		o.LeftOut = s.Backups.Keys
	}
	return o
}

// baseOf returns the backup since which changes are wanted; nil for all.
func (s *Service) baseOf(ctx context.Context, q BackupRequest) (*store.Backup, error) {
	if q.Since != "" {
		return s.manifest(ctx, q.Since)
	}
	if !q.Incremental {
		return nil, nil
	}
	all, err := s.manifests(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return s.manifest(ctx, all[len(all)-1].Name)
}

// manifests returns those that can be read, the oldest first: without the others, full
// backups can be made.
func (s *Service) manifests(ctx context.Context) ([]store.Document, error) {
	all, err := s.Catalog.Documents(ctx, manifestKind)
	if errors.Is(err, store.ErrDamaged) {
		err = nil
	}
	return all, err
}

// manifest returns that of a backup that another can be incremental on.
func (s *Service) manifest(ctx context.Context, id string) (*store.Backup, error) {
	data, err := s.Catalog.Document(ctx, manifestKind, id)
	if errors.Is(err, store.ErrDocument) || errors.Is(err, store.ErrInvalid) {
		return nil, fmt.Errorf("backup %.80q: %w that another can be incremental on: make a full one", id, ErrNoBackup)
	}
	if err != nil {
		return nil, err
	}
	b, err := store.ParseBackup(data)
	return &b, err
}

// forgetManifests keeps the newest.
func (s *Service) forgetManifests(ctx context.Context) error {
	all, err := s.manifests(ctx)
	for _, d := range all[:max(len(all)-keptManifests, 0)] {
		err = errors.Join(err, s.Catalog.DropDocument(ctx, manifestKind, d.Name))
	}
	return err
}

func (s *Service) saveBackup(ctx context.Context, r BackupRecord) error {
	data, err := json.Marshal(r)
	if err == nil {
		err = s.Catalog.SaveDocument(ctx, KindBackup, r.ID, data)
	}
	if err != nil {
		return fmt.Errorf("keep the record of backup %s: %w", r.ID, err)
	}
	return nil
}

func (s *Service) dropBackup(ctx context.Context, id string) error {
	ctx = context.WithoutCancel(ctx)
	return errors.Join(s.Catalog.DropDocument(ctx, KindBackup, id), s.Catalog.DropDocument(ctx, manifestKind, id))
}

// ListBackups returns the records of all backups that were made and are not known to
// be gone, the oldest first. One that has no end is being made, or was interrupted.
func (s *Service) ListBackups(ctx context.Context) ([]BackupRecord, error) {
	documents, err := s.Catalog.Documents(ctx, KindBackup)
	all := make([]BackupRecord, 0, len(documents))
	for _, d := range documents {
		var r BackupRecord
		if bad := json.Unmarshal(d.Data, &r); bad != nil {
			err = errors.Join(err, fmt.Errorf("record of backup %s: %w: %w", d.Name, store.ErrDamaged, bad))
			continue
		}
		all = append(all, r)
	}
	return all, err
}

// DescribeBackup returns the record of a backup, or ErrNoBackup.
func (s *Service) DescribeBackup(ctx context.Context, id string) (BackupRecord, error) {
	var r BackupRecord
	data, err := s.Catalog.Document(ctx, KindBackup, id)
	if errors.Is(err, store.ErrDocument) || errors.Is(err, store.ErrInvalid) {
		return r, fmt.Errorf("backup %.80q: %w", id, ErrNoBackup)
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	return r, err
}

// ForgetBackup drops the record of a backup that is gone, so that receipts of
// erasures do not name it any more. The backup itself is not looked for.
func (s *Service) ForgetBackup(ctx context.Context, id string) error {
	if _, err := s.DescribeBackup(ctx, id); err != nil {
		return err
	}
	return s.dropBackup(ctx, id)
}

// BackupTo makes a backup in a folder of this machine, and removes the oldest of it
// that are not to be kept. An incremental one is on the last of the folder; where
// there is none that it can be on it is a full one.
func (s *Service) BackupTo(ctx context.Context, folder string, q BackupRequest, progress func(done, total int)) (BackupRecord, error) {
	select { // one at a time: each begins with removing what others left unfinished
	case s.backing <- struct{}{}:
		defer func() { <-s.backing }()
	case <-ctx.Done():
		return BackupRecord{}, ctx.Err()
	}
	f := backup.Folder{Path: folder}
	base, err := s.baseIn(ctx, f, q)
	if err != nil {
		return BackupRecord{}, err
	}
	var r BackupRecord
	q.Where = folder
	kept, err := f.Write(func(w io.Writer) (store.Backup, bool, error) {
		r, err = s.backUp(ctx, w, q, base, progress)
		return r.Backup, r.Encrypted, err
	})
	if err != nil {
		return r, errors.Join(fmt.Errorf("back up to %s: %w", folder, err), s.dropBackup(ctx, r.ID))
	}
	r.Where = filepath.Join(folder, kept.File)
	return r, errors.Join(s.saveBackup(ctx, r), s.pruneBackups(ctx, f))
}

// baseIn returns the last backup of a folder that another can be on, if one is
// wanted and there is one.
func (s *Service) baseIn(ctx context.Context, f backup.Folder, q BackupRequest) (*store.Backup, error) {
	if q.Since != "" || !q.Incremental {
		return s.baseOf(ctx, q)
	}
	all, err := f.List()
	if err != nil && !errors.Is(err, store.ErrBackup) { // of others the rest says nothing
		return nil, err
	}
	if len(all) == 0 {
		return nil, nil
	}
	last := all[len(all)-1]
	if _, err := backup.Chain(all, last.ID); err != nil {
		return nil, nil
	}
	base, err := s.manifest(ctx, last.ID)
	if errors.Is(err, ErrNoBackup) || errors.Is(err, store.ErrDamaged) {
		return nil, nil
	}
	return base, err
}

// pruneBackups removes the oldest backups of a folder.
func (s *Service) pruneBackups(ctx context.Context, f backup.Folder) error {
	gone, err := f.Prune(s.Backups.Keep)
	if errors.Is(err, store.ErrBackup) {
		s.Logger.Warn("a backup in the folder is not whole", "folder", f.Path, "error", err)
		err = nil
	}
	for _, k := range gone {
		err = errors.Join(err, s.dropBackup(ctx, k.ID))
	}
	return err
}

// countingWriter counts what goes through it.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// backupJob makes a backup in the folder for backups.
func (s *Service) backupJob(ctx context.Context, t *turn) (any, error) {
	var q BackupRequest
	if err := t.parameters(&q); err != nil {
		return nil, err
	}
	if s.Backups.Folder == "" {
		return nil, ErrNoFolder
	}
	r, err := s.BackupTo(ctx, s.Backups.Folder, q, t.progress)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// BackupFolder begins a job that makes a backup in the folder for backups: ErrNoFolder
// if there is none.
func (s *Service) BackupFolder(ctx context.Context, incremental bool) (Job, error) {
	if s.Backups.Folder == "" {
		return Job{}, ErrNoFolder
	}
	return s.Enqueue(ctx, KindBackup, "", BackupRequest{Incremental: incremental})
}

// inFolder reports whether a backup is in the folder for backups, and whole.
func (s *Service) inFolder(r BackupRecord) bool {
	return !r.Ended.IsZero() && strings.HasPrefix(r.Where, s.Backups.Folder+string(filepath.Separator))
}
