package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"nearcase/store"
	"nearcase/store/disk"
)

// originals keeps images as received in files named by their SHA-256, each
// once however many instances refer to it. They are outside Badger, whose
// value log does not give back the space of large values.
type originals struct {
	files files
	dir   string

	mu   sync.Mutex
	refs map[string]int // instances and writes under way that need a file
	pins map[string]int // backups that are yet to read a file
	// unsure are the files that may be there but not stay, since writing them failed.
	unsure map[string]bool

	writing singleflight.Group // by digest
	placing sync.RWMutex       // held, shared, while a file is half written
	// unswept tells that what is there may have been left by a crash: see sweep.
	unswept  atomic.Bool
	sweeping sync.WaitGroup
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
	return o.drop(digest)
}

// unpin gives back a pin, and removes the file if nothing needs it any more.
func (o *originals) unpin(digest string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pins[digest]--; o.pins[digest] <= 0 {
		delete(o.pins, digest)
	}
	return o.drop(digest)
}

// drop removes a file that nothing needs. The caller holds the lock.
func (o *originals) drop(digest string) error {
	if o.refs[digest] > 0 || o.pins[digest] > 0 {
		return nil
	}
	if err := o.files.remove(o.path(digest)); err != nil {
		return fmt.Errorf("remove original: %w", err)
	}
	delete(o.unsure, digest)
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
	if !o.isUnsure(digest) && o.isWhole(digest) {
		return nil
	}
	err := o.place(path, data)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.unsure[digest] = true
		return fmt.Errorf("write original: %w", err)
	}
	delete(o.unsure, digest)
	return nil
}

func (o *originals) place(path string, data []byte) error {
	o.placing.RLock()
	defer o.placing.RUnlock()
	if err := o.files.makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	return o.files.write(path, data)
}

func (o *originals) isUnsure(digest string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unsure[digest] || o.unswept.Load()
}

// isWhole reports whether a file is there as it was stored: one that is damaged is
// written again.
func (o *originals) isWhole(digest string) bool {
	f, err := o.openWhole(digest)
	return err == nil && f.Close() == nil
}

func (o *originals) open(digest string) (disk.File, error) {
	f, err := o.files.open(o.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrOriginal
	}
	return f, err
}

// openWhole opens a file once its bytes are known to be those of the digest, and is
// ErrDamaged otherwise: who reads a stream has used its beginning before the end
// tells.
func (o *originals) openWhole(digest string) (io.ReadCloser, error) {
	f, err := o.open(digest)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	if got := hex.EncodeToString(h.Sum(nil)); err == nil && got != digest {
		err = fmt.Errorf("original %.12s: %w: its SHA-256 is %.12s: send the image again", digest, store.ErrDamaged, got)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
