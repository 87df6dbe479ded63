package dataset

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const undefined = 0xFFFFFFFF // a length that a delimiter ends

// vrs are the value representations of PS3.5 6.2, binaryVRs those that may hold
// fragments, and longVRs those of 32-bit lengths in explicit encodings.
const (
	binaryVRs = "OB OD OF OL OV OW"
	longVRs   = binaryVRs + " SQ SV UC UN UR UT UV"
	vrs       = longVRs + " AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
)

// knownVR returns a VR of the standard without allocating, empty if it is none.
func knownVR(vr string) string {
	if i := strings.Index(vrs, vr); i >= 0 && len(vr) == 2 {
		return vrs[i : i+2]
	}
	return ""
}

// reader reads a data set. It allocates for elements and items that exist, and
// nothing for what a length says.
type reader struct {
	data     []byte
	at       int
	order    binary.ByteOrder
	explicit bool
	charset  string // of the set being read
	open     stack  // elements of the sets being read, outermost first

	limits                 Limits
	depth, elements, items int // read so far
}

func newReader(data []byte, l Limits) *reader {
	return &reader{data: data, order: binary.LittleEndian, explicit: true, limits: l}
}

// header is what precedes an element's value.
type header struct {
	tag      Tag
	vr       string // XS where the dictionary leaves US or SS open
	length   uint32
	implicit bool
	at       int // where it begins
}

func (h header) corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %v at byte %d %s", ErrCorrupt, h.tag, h.at, fmt.Sprintf(format, args...))
}

// header reads a header, which must end before end.
func (r *reader) header(end int) (header, error) {
	h := header{at: r.at}
	if end-r.at < 8 {
		return h, fmt.Errorf("%w: a header at byte %d has %d bytes of 8", ErrCorrupt, r.at, end-r.at)
	}
	b := r.data[r.at:end]
	h.tag = r.tag(b)
	r.at += 8
	h.implicit = !r.explicit || h.tag.group() == 0xFFFE || !isCapital(b[4]) || !isCapital(b[5])
	if h.implicit {
		h.length, h.vr = r.order.Uint32(b[4:]), lookup(h.tag).vr
		return h, nil
	}
	if h.vr = knownVR(string(b[4:6])); h.vr == "" {
		h.vr = string(b[4:6])
	}
	if !strings.Contains(longVRs, h.vr) {
		h.length = uint32(r.order.Uint16(b[6:]))
		return h, nil
	}
	if len(b) < 12 {
		return h, h.corrupt("has a header of %d bytes, not 12", len(b))
	}
	r.at += 4
	h.length = r.order.Uint32(b[8:])
	return h, nil
}

func (r *reader) tag(b []byte) Tag {
	return Tag(r.order.Uint16(b))<<16 | Tag(r.order.Uint16(b[2:]))
}

func isCapital(b byte) bool { return 'A' <= b && b <= 'Z' }

// next returns the tag at the reader's place, 0 if there is none before end.
func (r *reader) next(end int) Tag {
	if end-r.at < 8 {
		return 0
	}
	return r.tag(r.data[r.at:])
}

// meta reads the elements of group 2, which are explicit little endian. Their
// group length is not believed.
func (r *reader) meta() (*Set, error) {
	for r.next(len(r.data)).group() == groupMeta {
		if err := r.element(len(r.data)); err != nil {
			return nil, err
		}
	}
	return &Set{Order: r.order, Elements: tidy(r.open.take(0), r.order)}, nil
}

// set reads a data set up to end, or one that an item delimiter ends before.
func (r *reader) set(end int, delimited bool) (*Set, error) {
	s := &Set{Order: r.order, charset: r.charset}
	first := r.open.n
	for {
		done, err := r.done(end, delimited)
		if err != nil {
			return nil, err
		}
		if done {
			break
		}
		if err := r.element(end); err != nil {
			return nil, err
		}
	}
	s.Elements = tidy(r.open.take(first), r.order)
	r.charset = s.charset
	return s, nil
}

