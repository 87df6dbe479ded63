package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nearcase/store"
	"nearcase/store/disk"
	"nearcase/store/vault"
)

// Recoded is what was written anew to encrypt a data directory, to give it another
// data key, or to have it plain again.
type Recoded struct {
	// Log tells that the log was; it is not where that had been done before.
	Log   bool  `json:"log"`
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"` // of the files
	// Damaged are files that could not be read, relative to the data directory. They
	// stay as they are, and cannot be read later either.
	Damaged []string      `json:"damaged,omitempty"`
	Took    time.Duration `json:"took_ns"`
}

// Encrypt encrypts a plain data directory that nobody has open with the key of the
// options. Called again it goes on where it was interrupted; meanwhile the directory
// can be opened with the key, and what is written is encrypted.
func Encrypt(ctx context.Context, dir string, o Options, progress func(done, total int)) (Recoded, error) {
	return recode(ctx, dir, o, progress, func(f files) (files, error) {
		master, err := vault.Master(f.FS, dir)
		if err == nil && master == "" {
			f.vault, err = vault.Create(f.FS, dir, encryptedFolders, *f.key, vault.Enabling)
		} else if err == nil {
			f.vault, err = vault.Open(f.FS, dir, encryptedFolders, f.key)
		}
		if err == nil && f.vault.State() != vault.Enabling {
			err = fmt.Errorf("%w: the data directory is %s already", store.ErrInvalid, f.vault.State())
		}
		return f, err
	})
}

// RotateData makes a new data key and encrypts everything with it. Called again it
// goes on where it was interrupted.
func RotateData(ctx context.Context, dir string, o Options, progress func(done, total int)) (Recoded, error) {
	return recode(ctx, dir, o, progress, beginning(dir, vault.Rotating))
}

// Decrypt makes a data directory plain. Called again it goes on where it was
// interrupted.
func Decrypt(ctx context.Context, dir string, o Options, progress func(done, total int)) (Recoded, error) {
	return recode(ctx, dir, o, progress, beginning(dir, vault.Disabling))
}

// beginning begins a change of an encrypted data directory, or goes on with it.
func beginning(dir string, to vault.State) func(files) (files, error) {
	return func(f files) (files, error) {
		var err error
		if f.vault, err = vault.Open(f.FS, dir, encryptedFolders, f.key); err == nil {
			err = f.vault.Begin(to)
		}
		return f, err
	}
}

// RotateKey gives a data directory that nobody has open another master key: that of
// the options does not open it any more. Nothing else is written.
func RotateKey(dir string, o Options, to vault.Key) error {
	err := locked(dir, o, func(f files) error {
		v, err := vault.Open(f.FS, dir, encryptedFolders, f.key)
		if err != nil {
			return err
		}
		return v.Rotate(to)
	})
	if err != nil {
		return fmt.Errorf("data directory %s: %w", dir, err)
	}
	return nil
}

// MasterKey returns the ID of the key that a data directory is encrypted with, which
// takes no key and no lock; empty is none.
func MasterKey(dir string) (id string, err error) { return vault.Master(filesOf(Options{}).FS, dir) }

// Encryption is how a data directory is encrypted.
type Encryption struct {
	vault.Status
	// Files counts what is encrypted, by the ID of the data key; 0 is plain.
	Files map[uint64]int `json:"files,omitempty"`
	// Damaged are files that are of no key.
	Damaged int `json:"damaged,omitempty"`
}

