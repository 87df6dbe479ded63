package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"golang.org/x/sync/errgroup"

	"nearcase/store"
	"nearcase/store/disk"
)

// Badger is not to see a damaged file: it ends the process at some, cuts off its
// write-ahead log at the first record that is damaged, leaves out the rest of a table
// when it compacts it, and removes tables that its manifest does not name. So its
// files are read before it opens them, and what is not sound is set aside in
// asideDir: what can be read of it is put back into the log by what the witness says
// of it.
const (
	asideDir = "log.damaged"

	manifestName = "MANIFEST"
	registryName = "KEYREGISTRY"
	discardName  = "DISCARD"
	discardBytes = 1 << 20
	tableSuffix  = ".sst"
	walSuffix    = ".mem"
	vlogSuffix   = ".vlog"
	walHeader    = 20 // data key and initialisation vector
)

// inspection is that of a log that nobody has open.
type inspection struct {
	files files
	dir   string // of the log
	aside string
	keys  *badger.KeyRegistry
	found []string // what was wrong
	// indexes is what the index of a table is kept in that is encrypted.
	indexes indexes
}

// inspect sets aside what is damaged of a log, and says what that was.
func inspect(f files, dir string) (found []string, err error) {
	o, err := f.logOptions(dir)
	if err != nil {
		return nil, err
	}
	i := inspection{files: f, dir: dir, aside: filepath.Join(filepath.Dir(dir), asideDir)}
	if i.keys, err = i.openKeys(o); err != nil {
		return nil, err
	}
	steps := []func([]fs.DirEntry) error{i.discard, i.tables, i.logs, i.values}
	for _, step := range steps {
		var entries []fs.DirEntry
		if entries, err = f.ReadDir(dir); err == nil {
			err = step(entries)
		}
		if err != nil {
			break
		}
	}
	i.indexes.close()
	return i.found, errors.Join(err, i.keys.Close())
}

// openKeys opens the registry of data keys. One that is damaged is set aside where
// there are none in it.
func (i *inspection) openKeys(o badger.Options) (*badger.KeyRegistry, error) {
	keys, err := openRegistry(i.dir, o.EncryptionKey)
	if err == nil || len(o.EncryptionKey) > 0 || errors.Is(err, badger.ErrEncryptionKeyMismatch) || isSystems(err) {
		return keys, fault(err)
	}
	if err := i.set(registryName, err); err != nil {
		return nil, err
	}
	return openRegistry(i.dir, nil)
}

func openRegistry(dir string, key []byte) (keys *badger.KeyRegistry, err error) {
	err = guarded(func() error {
		keys, err = badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: dir, ReadOnly: true, EncryptionKey: key})
		return err
	})
	return keys, err
}

// guarded runs f, and returns what it panics with as ErrDamaged: code that reads
// damaged bytes may.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %.200v", store.ErrDamaged, p)
		}
	}()
	return f()
}

// systems are the errors of the system that say nothing of a file's bytes: the same
// file may be read the next time.
var systems = []syscall.Errno{
	syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOSPC, syscall.EDQUOT, syscall.EACCES, syscall.EPERM, syscall.EINTR, syscall.EAGAIN, syscall.ESTALE, syscall.ETIMEDOUT, syscall.ELOOP,
}

// isSystems reports whether a file could not be read, which does not make it damaged.
// Of Badger's errors only the text tells.
func isSystems(err error) bool {
	return err != nil && slices.ContainsFunc(systems, func(code syscall.Errno) bool {
		return errors.Is(err, code) || strings.Contains(err.Error(), code.Error())
	})
}

// set moves a file of the log aside, durably.
func (i *inspection) set(name string, reason error) error {
	i.found = append(i.found, fmt.Sprintf("%s: %.200v", name, reason))
	if err := i.files.makeDir(i.aside); err != nil {
		return err
	}
	to := filepath.Join(i.aside, name)
	for n := 1; ; n++ {
		if _, err := i.files.Stat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = filepath.Join(i.aside, strconv.Itoa(n)+"-"+name)
	}
	if err := i.files.Rename(filepath.Join(i.dir, name), to); err != nil {
		return err
	}
	return errors.Join(i.files.SyncDir(i.aside), i.files.SyncDir(i.dir))
}

// discard removes statistics that Badger would not read.
func (i *inspection) discard(entries []fs.DirEntry) error {
	for _, e := range entries {
		if info, err := e.Info(); e.Name() == discardName && err == nil && info.Size() != discardBytes {
			return i.files.Remove(filepath.Join(i.dir, discardName))
		}
	}
	return nil
}

// tables reads every table that the manifest names. Those that it does not name are
// set aside too: a crash leaves some, but so does a manifest that is cut short.
func (i *inspection) tables(entries []fs.DirEntry) error {
	manifest, err := i.manifest(entries)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if _, is := table.ParseFileID(e.Name()); is {
			names = append(names, e.Name())
		}
	}
	reasons := i.readTables(names, manifest.Tables)
	if n := slices.IndexFunc(reasons, isSystems); n >= 0 {
		return fmt.Errorf("read %s: %w", names[n], fault(reasons[n]))
	}
	for n, err := range reasons {
		if err == nil {
			id, _ := table.ParseFileID(names[n])
			delete(manifest.Tables, id)
			continue
		}
		if err := i.set(names[n], err); err != nil {
			return err
		}
	}
	return i.unname(manifest.Tables)
}

