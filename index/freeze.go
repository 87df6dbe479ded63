package index

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Snapshot is the state of an index at one moment, on its way into a file.
type Snapshot struct {
	header
	rows    *rows
	view    view
	links   links // copies: the originals go on changing
	alive   []uint64
	present []uint64 // alive, or removed and still led to
	waiting []uint32
	writes  []int64 // of each block
	release func()
}

// Freeze captures the state of an index, which must not be changed meanwhile:
// that takes about 50 ms for a million rows. Discard must follow soon, after Write
// and Adopt if the snapshot is wanted, since no row is used again before. What
// AddLoose added is linked first.
func Freeze(x Index) *Snapshot {
	_ = Link(context.Background(), x)
	r, spec := rowsOf(x)
	ticket := r.epochs.enter()
	s := &Snapshot{rows: r, view: r.view(), release: sync.OnceFunc(func() { r.epochs.leave(ticket) })}
	s.view.n = r.next
	s.header = header{
		Version: snapshotVersion, Engine: engineNumbers[spec.engine()], Dimension: uint32(r.dimension),
		M: uint32(spec.links()), Rows: uint64(r.next), Live: uint64(r.Len()), Last: r.last,
	}
	copy(s.Magic[:], snapshotMagic)
	if r.used {
		s.Used = 1
	}
	s.Trained = uint64(r.trained.Load())
	f := s.view.frame
	s.Head, s.Square, s.Delta = uint64(f.size), f.square, f.delta
	words := (r.next + 63) / 64
	s.alive = make([]uint64, words)
	for i := range s.alive {
		s.alive[i] = atomic.LoadUint64(&s.view.alive[i])
	}
	s.present = s.alive
	for _, b := range s.view.blocks {
		s.writes = append(s.writes, b.writes.Load())
	}
	if g, ok := x.(*Graph); ok {
		s.freezeGraph(g, words*64)
	}
	return s
}

func (s *Snapshot) freezeGraph(g *Graph, rows int) {
	l := &s.view.links
	s.links = links{
		m: l.m, base: slices.Clone(l.base[:rows*2*l.m]), upper: slices.Clone(l.upper[:g.upperUsed]),
		first: slices.Clone(l.first[:rows]), level: slices.Clone(l.level[:rows]),
	}
	s.Entry, s.Ef, s.Tuned = g.entry.Load(), uint64(g.Ef()), uint64(g.tuned.Load())
	s.Recall = math.Float64frombits(g.recall.Load())
	s.waiting = slices.Concat(g.sweep.leaving, g.sweep.waiting)
	s.present = slices.Clone(s.alive)
	for _, row := range s.waiting {
		s.present[row/64] |= 1 << (row % 64)
	}
	s.forgetLists()
}

// isPresent reports whether a row is alive, or removed and still led to.
func (s *Snapshot) isPresent(row int) bool {
	return row/64 < len(s.present) && s.present[row/64]>>(row%64)&1 != 0
}

// forgetLists empties the lists of rows that are not present: they tell what such
// a row was near to.
func (s *Snapshot) forgetLists() {
	upper := slices.Repeat([]uint32{none}, len(s.links.upper))
	for row, level := range s.links.level {
		if base := s.links.list(uint32(row), 0); !s.isPresent(row) {
			for i := range base {
				base[i] = none
			}
			continue
		}
		from := int(s.links.first[row])
		copy(upper[from:], s.links.upper[from:from+int(level)*s.links.m])
	}
	s.links.upper = upper
}

// Discard gives the snapshot up. Calls after the first do nothing.
func (s *Snapshot) Discard() { s.release() }

// Write writes the snapshot to an empty file, and meta with it. The index that was
// frozen may be searched and changed meanwhile.
func (s *Snapshot) Write(to io.WriterAt, meta []byte) error {
	if !isLittleEndian {
		return fmt.Errorf("%w: this machine is big-endian", ErrSnapshot)
	}
	return s.write(to, meta)
}

// write writes the body, the sums of its pieces, the header.
func (s *Snapshot) write(to io.WriterAt, meta []byte) error {
	w := &pieces{file: io.NewOffsetWriter(to, pageSize), piece: make([]byte, 0, pieceSize)}
	for i, section := range s.sections(meta) {
		s.Offsets[i] = pageSize + w.written
		section(w)
		s.Lengths[i] = pageSize + w.written - s.Offsets[i]
		w.align()
	}
	w.flush()
	if w.err != nil {
		return w.err
	}
	sums := raw(w.sums)
	i := sectionSums
	s.Offsets[i], s.Lengths[i], s.SumOfSums = pageSize+w.written, uint64(len(sums)), crc32.Checksum(sums, castagnoli)
	padded := append(slices.Clone(sums), make([]byte, pages(uint64(len(sums)))-uint64(len(sums)))...)
	if _, err := to.WriteAt(padded, int64(s.Offsets[i])); err != nil {
		return err
	}
	_, err := to.WriteAt(s.encode(), 0)
	return err
}

