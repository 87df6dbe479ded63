package index

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"sync"
	"unsafe"
)

// File is a file with a snapshot. *os.File is one. Where it has the method Fd of
// that, and the system can, the vectors are mapped and stay in the file, which may
// be closed, replaced or removed but not written to. Otherwise they are read into
// memory.
type File interface {
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// Load verifies all of a snapshot file and returns the index in it and the meta
// that was saved with it; see File. The index must be of this engine, M and
// dimension; what else the spec says is taken from it. Anything that is wrong is
// ErrSnapshot with the reason.
func Load(f File, spec Spec, dimension int) (Index, []byte, error) {
	if err := spec.Validate(); err != nil {
		return nil, nil, err
	}
	x, meta, err := load(f, spec, dimension)
	if err != nil {
		return nil, nil, fmt.Errorf("load index: %w", err)
	}
	return x, meta, nil
}

func load(f File, spec Spec, dimension int) (Index, []byte, error) {
	h, err := readHeader(f, spec, dimension)
	if err != nil {
		return nil, nil, err
	}
	b := newBody(h)
	if err := b.read(f); err != nil {
		return nil, nil, err
	}
	if h.Rows > 0 {
		m, err := mapFile(f, int(h.Offsets[sectionSums]))
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
		for i := range int(h.Rows+blockRows-1) / blockRows {
			b.arrays.blocks = append(b.arrays.blocks, m.block(h, i))
		}
	}
	x, err := New(spec, dimension)
	if err != nil {
		return nil, nil, err
	}
	if err := b.fill(x); err != nil {
		return nil, nil, err
	}
	return x, b.meta, nil
}

func readHeader(f File, spec Spec, dimension int) (*header, error) {
	if !isLittleEndian {
		return nil, fmt.Errorf("%w: this machine is big-endian", ErrSnapshot)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	page := make([]byte, pageSize)
	if err := readAt(f, page, 0); err != nil {
		return nil, fmt.Errorf("%w: %d bytes are no snapshot", ErrSnapshot, info.Size())
	}
	return decodeHeader(page, info.Size(), spec, dimension)
}

// readAt fills b from a place on. A file may say at once that it ends there.
func readAt(f File, b []byte, from uint64) error {
	n, err := f.ReadAt(b, int64(from))
	if n == len(b) {
		return nil
	}
	return cmp.Or(err, io.ErrUnexpectedEOF)
}

// body is what a snapshot holds beside its vectors.
type body struct {
	*header
	meta    []byte
	arrays  arrays
	waiting []uint32
	into    [sections][]byte // where sections are read to
}

func newBody(h *header) *body {
	b := &body{header: h, meta: make([]byte, h.Lengths[sectionMeta]), waiting: make([]uint32, h.Lengths[sectionWaiting]/4)}
	rows := int(h.Rows+63) / 64 * 64
	a := &b.arrays
	f := &frame{square: h.Square, size: int(h.Head), delta: h.Delta}
	if h.Square > 0 {
		f.mean = make([]float32, h.Dimension)
	}
	f.rows = make([]float32, f.size*int(h.Dimension))
	a.keys = grown[uint64](nil, rows)
	a.coded = (&coded{frame: f}).grown(rows, stride(int(h.Dimension)))
	a.alive = grown[uint64](nil, rows/64)
	if a.m = int(h.M); a.m > 0 {
		a.base = grown[uint32](nil, rows*2*a.m)
		a.first, a.level = grown[uint32](nil, rows), grown[uint8](nil, rows)
		a.upper = grown[uint32](nil, int(h.Lengths[sectionUpper]/4))
	}
	b.into = [sections][]byte{
		b.meta, raw(a.keys), a.codes, raw(a.scales), raw(a.lost), raw(a.bias), raw(a.length), raw(a.alive),
		raw(a.base), raw(a.first), a.level, raw(a.upper), raw(b.waiting),
		raw(f.mean), raw(f.rows), a.headCodes, raw(a.headScales), raw(a.headLost), raw(a.rest),
	}
	return b
}

// read verifies every piece of the body and keeps what is not to be mapped.
func (b *body) read(f File) error {
	sums := make([]byte, b.Lengths[sectionSums])
	if err := readAt(f, sums, b.Offsets[sectionSums]); err != nil || crc32.Checksum(sums, castagnoli) != b.SumOfSums {
		return fmt.Errorf("%w: the checksums are damaged", ErrSnapshot)
	}
	return eachErr(len(sums)/4, func(i int) error {
		piece := piecePool.Get().(*[pieceSize]byte)
		defer piecePool.Put(piece)
		return b.readPiece(f, piece[:], i, binary.LittleEndian.Uint32(sums[4*i:]))
	})
}

var piecePool = sync.Pool{New: func() any { return new([pieceSize]byte) }}

func (b *body) readPiece(f File, piece []byte, i int, sum uint32) error {
	from := pageSize + uint64(i)*pieceSize
	piece = piece[:min(pieceSize, b.Offsets[sectionSums]-from)]
	if err := readAt(f, piece, from); err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if crc32.Checksum(piece, castagnoli) != sum {
		return fmt.Errorf("%w: damaged between bytes %d and %d", ErrSnapshot, from, from+uint64(len(piece)))
	}
	for s, into := range b.into {
		low, high := max(from, b.Offsets[s]), min(from+uint64(len(piece)), b.Offsets[s]+uint64(len(into)))
		if low < high {
			copy(into[low-b.Offsets[s]:], piece[low-from:high-from])
		}
	}
	return nil
}

// fill makes the body the state of a new index.
func (b *body) fill(x Index) error {
	if b.Rows == 0 {
		return nil
	}
	r, _ := rowsOf(x)
	r.next, r.last, r.used = int(b.Rows), b.Last, b.Used != 0
	r.n.Store(int64(b.Rows))
	r.trained.Store(int64(b.Trained))
	r.arrays.Store(&b.arrays)
	if err := b.fillKeys(r); err != nil {
		return err
	}
	linked := b.arrays.alive
	switch x := x.(type) {
	case *Graph:
		var err error
		if linked, err = b.fillGraph(x); err != nil {
			return err
		}
	case *Coder:
		x.graph = x.rebuilt()
	}
	for row := range uint32(b.Rows) {
		if !isSet(linked, row) {
			r.free = append(r.free, row)
		}
	}
	return nil
}

func (b *body) fillKeys(r *rows) error {
	live := 0
	for i, word := range b.arrays.alive {
		live += bits.OnesCount64(word)
		for ; word != 0; word &= word - 1 {
			row := uint32(64*i + bits.TrailingZeros64(word))
			key := b.arrays.keys[row]
			if _, twice := r.keys.row(key); twice || uint64(row) >= b.Rows || key > b.Last {
				return fmt.Errorf("%w: key %d in row %d cannot be", ErrSnapshot, key, row)
			}
			r.keys.set(key, row)
		}
	}
	if uint64(live) != b.Live {
		return fmt.Errorf("%w: %d live rows, not %d", ErrSnapshot, live, b.Live)
	}
	r.live.Store(int64(live))
	return nil
}

// fillGraph checks that no list leads out of the arrays, and returns which rows
// lists may lead to.
func (b *body) fillGraph(g *Graph) (linked []uint64, err error) {
	linked = append(linked, b.arrays.alive...)
	for _, row := range b.waiting {
		if uint64(row) >= b.Rows || isSet(linked, row) {
			return nil, fmt.Errorf("%w: row %d of %d cannot be waiting", ErrSnapshot, row, b.Rows)
		}
		linked[row/64] |= 1 << (row % 64)
	}
	clear(b.arrays.level[b.Rows:]) // rows that were never used have no lists
	if err := b.checkLinks(linked); err != nil {
		return nil, err
	}
	if g.spare[1], err = b.sparePlaces(); err != nil {
		return nil, err
	}
	e := entry(b.Entry)
	if e != 0 && (uint64(e.row()) >= b.Rows || !isSet(linked, e.row()) || e.level() > int(b.arrays.level[e.row()])) || e == 0 && b.Live > 0 {
		return nil, fmt.Errorf("%w: the entry cannot be", ErrSnapshot)
	}
	g.entry.Store(b.Entry)
	g.upperUsed = len(b.arrays.upper)
	g.sweep.linked, g.sweep.waiting = linked, b.waiting
	g.restore(b.header)
	return linked, nil
}

// restore takes over what was tuned, unless the spec says otherwise.
func (g *Graph) restore(h *header) {
	if g.spec.EfSearch == 0 && h.Ef > 0 && h.Ef <= 1<<16 && cmp.Or(g.spec.Recall, defaultRecall) <= h.Recall {
		g.SetEf(int(h.Ef))
		g.tuned.Store(int64(h.Tuned))
		g.recall.Store(math.Float64bits(h.Recall))
	}
}

// checkLinks makes sure that every list has its place, and that those that may
// be read hold rows of their layer.
func (b *body) checkLinks(linked []uint64) error {
	a := &b.arrays
	if len(a.upper)%a.m != 0 {
		return fmt.Errorf("%w: %d slots for lists of %d", ErrSnapshot, len(a.upper), a.m)
	}
	return eachBlock(int(b.Rows), func(from, to int) error {
		for row := from; row < to; row++ {
			if !a.hasPlace(uint32(row)) || isSet(linked, uint32(row)) && !a.isSound(uint32(row), int(b.Rows), linked) {
				return fmt.Errorf("%w: the lists of row %d cannot be", ErrSnapshot, row)
			}
		}
		return nil
	})
}

// sparePlaces returns the places of lists above layer 0 that no row has, and an
// error where two rows have one.
func (b *body) sparePlaces() (spare []uint32, err error) {
	a := &b.arrays
	taken := make([]bool, len(a.upper)/a.m)
	for row, level := range a.level[:b.Rows] {
		for i := range int(level) {
			place := int(a.first[row])/a.m + i
			if taken[place] {
				return nil, fmt.Errorf("%w: the lists of row %d are another's", ErrSnapshot, row)
			}
			taken[place] = true
		}
	}
	for place, is := range taken {
		if !is {
			spare = append(spare, uint32(place*a.m))
		}
	}
	return spare, nil
}

// hasPlace says whether the lists of a row are within the arrays.
func (a *arrays) hasPlace(row uint32) bool {
	level := int(a.level[row])
	return level == 0 || level <= maxLevel && int(a.first[row])%a.m == 0 && int(a.first[row])+level*a.m <= len(a.upper)
}

// isSet says whether the bit of a row is set.
func isSet(bits []uint64, row uint32) bool { return bits[row/64]>>(row%64)&1 != 0 }

// isSound says whether the lists of a row hold linked rows that have such lists.
func (a *arrays) isSound(row uint32, rows int, linked []uint64) bool {
	for layer := 0; layer <= int(a.level[row]); layer++ {
		for _, to := range a.list(row, layer) {
			if to == none {
				break
			}
			if int(to) >= rows || !isSet(linked, to) || int(a.level[to]) < layer {
				return false
			}
		}
	}
	return true
}

// numbers is a slice of numbers in raw memory, which must be aligned to them.
func numbers[T any](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(*new(T))))
}
