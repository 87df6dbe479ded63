package api

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"nearcase/store"
)

// ErrCursor is a position among the changes that is none, or of another question.
var ErrCursor = errors.New("cursor is not valid")

// position is a place among all changes, or among those of one collection. Its
// text is opaque to others: a version, the fields, and a checksum of both.
type position struct {
	only    string            // the one collection; empty for all
	journal uint64            // last that is known of what no log has
	turn    string            // collection whose log is read first
	at      map[string]placed // by collection
}

// Bounds of a cursor's text. A collection takes about 40 bytes of it.
const (
	cursorVersion = 1
	maxCursor     = 48 << 10
)

func (p position) clone() position {
	p.at = maps.Clone(p.at)
	return p
}

// String returns the cursor.
func (p position) String() string {
	b := binary.AppendUvarint([]byte{cursorVersion}, p.journal)
	b = appendText(appendText(b, p.only), p.turn)
	for _, name := range slices.Sorted(maps.Keys(p.at)) {
		at := p.at[name]
		b = binary.BigEndian.AppendUint64(appendText(b, name), uint64(at.created.UnixNano()))
		b = binary.AppendUvarint(binary.BigEndian.AppendUint32(b, at.described), uint64(at.key))
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// parsePosition reads a cursor, or returns ErrCursor. Empty is the beginning.
func parsePosition(cursor string) (position, error) {
	p := position{at: map[string]placed{}}
	if cursor == "" {
		return p, nil
	}
	if len(cursor) > maxCursor {
		return p, fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrCursor, len(cursor), maxCursor)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < 5 || b[0] != cursorVersion {
		return p, fmt.Errorf("%w: use one that an answer had as next", ErrCursor)
	}
	b, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	r := cursorReader{left: b[1:]}
	p.journal, p.only, p.turn = r.number(), r.text(), r.text()
	for len(r.left) > 0 && !r.bad {
		name := r.text()
		p.at[name] = placed{time.Unix(0, int64(r.fixed(8))).UTC(), uint32(r.fixed(4)), store.Key(r.number())}
	}
	if r.bad || crc32.ChecksumIEEE(b) != sum {
		return p, fmt.Errorf("%w: use one that an answer had as next, whole", ErrCursor)
	}
	return p, nil
}

// cursorReader reads the fields of a cursor. What is missing is bad.
type cursorReader struct {
	left []byte
	bad  bool
}

func (r *cursorReader) number() uint64 {
	v, n := binary.Uvarint(r.left)
	if n <= 0 {
		r.bad, r.left = true, nil
		return 0
	}
	r.left = r.left[n:]
	return v
}

// fixed reads a big-endian number of n bytes.
func (r *cursorReader) fixed(n int) (v uint64) {
	for _, b := range r.take(uint64(n)) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *cursorReader) text() string { return string(r.take(r.number())) }

func (r *cursorReader) take(n uint64) []byte {
	if n > uint64(len(r.left)) {
		r.bad, r.left = true, nil
		return nil
	}
	taken := r.left[:n]
	r.left = r.left[n:]
	return taken
}
