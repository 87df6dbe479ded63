package dicom

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"nearcase/embed/dicom/dataset"
)

// source is where the frames' stored values come from.
type source interface {
	// frames returns how many frames there is data for.
	frames() int
	// stored returns a frame below frames.
	stored(m *format, frame int) (*Stored, error)
}

// openSource returns the source of a file's pixel data.
func openSource(f *dataset.File, e *dataset.Element, m *format) (source, error) {
	decode, encapsulated := decoderOf(f.Syntax)
	syntax := quoted(f.Syntax)
	switch {
	case e.Fragments == nil && e.Value == nil && e.Items != nil:
		return nil, fmt.Errorf("%w: pixel data that is a sequence", ErrCorrupt)
	case e.Fragments == nil && decode == nil && !encapsulated:
		return openNative(f, e, m)
	case decode == nil:
		return nil, fmt.Errorf("%w: transfer syntax %s", ErrUnsupported, syntax)
	case e.Fragments == nil:
		return nil, fmt.Errorf("%w: pixel data that is not encapsulated in transfer syntax %s", ErrCorrupt, syntax)
	}
	parts, err := split(f.Set, e.Fragments, m.frames, isMarked(f.Syntax))
	return &compressed{parts, decode}, err
}

// compressed is encapsulated pixel data (PS3.5 A.4).
type compressed struct {
	parts  [][][]byte // each frame's fragments
	decode decoder
}

func (c *compressed) frames() int { return len(c.parts) }

func (c *compressed) stored(m *format, frame int) (*Stored, error) {
	return c.decode(m, joined(c.parts[frame]))
}

// joined returns one frame's bytes, copied only where they are in pieces.
func joined(parts [][]byte) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	return bytes.Join(parts, nil)
}

// split divides fragments, the first of which is the basic offset table, among
// frames. Where counts leave one way only, no table is asked; then the extended
// offset table, then the basic one, and without either the marks with which
// JPEG and JPEG 2000 streams start. Frames of other streams, which are not
// marked, have one fragment each (PS3.5 A.4.2).
func split(s *dataset.Set, fragments [][]byte, frames int, marked bool) ([][][]byte, error) {
	if len(fragments) == 0 {
		return nil, nil
	}
	table, fragments := fragments[0], fragments[1:]
	if extended := s.FindBinary(tagOffsets); extended != nil && len(extended.Value) > 0 {
		return splitExtended(s, extended.Value, fragments, frames)
	}
	switch {
	case len(fragments) == 0:
		return nil, nil
	case len(fragments) == frames:
		return singly(fragments), nil
	case frames == 1:
		return [][][]byte{fragments}, nil
	case len(table) >= 4:
		return splitAt(offsets32(table), fragments)
	case !marked:
		return singly(fragments), nil
	}
	return splitAtMarks(fragments), nil
}

// singly gives each frame one fragment.
func singly(fragments [][]byte) [][][]byte {
	out := make([][][]byte, len(fragments))
	for i := range out {
		out[i] = fragments[i : i+1]
	}
	return out
}

func offsets32(table []byte) []uint64 {
	out := make([]uint64, len(table)/4)
	for i := range out {
		out[i] = uint64(binary.LittleEndian.Uint32(table[4*i:]))
	}
	return out
}

func offsets64(table []byte) []uint64 {
	out := make([]uint64, len(table)/8)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(table[8*i:])
	}
	return out
}

// splitAt divides fragments where offsets say that frames start. They count
// from the first fragment's item tag, and items have 8 bytes before their value.
func splitAt(offsets []uint64, fragments [][]byte) ([][][]byte, error) {
	out := make([][][]byte, 0, min(len(offsets), len(fragments)))
	at, first := uint64(0), 0
	for i, fragment := range fragments {
		if next := len(out) + 1; next < len(offsets) && i > 0 && offsets[next] == at {
			out, first = append(out, fragments[first:i]), i
		}
		at += 8 + uint64(len(fragment))
	}
	out = append(out, fragments[first:])
	if offsets[0] != 0 || len(out) != len(offsets) {
		return nil, fmt.Errorf("%w: offset table of %d frames, %d of which start with a fragment", ErrCorrupt, len(offsets), len(out))
	}
	return out, nil
}

// splitExtended divides fragments by the extended offset table (PS3.3
// C.7.6.3.1.8), in which each frame has one fragment and a length without
// padding.
func splitExtended(s *dataset.Set, table []byte, fragments [][]byte, frames int) ([][][]byte, error) {
	offsets := offsets64(table)
	if len(offsets) == 0 || len(offsets) != len(fragments) || len(offsets) < frames {
		return nil, fmt.Errorf("%w: extended offset table of %d frames for %d fragments, %d frames declared",
			ErrCorrupt, len(offsets), len(fragments), frames)
	}
	out, err := splitAt(offsets, fragments)
	lengths := s.FindBinary(tagLengths)
	if err != nil || lengths == nil {
		return out, err
	}
	for i, n := range offsets64(lengths.Value)[:min(len(out), len(lengths.Value)/8)] {
		if n > uint64(len(fragments[i])) {
			return nil, fmt.Errorf("%w: frame %d of %d bytes in a fragment of %d", ErrCorrupt, i, n, len(fragments[i]))
		}
		out[i] = [][]byte{fragments[i][:n]}
	}
	return out, nil
}

// splitAtMarks starts a frame with each fragment that starts a stream.
func splitAtMarks(fragments [][]byte) [][][]byte {
	var out [][][]byte
	for i, fragment := range fragments {
		if i == 0 || startsStream(fragment) {
			out = append(out, nil)
		}
		last := len(out) - 1
		out[last] = append(out[last], fragment)
	}
	return out
}

// startsStream reports whether data starts as a JPEG, a JPEG 2000 codestream or
// a JP2 file does.
func startsStream(data []byte) bool {
	for _, mark := range []string{"\xff\xd8\xff", "\xff\x4f\xff\x51", jp2Signature} {
		if bytes.HasPrefix(data, []byte(mark)) {
			return true
		}
	}
	return false
}
