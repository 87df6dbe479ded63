package dataset

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

const (
	groupMetaLength Tag = 0x00020000
	tagMetaVersion  Tag = 0x00020001
	tagMetaClass    Tag = 0x00020002
	tagMetaInstance Tag = 0x00020003
	tagImplUID      Tag = 0x00020012
	tagImplVersion  Tag = 0x00020013
	tagClass        Tag = 0x00080016
	tagInstance     Tag = 0x00080018

	// implementation names this program as the writer of a file.
	implementation        = "2.25.164374155081554063114682993455244537012"
	implementationVersion = "NEARCASE"
)

// Bytes returns the file in canonical form: an empty preamble, meta information
// with a group length and with what PS3.10 7.1 requires, and the data set in
// the file's transfer syntax, where deflated becomes explicit little endian.
// Sequences and their items end with delimiters. Values are written as they
// are, so that Parse of the result has the same set; the offsets in a DICOMDIR
// then point nowhere. A set in a byte order that
// is not the syntax's, or an element of 4 GiB, is ErrUnsupported.
func (f *File) Bytes() ([]byte, error) {
	syntax := f.Syntax
	if isDeflated(syntax) {
		syntax = explicitLittle
	}
	meta := f.meta(syntax)
	w := &writer{order: binary.LittleEndian, explicit: true}
	w.out = make([]byte, preamble, preamble+len(magic)+64+meta.room()+f.Set.room())
	w.out = append(w.out, magic...)
	length := Element{Tag: groupMetaLength, VR: "UL", Value: make([]byte, 4)}
	w.element(&length)
	start := len(w.out)
	w.set(meta)
	binary.LittleEndian.PutUint32(w.out[start-4:], uint32(len(w.out)-start))
	w.order, w.explicit = encoded(syntax)
	w.set(f.Set)
	return w.out, w.err
}

// meta returns the meta information with what is missing, for a syntax.
func (f *File) meta(syntax string) *Set {
	m := &Set{Order: binary.LittleEndian}
	for _, e := range f.Meta.elements() {
		if e.Tag.group() == groupMeta && e.Tag != groupMetaLength {
			m.Elements = append(m.Elements, e)
		}
	}
	m.put(Element{Tag: tagSyntax, VR: "UI", Value: padded(syntax, "UI")})
	m.otherwise(Element{Tag: tagMetaVersion, VR: "OB", Value: []byte{0, 1}})
	m.otherwise(Element{Tag: tagMetaClass, VR: "UI", Value: padded(f.Set.text(tagClass), "UI")})
	m.otherwise(Element{Tag: tagMetaInstance, VR: "UI", Value: padded(f.Set.text(tagInstance), "UI")})
	m.otherwise(Element{Tag: tagImplUID, VR: "UI", Value: padded(implementation, "UI")})
	return m
}

// elements returns the elements of a set, which may be nil.
func (s *Set) elements() []Element {
	if s == nil {
		return nil
	}
	return s.Elements
}

func (s *Set) text(t Tag) string {
	if s == nil {
		return ""
	}
	return s.Text(t)
}

// put adds an element, or replaces the one of its tag.
func (s *Set) put(e Element) {
	if old := s.Find(e.Tag); old != nil {
		*old = e
		return
	}
	i := 0
	for i < len(s.Elements) && s.Elements[i].Tag < e.Tag {
		i++
	}
	s.Elements = append(s.Elements, Element{})
	copy(s.Elements[i+1:], s.Elements[i:])
	s.Elements[i] = e
}

// otherwise adds an element unless the set has its tag.
func (s *Set) otherwise(e Element) {
	if s.Find(e.Tag) == nil {
		s.put(e)
	}
}

// padded returns text with the padding to an even length that its VR has.
func padded(text, vr string) []byte {
	switch {
	case len(text)%2 == 0:
		return []byte(text)
	case vr == "UI":
		return append([]byte(text), 0)
	}
	return append([]byte(text), ' ')
}

// room returns enough bytes to write a set.
func (s *Set) room() int {
	n := 0
	for _, e := range s.elements() {
		n += 20 + len(e.Value)
		for _, item := range e.Items {
			n += 16 + item.room()
		}
		for _, f := range e.Fragments {
			n += 8 + len(f)
		}
	}
	return n
}

// writer appends data sets to out. After an error it writes nothing of worth.
type writer struct {
	out      []byte
	order    binary.ByteOrder
	explicit bool
	err      error
}

func (w *writer) set(s *Set) {
	if len(s.elements()) > 0 && s.order() != w.order {
		w.err = fmt.Errorf("%w: a set in %v within %v", ErrUnsupported, s.order(), w.order)
	}
	for i := range s.elements() {
		w.element(&s.Elements[i])
	}
}

func (w *writer) element(e *Element) {
	if int64(len(e.Value)) >= math.MaxUint32 {
		w.err = fmt.Errorf("%w: %v of %d bytes", ErrUnsupported, e.Tag, len(e.Value))
	}
	switch {
	case e.Fragments != nil:
		w.header(e.Tag, e.VR, undefined)
		w.fragments(e)
	case e.Items != nil || e.VR == "SQ":
		w.sequence(e)
	default:
		w.header(e.Tag, e.VR, uint32(len(e.Value)))
		w.out = append(w.out, e.Value...)
	}
}

// sequence writes items, those of VR UN in implicit little endian.
func (w *writer) sequence(e *Element) {
	w.header(e.Tag, e.VR, undefined)
	order, explicit := w.order, w.explicit
	if e.VR == "UN" {
		w.order, w.explicit = binary.LittleEndian, false
	}
	for _, item := range e.Items {
		w.header(tagItem, "", undefined)
		w.set(item)
		w.header(tagItemEnd, "", 0)
	}
	w.header(tagSequenceEnd, "", 0)
	w.order, w.explicit = order, explicit
}

func (w *writer) fragments(e *Element) {
	for _, f := range e.Fragments {
		if int64(len(f)) >= math.MaxUint32 {
			w.err = fmt.Errorf("%w: a fragment of %d bytes", ErrUnsupported, len(f))
		}
		w.header(tagItem, "", uint32(len(f)))
		w.out = append(w.out, f...)
	}
	w.header(tagSequenceEnd, "", 0)
}

// header writes a tag, a VR unless it is empty or implied, and a length. A
// length that the VR has no room for makes it UN (PS3.5 6.2.2).
func (w *writer) header(t Tag, vr string, length uint32) {
	w.short(t.group())
	w.short(uint16(t))
	if !w.explicit || vr == "" {
		w.long(length)
		return
	}
	long := strings.Contains(longVRs, vr)
	if !long && length > math.MaxUint16 {
		vr, long = "UN", true
	}
	w.out = append(w.out, vr...)
	if !long {
		w.short(uint16(length))
		return
	}
	w.out = append(w.out, 0, 0)
	w.long(length)
}

func (w *writer) short(v uint16) {
	w.out = append(w.out, 0, 0)
	w.order.PutUint16(w.out[len(w.out)-2:], v)
}

func (w *writer) long(v uint32) {
	w.out = append(w.out, 0, 0, 0, 0)
	w.order.PutUint32(w.out[len(w.out)-4:], v)
}
