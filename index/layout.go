package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unsafe"

	"nearcase/index/simd"
)

// A snapshot file is a header of one page and a body of sections that begin at
// multiples of a page:
//
//	header    little-endian, its own checksum last
//	meta      what the caller wants kept
//	keys … upper   the arrays as they are in memory, little-endian
//	waiting   the rows that were removed and that lists may still lead to
//	mean … rest   the frame of the codes, and the heads of the rows, if any
//	vectors   float32, whole blocks of them, to be mapped
//	sums      CRC-32C of every piece of the body before it
//
// Version 1 is the first. A program opens its own version only: the file is
// derived, and made again from the log.
const (
	snapshotMagic   = "nearcase index\r\n"
	snapshotVersion = 1
	pageSize        = 4096
	pieceSize       = 4 << 20
)

// ErrSnapshot reports a file that Load cannot use; the error says why.
var ErrSnapshot = errors.New("unusable index snapshot")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The sections, in their order.
const (
	sectionMeta = iota
	sectionKeys
	sectionCodes
	sectionScales
	sectionLost
	sectionBias
	sectionLength
	sectionAlive
	sectionBase
	sectionFirst
	sectionLevel
	sectionUpper
	sectionWaiting
	sectionMean
	sectionDirections
	sectionHeadCodes
	sectionHeadScales
	sectionHeadLost
	sectionHeadRest
	sectionVectors
	sectionSums
	sections
)

// header begins a snapshot file. All of it is fixed in size.
type header struct {
	Magic              [16]byte
	Version, Engine    uint32
	Dimension, M       uint32
	Rows, Live, Last   uint64
	Used, Tuned        uint64
	Entry, Ef          uint64
	Recall             float64
	Trained, Head      uint64
	Square, Delta      float64 // of the frame
	Offsets, Lengths   [sections]uint64
	SumOfSums, SumOfMe uint32
}

var engineNumbers = map[string]uint32{EngineExact: 1, EngineGraph: 2, EngineCoder: 3}

// encode returns the header's page.
func (h *header) encode() []byte {
	h.SumOfMe = 0
	page := make([]byte, pageSize)
	n, _ := binary.Encode(page, binary.LittleEndian, h)
	h.SumOfMe = crc32.Checksum(page, castagnoli)
	_, _ = binary.Encode(page[:n], binary.LittleEndian, h)
	return page
}

// decodeHeader reads a header's page and checks it against the size of the file
// and what is asked for.
func decodeHeader(page []byte, size int64, spec Spec, dimension int) (*header, error) {
	h := new(header)
	if _, err := binary.Decode(page, binary.LittleEndian, h); err != nil || string(h.Magic[:]) != snapshotMagic {
		return nil, fmt.Errorf("%w: not an index snapshot", ErrSnapshot)
	}
	if h.Version != snapshotVersion {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", ErrSnapshot, h.Version, snapshotVersion)
	}
	if again := *h; !bytes.Equal(again.encode(), page) {
		return nil, fmt.Errorf("%w: the header is damaged", ErrSnapshot)
	}
	if h.Engine != engineNumbers[spec.engine()] || h.M != uint32(spec.links()) || h.Dimension != uint32(dimension) {
		return nil, fmt.Errorf("%w: of another engine, dimension or M", ErrSnapshot)
	}
	return h, h.check(size)
}

// check makes sure that the sections have the sizes that the counts ask for and
// lie one after another in the file, which ends with the last.
func (h *header) check(size int64) error {
	if h.Rows > maxRows || h.Live > h.Rows || h.Used > 1 || h.Used == 0 && h.Rows > 0 {
		return fmt.Errorf("%w: %d of %d rows", ErrSnapshot, h.Live, h.Rows)
	}
	if h.Head > uint64(h.Dimension) || h.Head%simd.Block != 0 {
		return fmt.Errorf("%w: heads of %d", ErrSnapshot, h.Head)
	}
	want := h.lengths()
	at := uint64(pageSize)
	for i, length := range h.Lengths {
		if h.Offsets[i] != at || length > uint64(size) || want[i] != anyLength && length != want[i] {
			return fmt.Errorf("%w: section %d is not where it must be", ErrSnapshot, i)
		}
		at += pages(length)
	}
	if at != uint64(size) {
		return fmt.Errorf("%w: %d bytes, not %d", ErrSnapshot, size, at)
	}
	return nil
}

// anyLength stands for a section whose length the counts do not tell.
const anyLength = ^uint64(0)

// lengths are the bytes of each section.
func (h *header) lengths() (l [sections]uint64) {
	rows, m := (h.Rows+63)/64*64, uint64(h.M)
	l[sectionMeta], l[sectionUpper], l[sectionWaiting] = anyLength, anyLength, anyLength
	if h.Square > 0 {
		l[sectionMean] = 4 * uint64(h.Dimension)
	}
	l[sectionKeys] = 8 * rows
	l[sectionCodes] = uint64(stride(int(h.Dimension))) * rows
	l[sectionScales], l[sectionLost], l[sectionBias], l[sectionLength] = 4*rows, 4*rows, 4*rows, 4*rows
	l[sectionAlive] = rows / 8
	if m > 0 {
		l[sectionBase], l[sectionFirst], l[sectionLevel] = 8*m*rows, 4*rows, rows
	}
	if h.Head > 0 {
		l[sectionDirections], l[sectionHeadCodes] = 4*h.Head*uint64(h.Dimension), h.Head*rows
		l[sectionHeadScales], l[sectionHeadLost], l[sectionHeadRest] = 4*rows, 4*rows, 4*rows
	}
	l[sectionVectors] = (h.Rows + blockRows - 1) / blockRows * blockRows * 4 * uint64(h.Dimension)
	body := h.Offsets[sectionSums] - pageSize
	l[sectionSums] = 4 * ((body + pieceSize - 1) / pieceSize)
	return l
}

// pages rounds a length up to whole pages.
func pages(length uint64) uint64 { return (length + pageSize - 1) / pageSize * pageSize }

// raw is the memory of a slice of numbers.
func raw[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

// isLittleEndian says whether memory has the order of bytes that files have.
var isLittleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
