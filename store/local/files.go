package local

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"nearcase/store/disk"
	"nearcase/store/vault"
)

// files are those of a data directory. All that this package does with files of
// its own goes through it; Badger's own, below log/, are Badger's.
type files struct {
	disk.FS
	key   *vault.Key
	vault *vault.Vault // nil until the data directory is this process's: see unlock
	below disk.FS      // what is encrypted as it is, then
	// making is held while a folder is made and synced: nobody is to find one that
	// may be lost with all in it. Those there are at the start have been synced.
	making *sync.Mutex
	bounds
	unsynced bool
}

// filesOf is what a catalog of these options uses.
func filesOf(o Options) files {
	return files{FS: cmp.Or[disk.FS](o.Files, disk.System{}), key: o.Key, making: new(sync.Mutex), bounds: boundsOf(o.Memory), unsynced: o.unsynced}
}

// halfWritten begins the names of files that write and replace have not finished.
const halfWritten = disk.HalfWritten

// write makes a file of some parts appear whole or not at all, and stay after power
// loss.
func (f files) write(path string, parts ...[]byte) error {
	return disk.WriteAtomic(f.FS, path, parts...)
}

// replace is write for what is not there in parts.
func (f files) replace(path string, write func(io.WriterAt) error) error {
	return disk.Replace(f.FS, path, func(to disk.File) error { return write(to) })
}

// place is write without making anything durable: what power loss leaves of the
// file must be told by what is in it. It gets its name by rename, which may refuse.
func (f files) place(in string, rename func(from string) error, parts ...[]byte) error {
	to, err := f.CreateTemp(in, halfWritten+"*")
	if err != nil {
		return err
	}
	for i := 0; err == nil && i < len(parts); i++ {
		_, err = to.Write(parts[i])
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = rename(to.Name())
	}
	if err != nil {
		return errors.Join(err, f.Remove(to.Name()))
	}
	return nil
}

// read returns all of a file.
func (f files) read(path string) ([]byte, error) { return disk.ReadFile(f.FS, path) }

// open opens a file for reading.
func (f files) open(path string) (disk.File, error) { return disk.Open(f.FS, path) }

// makeDir makes a folder that is not there, and syncs its entry. Where that fails
// the folder is not there, so that the next who makes it tries again.
func (f files) makeDir(dir string) error {
	f.making.Lock()
	defer f.making.Unlock()
	if err := f.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	if err := f.SyncDir(filepath.Dir(dir)); err != nil {
		return errors.Join(err, f.Remove(dir))
	}
	return nil
}

// makeDirs makes a folder and those above it that are not there, and syncs their
// entries; that of the folder always, since a crash may have come before that. Who
// may not read the folder above has not made it there.
func (f files) makeDirs(dir string) error {
	above := filepath.Dir(dir)
	if _, err := f.Stat(above); errors.Is(err, fs.ErrNotExist) {
		if err := f.makeDirs(above); err != nil {
			return err
		}
	}
	if err := f.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := f.SyncDir(above); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// moveDir renames a folder in another, durably.
func (f files) moveDir(in, from, to string) error {
	if err := f.Rename(filepath.Join(in, from), filepath.Join(in, to)); err != nil {
		return err
	}
	return f.SyncDir(in)
}

// remove removes a file if it is there.
func (f files) remove(path string) error {
	if err := f.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeDurably is remove of what power loss must not bring back. It may have been
// removed before, by who could not sync that.
func (f files) removeDurably(path string) error {
	err := errors.Join(f.remove(path), f.SyncDir(filepath.Dir(path)))
	if errors.Is(err, fs.ErrNotExist) { // nor is the folder there
		return nil
	}
	return err
}

// syncDirs makes the names in folders durable, of those that are there.
func (f files) syncDirs(dirs map[string]bool) (err error) {
	for dir := range dirs {
		if failed := f.SyncDir(dir); !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// walk calls fn for a folder and all below it; see fs.WalkDir.
func (f files) walk(root string, fn fs.WalkDirFunc) error { return disk.WalkDir(f.FS, root, fn) }

// sync brings all files of a folder to the disk, and their names.
func (f files) sync(dir string) error {
	return f.walk(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return f.SyncDir(path)
		}
		opened, err := f.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return errors.Join(opened.Sync(), opened.Close())
	})
}

// size is what the files of a folder take of the disk.
func (f files) size(dir string) (size int64) {
	_ = f.walk(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			size += occupied(info)
		}
		return nil
	})
	return size
}
