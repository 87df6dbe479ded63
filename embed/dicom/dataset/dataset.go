// Package dataset reads and writes DICOM data sets (PS3.5) and files (PS3.10),
// and removes what identifies a patient (PS3.15 Annex E). It knows nothing of
// pixels.
//
// A parsed file aliases the bytes it came from: values are slices of the input,
// or of the inflated data set in the deflated syntax. They must not be changed.
package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What a caller can act on.
var (
	ErrNotDICOM    = errors.New("not DICOM")
	ErrCorrupt     = errors.New("corrupt DICOM")
	ErrTooLarge    = errors.New("DICOM beyond the limit")
	ErrUnsupported = errors.New("unsupported DICOM")
)

// Tag is a data element's tag: group<<16 | element.
type Tag uint32

func (t Tag) String() string { return fmt.Sprintf("(%04X,%04X)", t.group(), uint16(t)) }

func (t Tag) group() uint16 { return uint16(t >> 16) }

// Element is a data element: a value, a sequence of items, or the fragments of
// encapsulated pixel data.
type Element struct {
	Tag Tag
	VR  string // two capitals; UN where neither file nor dictionary names one
	// Value is raw, in the byte order of the set, with its padding and even
	// where its length is odd. It is nil for sequences and fragments.
	Value []byte
	// Items of a sequence: VR SQ, or UN of items that are encoded in implicit
	// little endian (PS3.5 6.2.2).
	Items []*Set
	// Fragments of encapsulated pixel data (PS3.5 A.4). The first is the basic
	// offset table, which may be empty.
	Fragments [][]byte
}

// Set is a data set, or an item of a sequence. Elements are in tag order and
// each tag occurs once. Group lengths and padding are left out.
type Set struct {
	Order    binary.ByteOrder // nil is little endian
	Elements []Element

	charset string // Specific Character Set of the sets around this one
}

// File is a DICOM file: its meta information and its data set.
type File struct {
	// Syntax is the transfer syntax UID, guessed where the file names none.
	Syntax    string
	Meta, Set *Set // Meta is empty, never nil, where the file has none
}

// Limits bound what Parse takes and allocates. A zero field means the default
// given here.
type Limits struct {
	Bytes    int64 // of input: 2 GiB
	Inflated int64 // bytes of a deflated data set: 256 MiB
	Elements int   // of the file, nested ones too: 65,536 and 1 per 128 bytes
	Depth    int   // of nested sequences: 32
	Items    int   // of the file's sequences: 65,536 and 1 per 128 bytes
}

// The transfer syntaxes that decide how a data set is encoded. All others are
// explicit little endian.
const (
	implicitLittle = "1.2.840.10008.1.2"
	explicitLittle = "1.2.840.10008.1.2.1"
	deflated       = "1.2.840.10008.1.2.1.99"
	explicitBig    = "1.2.840.10008.1.2.2"
	deflatedJPIP   = "1.2.840.10008.1.2.4.95"
	deflatedHTJPIP = "1.2.840.10008.1.2.4.205"
	implicitMixed  = "1.2.840.113619.5.2" // implicit little endian, pixels big endian
)
