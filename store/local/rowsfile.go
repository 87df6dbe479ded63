package local

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nearcase/store"
)

// A rows file is
//
//	rowsMagic
//	pieces       of up to pieceRows rows each
//	head         rowsHead as JSON, sealed as a value of the log is
//	length       of that, a little-endian uint32
//
// A row is the key less that of the row before, its texts, numbers, metadata and
// time, and what is said of it. Numbers are varints, a text its length and its
// bytes, which are found there as they are, a list its length and what is in it.
const (
	rowsMagic   = "NCROWS\x00\x01"
	pieceRows   = 2048
	maxRowsHead = 64 << 20
	// shortRow is how many bytes a row has at least.
	shortRow = 16
)

// write writes the file, one piece after the other.
func (f frozenRows) write(to io.WriterAt) error {
	w := io.NewOffsetWriter(to, 0)
	if _, err := w.Write([]byte(rowsMagic)); err != nil {
		return err
	}
	head := f.head
	var b []byte
	for rows := range slices.Chunk(f.rows, pieceRows) {
		var err error
		if b, err = appendRows(b[:0], rows); err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			return err
		}
		head.Pieces = append(head.Pieces, rowsPiece{len(b), len(rows), crc32.Checksum(b, castagnoli)})
	}
	sealed, err := sealJSON(head)
	if err == nil {
		_, err = w.Write(binary.LittleEndian.AppendUint32(sealed, uint32(len(sealed))))
	}
	return err
}

// appendRows encodes a piece.
func appendRows(b []byte, rows []instanceRow) ([]byte, error) {
	var before store.Key
	for _, r := range rows {
		var err error
		if b, err = appendRow(binary.AppendUvarint(b, uint64(r.key-before)), r); err != nil {
			return nil, fmt.Errorf("instance with key %d: %w", r.key, err)
		}
		before = r.key
	}
	return b, nil
}

func appendRow(b []byte, r instanceRow) (_ []byte, err error) {
	i := r.instance
	for _, text := range []*string{&i.ID, &i.Patient, &i.Study, &i.Series, &i.Name, &i.Digest, &i.Kept, &i.File, &i.MediaType} {
		b = appendText(b, *text)
	}
	for _, n := range []int64{int64(i.Frame), int64(i.Width), int64(i.Height), i.Size} {
		b = binary.AppendVarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(i.Metadata)))
	for field, value := range i.Metadata {
		b = appendText(appendText(b, field), value)
	}
	if b, err = appendTime(b, i.Added); err != nil || r.said == nil {
		return append(b, 0), err
	}
	return appendSaid(b, r.said)
}

// appendSaid encodes what is said of an instance: the keys, of which there is one at
// least, each less the one before, and the current labels.
func appendSaid(b []byte, s *said) (_ []byte, err error) {
	b = binary.AppendUvarint(b, uint64(len(s.keys)))
	var before store.Key
	for _, key := range s.keys {
		b, before = binary.AppendUvarint(b, uint64(key-before)), key
	}
	b = binary.AppendUvarint(b, uint64(len(s.current)))
	for _, l := range s.current {
		b = appendText(appendText(appendText(b, l.Task), l.Reader), l.Source)
		b = append(b, flagsOf(l))
		for _, list := range [][]string{l.Classes, l.Absent, l.Uncertain} {
			b = binary.AppendUvarint(b, uint64(len(list)))
			for _, class := range list {
				b = appendText(b, class)
			}
		}
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(l.Confidence))
		if b, err = appendTime(b, l.Time); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// What a label is beside its texts. Classes are none and not a list of none where
// flagNoClasses is set.
const (
	flagPartial = 1 << iota
	flagRemoved
	flagNoClasses
	flagsKnown = 1<<iota - 1
)

func flagsOf(l store.Label) (flags byte) {
	if l.Partial {
		flags |= flagPartial
	}
	if l.Removed {
		flags |= flagRemoved
	}
	if l.Classes == nil {
		flags |= flagNoClasses
	}
	return flags
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendTime encodes a time as the log has it: without a name of its zone.
func appendTime(b []byte, t time.Time) ([]byte, error) {
	if _, offset := t.Zone(); offset == 0 {
		t = t.UTC()
	}
	at := len(b)
	b, err := t.AppendBinary(append(b, 0))
	if err == nil {
		b[at] = byte(len(b) - at - 1)
	}
	return b, err
}

// readRowsHead reads and verifies the head of a rows file of that many bytes.
func readRowsHead(f io.ReaderAt, size int64) (h rowsHead, err error) {
	var length [4]byte
	magic := make([]byte, len(rowsMagic))
	if size < int64(len(magic)+len(length)) {
		return h, fmt.Errorf("%w: rows file of %d bytes", store.ErrDamaged, size)
	}
	if err := readFull(f, magic, 0); err != nil {
		return h, err
	}
	if string(magic) != rowsMagic {
		return h, fmt.Errorf("%w: it does not begin as a rows file of version %d", store.ErrFormat, rowsFormat)
	}
	if err := readFull(f, length[:], size-4); err != nil {
		return h, err
	}
	n := int64(binary.LittleEndian.Uint32(length[:]))
	if n > min(maxRowsHead, size-int64(len(magic)+len(length))) {
		return h, fmt.Errorf("%w: a head of %d bytes in %d", store.ErrDamaged, n, size)
	}
	sealed := make([]byte, n)
	if err := readFull(f, sealed, size-4-n); err != nil {
		return h, err
	}
	if err := unsealJSON(sealed, &h); err != nil {
		return h, err
	}
	return h, h.check(size - 4 - n - int64(len(magic)))
}

// check holds the pieces to the bytes there are of them.
func (h *rowsHead) check(size int64) error {
	for _, p := range h.Pieces {
		if p.Bytes < 0 || int64(p.Bytes) > size || p.Rows < 0 || p.Rows > min(pieceRows, p.Bytes/shortRow) {
			return fmt.Errorf("%w: a piece of %d bytes and %d rows", store.ErrDamaged, p.Bytes, p.Rows)
		}
		size -= int64(p.Bytes)
	}
	if size != 0 {
		return fmt.Errorf("%w: %d bytes of no piece", store.ErrDamaged, size)
	}
	return nil
}

func readFull(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	return fmt.Errorf("%w: rows file ends early: %w", store.ErrDamaged, err)
}

// read reads and verifies all pieces, on all processors.
func (h *rowsHead) read(f io.ReaderAt) ([]instanceRow, error) {
	parts := make([][]instanceRow, len(h.Pieces))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	at := int64(len(rowsMagic))
	for i, p := range h.Pieces {
		from := at
		group.Go(func() (err error) {
			parts[i], err = h.readPiece(f, from, p)
			return err
		})
		at += int64(p.Bytes)
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(parts...), nil
}

func (h *rowsHead) readPiece(f io.ReaderAt, at int64, p rowsPiece) ([]instanceRow, error) {
	b := make([]byte, p.Bytes)
	if err := readFull(f, b, at); err != nil {
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != p.Sum {
		return nil, fmt.Errorf("%w: rows file between bytes %d and %d", store.ErrDamaged, at, at+int64(len(b)))
	}
	r := rowReader{left: string(b), head: h}
	rows := make([]instanceRow, 0, p.Rows)
	for range p.Rows {
		rows = append(rows, r.row())
	}
	if r.err == nil && r.left != "" {
		r.fail("bytes after the last row")
	}
	return rows, r.err
}
