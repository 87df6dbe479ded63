package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
	"nearcase/store/disk"
)

// OpenChoosing is Open with another rule for which engine a collection gets that
// leaves it to the program.
func OpenChoosing(dir string, o Options, choose func(n, dimension int) string) (*Catalog, error) {
	o.choose = choose
	return Open(dir, o)
}

// OpenReaching is Open of a catalog that tells how far a compaction or an erasure
// is, and fails if the function does.
func OpenReaching(dir string, o Options, reached func(step string) error) (*Catalog, error) {
	o.reached = reached
	return Open(dir, o)
}

// Reaching returns options with which f is told of the steps of what is done, which
// ends if it fails.
func Reaching(o Options, f func(step string) error) Options {
	o.reached = f
	return o
}

// Ended is closed when Close begins.
func (l *Catalog) Ended() <-chan struct{} { return l.ctx.Done() }

// CopyDir copies a data directory that may be open, without the holes of its files.
func CopyDir(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		below, bad := filepath.Rel(from, path)
		if err = errors.Join(err, bad); err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, below), 0o700)
		}
		return copyFile(filepath.Join(to, below), path)
	})
}

func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer w.Close()
	for at := int64(0); ; {
		begin, end, ok, err := nextData(r, at)
		if err != nil || !ok {
			return errors.Join(err, w.Truncate(info.Size()))
		}
		if _, err := io.Copy(io.NewOffsetWriter(w, begin), io.NewSectionReader(r, begin, end-begin)); err != nil {
			return err
		}
		at = end
	}
}

// Upkeep does now what the maintenance does after commits.
func (l *Catalog) Upkeep() { l.upkeep(busy) }

// UpkeepWhenQuiet does now what the maintenance does after a while without any.
func (l *Catalog) UpkeepWhenQuiet() { l.upkeep(quiet) }

// Dir is where the catalog keeps its data.
func (l *Catalog) Dir() string { return l.dir }

// WriteEntry puts an entry into the log as another program would have, for the
// next Open to find.
func (l *Catalog) WriteEntry(collection uint32, key store.Key, json string) error {
	return l.set(logKey(collection, key, entrySuffix), seal([]byte(json)))
}

// Describe is WriteEntry for the description of a collection.
func (l *Catalog) Describe(collection uint32, json string) error {
	return l.set(collectionKey(collection), seal([]byte(json)))
}

// LabelMemory returns how many bytes each of n labels takes, and each of as many
// corrections of them, read from a log. Every one is of its own instance.
func LabelMemory(n int, text func(id string) string) (label, correction float64, err error) {
	meta := described{Collection: store.Collection{Tasks: []store.Task{{Name: "finding", Classes: []string{"normal", "pneumonia"}}}}}
	c := newCollection(nil, 1, meta)
	for i := range n {
		id := fmt.Sprintf("%064d", i)
		c.rows[store.Key(i+1)], c.ids[id] = &store.Instance{ID: id}, store.Key(i+1)
	}
	key := store.Key(n)
	var used [3]float64
	for round := range used {
		for i := 0; i < n && round > 0 && err == nil; i++ {
			var l store.Label
			err = json.Unmarshal([]byte(text(c.rows[store.Key(i+1)].ID)), &l)
			key++
			c.label(key, l)
		}
		runtime.GC()
		runtime.GC() // what the first one found to have a finalizer
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		used[round] = float64(m.HeapAlloc)
	}
	runtime.KeepAlive(c)
	return (used[1] - used[0]) / float64(n), (used[2] - used[1]) / float64(n), err
}

// SaveRows saves the rows of a collection, and its index if that is asked for,
// however few they are.
func (l *Catalog) SaveRows(name string, index bool) error {
	c, err := l.collection(context.Background(), name)
	if err != nil {
		return err
	}
	if index {
		return c.saveNow(context.Background(), c.freeze)
	}
	return c.saveNow(context.Background(), c.freezeRows)
}

// OpenUnsynced is Open of a catalog in which nothing waits for the disk.
func OpenUnsynced(dir string, o Options) (*Catalog, error) {
	o.unsynced, o.Files = true, unsynced{}
	return Open(dir, o)
}

// unsynced is a file system in which nothing waits for the disk.
type unsynced struct{ disk.System }

func (unsynced) SyncDir(string) error { return nil }

func (u unsynced) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := os.OpenFile(name, flag, perm)
	return unsyncedFile{f}, err
}

func (u unsynced) CreateTemp(dir, pattern string) (disk.File, error) {
	f, err := os.CreateTemp(dir, pattern)
	return unsyncedFile{f}, err
}

type unsyncedFile struct{ *os.File }

func (unsyncedFile) Sync() error { return nil }

// AwaitSweep waits until what a crash left of originals has been removed.
func (l *Catalog) AwaitSweep() { l.originals.sweeping.Wait() }

// Reread opens a collection anew within the open catalog: from what is saved of it and
// the log after that, or from the log alone, for which what is saved is removed.
func (l *Catalog) Reread(name string, alone bool) error {
	return l.alone(context.Background(), func() error {
		old := l.collections[name]
		if alone {
			if err := errors.Join(old.removeRows(), old.removeSnapshot()); err != nil {
				return err
			}
		}
		fresh := newCollection(l, old.number, old.meta)
		if err := fresh.open(); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.collections[name] = fresh
		return nil
	})
}