// done says whether a set ends here, and steps over what ends it.
func (r *reader) done(end int, delimited bool) (bool, error) {
	if delimited && r.next(end) == tagItemEnd {
		r.at += 8
		return true, nil
	}
	if delimited && r.at == end {
		return false, fmt.Errorf("%w: an item without delimiter ends at byte %d", ErrCorrupt, end)
	}
	if r.at < end && r.depth == 0 && r.next(end) == 0 {
		if !isZero(r.data[r.at:end]) {
			return false, fmt.Errorf("%w: no element at byte %d of %d", ErrCorrupt, r.at, end)
		}
		r.at = end // padding of the file
	}
	return r.at == end, nil
}

// element reads an element and keeps it, unless it is a group length or
// padding.
func (r *reader) element(end int) error {
	if r.elements++; r.elements > r.limits.Elements {
		return fmt.Errorf("%w: more than %d elements", ErrTooLarge, r.limits.Elements)
	}
	h, err := r.header(end)
	if err != nil {
		return err
	}
	if h.tag.group() == 0xFFFE {
		return h.corrupt("is no element")
	}
	e := Element{Tag: h.tag, VR: h.vr}
	if err := r.content(&e, h, end); err != nil {
		return err
	}
	if h.tag == tagCharset {
		r.charset = string(e.Value)
	}
	if uint16(h.tag) != 0 && h.tag != tagTrailing {
		r.open.push(e)
	}
	return nil
}

func (r *reader) content(e *Element, h header, end int) error {
	if h.length == undefined {
		return r.undefined(e, h, end)
	}
	if int64(h.length) > int64(end-r.at) {
		return h.corrupt("has %d bytes of %d", end-r.at, h.length)
	}
	end = r.at + int(h.length)
	if h.vr == "SQ" {
		return r.sequence(e, h, end, false)
	}
	if h.vr == "UN" && !h.implicit && r.order == binary.LittleEndian {
		e.VR = lookup(h.tag).vr
	}
	if e.VR == "SQ" {
		return r.unknown(e, h, end)
	}
	e.Value, r.at = r.data[r.at:end:end], end
	return nil
}

// undefined reads the content of an element that a delimiter ends: fragments
// or items. Those of VR UN are implicit little endian (PS3.5 6.2.2).
func (r *reader) undefined(e *Element, h header, end int) error {
	switch {
	case h.tag == tagPixelData || strings.Contains(binaryVRs, h.vr):
		return r.fragments(e, h, end)
	case h.implicit || h.vr == "SQ":
		e.VR = "SQ"
		return r.sequence(e, h, end, true)
	case h.vr == "UN":
		return r.implicit(e, h, end, true)
	}
	return h.corrupt("of VR %s has no length", h.vr)
}

// implicit reads a sequence of implicit little endian items.
func (r *reader) implicit(e *Element, h header, end int, delimited bool) error {
	order, explicit := r.order, r.explicit
	r.order, r.explicit = binary.LittleEndian, false
	err := r.sequence(e, h, end, delimited)
	r.order, r.explicit = order, explicit
	return err
}

// unknown reads an element of VR UN that the dictionary calls a sequence. What
// is no sequence is kept as it is.
func (r *reader) unknown(e *Element, h header, end int) error {
	e.VR = "UN"
	at, n, depth, charset := r.at, r.open.n, r.depth, r.charset
	err := r.implicit(e, h, end, false)
	if errors.Is(err, ErrCorrupt) {
		r.open.n, r.depth, r.charset = n, depth, charset
		e.Items, e.Value, r.at = nil, r.data[at:end:end], end
		return nil
	}
	return err
}

