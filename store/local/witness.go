package local

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"nearcase/store"
	"nearcase/store/disk"
)

// The witness is a second, small account of the log in a file of its own: of every
// entry what kind it is of, what it retires or labels, and the checksums of its
// values, but nothing of what they say. It is written after the log and before a
// commit is acknowledged, so that what it has and the log has not was acknowledged
// and is lost: see mend. It is made anew from the log where it is missing.
//
// The file is a header and statements of one length, each with a checksum, so that
// one that is damaged costs no other. A later one of the same entry is the one that
// counts. Zeros follow, which spare the file system to note a new length each time.
const (
	witnessFile   = "witness"
	witnessMagic  = "NCWITNS"
	witnessFormat = 1
	// statementBytes is the length of a statement, and of the header.
	statementBytes = 44
	// witnessAhead is how many bytes of zeros are written at once.
	witnessAhead = statementBytes * 4096
)

// attested is what a statement is about.
type attested byte

const (
	attestedPut attested = 1 + iota
	attestedDelete
	attestedLabel
	attestedErased
	attestedCollection // its description
	attestedDrop       // of a collection
	attestedLost       // an entry that is known to be lost: see Catalog.Damages
)

// kindsAttested are the kinds of entries as the witness has them.
var kindsAttested = map[store.Kind]attested{
	store.KindPut: attestedPut, store.KindDelete: attestedDelete, store.KindLabel: attestedLabel, store.KindErased: attestedErased,
}

// statement is what the witness says of one log entry or of a collection.
type statement struct {
	kind attested
	// was is the kind of what is erased or lost now; 0 is unknown.
	was        attested
	collection uint32
	key        store.Key // 0 of a collection
	// of is the key of the instance that a put or deletion retires, or that a label
	// is of.
	of store.Key
	// said tells task and reader of a label from others.
	said uint64
	// value and vector are the checksums that the sealed values begin with.
	value, vector uint32
}

func (s statement) bytes(id uint64) []byte {
	b := make([]byte, 4, statementBytes)
	b[0], b[1] = byte(s.kind), byte(s.was)
	b = binary.BigEndian.AppendUint32(b, s.collection)
	b = binary.BigEndian.AppendUint64(b, uint64(s.key))
	b = binary.BigEndian.AppendUint64(b, uint64(s.of))
	b = binary.BigEndian.AppendUint64(b, s.said)
	b = binary.BigEndian.AppendUint32(b, s.value)
	b = binary.BigEndian.AppendUint32(b, s.vector)
	return binary.BigEndian.AppendUint32(b, witnessSum(id, b))
}

// witnessSum is the checksum of a statement of the data directory with an id.
func witnessSum(id uint64, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(binary.BigEndian.AppendUint64(nil, id), castagnoli), castagnoli, b)
}

// parseStatement returns false for what is none.
func parseStatement(id uint64, b []byte) (s statement, ok bool) {
	if binary.BigEndian.Uint32(b[40:]) != witnessSum(id, b[:40]) || b[0] == 0 || attested(b[0]) > attestedLost {
		return s, false
	}
	return statement{
		kind: attested(b[0]), was: attested(b[1]),
		collection: binary.BigEndian.Uint32(b[4:]),
		key:        store.Key(binary.BigEndian.Uint64(b[8:])),
		of:         store.Key(binary.BigEndian.Uint64(b[16:])),
		said:       binary.BigEndian.Uint64(b[24:]),
		value:      binary.BigEndian.Uint32(b[32:]),
		vector:     binary.BigEndian.Uint32(b[36:]),
	}, true
}

// saidBy tells the labels of a task and reader from those of others.
func saidBy(task, reader string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, task+"\x00"+reader) // never fails
	return h.Sum64()
}

// sealSum is the checksum that a sealed value begins with; 0 of what is none.
func sealSum(value []byte) uint32 {
	if len(value) < sealLength {
		return 0
	}
	return binary.BigEndian.Uint32(value[1:])
}

// stateOf is what the witness says of an entry with its value. The instance of a
// label is to be added.
func stateOf(number uint32, e store.Entry, value []byte) statement {
	s := statement{kind: kindsAttested[e.Kind], was: kindsAttested[e.Of], collection: number, key: e.Key, of: e.Retires, value: sealSum(value)}
	if e.Kind == store.KindLabel {
		s.said = saidBy(e.Label.Task, e.Label.Reader)
	}
	return s
}

// witness is the open file. Its methods are safe for concurrent use.
type witness struct {
	id   uint64
	mu   sync.Mutex
	file disk.File
	end  int64 // of the statements
	room int64 // up to where there are zeros
}