// ReadRows reads a rows file of that many bytes, and returns how many rows it has.
func ReadRows(f io.ReaderAt, size int64) (int, error) {
	head, err := readRowsHead(f, size)
	if err != nil {
		return 0, err
	}
	rows, err := head.read(f)
	return len(rows), err
}

// OpenAgain is Open of a catalog that opens its log again soon after a failure.
func OpenAgain(dir string, o Options) (*Catalog, error) {
	o.again = time.Millisecond
	return Open(dir, o)
}

// BreakLog closes the log behind the catalog's back, so that the next commit fails.
func (l *Catalog) BreakLog() error { return l.db.Close() }

// ReserveNothing has the file system give no blocks ahead.
func (l *Catalog) ReserveNothing() { l.wal.off = true }

// Queued is how many changes wait for the writer.
func (l *Catalog) Queued() int { return len(l.changes) }

// Alone runs f in the writer.
func (l *Catalog) Alone(ctx context.Context, f func() error) error { return l.alone(ctx, f) }

// Stops is how often the writer has been stopped and has gone on since.
func (l *Catalog) Stops() int64 { return l.stops.Load() }

// Balance does now what is done for the ballast every second.
func (l *Catalog) Balance() { l.space.balance() }

// Measure makes the next look at the disk a new one.
func (l *Catalog) Measure() {
	l.space.mu.Lock()
	defer l.space.mu.Unlock()
	l.space.measured = time.Time{}
}

// CanReserve reports whether a folder is on a file system that gives files blocks.
func CanReserve(dir string) bool {
	path := filepath.Join(dir, "reserved")
	return errors.Join(reserve(path, 1), os.Remove(path)) == nil
}

// ReadPiece reads a piece of a rows file whose checksum is right, and shows it to a
// collection.
func ReadPiece(b []byte, rows int) (int, error) {
	p := rowsPiece{len(b), rows, crc32.Checksum(b, castagnoli)}
	h := rowsHead{snapshotMeta: snapshotMeta{Head: 1 << 16}, LastLabel: 1 << 16, Pieces: []rowsPiece{p}}
	if err := h.check(int64(len(b))); err != nil {
		return 0, err
	}
	all, err := h.readPiece(bytes.NewReader(b), 0, p)
	if err == nil {
		err = newCollection(nil, 1, described{}).fill(h, all)
	}
	return len(all), err
}

// SetFormat notes that a data directory is of another format.
func (l *Catalog) SetFormat(format int) error {
	return l.set(metaKey("format"), seal([]byte(strconv.Itoa(format))))
}

// WitnessOfFormat is a witness that says nothing, of another format.
func WitnessOfFormat(format byte) []byte {
	b := headOf(1)
	b[len(witnessMagic)] = format
	binary.BigEndian.PutUint32(b[40:], crc32.Checksum(b[:40], castagnoli))
	return b
}

// Suffixes of log keys.
const (
	OfEntry  = entrySuffix
	OfVector = vectorSuffix
)

// Lose takes a value out of the log, as damage does: nothing tells of it.
func (l *Catalog) Lose(collection uint32, key store.Key, suffix byte) error {
	return l.db.Update(func(t *badger.Txn) error { return t.Delete(logKey(collection, key, suffix)) })
}

// LoseDescription is Lose for the description of a collection.
func (l *Catalog) LoseDescription(collection uint32) error {
	return l.db.Update(func(t *badger.Txn) error { return t.Delete(collectionKey(collection)) })
}

// Value returns a value of the log, and PutValue writes one that nothing tells of.
func (l *Catalog) Value(collection uint32, key store.Key, suffix byte) ([]byte, error) {
	return l.read(logKey(collection, key, suffix))
}

func (l *Catalog) PutValue(collection uint32, key store.Key, suffix byte, value []byte) error {
	return l.db.Update(func(t *badger.Txn) error { return t.Set(logKey(collection, key, suffix), value) })
}

// WitnessOf returns the keys of the first collection that a witness has.
func WitnessOf(t interface{ Fatal(...any) }, dir string) map[store.Key]bool {
	w, err := readWitness(filesOf(Options{}).FS, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[store.Key]bool{}
	for _, s := range w.said {
		keys[s.key] = keys[s.key] || s.collection == 1
	}
	return keys
}

// SalvagePairs calls f for every pair in a file of a log that is not encrypted.
func SalvagePairs(data []byte, f func(key, value []byte)) {
	keys, err := openRegistry(os.TempDir()+"/nowhere", nil)
	if err != nil {
		panic(err)
	}
	i := inspection{keys: keys}
	i.pairs(data, f)
}

// ReadWitnessFile returns the witness of a data directory as it is.
func ReadWitnessFile(dir string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, witnessFile)) }

// WitnessKeys returns the keys that a witness has.
func WitnessKeys(dir string, data []byte) (keys []store.Key) {
	if err := os.WriteFile(filepath.Join(dir, witnessFile), data, 0o600); err != nil {
		panic(err)
	}
	w, _ := readWitness(filesOf(Options{}).FS, dir, 0)
	for _, s := range w.said {
		keys = append(keys, s.key)
	}
	return keys
}
