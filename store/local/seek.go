package local

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"path/filepath"
	"slices"

	"nearcase/store"
	"nearcase/store/disk"
)

const (
	// run is how many bytes of a vector must be found together to count, and
	// shortest how many a text must have to be looked for.
	run      = 16
	shortest = 8
	// seekBuffer is how much of a file is read at once, and maxFoundIn how many
	// files with matches are named.
	seekBuffer = 1 << 20
	maxFoundIn = 20
)

// Unshared implements store.Catalog.
func (l *Catalog) Unshared(ctx context.Context, t store.Traces) (left store.Traces, err error) {
	if err := l.open(ctx); err != nil {
		return left, err
	}
	all := l.all()
	for _, text := range t.Texts {
		if !slices.ContainsFunc(all, func(c *collection) bool { return c.names(text) }) {
			left.Texts = append(left.Texts, text)
		}
	}
	for _, digest := range t.Digests {
		if !l.hasDigest(digest) {
			left.Digests = append(left.Digests, digest)
		}
	}
	for _, v := range t.Vectors {
		shared := false
		for _, c := range all {
			has, err := c.hasVector(v)
			if err != nil {
				return left, err
			}
			shared = shared || has
		}
		if !shared {
			left.Vectors = append(left.Vectors, v)
		}
	}
	return left, nil
}

// Seek implements store.Catalog. It reads every file of the data directory, those that
// are encrypted as what they hold.
func (l *Catalog) Seek(ctx context.Context, t store.Traces) (s store.Sought, err error) {
	if err := l.open(ctx); err != nil {
		return s, err
	}
	k := newSeeker(t)
	s.Short = k.short
	err = l.files.walk(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		below, err := filepath.Rel(l.dir, path)
		if err != nil {
			return err
		}
		return k.look(l.files, &s, path, filepath.ToSlash(below))
	})
	if err == nil {
		err = l.seekLog(ctx, k, &s)
	}
	return s, err
}

