package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sync/errgroup"

	"nearcase/store"
	"nearcase/store/backup"
	"nearcase/store/disk"
)

// reading is one backup that is being restored.
type reading struct {
	*restorer
	batch   *badger.WriteBatch
	base    base // what was restored before
	got     map[string]store.BackupFile
	begun   bool // the log is being changed
	images  int
	damaged int // originals that are not what their digests say
}

// part restores a part.
func (r *reading) part(p backup.Part) error {
	kind, rest := backup.KindOf(p.Name)
	switch kind {
	case backup.Log:
		return r.logPart(p, r.set)
	case backup.KeptKeys:
		return r.logPart(p, r.keep)
	case backup.Originals:
		return r.original(p, rest)
	case backup.Documents:
		return r.document(p, rest)
	case backup.Derived:
		return r.file(p, p.Name, filepath.Join(r.l.derived(), filepath.FromSlash(rest)), nil)
	case backup.Files:
		return r.beside(p, rest, -1)
	case backup.Tails:
		from, name, _ := strings.Cut(rest, "/")
		n, err := strconv.ParseInt(from, 10, 64)
		if err != nil {
			return fmt.Errorf("%w: part %s", store.ErrBackup, p.Name)
		}
		return r.beside(p, name, n)
	}
	return fmt.Errorf("%w: part %s", store.ErrBackup, p.Name)
}

// logPart calls f for the pairs of a part.
func (r *reading) logPart(p backup.Part, f func(key, value []byte) error) error {
	data, err := io.ReadAll(p)
	if err != nil {
		return err
	}
	if err := r.beginLog(); err != nil {
		return err
	}
	return backup.Pairs(data, f)
}

