package dicom

import (
	"encoding/binary"
	"fmt"
)

const (
	rleHeader   = 64
	rleSegments = 15 // the most that the header has offsets for
	rleRatio    = 64 // the most bytes that one compressed byte yields: a run of 128 takes two
)

// decodeRLE decodes a frame of PS3.5 Annex G: a segment for each byte of each
// sample, the most significant first.
func decodeRLE(m *format, data []byte) (*Stored, error) {
	if m.allocated < 8 {
		return nil, fmt.Errorf("%w: RLE of %d bits allocated", ErrUnsupported, m.allocated)
	}
	each := m.allocated / 8
	segments, err := splitRLE(data, each*m.samples)
	if err != nil {
		return nil, err
	}
	n := m.pixels()
	for i, segment := range segments {
		if n > rleRatio*len(segment) {
			return nil, fmt.Errorf("%w: RLE segment %d has %d bytes for %d", ErrCorrupt, i+1, len(segment), n)
		}
	}
	values, plane := make([]int32, m.values()), make([]byte, n)
	for i, segment := range segments {
		if err := unpackRLE(plane, segment); err != nil {
			return nil, fmt.Errorf("RLE segment %d: %w", i+1, err)
		}
		at := i / each
		for _, b := range plane {
			values[at] = values[at]<<8 | int32(b)
			at += m.samples
		}
	}
	for i, v := range values {
		values[i] = m.cell(uint32(v))
	}
	return m.frame(values), nil
}

// splitRLE returns the segments that the header describes, which must be as
// many as want.
func splitRLE(data []byte, want int) ([][]byte, error) {
	if len(data) < rleHeader {
		return nil, fmt.Errorf("%w: RLE of %d bytes, shorter than its header", ErrCorrupt, len(data))
	}
	if n := binary.LittleEndian.Uint32(data); int64(n) != int64(want) || want > rleSegments {
		return nil, fmt.Errorf("%w: RLE of %d segments, want %d", ErrCorrupt, n, want)
	}
	segments := make([][]byte, want)
	for i := range segments {
		start, end := binary.LittleEndian.Uint32(data[4+4*i:]), uint32(len(data))
		if i+1 < want {
			end = binary.LittleEndian.Uint32(data[8+4*i:])
		}
		if start < rleHeader || start > end || int64(end) > int64(len(data)) {
			return nil, fmt.Errorf("%w: RLE segment %d from byte %d to %d of %d", ErrCorrupt, i+1, start, end, len(data))
		}
		segments[i] = data[start:end]
	}
	return segments, nil
}

// unpackRLE fills dst from a segment of runs and literals (PS3.5 G.3.1). Bytes
// beyond dst are padding, fewer are an error.
func unpackRLE(dst, src []byte) error {
	size := len(dst)
	for len(dst) > 0 && len(src) > 0 {
		control := int(int8(src[0]))
		src = src[1:]
		switch {
		case control >= 0:
			n := copy(dst, src[:min(control+1, len(src))])
			dst, src = dst[n:], src[min(control+1, len(src)):]
		case control > -128 && len(src) > 0:
			n := min(1-control, len(dst))
			for i := range n {
				dst[i] = src[0]
			}
			dst, src = dst[n:], src[1:]
		}
	}
	if len(dst) > 0 {
		return fmt.Errorf("%w: it ends after %d bytes of %d", ErrCorrupt, size-len(dst), size)
	}
	return nil
}
