package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
	"nearcase/store/backup"
	"nearcase/store/disk"
)

// restoringFile is there while a data directory is being restored. With it a data
// directory is not opened.
const restoringFile = "restoring"

// Source is a backup that is to be restored.
type Source struct {
	Name string // for people
	Open func() (io.ReadCloser, error)
}

// RestoreOptions are those of Restore. The zero value works.
type RestoreOptions struct {
	// Options of the data directory: Files, Key and Context count.
	Options
	// Identities open backups that are encrypted.
	Identities backup.Identities
	// Beside are files and folders of the data directory that are no part of the
	// store, by their paths: others are not restored.
	Beside []string
	// Recorded, if set, returns the documents by which a data directory knows the
	// backups that it is from.
	Recorded func(store.Backup) (kind string, d store.Document, err error)
	// Told, if set, is told of each backup that is about to be read.
	Told func(name string, b store.Backup)
}

// Restore makes a data directory from a full backup and the incremental ones that
// follow it, in order, in a folder that is empty or not there, and returns the last
// of them. Nothing of it can be opened before all of it is there, durable and as it
// was: whatever stops it, the folder is store.ErrUnfinished then, and the next
// Restore clears it. Index snapshots and thumbnails are not in backups and made
// anew.
func Restore(ctx context.Context, dir string, from []Source, o RestoreOptions) (store.Backup, error) {
	r := restorer{dir: dir, o: o, files: filesOf(o.Options)}
	err := r.begin()
	if err == nil {
		err = r.run(ctx, from)
	}
	if err = errors.Join(err, r.close()); err != nil {
		return r.Backup, fmt.Errorf("restore into %s: %w", dir, err)
	}
	return r.Backup, nil
}

// checkRestored refuses a data directory that is not restored to its end.
func checkRestored(f files, dir string) error {
	_, err := f.Stat(filepath.Join(dir, restoringFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w: run nearcase restore once more, or remove the folder", store.ErrUnfinished)
	}
	return err
}

// restorer is one call of Restore.
type restorer struct {
	store.Backup // the last that was read
	dir          string
	o            RestoreOptions
	files        files
	lock         disk.File
	db           *badger.DB
	removed      bool     // the log has had what is gone by now
	l            *Catalog // for its paths
	sync         syncing
}

// begin takes an empty folder, and marks it as being restored.
func (r *restorer) begin() (err error) {
	if err = r.files.makeDirs(r.dir); err != nil {
		return err
	}
	if r.lock, err = lockDir(r.files, r.dir); err != nil {
		return err
	}
	if err := r.clear(); err != nil {
		return err
	}
	text := fmt.Appendf(nil, "A restore was begun here at %s and has not come to its end.\n", time.Now().UTC().Format(time.RFC3339))
	if err := r.files.write(filepath.Join(r.dir, restoringFile), text); err != nil {
		return err
	}
	if r.files, err = r.files.unlock(r.dir); err != nil {
		return err
	}
	r.l = &Catalog{dir: r.dir, files: r.files, originals: originals{files: r.files, dir: filepath.Join(r.dir, "originals")}}
	for _, folder := range []string{r.l.originals.dir, r.l.documents(), r.l.derived(), filepath.Join(r.dir, logDir)} {
		if err := r.files.makeDir(folder); err != nil {
			return err
		}
	}
	r.sync = newSyncing(r.files)
	r.db, err = openBadger(r.files, filepath.Join(r.dir, logDir))
	return err
}

// clear empties the folder of a restore that was not finished, and refuses another
// that is not empty.
func (r *restorer) clear() error {
	entries, err := r.files.ReadDir(r.dir)
	if err != nil {
		return err
	}
	begun := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == restoringFile })
	for _, e := range entries {
		// A crash may have come before the file that tells of a restore had its name.
		if !begun && e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), disk.HalfWritten) {
			return fmt.Errorf("%w: it has %s: restore into an empty folder", fs.ErrExist, e.Name())
		}
	}
	for _, e := range entries {
		if e.Name() == "lost+found" || e.Name() == restoringFile {
			continue
		}
		if err := r.files.RemoveAll(filepath.Join(r.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// run reads the backups, and lets the data directory be opened.
func (r *restorer) run(ctx context.Context, from []Source) error {
	if len(from) == 0 {
		return fmt.Errorf("%w: none is named", store.ErrBackup)
	}
	var read []store.Backup
	for _, s := range from {
		if err := r.read(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		read = append(read, r.Backup.Brief())
	}
	if err := r.renewLog(ctx); err != nil {
		return err
	}
	if err := r.checkLog(ctx); err != nil {
		return err
	}
	if err := errors.Join(r.dropOthers(), r.record(read)); err != nil {
		return err
	}
	err := errors.Join(r.sync.wait(), r.db.Close(), r.files.sync(filepath.Join(r.dir, logDir)))
	r.db = nil
	if err == nil && r.o.reached != nil {
		err = r.o.reached("restored")
	}
	if err == nil {
		err = r.files.Remove(filepath.Join(r.dir, restoringFile))
	}
	return errors.Join(err, r.files.SyncDir(r.dir))
}

// close ends what is open.
func (r *restorer) close() (err error) {
	err = r.sync.wait()
	if r.db != nil {
		err = errors.Join(err, r.db.Close())
	}
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
	}
	return err
}

// record keeps which backups the data directory is from.
func (r *restorer) record(read []store.Backup) error {
	if r.o.Recorded == nil {
		return nil
	}
	for _, b := range read {
		kind, d, err := r.o.Recorded(b)
		if err != nil {
			return err
		}
		if err := r.files.makeDir(filepath.Join(r.l.documents(), kind)); err != nil {
			return err
		}
		if err := r.files.write(r.l.documentPath(kind, d.Name), documentHead(kind, d.Name, d.Data), d.Data); err != nil {
			return err
		}
	}
	return nil
}

// read reads one backup.
func (r *restorer) read(ctx context.Context, s Source) error {
	stream, err := s.Open()
	if err != nil {
		return err
	}
	defer stream.Close()
	in, err := backup.NewReader(stream, r.o.Identities)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := r.follows(in.Header()); err != nil {
		return err
	}
	if r.o.Told != nil {
		r.o.Told(s.Name, in.Header())
	}
	one := reading{restorer: r, batch: r.db.NewWriteBatch(), base: baseOf(&r.Backup), got: map[string]store.BackupFile{}}
	defer func() { one.batch.Cancel() }()
	if err := one.parts(ctx, in); err != nil {
		return err
	}
	return one.end(in.Manifest())
}

// follows refuses a backup that is not the one that comes next.
func (r *restorer) follows(b store.Backup) error {
	switch {
	case r.ID == "" && b.Base != "":
		return fmt.Errorf("%w: it is incremental, on %s: name that first", store.ErrBackup, b.Base)
	case r.ID != "" && b.Base == "":
		return fmt.Errorf("%w: it is a full one, and cannot come after %s", store.ErrBackup, r.ID)
	case b.Base != r.ID:
		return fmt.Errorf("%w: it is incremental on %s, not on %s", store.ErrBackup, b.Base, r.ID)
	}
	return nil
}

// parts reads the parts of a backup to its end.
func (r *reading) parts(ctx context.Context, in *backup.Reader) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.part(p)
		}
		if err != nil {
			return err
		}
	}
}