// EncryptionOf tells how a data directory that nobody has open is encrypted.
func EncryptionOf(dir string, o Options) (e Encryption, err error) {
	err = locked(dir, o, func(f files) error {
		v, err := vault.Open(f.FS, dir, encryptedFolders, f.key)
		if err != nil {
			return err
		}
		e.Status, e.Files = v.Status(), map[uint64]int{}
		return f.eachEncrypted(dir, func(path string) error {
			_, id, err := v.Of(path)
			if errors.Is(err, store.ErrDamaged) {
				e.Damaged++
			} else if err == nil {
				e.Files[id]++
			}
			return ignoreGone(err)
		})
	})
	if err != nil {
		return e, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return e, nil
}

// locked runs work while the data directory is this process's and its log settled.
func locked(dir string, o Options, work func(files) error) error {
	f := filesOf(o)
	if _, err := f.Stat(filepath.Join(dir, logDir)); err != nil {
		if _, old := f.Stat(filepath.Join(dir, oldLogDir)); old != nil {
			return err
		}
	}
	lock, err := lockDir(f, dir)
	if errors.Is(err, store.ErrLocked) {
		err = inUse(f, filepath.Join(dir, logDir))
	}
	if err != nil {
		return err
	}
	if err = settleLog(f, dir); err == nil {
		err = work(f)
	}
	return errors.Join(err, lock.Close())
}

// eachEncrypted calls see for the files of the folders that are encrypted.
func (f files) eachEncrypted(dir string, see func(path string) error) error {
	for _, folder := range encryptedFolders {
		err := f.walk(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), halfWritten) {
				return ignoreGone(err)
			}
			return see(path)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// recoder writes a data directory anew.
type recoder struct {
	Recoded
	dir      string
	o        Options
	progress func(done, total int)
	f        files // as they are seen with the key
	mu       sync.Mutex
	total    int
	finished int
}

func recode(ctx context.Context, dir string, o Options, progress func(done, total int), begin func(files) (files, error)) (Recoded, error) {
	r := &recoder{dir: dir, o: o, progress: progress}
	r.o.MustExist, r.o.Context = true, ctx
	started := time.Now()
	err := r.run(ctx, begin)
	r.Took = time.Since(started)
	if err != nil {
		return r.Recoded, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return r.Recoded, nil
}

// run notes what is to be done, does the log, does the files, and notes that it is
// done. Whatever it is interrupted in is done when it is called again.
func (r *recoder) run(ctx context.Context, begin func(files) (files, error)) error {
	if r.o.Key == nil {
		return fmt.Errorf("%w: none is given", store.ErrKey)
	}
	logIsNew := false
	err := locked(r.dir, r.o, func(f files) (err error) {
		if f, err = begin(f); err != nil {
			return err
		}
		f.FS = f.vault.Files()
		key, err := f.logKey(filepath.Join(r.dir, logDir))
		logIsNew = string(key) == string(f.vault.LogKeys()[0]) && (key == nil) == (f.vault.LogKeys()[0] == nil)
		return errors.Join(err, r.step("begun"))
	})
	if err == nil && !logIsNew {
		err = r.log(ctx)
	}
	if err != nil {
		return err
	}
	return locked(r.dir, r.o, func(f files) (err error) {
		if r.f, err = f.unlock(r.dir); err == nil {
			err = r.files(ctx)
		}
		if err == nil {
			err = r.step("written")
		}
		if err == nil {
			err = r.f.vault.Settle()
		}
		return errors.Join(err, r.step("settled"))
	})
}

func (r *recoder) step(name string) error {
	if r.o.reached == nil {
		return nil
	}
	return r.o.reached(name)
}

// log writes the log anew, as Compact does.
func (r *recoder) log(ctx context.Context) error {
	l, err := open(r.dir, r.o)
	if err != nil {
		return err
	}
	_, err = l.Compact(ctx, nil)
	r.Log = err == nil
	return errors.Join(err, l.Close())
}

// files writes the files anew that are not as new ones are.
func (r *recoder) files(ctx context.Context) error {
	var old []string
	err := r.f.eachEncrypted(r.dir, func(path string) error {
		asNew, _, err := r.f.vault.Of(path)
		if errors.Is(err, store.ErrDamaged) {
			r.damaged(path)
		} else if err == nil && !asNew {
			old = append(old, path)
		}
		return errors.Join(ctx.Err(), ignoreGone(r.unlessDamaged(err)))
	})
	if err != nil {
		return err
	}
	r.total = len(old)
	var group errgroup.Group
	group.SetLimit(writers)
	for _, path := range old {
		group.Go(func() error { return errors.Join(ctx.Err(), r.file(path)) })
	}
	return group.Wait()
}

// unlessDamaged is an error that damage is not.
func (r *recoder) unlessDamaged(err error) error {
	if errors.Is(err, store.ErrDamaged) {
		return nil
	}
	return err
}

func (r *recoder) damaged(path string) {
	name, err := filepath.Rel(r.dir, path)
	if err != nil {
		name = path
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Damaged = append(r.Damaged, filepath.ToSlash(name))
}

// file writes one file anew, with what it has.
func (r *recoder) file(path string) error {
	n, err := r.copy(path)
	if errors.Is(err, store.ErrDamaged) {
		r.damaged(path)
		return nil
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.Files, r.Bytes, r.finished = r.Files+1, r.Bytes+n, r.finished+1
	if r.progress != nil {
		r.progress(r.finished, r.total)
	}
	r.mu.Unlock()
	return r.step("file")
}

func (r *recoder) copy(path string) (n int64, err error) {
	from, err := r.f.open(path)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	err = disk.Replace(r.f.FS, path, func(to disk.File) error {
		n, err = io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from})
		return err
	})
	return n, err
}