// look reads a file and its name.
func (k *seeker) look(in files, s *store.Sought, path, below string) error {
	found := k.find([]byte(below))
	if name, err := hex.DecodeString(filepath.Base(below)); err == nil { // of a document
		found += k.find(name)
	}
	n, inside, err := k.readFile(in.FS, path)
	if errors.Is(err, store.ErrDamaged) { // nobody can decrypt it
		n, inside, err = k.readFile(in.below, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Files++
	s.Bytes += n
	if found += inside; found > 0 && len(s.In) < maxFoundIn {
		s.In = append(s.In, below)
	}
	s.Matches += found
	return nil
}

// readFile looks through a file.
func (k *seeker) readFile(in disk.FS, path string) (n int64, found int, err error) {
	f, err := disk.Open(in, path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return k.readAll(f)
}

// readAll looks through a file, but for its holes.
func (k *seeker) readAll(f disk.File) (n int64, found int, err error) {
	if _, ok := f.(interface{ Fd() uintptr }); !ok { // it tells of no holes
		return k.read(f)
	}
	for at := int64(0); ; {
		from, to, ok, err := nextData(f, at)
		if !ok || err != nil {
			return n, found, err
		}
		some, inside, err := k.read(io.NewSectionReader(f, from, to-from))
		if err != nil {
			return n, found, err
		}
		n, found, at = n+some, found+inside, to
	}
}

// seeker finds traces by their first 8 bytes, or those of each number of a vector
// and the next.
type seeker struct {
	needles []needle // by first
	whole   [][]byte // what they are of
	filter  []uint64 // bits of the hashes of what needles begin with
	shift   int      // from a hash to its bit
	longest int
	short   int
}

type needle struct {
	first uint64
	of    int32 // in whole
	at    int32 // where in a vector, or what else it is
}

// What a needle is that is not of a vector.
const (
	isWhole = -1 // bytes
	isWord  = -2 // a text, which is not part of a longer one
)

func newSeeker(t store.Traces) *seeker {
	k := &seeker{longest: 4 * run}
	for _, text := range slices.Concat(t.Texts, t.Digests) {
		k.add([]byte(text), isWord)
		if quoted, err := json.Marshal(text); err == nil && len(quoted) > len(text)+2 && len(text) >= shortest { // as most files have it
			k.add(quoted[1:len(quoted)-1], isWord)
		}
	}
	for _, digest := range t.Digests {
		if b, err := hex.DecodeString(digest); err == nil {
			k.add(b, isWhole)
		}
	}
	for _, v := range t.Vectors {
		k.addVector(v)
	}
	slices.SortFunc(k.needles, func(a, b needle) int { return cmp.Compare(a.first, b.first) })
	size := max(21, bits.Len(uint(len(k.needles)))+6)
	k.filter, k.shift = make([]uint64, 1<<size/64), 64-size
	for _, n := range k.needles {
		h := k.hash(n.first)
		k.filter[h/64] |= 1 << (h % 64)
	}
	return k
}

func (k *seeker) hash(x uint64) uint64 { return x * 0x9e3779b97f4a7c15 >> k.shift }

func (k *seeker) add(b []byte, as int32) {
	if len(b) < shortest {
		k.short++
		return
	}
	k.needles = append(k.needles, needle{binary.LittleEndian.Uint64(b), int32(len(k.whole)), as})
	k.whole = append(k.whole, b)
	k.longest = max(k.longest, len(b)+1)
}

// addVector takes the pairs of numbers that say something: two that differ, of
// which none is 0.
func (k *seeker) addVector(v []float32) {
	var whole []byte
	for _, x := range v {
		whole = binary.LittleEndian.AppendUint32(whole, math.Float32bits(x))
	}
	for i := 0; i+1 < len(v); i++ {
		if v[i] != 0 && v[i+1] != 0 && v[i] != v[i+1] {
			k.needles = append(k.needles, needle{binary.LittleEndian.Uint64(whole[4*i:]), int32(len(k.whole)), int32(4 * i)})
		}
	}
	k.whole = append(k.whole, whole)
}

// read looks through a file from its beginning to its end.
func (k *seeker) read(f io.Reader) (n int64, found int, err error) {
	b, from := make([]byte, 0, seekBuffer+2*k.longest), 0
	for {
		got, err := io.ReadFull(f, b[len(b):len(b)+seekBuffer])
		b, n = b[:len(b)+got], n+int64(got)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return n, found + k.scan(b, from, len(b)), nil
		}
		if err != nil {
			return n, found, err
		}
		to := len(b) - k.longest // what begins later may go on in the next part
		found += k.scan(b, from, to)
		b, from = b[:copy(b, b[to-k.longest:])], k.longest // with what matches may reach back to
	}
}

func (k *seeker) find(b []byte) int { return k.scan(b, 0, len(b)) }

// scan counts the places in b[from:to] where something begins that is looked for;
// what is before and after may be part of it.
func (k *seeker) scan(b []byte, from, to int) (found int) {
	for i := from; i < to && i+8 <= len(b); i++ {
		first := binary.LittleEndian.Uint64(b[i:])
		if first == 0 { // logs have gigabytes of it
			i += zeros(b[i:]) - 8
			continue
		}
		if h := k.hash(first); k.filter[h/64]>>(h%64)&1 == 0 {
			continue
		}
		if end := k.match(b, i, first); end > i {
			found, i = found+1, end-1
		}
	}
	return found
}

var noughts [4096]byte

// zeros is how many bytes are 0 of those at the beginning; 8 are known to be.
func zeros(b []byte) int {
	n := 8
	for len(b)-n >= len(noughts) && bytes.Equal(b[n:n+len(noughts)], noughts[:]) {
		n += len(noughts)
	}
	for n < len(b) && b[n] == 0 {
		n++
	}
	return n
}

// match returns where something ends that is at b[i:], or 0 for nothing.
func (k *seeker) match(b []byte, i int, first uint64) int {
	at, _ := slices.BinarySearchFunc(k.needles, first, func(n needle, first uint64) int { return cmp.Compare(n.first, first) })
	for ; at < len(k.needles) && k.needles[at].first == first; at++ {
		n := k.needles[at]
		whole := k.whole[n.of]
		switch end := i + len(whole); {
		case n.at >= 0:
			if end := matchVector(whole, int(n.at), b, i); end > 0 {
				return end
			}
		case bytes.HasPrefix(b[i:], whole) && (n.at == isWhole || !goesOn(b, i-1) && !goesOn(b, end)):
			return end
		}
	}
	return 0
}

// goesOn reports whether a byte may be of the same name as the one beside it.
func goesOn(b []byte, i int) bool {
	if i < 0 || i >= len(b) {
		return false
	}
	x := b[i]
	return x >= '0' && x <= '9' || x >= 'a' && x <= 'z' || x >= 'A' && x <= 'Z' || x == '.'
}

// matchVector returns where that ends which a vector from a byte on and b[i:] have
// in common, if it is a run that says enough not to be chance; or else 0.
func matchVector(whole []byte, at int, b []byte, i int) int {
	from, to, before, after := at, at+8, i-1, i+8
	for from > 0 && before >= 0 && whole[from-1] == b[before] {
		from, before = from-1, before-1
	}
	for to < len(whole) && after < len(b) && whole[to] == b[after] {
		to, after = to+1, after+1
	}
	if to-from < run {
		return 0
	}
	numbers := map[uint32]bool{}
	for n := (from + 3) / 4 * 4; n+4 <= to; n += 4 {
		numbers[binary.LittleEndian.Uint32(whole[n:])] = true
	}
	if delete(numbers, 0); len(numbers) < 3 {
		return 0
	}
	return after
}