// readTables returns why each of some tables cannot be read in full, or is not to be:
// as many are read at once as there are processors, but encrypted ones one by one,
// as indexes asks.
func (i *inspection) readTables(names []string, named map[uint64]badger.TableManifest) []error {
	reasons := make([]error, len(names))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, of := range named {
		if of.KeyID != 0 {
			group.SetLimit(1)
		}
	}
	for n, name := range names {
		group.Go(func() error {
			id, _ := table.ParseFileID(name)
			if of, is := named[id]; is {
				reasons[n] = i.table(name, of)
			} else {
				reasons[n] = errors.New("the manifest does not name it")
			}
			return nil
		})
	}
	_ = group.Wait() // what is wrong is of each table
	return reasons
}

// manifest reads the manifest. One that cannot be read is set aside with all tables.
func (i *inspection) manifest(entries []fs.DirEntry) (m badger.Manifest, err error) {
	f, err := os.Open(filepath.Join(i.dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	err = guarded(func() error {
		m, _, err = badger.ReplayManifestFile(f, 0, badger.DefaultOptions(i.dir).WithLogger(nil))
		return err
	})
	if closed := f.Close(); closed != nil {
		return m, closed
	}
	if isSystems(err) {
		return m, fmt.Errorf("read %s: %w", manifestName, fault(err))
	}
	if err != nil {
		return badger.Manifest{}, i.set(manifestName, err)
	}
	return m, nil
}

// unname takes tables that are not there any more out of the manifest.
func (i *inspection) unname(gone map[uint64]badger.TableManifest) error {
	if len(gone) == 0 {
		return nil
	}
	f, err := i.files.OpenFile(filepath.Join(i.dir, manifestName), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	for id := range gone {
		i.found = append(i.found, fmt.Sprintf("table %d is not there any more", id))
		_, failed := f.Write(deletion(id))
		err = errors.Join(err, failed)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// deletion is what Badger's manifest says of a table that is deleted: a length, a
// CRC-32C and the message ManifestChangeSet of protocol buffers.
func deletion(table uint64) []byte {
	change := append(binary.AppendUvarint([]byte{1 << 3}, table), 2<<3, byte(pb.ManifestChange_DELETE))
	set := append([]byte{1<<3 | 2, byte(len(change))}, change...)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(set)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(set, castagnoli))
	return append(b, set...)
}

// table returns why a table cannot be read in full.
func (i *inspection) table(name string, of badger.TableManifest) error {
	data, err := os.ReadFile(filepath.Join(i.dir, name))
	if err != nil {
		return err
	}
	t, err := i.openTable(data, of.KeyID)
	if err != nil {
		return err
	}
	return guarded(t.VerifyChecksum)
}

// openTable opens a table's bytes; every block is checked when it is read.
func (i *inspection) openTable(data []byte, key uint64) (t *table.Table, err error) {
	dataKey, err := i.keys.DataKey(key)
	if err != nil {
		return nil, err
	}
	o := table.Options{ChkMode: options.OnBlockRead, DataKey: dataKey}
	if dataKey != nil {
		if o.IndexCache, err = i.indexes.next(); err != nil {
			return nil, err
		}
	}
	err = guarded(func() error {
		t, err = table.OpenInMemoryTable(data, 1, &o)
		return err
	})
	return t, err
}

// logs reads the write-ahead logs. Of one that has sound records behind one that is
// not a copy is set aside, since Badger cuts it off there.
func (i *inspection) logs(entries []fs.DirEntry) error {
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), walSuffix) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(i.dir, e.Name()))
		if err != nil {
			return err
		}
		w := writeAhead{data: data}
		if w.skip(0) == len(data) { // begun, and nothing written yet
			if err := i.files.Remove(filepath.Join(i.dir, e.Name())); err != nil {
				return err
			}
			continue
		}
		if len(data) < walHeader || !i.hasKey(w.key()) {
			err = i.set(e.Name(), errors.New("its header is damaged"))
		} else if end := w.sound(); w.next(end) < len(data) {
			err = i.cut(e.Name(), data, end)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *inspection) hasKey(id uint64) bool {
	_, err := i.keys.DataKey(id)
	return err == nil
}

// cut sets a log aside and leaves what it has up to an end.
func (i *inspection) cut(name string, data []byte, end int) error {
	if err := i.set(name, fmt.Errorf("damaged at byte %d", end)); err != nil {
		return err
	}
	return disk.WriteAtomic(i.files.FS, filepath.Join(i.dir, name), data[:end])
}

// values sets value logs aside whose header is damaged. The log has no value so long
// that it would be in one.
func (i *inspection) values(entries []fs.DirEntry) error {
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), vlogSuffix) {
			continue
		}
		f, err := disk.Open(i.files.FS, filepath.Join(i.dir, e.Name()))
		if err != nil {
			return err
		}
		head := make([]byte, walHeader)
		_, err = f.ReadAt(head, 0)
		if closed := f.Close(); closed != nil {
			return closed
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", e.Name(), fault(err))
		}
		if err == nil && i.hasKey(binary.BigEndian.Uint64(head)) {
			continue
		}
		if err := i.set(e.Name(), errors.New("its header is damaged")); err != nil {
			return err
		}
	}
	return nil
}
