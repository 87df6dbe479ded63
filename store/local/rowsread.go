package local

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"nearcase/store"
)

// rowReader undoes appendRows. After an error it returns zero values. The texts that
// it returns are parts of the piece.
type rowReader struct {
	left   string
	head   *rowsHead
	before store.Key
	err    error
}

func (r *rowReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: rows file: %s", store.ErrDamaged, what)
	}
	r.left = ""
}

func (r *rowReader) row() instanceRow {
	key := r.before + store.Key(r.uvarint())
	if key < r.before || key > r.head.Head {
		r.fail("a key beyond the head")
	}
	r.before = key
	i := &store.Instance{}
	for _, text := range []*string{&i.ID, &i.Patient, &i.Study, &i.Series, &i.Name, &i.Digest, &i.Kept, &i.File, &i.MediaType} {
		*text = r.text()
	}
	if !isDigest(i.Digest) || i.Kept != store.NotKept && !isDigest(i.Kept) {
		r.fail("a digest of another length")
	}
	i.Frame, i.Width, i.Height, i.Size = int(r.varint()), int(r.varint()), int(r.varint()), r.varint()
	if n := r.count(2); n > 0 {
		i.Metadata = make(map[string]string, n)
		for range n {
			field := r.text()
			i.Metadata[field] = r.text()
		}
	}
	i.Added = r.time()
	return instanceRow{key, i, r.said(i.ID)}
}

// isDigest reports whether a text can name a file, or is empty.
func isDigest(text string) bool { return text == "" || len(text) == 64 }

func (r *rowReader) said(id string) *said {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	s := &said{keys: make([]store.Key, n)}
	var before store.Key
	for i := range s.keys {
		key := before + store.Key(r.uvarint())
		if key <= before || key > r.head.LastLabel {
			r.fail("a label beyond the last")
			return nil
		}
		s.keys[i], before = key, key
	}
	if n := r.count(shortRow); n > 0 {
		s.current = make([]store.Label, n)
		for i := range s.current {
			s.current[i] = r.label(id)
			if i > 0 && !follows(s.current[i], s.current[i-1]) {
				r.fail("labels out of order")
			}
		}
	}
	return s
}

// follows reports whether a current label comes after another.
func follows(l, before store.Label) bool {
	return cmp.Or(cmp.Compare(l.Task, before.Task), cmp.Compare(l.Reader, before.Reader)) > 0
}

func (r *rowReader) label(id string) store.Label {
	l := store.Label{Instance: id, Task: r.text(), Reader: r.text(), Source: r.text()}
	flags := r.bytes(1)
	if r.err != nil || flags[0] > flagsKnown {
		r.fail("a label of an unknown kind")
		return l
	}
	l.Partial, l.Removed = flags[0]&flagPartial != 0, flags[0]&flagRemoved != 0
	l.Classes, l.Absent, l.Uncertain = r.list(), r.list(), r.list()
	if l.Classes == nil && flags[0]&flagNoClasses == 0 {
		l.Classes = []string{}
	}
	if b := r.bytes(8); r.err == nil {
		l.Confidence = math.Float64frombits(binary.LittleEndian.Uint64([]byte(b)))
	}
	l.Time = r.time()
	return l
}

func (r *rowReader) list() (all []string) {
	for range r.count(1) {
		all = append(all, r.text())
	}
	return all
}

// uvarint reads a number in as few bytes as it has.
func (r *rowReader) uvarint() (n uint64) {
	for i := 0; i < len(r.left) && i < binary.MaxVarintLen64; i++ {
		b := r.left[i]
		if n |= uint64(b&0x7f) << (7 * i); b < 0x80 {
			r.left = r.left[i+1:]
			return n
		}
	}
	r.fail("a number that does not end")
	return 0
}

func (r *rowReader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// count reads how many things follow that have that many bytes at least.
func (r *rowReader) count(each int) int {
	n := r.uvarint()
	if n > uint64(len(r.left)/each) {
		r.fail("a list longer than the file")
		return 0
	}
	return int(n)
}

func (r *rowReader) bytes(n int) string {
	if n > len(r.left) {
		r.fail("it ends early")
		return ""
	}
	b := r.left[:n]
	r.left = r.left[n:]
	return b
}

func (r *rowReader) text() string { return r.bytes(r.count(1)) }

func (r *rowReader) time() (t time.Time) {
	n := r.bytes(1)
	if r.err != nil {
		return t
	}
	if b := r.bytes(int(n[0])); r.err == nil && t.UnmarshalBinary([]byte(b)) != nil {
		r.fail("a time that is none")
	}
	return t
}