// sections write what the sections but the last hold, in their order.
func (s *Snapshot) sections(meta []byte) []func(w *pieces) {
	v, stride := &s.view, s.view.stride
	whole := func(b []byte) func(w *pieces) { return func(w *pieces) { w.add(b) } }
	rows := len(s.alive) * 64
	each := func(size int, bytes func(row int) []byte) func(w *pieces) {
		return func(w *pieces) { s.addRows(w, rows, size, bytes) }
	}
	size := int(s.Head)
	eachHead := each
	if size == 0 {
		eachHead = func(int, func(row int) []byte) func(w *pieces) { return whole(nil) }
	}
	return []func(w *pieces){
		sectionMeta:       whole(meta),
		sectionKeys:       each(8, func(row int) []byte { return raw(v.keys[row : row+1]) }),
		sectionCodes:      each(stride, func(row int) []byte { return v.code(uint32(row)) }),
		sectionScales:     each(4, func(row int) []byte { return raw(v.scales[row : row+1]) }),
		sectionLost:       each(4, func(row int) []byte { return raw(v.lost[row : row+1]) }),
		sectionBias:       each(4, func(row int) []byte { return raw(v.bias[row : row+1]) }),
		sectionLength:     each(4, func(row int) []byte { return raw(v.length[row : row+1]) }),
		sectionAlive:      whole(raw(s.alive)),
		sectionBase:       whole(raw(s.links.base)),
		sectionFirst:      whole(raw(s.links.first)),
		sectionLevel:      whole(s.links.level),
		sectionUpper:      whole(raw(s.links.upper)),
		sectionWaiting:    whole(raw(s.waiting)),
		sectionMean:       whole(raw(v.frame.mean)),
		sectionDirections: whole(raw(v.frame.rows)),
		sectionHeadCodes:  eachHead(size, func(row int) []byte { return v.headCodes[row*size : (row+1)*size] }),
		sectionHeadScales: eachHead(4, func(row int) []byte { return raw(v.headScales[row : row+1]) }),
		sectionHeadLost:   eachHead(4, func(row int) []byte { return raw(v.headLost[row : row+1]) }),
		sectionHeadRest:   eachHead(4, func(row int) []byte { return raw(v.rest[row : row+1]) }),
		sectionVectors: func(w *pieces) {
			rows := (s.view.n + blockRows - 1) / blockRows * blockRows
			s.addRows(w, rows, 4*v.dimension, func(row int) []byte { return raw(v.vector(uint32(row))) })
		},
	}
}

// addRows writes something of size bytes of every present row, and zeros for
// the others: these may be in use again already.
func (s *Snapshot) addRows(w *pieces, rows, size int, bytes func(row int) []byte) {
	zeros := make([]byte, size)
	for row := range rows {
		if s.isPresent(row) {
			w.add(bytes(row))
		} else {
			w.add(zeros)
		}
	}
}

// pieces writes a body in pieces and sums each. The first error stays.
type pieces struct {
	file    io.Writer
	piece   []byte
	sums    []uint32
	written uint64
	err     error
}

func (w *pieces) add(b []byte) {
	w.written += uint64(len(b))
	for len(b) > 0 {
		n := min(len(b), pieceSize-len(w.piece))
		w.piece = append(w.piece, b[:n]...)
		b = b[n:]
		if len(w.piece) == pieceSize {
			w.flush()
		}
	}
}

// align fills the page.
func (w *pieces) align() { w.add(make([]byte, pages(w.written)-w.written)) }

func (w *pieces) flush() {
	if len(w.piece) == 0 {
		return
	}
	w.sums = append(w.sums, crc32.Checksum(w.piece, castagnoli))
	if w.err == nil {
		_, w.err = w.file.Write(w.piece)
	}
	w.piece = w.piece[:0]
}

// Adopt makes the index that was frozen read the vectors that have not changed
// since from the file that Write has written, so that they take no memory of their
// own: see File. It may be searched and changed meanwhile. A search under way goes
// on reading the old ones, so that no row of the new ones is used again before it
// has ended.
func (s *Snapshot) Adopt(f File) error {
	size := s.Offsets[sectionSums] + pages(s.Lengths[sectionSums])
	m, err := mapFile(f, int(size))
	if err != nil {
		return err
	}
	s.rows.write.Lock()
	defer s.rows.write.Unlock()
	a := *s.rows.arrays.Load()
	a.blocks = slices.Clone(a.blocks)
	for i, old := range s.view.blocks {
		if (i+1)*blockRows <= s.view.n && a.blocks[i] == old && old.writes.Load() == s.writes[i] {
			a.blocks[i] = m.block(&s.header, i)
		}
	}
	s.rows.arrays.Store(&a)
	s.rows.buryFree()
	return nil
}

// block is block i of a file's vectors.
func (m *mapping) block(h *header, i int) *block {
	size := blockRows * int(h.Dimension)
	return &block{file: m, vectors: numbers[float32](m.bytes[h.Offsets[sectionVectors]:])[i*size : (i+1)*size]}
}
