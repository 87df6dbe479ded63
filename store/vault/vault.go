package vault

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"nearcase/store"
	"nearcase/store/disk"
)

// Vault is what encrypts a data directory. It is safe for concurrent use.
type Vault struct {
	files   disk.FS
	dir     string
	folders []string

	mu       sync.RWMutex // guards what follows
	master   Key
	registry registry // without keys where the directory is plain
	sequence uint64
	unnamed  map[string]*unnamed // by path
}

// Open opens the vault of a data directory that is this process's alone; files in
// some of its folders are encrypted. Without a registry the directory is plain, and
// a key for it store.ErrKey; so is a missing key where there is one, and a wrong one.
func Open(from disk.FS, dir string, folders []string, key *Key) (*Vault, error) {
	v := &Vault{files: from, dir: dir, folders: folders, unnamed: map[string]*unnamed{}}
	e, same, err := readRegistry(from, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && key == nil:
		return v, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: the data directory is not encrypted: run nearcase encryption enable first, or leave the key out", store.ErrKey)
	case err != nil:
		return nil, err
	case key == nil:
		return nil, fmt.Errorf("%w: the data directory is encrypted: name the file with its key by encryption.key_file, or put the key into NEARCASE_ENCRYPTION_KEY", store.ErrKey)
	}
	if v.registry, err = e.open(*key); err != nil {
		return nil, err
	}
	v.master, v.sequence = *key, e.sequence
	if !same {
		return v, writeRegistry(from, dir, e.bytes)
	}
	return v, nil
}

// Master returns the ID of the master key of a data directory, which takes no key;
// empty is a plain one.
func Master(from disk.FS, dir string) (id string, err error) {
	e, _, err := readRegistry(from, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return hex.EncodeToString(e.master[:]), err
}

// Create makes the registry of a data directory that has none: one in which nothing
// is yet is store.Encrypted then, and one with plain files Enabling.
func Create(from disk.FS, dir string, folders []string, key Key, as State) (*Vault, error) {
	v := &Vault{files: from, dir: dir, folders: folders, unnamed: map[string]*unnamed{}, master: key}
	r := registry{State: as}
	r.add()
	return v, v.save(r, key)
}

// save writes the registry, and takes it over once it is durable.
func (v *Vault) save(r registry, master Key) error {
	if err := r.check(); err != nil {
		return err
	}
	b, err := r.seal(v.sequence+1, master)
	if err == nil {
		err = writeRegistry(v.files, v.dir, b)
	}
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.registry, v.master, v.sequence = r, master, v.sequence+1
	return nil
}

// Files is the file system that encrypts and decrypts; the one below where the data
// directory is plain.
func (v *Vault) Files() disk.FS {
	if v.State() == Plain {
		return v.files
	}
	return files{v.files, v}
}

// State is how far the data directory is encrypted.
func (v *Vault) State() State {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.registry.State
}

// mixed reports whether there may be plain files.
func (v *Vault) mixed() bool {
	s := v.State()
	return s != Encrypted && s != Rotating
}

// writes returns the data key that is written with; nil is none.
func (v *Vault) writes() *dataKey {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if s := v.registry.State; s == Plain || s == Disabling {
		return nil
	}
	return v.registry.key(v.registry.Current)
}

func (v *Vault) dataKey(id uint64) *dataKey {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.registry.key(id)
}

// LogKeys returns the keys that the log may be encrypted with, of 32 bytes, the one
// that a new log gets first; nil is no encryption.
func (v *Vault) LogKeys() (keys [][]byte) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	r := &v.registry
	if r.State == Plain || r.State == Disabling {
		keys = append(keys, nil)
	}
	if k := r.key(r.Current); k != nil {
		keys = append(keys, logKey(k))
	}
	for i := range r.Keys {
		if r.Keys[i].ID != r.Current {
			keys = append(keys, logKey(&r.Keys[i]))
		}
	}
	if r.State == Enabling {
		keys = append(keys, nil)
	}
	return keys
}

func logKey(k *dataKey) []byte { return derive(k.Secret, nil, "nearcase log", keySize) }

// Rotate gives the data directory another master key, at once and wholly. What is
// encrypted stays as it is.
func (v *Vault) Rotate(to Key) error { return v.save(v.current(), to) }

// current is a copy of the registry.
func (v *Vault) current() registry {
	v.mu.RLock()
	defer v.mu.RUnlock()
	r := v.registry
	r.Keys = append([]dataKey(nil), r.Keys...)
	return r
}

// Begin goes on from Encrypted to Rotating, with a new data key, or to Disabling.
// Where that has begun already it stays as it is; another change that has begun is
// store.ErrKey.
func (v *Vault) Begin(to State) error {
	r := v.current()
	if r.State == to {
		return nil
	}
	if r.State != Encrypted {
		return fmt.Errorf("%w: the data directory is %s: end that first, with the same command as before", store.ErrKey, stateText(r.State))
	}
	if r.State = to; to == Rotating {
		r.add()
	}
	return v.save(r, v.master)
}

func stateText(s State) string {
	if s == Plain {
		return "not encrypted"
	}
	return string(s)
}

// Settle ends what was begun, once nothing is as it was before it: former data keys
// go, or all of the registry.
func (v *Vault) Settle() error {
	r := v.current()
	if r.State == Disabling {
		return v.forget()
	}
	r.State, r.Keys = Encrypted, []dataKey{*r.key(r.Current)}
	return v.save(r, v.master)
}

// forget removes the registry.
func (v *Vault) forget() error {
	for _, name := range []string{RegistryCopy, Registry} {
		if err := v.files.Remove(filepath.Join(v.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := v.files.SyncDir(v.dir); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.registry = registry{}
	return nil
}

// Of tells which data key a file is of, 0 being none, and whether that is as new
// files are. A file of no folder that is encrypted is as it should be.
func (v *Vault) Of(path string) (asNew bool, id uint64, err error) {
	name, ok := v.named(path)
	if !ok {
		return true, 0, nil
	}
	f, err := disk.Open(v.files, path)
	if err != nil {
		return false, 0, err
	}
	defer f.Close()
	_, k, err := v.header(f, name)
	if err != nil {
		return false, 0, err
	}
	if k == nil {
		return v.writes() == nil, 0, nil
	}
	w := v.writes()
	return w != nil && w.ID == k.ID, k.ID, nil
}

// Status is what may be told of a vault.
type Status struct {
	State State `json:"state"`
	// Master is the ID of the master key, empty where there is none.
	Master string `json:"master_key,omitempty"`
	// Keys are the data keys, the last made last.
	Keys []DataKey `json:"data_keys,omitempty"`
}

// DataKey is what may be told of one.
type DataKey struct {
	ID      uint64    `json:"id"`
	Created time.Time `json:"created"`
	Current bool      `json:"current"`
}

// Status tells of the keys.
func (v *Vault) Status() Status {
	r := v.current()
	s := Status{State: r.State}
	if r.State != Plain {
		s.Master = v.master.ID()
	}
	for _, k := range r.Keys {
		s.Keys = append(s.Keys, DataKey{k.ID, k.Created, k.ID == r.Current})
	}
	return s
}