// sequence reads items up to end, or up to a delimiter before it.
func (r *reader) sequence(e *Element, h header, end int, delimited bool) error {
	if r.depth++; r.depth > r.limits.Depth {
		return fmt.Errorf("%w: %v at byte %d: sequences nested deeper than %d", ErrTooLarge, h.tag, h.at, r.limits.Depth)
	}
	e.Items = []*Set{}
	for r.at < end {
		item, err := r.item(h, end)
		if err != nil {
			return err
		}
		if item.tag == tagSequenceEnd && delimited {
			r.depth--
			return nil
		}
		if item.tag == tagSequenceEnd {
			continue // needless, but done
		}
		s, err := r.itemSet(item, end)
		if err != nil {
			return err
		}
		e.Items = append(e.Items, s)
	}
	if delimited {
		return h.corrupt("has no delimiter before byte %d", end)
	}
	r.depth--
	return nil
}

// item reads the header of an item of h, or of its delimiter.
func (r *reader) item(h header, end int) (header, error) {
	item, err := r.header(end)
	if err != nil {
		return item, err
	}
	if item.tag == tagSequenceEnd {
		return item, nil
	}
	if item.tag != tagItem {
		return item, h.corrupt("has %v at byte %d, not an item", item.tag, item.at)
	}
	if item.length != undefined && int64(item.length) > int64(end-r.at) {
		return item, h.corrupt("has an item at byte %d with %d bytes of %d", item.at, end-r.at, item.length)
	}
	if r.items++; r.items > r.limits.Items {
		return item, fmt.Errorf("%w: more than %d items", ErrTooLarge, r.limits.Items)
	}
	return item, nil
}

func (r *reader) itemSet(item header, end int) (*Set, error) {
	if item.length == undefined {
		return r.set(end, true)
	}
	return r.set(r.at+int(item.length), false)
}

// fragments reads the items of encapsulated pixel data: first how many, so that
// they are allocated once.
func (r *reader) fragments(e *Element, h header, end int) error {
	start, n := r.at, 0
	for {
		item, err := r.item(h, end)
		if err != nil {
			return err
		}
		if item.tag == tagSequenceEnd {
			break
		}
		if item.length == undefined {
			return h.corrupt("has a fragment without length at byte %d", item.at)
		}
		r.at += int(item.length)
		n++
	}
	e.Fragments = make([][]byte, n)
	at := start
	for i := range e.Fragments {
		from := at + 8
		at = from + int(r.order.Uint32(r.data[at+4:]))
		e.Fragments[i] = r.data[from:at:at]
	}
	return nil
}

// tidy puts elements in order, keeps the last of equal tags, and says US or SS
// where the dictionary does not, by the pixel representation.
func tidy(elements []Element, order binary.ByteOrder) []Element {
	byTag := func(a, b Element) int { return cmp.Compare(a.Tag, b.Tag) }
	if !slices.IsSortedFunc(elements, byTag) {
		slices.SortStableFunc(elements, byTag)
	}
	kept := elements[:0]
	for i, e := range elements {
		if i+1 == len(elements) || elements[i+1].Tag != e.Tag {
			kept = append(kept, e)
		}
	}
	s := Set{Order: order, Elements: kept}
	vr := "US"
	if s.Int(tagRepresentation, 0) == 1 {
		vr = "SS"
	}
	for i := range kept {
		if kept[i].VR == "XS" {
			kept[i].VR = vr
		}
	}
	return kept
}

// stack holds the elements of open sets until their number is known.
type stack struct {
	blocks []*[block]Element
	n      int
}

const block = 32

func (s *stack) push(e Element) {
	if s.n == block*len(s.blocks) {
		s.blocks = append(s.blocks, new([block]Element))
	}
	s.blocks[s.n/block][s.n%block] = e
	s.n++
}

// take removes the elements from index first on and returns them.
func (s *stack) take(first int) []Element {
	out := make([]Element, s.n-first)
	for i := range out {
		out[i] = s.blocks[(first+i)/block][(first+i)%block]
	}
	s.n = first
	return out
}
