package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearcase/store"
	"nearcase/store/disk"
)

// Folder is a folder of backups: a file for each and its manifest beside it.
type Folder struct{ Path string }

// Kept is a backup in a folder.
type Kept struct {
	store.Backup
	// File is its name in the folder, and Size its bytes.
	File string `json:"file"`
	Size int64  `json:"size"`
}

const (
	suffix         = ".tar.zst"
	secretSuffix   = ".tar.zst.age"
	manifestSuffix = ".json"
	filePrefix     = "nearcase-"
)

// FileName is what the file of a backup is called.
func FileName(b store.Backup, encrypted bool) string {
	name := filePrefix + b.ID + "-full"
	if !b.IsFull() {
		name = filePrefix + b.ID + "-incremental"
	}
	if encrypted {
		return name + secretSuffix
	}
	return name + suffix
}

// Write makes the file of a backup, which fill writes to it, and its manifest beside
// it. Both appear whole or not at all, the manifest last, and stay. What a crash
// has left of another is removed.
func (f Folder) Write(fill func(io.Writer) (b store.Backup, encrypted bool, err error)) (k Kept, err error) {
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return k, err
	}
	if err := disk.Sweep(disk.System{}, f.Path); err != nil {
		return k, err
	}
	to, err := os.CreateTemp(f.Path, disk.HalfWritten+"*")
	if err != nil {
		return k, err
	}
	var encrypted bool
	k.Backup, encrypted, err = fill(to)
	if err == nil {
		k.Size, err = to.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		err = to.Sync()
	}
	k.File = FileName(k.Backup, encrypted)
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Rename(to.Name(), filepath.Join(f.Path, k.File))
	}
	if err != nil {
		return k, errors.Join(err, os.Remove(to.Name()))
	}
	if err = f.writeManifest(k); err != nil {
		err = errors.Join(err, os.Remove(filepath.Join(f.Path, k.File)))
	}
	return k, err
}

func (f Folder) writeManifest(k Kept) error {
	data, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return err
	}
	return disk.WriteAtomic(disk.System{}, filepath.Join(f.Path, manifestOf(k.File)), append(data, '\n'))
}

func manifestOf(file string) string {
	return strings.TrimSuffix(strings.TrimSuffix(file, ".age"), suffix) + manifestSuffix
}

// List returns the backups of a folder that have a manifest, the oldest first. A
// manifest that cannot be read, or whose backup is not there or of another size, is
// store.ErrBackup; the others are returned nonetheless. No folder has no backups.
func (f Folder) List() (all []Kept, err error) {
	entries, err := os.ReadDir(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filePrefix) || !strings.HasSuffix(e.Name(), manifestSuffix) {
			continue
		}
		k, bad := f.kept(e.Name())
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", e.Name(), bad))
			continue
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Kept) int { return strings.Compare(a.ID, b.ID) })
	return all, err
}

// Strays returns the files of backups that have no manifest beside them: a crash has
// come between, or somebody has removed it. Such a file may be whole.
func (f Folder) Strays() (names []string, err error) {
	entries, err := os.ReadDir(f.Path)
	for _, e := range entries {
		file := strings.TrimSuffix(e.Name(), ".age")
		if !strings.HasPrefix(file, filePrefix) || !strings.HasSuffix(file, suffix) {
			continue
		}
		if _, missing := os.Stat(filepath.Join(f.Path, manifestOf(file))); errors.Is(missing, fs.ErrNotExist) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (f Folder) kept(manifest string) (k Kept, err error) {
	opened, err := os.Open(filepath.Join(f.Path, manifest))
	if err != nil {
		return k, err
	}
	defer opened.Close()
	data, err := io.ReadAll(io.LimitReader(opened, store.MaxManifest))
	if err == nil {
		_, err = store.ParseBackup(data)
	}
	if err == nil {
		err = json.Unmarshal(data, &k)
	}
	if err != nil {
		return k, err
	}
	if filepath.Base(k.File) != k.File || manifestOf(k.File) != manifest {
		return k, fmt.Errorf("%w: it is of %.80q", store.ErrBackup, k.File)
	}
	info, err := os.Stat(filepath.Join(f.Path, k.File))
	if err != nil {
		return k, fmt.Errorf("%w: %w", store.ErrBackup, err)
	}
	if info.Size() != k.Size {
		return k, fmt.Errorf("%w: %s has %d bytes, there were %d", store.ErrBackup, k.File, info.Size(), k.Size)
	}
	return k, nil
}

// Chain returns the backups that are to be restored, in order, to have the state of
// one, the last if id is empty. One that is not there, or whose base is not, is
// store.ErrBackup.
func Chain(all []Kept, id string) (chain []Kept, err error) {
	if id == "" && len(all) > 0 {
		id = all[len(all)-1].ID
	}
	for range len(all) + 1 {
		at := slices.IndexFunc(all, func(k Kept) bool { return k.ID == id })
		if at < 0 {
			return nil, fmt.Errorf("%w: backup %.80q is not there", store.ErrBackup, id)
		}
		chain = append(chain, all[at])
		if id = all[at].Base; id == "" {
			slices.Reverse(chain)
			return chain, nil
		}
	}
	return nil, fmt.Errorf("%w: backup %.80q is its own base", store.ErrBackup, id)
}

// Prune removes all backups but the newest full ones, so many, the newest full one
// in which nothing was damaged, and those that need them, and returns what it has
// removed. Keep 0 keeps all.
func (f Folder) Prune(keep int) (gone []Kept, err error) {
	all, err := f.List()
	oldest, whole := lasting(all, keep)
	for _, k := range slices.Backward(all) { // incremental ones before their base
		root := k.ID
		if chain, bad := Chain(all, k.ID); bad == nil {
			root = chain[0].ID
		}
		if root < oldest && root != whole {
			gone = append(gone, k)
			err = errors.Join(err, os.Remove(filepath.Join(f.Path, manifestOf(k.File))), os.Remove(filepath.Join(f.Path, k.File)))
		}
	}
	return gone, err
}

// lasting returns the oldest of the newest full backups, so many, empty where there
// are not more than that, and the newest in which nothing was damaged.
func lasting(all []Kept, keep int) (oldest, whole string) {
	full := 0
	for _, k := range slices.Backward(all) {
		if !k.IsFull() {
			continue
		}
		if full++; full == keep {
			oldest = k.ID
		}
		if whole == "" && k.Damaged == 0 {
			whole = k.ID
		}
	}
	return oldest, whole
}
