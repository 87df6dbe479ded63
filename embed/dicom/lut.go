package dicom

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"nearcase/embed/dicom/dataset"
)

// lut is a lookup table (PS3.3 C.11.1.1 and C.11.2.1.1).
type lut struct {
	first   int // the input that the first entry is for
	bits    int // of an entry, 8 to 16
	entries []uint16
}

// at returns the entry for v: the first or the last beyond the table.
func (l *lut) at(v int64) uint16 {
	return l.entries[min(max(v-int64(l.first), 0), int64(len(l.entries)-1))]
}

// descriptor is a lookup table's descriptor: entries, first input, bits.
type descriptor struct{ entries, first, bits int }

// describeLUT reads a descriptor. Its first input is two's complement where its
// VR says so or where inputs may be negative, whichever way it was written.
func describeLUT(s *dataset.Set, tag dataset.Tag, signed bool) (descriptor, error) {
	w, ok := s.Words(tag, 3)
	if !ok {
		return descriptor{}, fmt.Errorf("%w: lookup table without a descriptor %v", ErrCorrupt, tag)
	}
	d := descriptor{entries: int(w[0]), first: int(w[1]), bits: int(w[2])}
	if signed || s.Find(tag).VR == "SS" {
		d.first = int(int16(d.first))
	}
	if d.entries == 0 {
		d.entries = 1 << 16
	}
	if d.bits < 8 || d.bits > 16 {
		return d, fmt.Errorf("%w: lookup table of %d bits, want 8 to 16", ErrCorrupt, d.bits)
	}
	return d, nil
}

func byteOrder(s *dataset.Set) binary.ByteOrder {
	if s.Order == nil {
		return binary.LittleEndian
	}
	return s.Order
}

// readLUT reads a table of count entries. Entries of 8 bits may fill words or,
// as most write them, be two to a word, the first in the low byte.
func readLUT(s *dataset.Set, tag dataset.Tag, d descriptor) (*lut, error) {
	e := s.FindBinary(tag)
	if e == nil {
		return nil, fmt.Errorf("%w: lookup table without data %v", ErrCorrupt, tag)
	}
	l := &lut{d.first, d.bits, make([]uint16, d.entries)}
	order := byteOrder(s)
	switch {
	case len(e.Value) >= 2*d.entries:
		for i := range l.entries {
			l.entries[i] = order.Uint16(e.Value[2*i:])
		}
	case d.bits == 8 && len(e.Value) >= d.entries:
		data := e.Value
		if order == binary.BigEndian && e.VR != "OB" {
			data = unswapped(data, 0, d.entries)
		}
		for i := range l.entries {
			l.entries[i] = uint16(data[i])
		}
	default:
		return nil, fmt.Errorf("%w: lookup table of %d entries of %d bits in %d bytes", ErrCorrupt, d.entries, d.bits, len(e.Value))
	}
	return l, nil
}

// transfer maps one value to another.
type transfer func(float64) float64

// Tags of lookups (PS3.3 C.11.1, C.11.2 and C.7.6.16.2).
const (
	tagDescriptor      dataset.Tag = 0x0028_3002
	tagLUTData         dataset.Tag = 0x0028_3006
	tagModalityLUTs    dataset.Tag = 0x0028_3000
	tagIntercept       dataset.Tag = 0x0028_1052
	tagSlope           dataset.Tag = 0x0028_1053
	tagVOILUTs         dataset.Tag = 0x0028_3010
	tagCentre          dataset.Tag = 0x0028_1050
	tagWidth           dataset.Tag = 0x0028_1051
	tagFunction        dataset.Tag = 0x0028_1056
	tagPaddingValue    dataset.Tag = 0x0028_0120
	tagPaddingLimit    dataset.Tag = 0x0028_0121
	tagLUTShape        dataset.Tag = 0x2050_0020
	tagShared          dataset.Tag = 0x5200_9229
	tagPerFrame        dataset.Tag = 0x5200_9230
	tagTransformations dataset.Tag = 0x0028_9145
	tagFrameVOI        dataset.Tag = 0x0028_9132
	tagMeasures        dataset.Tag = 0x0028_9110
)

// modality is the modality LUT: a table, or slope and intercept.
type modality struct {
	table            *lut
	slope, intercept float64
}

// isIdentity reports whether values stay as they are.
func (m modality) isIdentity() bool { return m.table == nil && m.slope == 1 && m.intercept == 0 }

// parseModality reads the modality LUT of a frame whose stored values are
// signed or not. Without one, values stay as they are.
func parseModality(s *dataset.Set, signed bool) (modality, error) {
	if luts := s.Sequence(tagModalityLUTs); len(luts) > 0 {
		d, err := describeLUT(luts[0], tagDescriptor, signed)
		if err != nil {
			return modality{}, err
		}
		table, err := readLUT(luts[0], tagLUTData, d)
		return modality{table: table}, err
	}
	slope, err := number(s, tagSlope, 1)
	if err != nil {
		return modality{}, err
	}
	intercept, err := number(s, tagIntercept, 0)
	if err == nil && slope == 0 {
		err = fmt.Errorf("%w: rescale slope of 0", ErrCorrupt)
	}
	return modality{slope: slope, intercept: intercept}, err
}

// numbers returns a tag's values, none where it is absent or empty.
func numbers(s *dataset.Set, tag dataset.Tag) ([]float64, error) {
	v, ok := s.Floats(tag)
	if ok {
		return v, nil
	}
	if e := s.Find(tag); e != nil && len(bytes.Trim(e.Value, " \x00")) > 0 {
		return nil, fmt.Errorf("%w: %s, want numbers", ErrCorrupt, about(e))
	}
	return nil, nil
}

// number returns a tag's first value, otherwise where there is none.
func number(s *dataset.Set, tag dataset.Tag, otherwise float64) (float64, error) {
	v, err := numbers(s, tag)
	if err != nil || len(v) == 0 {
		return otherwise, err
	}
	return v[0], nil
}

// of returns the modality LUT's output for a stored value.
func (m modality) of(stored int64) float64 {
	if m.table != nil {
		return float64(m.table.at(stored))
	}
	return float64(stored)*m.slope + m.intercept
}

// negative reports whether outputs may be below zero for stored values of that
// format.
func (m modality) negative(bits int, signed bool) bool {
	switch {
	case m.table != nil:
		return false
	case signed:
		return true
	case m.slope < 0:
		return m.of(1<<bits-1) < 0
	}
	return m.intercept < 0
}