// beginLog removes the pairs that are of no log: all that there are come.
func (r *reading) beginLog() error {
	if r.begun {
		return nil
	}
	r.begun = true
	return r.db.View(func(t *badger.Txn) error {
		it := t.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for _, from := range [][]byte{nil, {logPrefix + 1}} {
			for it.Seek(from); it.Valid() && it.Item().Key()[0] != logPrefix; it.Next() {
				if err := r.batch.Delete(it.Item().KeyCopy(nil)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (r *reading) set(key, value []byte) error {
	return r.batch.Set(bytes.Clone(key), bytes.Clone(value))
}

// keep removes the pairs of some keys that are not there any more.
func (r *reading) keep(key, value []byte) error {
	number, first, suffix, err := parseLogKey(key)
	if err != nil || suffix != 'k' || len(value) != 8+2*blockKeys/8 || first%blockKeys != 0 {
		return fmt.Errorf("%w: keys that are kept: %x", store.ErrBackup, key)
	}
	last := store.Key(binary.BigEndian.Uint64(value))
	r.removed = true
	return r.db.View(func(t *badger.Txn) error {
		it := t.NewIterator(badger.IteratorOptions{Prefix: logKeys(number)})
		defer it.Close()
		for it.Seek(logKey(number, first, 0)); it.Valid(); it.Next() {
			_, at, suffix, err := parseLogKey(it.Item().Key())
			if err != nil || at > last || at >= first+blockKeys {
				return err
			}
			bit := 2 * int(at-first)
			if suffix == vectorSuffix {
				bit++
			}
			if value[8+bit/8]&(1<<(bit%8)) == 0 {
				if err := r.batch.Delete(it.Item().KeyCopy(nil)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// original restores an image, if it is what its digest says.
func (r *reading) original(p backup.Part, rest string) error {
	digest := path.Base(rest)
	if rest != digest[:2]+"/"+digest {
		return fmt.Errorf("%w: part %s", store.ErrBackup, p.Name)
	}
	r.images++
	to := r.l.originals.path(digest)
	if err := r.files.makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	sum, err := r.write(to, p)
	if err == nil && sum != digest {
		r.damaged++
		err = errors.Join(r.sync.wait(), r.files.Remove(to))
	}
	return err
}

// write makes a file, and has it brought to the disk.
func (r *reading) write(to string, from io.Reader) (sum string, err error) {
	f, err := r.files.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), from)
	r.sync.file(f)
	return hex.EncodeToString(h.Sum(nil)), err
}

func (r *reading) document(p backup.Part, rest string) error {
	kind, file, _ := strings.Cut(rest, "/")
	name, err := hex.DecodeString(file)
	if err != nil {
		return fmt.Errorf("%w: part %s", store.ErrBackup, p.Name)
	}
	var data bytes.Buffer // as large as there are bytes, not as is said
	if _, err := io.Copy(&data, p); err != nil {
		return err
	}
	if err := r.files.makeDir(filepath.Join(r.l.documents(), kind)); err != nil {
		return err
	}
	head := documentHead(kind, string(name), data.Bytes())
	return r.file(backup.Part{Name: p.Name, Size: p.Size, Reader: &data}, p.Name, r.l.documentPath(kind, string(name)), head)
}

// file restores a file, which begins with head, under a name in the manifest.
func (r *reading) file(p backup.Part, name, to string, head []byte) error {
	if err := r.files.makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	h := sha256.New()
	_, err := r.write(to, io.MultiReader(bytes.NewReader(head), io.TeeReader(p, h)))
	r.got[name] = store.BackupFile{Name: name, Size: p.Size, SHA256: hex.EncodeToString(h.Sum(nil))}
	return err
}

// beside restores a file that is no part of the store, or what comes after some
// bytes of it.
func (r *reading) beside(p backup.Part, name string, from int64) error {
	folder, _, _ := strings.Cut(name, "/")
	if !slices.Contains(r.o.Beside, folder) {
		return fmt.Errorf("%w: it has a file %s of the data directory, which is not wanted", store.ErrBackup, name)
	}
	to := filepath.Join(r.dir, filepath.FromSlash(name))
	if from < 0 {
		return r.file(p, backup.Files+name, to, nil)
	}
	before := r.base.files[backup.Files+name]
	whole, err := r.files.read(to)
	if err == nil && (before.Size != from || int64(len(whole)) != from) {
		err = fmt.Errorf("%w: %s goes on after %d bytes, and has %d", store.ErrBackup, name, from, len(whole))
	}
	if err != nil {
		return err
	}
	// Read before it is written anew.
	joined := backup.Part{Name: p.Name, Size: from + p.Size, Reader: io.MultiReader(bytes.NewReader(whole), p)}
	return r.file(joined, backup.Files+name, to, nil)
}

// end takes a backup that has been read, and its manifest, as what is restored.
func (r *reading) end(m store.Backup) error {
	if err := r.beginLog(); err != nil {
		return err
	}
	if err := r.batch.Flush(); err != nil {
		return err
	}
	if m.Directory > format {
		return fmt.Errorf("%w: it is of a data directory of format %d, this program reads up to %d", store.ErrFormat, m.Directory, format)
	}
	if r.images != m.Originals || r.damaged > m.Damaged {
		return fmt.Errorf("%w: %d originals, %d of them of another content; there were %d and %d things damaged", store.ErrBackup, r.images, r.damaged, m.Originals, m.Damaged)
	}
	if err := r.sync.wait(); err != nil {
		return err
	}
	if err := r.checkFiles(m); err != nil {
		return err
	}
	r.Backup = m
	return r.dropLogs()
}

// checkFiles checks that every file that the manifest has came, or was there before.
func (r *reading) checkFiles(m store.Backup) error {
	n := 0
	for _, files := range [][]store.BackupFile{m.Documents, m.Derived, m.Files} {
		for _, f := range files {
			got, came := r.got[f.Name]
			if came {
				n++
			} else {
				got = r.base.files[f.Name]
			}
			if got != f {
				return fmt.Errorf("%w: %s is not as it was", store.ErrBackup, f.Name)
			}
		}
	}
	if n != len(r.got) {
		return fmt.Errorf("%w: it has files that its manifest has not", store.ErrBackup)
	}
	return nil
}

// dropOthers removes the files that were in a base and are not in the last backup.
func (r *restorer) dropOthers() (err error) {
	known := baseOf(&r.Backup).files
	for root, prefix := range map[string]string{r.l.documents(): backup.Documents, r.l.derived(): backup.Derived} {
		err = errors.Join(err, r.files.walk(root, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			below, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			if _, ok := known[prefix+filepath.ToSlash(below)]; ok {
				return nil
			}
			return r.files.Remove(file)
		}))
	}
	return err
}

// syncing brings files to the disk while others are written.
type syncing struct {
	files files
	group *errgroup.Group
	dirs  map[string]bool
}

func newSyncing(f files) syncing {
	s := syncing{files: f, group: &errgroup.Group{}, dirs: map[string]bool{}}
	s.group.SetLimit(writers)
	return s
}

// file closes a file, once it is durable.
func (s *syncing) file(f disk.File) {
	s.dirs[filepath.Dir(f.Name())] = true
	s.group.Go(func() error { return errors.Join(f.Sync(), f.Close()) })
}

// wait returns when all files are durable, and their names.
func (s *syncing) wait() error {
	if s.group == nil {
		return nil
	}
	err := s.group.Wait()
	for dir := range s.dirs {
		err = errors.Join(err, s.files.SyncDir(dir))
	}
	fresh := newSyncing(s.files)
	s.group, s.dirs = fresh.group, fresh.dirs
	return err
}