// headOf is the header of the witness of a data directory.
func headOf(id uint64) []byte {
	b := append(append(make([]byte, 0, statementBytes), witnessMagic...), witnessFormat)
	b = binary.BigEndian.AppendUint64(b, id)[:40]
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseWitnessHead returns the id of the data directory, ErrFormat for a newer
// witness and ErrDamaged for what is none.
func parseWitnessHead(b []byte) (id uint64, err error) {
	if len(b) < statementBytes || binary.BigEndian.Uint32(b[40:]) != crc32.Checksum(b[:40], castagnoli) || string(b[:7]) != witnessMagic {
		return 0, fmt.Errorf("witness: %w: it has no header", store.ErrDamaged)
	}
	if b[7] != witnessFormat {
		return 0, fmt.Errorf("%w: witness format %d, this program reads %d", store.ErrFormat, b[7], witnessFormat)
	}
	return binary.BigEndian.Uint64(b[8:]), nil
}

// testimony is what a witness says.
type testimony struct {
	id   uint64
	said []statement // sorted by collection and key, each once
	end  int64       // where the next statement belongs
	// wordy tells that it is better written anew: part of it is damaged, or most of
	// it is outdated.
	wordy bool
}

// readWitness reads a witness: fs.ErrNotExist, ErrDamaged or ErrFormat if it can say
// nothing. id 0 takes that of any data directory.
func readWitness(f disk.FS, dir string, id uint64) (t testimony, err error) {
	whole, err := disk.ReadFile(f, filepath.Join(dir, witnessFile))
	if err != nil {
		return t, err
	}
	if t.id, err = parseWitnessHead(whole); err != nil {
		return t, err
	}
	if id != 0 && id != t.id {
		return t, fmt.Errorf("witness: %w: it is of another data directory", store.ErrDamaged)
	}
	t.end = statementBytes
	for at := statementBytes; at+statementBytes <= len(whole); at += statementBytes {
		b := whole[at : at+statementBytes]
		if bytes.Equal(b, noughts[:statementBytes]) {
			continue
		}
		s, ok := parseStatement(t.id, b)
		t.wordy = t.wordy || !ok || int64(at) != t.end
		if t.end = int64(at + statementBytes); ok {
			t.said = append(t.said, s)
		}
	}
	all := len(t.said)
	t.said = latest(t.said)
	t.wordy = t.wordy || all > 2*len(t.said)+1024
	return t, nil
}

// latest sorts statements by collection and key, and leaves the last of each. A
// collection's description and drop are one.
func latest(said []statement) []statement {
	slices.SortStableFunc(said, compareStatements)
	kept := said[:0]
	for i, s := range said {
		if i+1 == len(said) || compareStatements(s, said[i+1]) != 0 {
			kept = append(kept, s)
		}
	}
	return kept
}

func compareStatements(a, b statement) int {
	return cmp.Or(cmp.Compare(a.collection, b.collection), cmp.Compare(a.key, b.key))
}

// makeWitness writes a new one in place of what is there, and opens it.
func makeWitness(f disk.FS, dir string, id uint64, said []statement) (*witness, error) {
	path := filepath.Join(dir, witnessFile)
	parts := make([][]byte, 0, len(said)+1)
	parts = append(parts, headOf(id))
	for _, s := range said {
		parts = append(parts, s.bytes(id))
	}
	if err := disk.WriteAtomic(f, path, slices.Concat(parts...)); err != nil {
		return nil, fmt.Errorf("write witness: %w", err)
	}
	return openWitness(f, dir, id, int64(statementBytes*len(parts)))
}

// openWitness opens the one that is there, whose statements have an end.
func openWitness(f disk.FS, dir string, id uint64, end int64) (*witness, error) {
	file, err := f.OpenFile(filepath.Join(dir, witnessFile), os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open witness: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open witness: %w", err), file.Close())
	}
	return &witness{id: id, file: file, end: end, room: max(end, info.Size())}, nil
}

// add makes statements durable.
func (w *witness) add(said ...statement) error {
	if w == nil || len(said) == 0 { // nobody has opened it yet
		return nil
	}
	b := make([]byte, 0, statementBytes*len(said))
	for _, s := range said {
		b = append(b, s.bytes(w.id)...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.end + int64(len(b))
	if end > w.room { // zeros behind them in the same write
		b = append(b, make([]byte, witnessAhead)...)
	}
	if _, err := w.file.WriteAt(b, w.end); err != nil {
		return fmt.Errorf("write witness: %w", err)
	}
	if err := disk.SyncData(w.file); err != nil {
		return fmt.Errorf("write witness: %w", err)
	}
	w.room, w.end = max(w.room, w.end+int64(len(b))), end
	return nil
}

func (w *witness) close() error {
	if w == nil {
		return nil
	}
	return w.file.Close()
}

// isMissing reports whether a witness that cannot be read is to be made anew.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrDamaged)
}
