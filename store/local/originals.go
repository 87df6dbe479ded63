package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"nearcase/store"
)

// originals keeps images as received in files named by their SHA-256, each
// once however many instances refer to it. They are outside Badger, whose
// value log does not give back the space of large values.
type originals struct {
	dir string

	mu   sync.Mutex
	refs map[string]int // instances and writes under way that need a file

	writing singleflight.Group // by digest
	making  sync.Mutex         // held while a folder is made and synced
}

func (o *originals) path(digest string) string {
	return filepath.Join(o.dir, digest[:2], digest)
}

// keep counts one more need of a file.
func (o *originals) keep(digest string) {
	if digest != "" {
		o.mu.Lock()
		o.refs[digest]++
		o.mu.Unlock()
	}
}

// release undoes keep, and removes the file when nothing needs it any more.
func (o *originals) release(digest string) error {
	if digest == "" {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refs[digest]--; o.refs[digest] > 0 {
		return nil
	}
	delete(o.refs, digest)
	if err := os.Remove(o.path(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove original: %w", err)
	}
	return nil
}

// writers bounds how many files are synced at once: enough to keep a disk busy.
const writers = 8

// write stores the records' originals durably. The caller has kept them.
func (o *originals) write(records []store.Record) error {
	var group errgroup.Group
	group.SetLimit(writers)
	for _, r := range records {
		if r.Original != nil {
			group.Go(func() error {
				_, err, _ := o.writing.Do(r.Instance.Original(), func() (any, error) {
					return nil, o.writeFile(r.Instance.Original(), r.Original)
				})
				return err
			})
		}
	}
	return group.Wait()
}

func (o *originals) writeFile(digest string, data []byte) error {
	path := o.path(digest)
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(data)) {
		return nil
	}
	if err := o.makeDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write original: %w", err)
	}
	if err := writeAtomic(path, data); err != nil {
		return fmt.Errorf("write original: %w", err)
	}
	return nil
}

// makeDir makes a folder of originals that is not there, and syncs its entry
// before anybody else sees it. Those there are have been synced: see sweep.
func (o *originals) makeDir(dir string) error {
	o.making.Lock()
	defer o.making.Unlock()
	return makeDir(dir)
}

// makeDir makes a folder that is not there, and syncs its entry.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// halfWritten begins the names of files that writeAtomic has not finished.
const halfWritten = ".new-"

// writeAtomic makes a file of some parts appear whole or not at all, and stay
// after power loss.
func writeAtomic(path string, parts ...[]byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), halfWritten+"*")
	if err != nil {
		return err
	}
	for i := 0; err == nil && i < len(parts); i++ {
		_, err = f.Write(parts[i])
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (o *originals) open(digest string) (io.ReadCloser, error) {
	f, err := os.Open(o.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrOriginal
	}
	return f, err
}

// sweep removes what a crash left behind: files that nothing refers to and
// files half written. It makes the directory if it is not there, and syncs it,
// since a crash may have come before that. Nothing else may be using it.
func (o *originals) sweep() error {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	if err := errors.Join(syncDir(o.dir), syncDir(filepath.Dir(o.dir))); err != nil {
		return err
	}
	return filepath.WalkDir(o.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := d.Name()
		if strings.HasPrefix(name, halfWritten) || (len(name) == 64 && o.refs[name] == 0) {
			return os.Remove(path)
		}
		return nil
	})
}
