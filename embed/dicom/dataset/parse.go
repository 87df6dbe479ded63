package dataset

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

const (
	magic    = "DICM"
	preamble = 128

	tagSyntax         Tag = 0x00020010
	tagCharset        Tag = 0x00080005
	tagRepresentation Tag = 0x00280103
	tagPixelData      Tag = 0x7FE00010
	tagTrailing       Tag = 0xFFFCFFFC
	tagItem           Tag = 0xFFFEE000
	tagItemEnd        Tag = 0xFFFEE00D
	tagSequenceEnd    Tag = 0xFFFEE0DD

	groupMeta = 0x0002
)

// or returns the limits with defaults, for a data set of n bytes. With these an
// element costs at most 200 bytes and an item 150, so that all of Parse
// allocates at most 4 n and 12 MiB, and what it inflates.
func (l Limits) or(n int) Limits {
	if l.Bytes == 0 {
		l.Bytes = 2 << 30
	}
	if l.Inflated == 0 {
		l.Inflated = 256 << 20
	}
	if l.Elements == 0 {
		l.Elements = 32768 + n/64
	}
	if l.Depth == 0 {
		l.Depth = 32
	}
	if l.Items == 0 {
		l.Items = 32768 + n/128
	}
	return l
}

// Is says whether data begins like a DICOM file: with a preamble and DICM, or
// as a data set does, with two elements of known shape. Other image formats and
// text do not.
func Is(data []byte) bool {
	at, ok := start(data)
	return ok && len(data) > at
}

// start returns where the first element of a file is.
func start(data []byte) (at int, ok bool) {
	switch {
	case len(data) >= preamble+len(magic) && string(data[preamble:preamble+len(magic)]) == magic:
		return preamble + len(magic), true
	case bytes.HasPrefix(data, []byte(magic)):
		return len(magic), plausible(data[len(magic):])
	}
	return 0, plausible(data)
}

// plausible says whether data begins with an element of the first groups and
// goes on with another of a greater tag.
func plausible(data []byte) bool {
	if len(data) < 16 {
		return false
	}
	r := reader{data: data}
	r.order, r.explicit = guess(data)
	first, err := r.header(len(data))
	group := first.tag.group()
	if err != nil || group != groupMeta && group != 0x0008 || !r.believable(first) {
		return false
	}
	r.at += int(first.length)
	second, err := r.header(len(data))
	return err == nil && second.tag > first.tag && second.tag.group() < 0x0030 && r.believable(second)
}

// believable says whether a header is one of an element that a file begins
// with: of a known VR or tag, and whole.
func (r *reader) believable(h header) bool {
	if h.implicit && Keyword(h.tag) == "" && uint16(h.tag) != 0 || knownVR(h.vr) == "" {
		return false
	}
	return h.length == undefined && h.vr == "SQ" || int64(h.length) <= int64(len(r.data)-r.at)
}

// guess returns the encoding that the first element of a data set has.
func guess(data []byte) (order binary.ByteOrder, explicit bool) {
	if len(data) < 8 || knownVR(string(data[4:6])) == "" {
		return binary.LittleEndian, false
	}
	if binary.BigEndian.Uint16(data) < binary.LittleEndian.Uint16(data) {
		return binary.BigEndian, true
	}
	return binary.LittleEndian, true
}

// Parse reads a DICOM file, with or without preamble and meta information. A
// file that ends within an element or a sequence, or whose lengths contradict
// each other, is ErrCorrupt, one beyond the limits ErrTooLarge. What writers
// are known to get wrong and readers can know better is accepted: wrong or
// missing group lengths, implicit elements among explicit ones, odd lengths,
// elements out of order (the last of equal tags counts), and padding behind
// the data set.
func Parse(data []byte, l Limits) (*File, error) {
	limits := l.or(len(data))
	if int64(len(data)) > limits.Bytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), limits.Bytes)
	}
	at, ok := start(data)
	if !ok {
		return nil, fmt.Errorf("%w: %d bytes without DICM at byte %d", ErrNotDICOM, len(data), preamble)
	}
	r := newReader(data, limits)
	r.at = at
	meta, err := r.meta()
	if err != nil {
		return nil, err
	}
	f := &File{Meta: meta, Syntax: syntaxOf(meta.Text(tagSyntax), data[r.at:])}
	if isDeflated(f.Syntax) {
		if data, err = inflate(data[r.at:], limits.Inflated); err != nil {
			return nil, err
		}
		r = newReader(data, l.or(len(data)))
	}
	r.order, r.explicit = encoded(f.Syntax)
	if f.Set, err = r.set(len(data), false); err != nil {
		return nil, err
	}
	f.Set.Elements = slices.DeleteFunc(f.Set.Elements, func(e Element) bool { return looksLikeMeta(e.Tag, r.order) })
	return f, nil
}

// looksLikeMeta says whether a reader would take an element at the beginning of
// a data set for meta information, which it is not behind other elements.
func looksLikeMeta(t Tag, order binary.ByteOrder) bool {
	var b [2]byte
	order.PutUint16(b[:], t.group())
	return binary.LittleEndian.Uint16(b[:]) == groupMeta
}

// syntaxOf returns the syntax that a file names, unless it names none, or
// implicit encoding for a data set that is explicit.
func syntaxOf(named string, set []byte) string {
	if named != "" && named != implicitLittle {
		return named
	}
	order, explicit := guess(set)
	if named != "" && (!explicit || int64(binary.LittleEndian.Uint32(set[4:])) <= int64(len(set)-8)) {
		return named
	}
	switch {
	case !explicit:
		return implicitLittle
	case order == binary.BigEndian:
		return explicitBig
	}
	return explicitLittle
}

// encoded returns how a transfer syntax encodes the data set.
func encoded(syntax string) (order binary.ByteOrder, explicit bool) {
	switch syntax {
	case implicitLittle, implicitMixed:
		return binary.LittleEndian, false
	case explicitBig:
		return binary.BigEndian, true
	}
	return binary.LittleEndian, true
}

func isDeflated(syntax string) bool {
	return syntax == deflated || syntax == deflatedJPIP || syntax == deflatedHTJPIP
}

// inflate returns the data set of the deflated syntax (PS3.5 A.5, RFC 1951). A
// byte of deflate yields at most 1,032.
func inflate(data []byte, limit int64) ([]byte, error) {
	from := bytes.NewReader(data)
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(flate.NewReader(from), limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: deflated data set of %d bytes: %w", ErrCorrupt, len(data), err)
	}
	if n > limit {
		return nil, fmt.Errorf("%w: deflated data set of more than %d bytes", ErrTooLarge, limit)
	}
	const trailer = 8 // a checksum and a length, which some writers add, or a pad byte
	if rest := data[len(data)-from.Len():]; len(rest) > trailer && !isZero(rest) {
		return nil, fmt.Errorf("%w: %d bytes behind the deflated data set", ErrCorrupt, len(rest))
	}
	return out.Bytes(), nil
}

// isZero says whether data are zeros alone.
func isZero(data []byte) bool {
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}
