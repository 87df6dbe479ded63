package dicom

import (
	"fmt"

	"nearcase/embed/dicom/dataset"
)

// Tags of the image pixel module (PS3.3 C.7.6.3) and of pixel data.
const (
	tagSamples        dataset.Tag = 0x0028_0002
	tagPhotometric    dataset.Tag = 0x0028_0004
	tagPlanar         dataset.Tag = 0x0028_0006
	tagFrames         dataset.Tag = 0x0028_0008
	tagRows           dataset.Tag = 0x0028_0010
	tagColumns        dataset.Tag = 0x0028_0011
	tagAllocated      dataset.Tag = 0x0028_0100
	tagBitsStored     dataset.Tag = 0x0028_0101
	tagHighBit        dataset.Tag = 0x0028_0102
	tagRepresentation dataset.Tag = 0x0028_0103
	tagOffsets        dataset.Tag = 0x7fe0_0001
	tagLengths        dataset.Tag = 0x7fe0_0002
	tagFloatPixels    dataset.Tag = 0x7fe0_0008
	tagDoublePixels   dataset.Tag = 0x7fe0_0009
	tagPixels         dataset.Tag = 0x7fe0_0010
)

// Photometric interpretations (PS3.3 C.7.6.3.1.2).
const (
	monochrome1 = "MONOCHROME1"
	monochrome2 = "MONOCHROME2"
	palette     = "PALETTE COLOR"
	rgb         = "RGB"
	ybrFull     = "YBR_FULL"
	ybrFull422  = "YBR_FULL_422"
	ybrICT      = "YBR_ICT"
	ybrRCT      = "YBR_RCT"
)

// mostRows is the most rows or columns that their VR has room for.
const mostRows = 1<<16 - 1

// format is what the image pixel module says, checked: rows and columns are 1 to
// mostRows, frames is positive, samples is 1 or 3 and fits photometric, allocated is 1, 8, 16
// or 32, and 0 < stored <= high+1 <= allocated.
type format struct {
	rows, columns, samples  int
	allocated, stored, high int
	signed, planar          bool
	photometric             string
	frames                  int // declared
}

func parseFormat(s *dataset.Set) (format, error) {
	m := format{
		rows: s.Int(tagRows, 0), columns: s.Int(tagColumns, 0), samples: s.Int(tagSamples, 1),
		allocated: s.Int(tagAllocated, 0), photometric: s.Text(tagPhotometric),
		signed: s.Int(tagRepresentation, 0) == 1, planar: s.Int(tagPlanar, 0) == 1,
	}
	m.stored = s.Int(tagBitsStored, m.allocated)
	m.high = s.Int(tagHighBit, m.stored-1)
	if m.rows <= 0 || m.columns <= 0 || m.rows > mostRows || m.columns > mostRows {
		return m, fmt.Errorf("%w: %d rows and %d columns, want 1 to %d", ErrCorrupt, m.rows, m.columns, mostRows)
	}
	if err := m.countFrames(s); err != nil {
		return m, err
	}
	if err := m.checkBits(); err != nil {
		return m, err
	}
	return m, m.checkColour()
}

// countFrames takes an absent, empty or zero number as one frame, as a file of
// one frame may have any of them.
func (m *format) countFrames(s *dataset.Set) error {
	v, err := numbers(s, tagFrames)
	if err != nil {
		return err
	}
	m.frames = s.Int(tagFrames, 0)
	if len(v) > 0 && (v[0] < 0 || v[0] != float64(m.frames)) {
		return fmt.Errorf("%w: number of frames: %s, want a natural number", ErrCorrupt, about(s.Find(tagFrames)))
	}
	m.frames = max(m.frames, 1)
	return nil
}

func (m *format) checkBits() error {
	switch m.allocated {
	case 1, 8, 16, 32:
	case 0:
		return fmt.Errorf("%w: no bits allocated", ErrCorrupt)
	default:
		return fmt.Errorf("%w: %d bits allocated, want 1, 8, 16 or 32", ErrUnsupported, m.allocated)
	}
	if m.stored < 1 || m.high < m.stored-1 || m.high >= m.allocated {
		return fmt.Errorf("%w: %d bits stored up to bit %d of %d allocated", ErrCorrupt, m.stored, m.high, m.allocated)
	}
	return nil
}

func (m *format) checkColour() error {
	want := 3
	switch m.photometric {
	case monochrome1, monochrome2, palette:
		want = 1
	case rgb, ybrFull, ybrFull422, ybrICT, ybrRCT:
	case "":
		return fmt.Errorf("%w: no photometric interpretation", ErrCorrupt)
	default:
		return fmt.Errorf("%w: photometric interpretation %s", ErrUnsupported, quoted(m.photometric))
	}
	if m.samples != want {
		return fmt.Errorf("%w: %d samples per pixel in %s, want %d", ErrCorrupt, m.samples, m.photometric, want)
	}
	return nil
}

// pixels returns the pixels of a frame.
func (m *format) pixels() int { return m.rows * m.columns }

// values returns the samples of a frame.
func (m *format) values() int { return m.pixels() * m.samples }

// frame returns a frame of the values, as the file describes them. Shared
// colour differences have been repeated by then.
func (m *format) frame(values []int32) *Stored {
	s := &Stored{
		Width: m.columns, Height: m.rows, Samples: m.samples,
		Bits: m.stored, Signed: m.signed, Photometric: m.photometric, Values: values,
	}
	if s.Photometric == ybrFull422 {
		s.Photometric = ybrFull
	}
	return s
}

// cell returns the value that a pixel cell holds in the stored bits up to the
// high bit, without what other bits hold (PS3.5 8.1.1).
func (m *format) cell(raw uint32) int32 { return extract(raw, m.high, m.stored, m.signed) }

// extract returns the bits of raw up to bit high, sign-extended if signed. The
// masks change nothing: they spare the processor a check.
func extract(raw uint32, high, bits int, signed bool) int32 {
	raw <<= (31 - high) & 31
	if signed {
		return int32(raw) >> ((32 - bits) & 31)
	}
	return int32(raw >> ((32 - bits) & 31))
}
