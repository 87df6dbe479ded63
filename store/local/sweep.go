package local

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"

	"nearcase/store/disk"
)

// begin makes the folder of originals if it is not there, and syncs it, since a crash
// may have come before that.
func (o *originals) begin() error {
	if err := o.files.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	for _, dir := range []string{o.dir, filepath.Dir(o.dir)} {
		if err := o.files.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// sweepOriginals sweeps in the background what a crash left. What cannot be removed is
// logged, and waits for the next start.
func (l *Catalog) sweepOriginals() {
	losing := l.isLosing()
	l.originals.unswept.Store(true)
	l.originals.sweeping.Go(func() {
		err := l.originals.sweep(l.ctx, losing)
		if l.originals.unswept.Store(err != nil); err != nil && l.ctx.Err() == nil {
			l.Logger.Warn("originals that nothing needs are left", "reason", err)
		}
	})
}

// sweep removes what a crash left behind: files that nothing refers to and files half
// written. Files may be written meanwhile: what is being written is needed, and a
// folder with files half written is cleared while nothing is being written. While
// the log is losing something, what nothing is known to refer to stays.
func (o *originals) sweep(ctx context.Context, losing bool) error {
	return o.files.walk(o.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return ignoreGone(err)
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir():
			return o.sweepHalfWritten(path)
		case len(d.Name()) == 64 && !losing:
			_, err = o.collect(path, d.Name())
		}
		return err
	})
}

// sweepHalfWritten removes the files of a folder that a crash left half written.
func (o *originals) sweepHalfWritten(dir string) error {
	entries, err := o.files.ReadDir(dir)
	if err != nil || !hasHalfWritten(entries) {
		return ignoreGone(err)
	}
	o.placing.Lock()
	defer o.placing.Unlock()
	return disk.Sweep(o.files.FS, dir)
}

func hasHalfWritten(entries []fs.DirEntry) bool {
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), halfWritten) {
			return true
		}
	}
	return false
}
