package jpeg

import "fmt"

// The lossless process (T.81, annex H): every sample is predicted from its
// neighbours to the left and above, and the difference is coded as those of DC
// coefficients are. All is modulo 2^16.

// checkLossless refuses more samples than size bytes can code, and subsampled
// components, which no lossless image of the field has.
func (f *frame) checkLossless(size int) error {
	for i := range f.components {
		if c := &f.components[i]; c.h != 1 || c.v != 1 {
			return fmt.Errorf("%w: lossless with sampling factors %d x %d", ErrUnsupported, c.h, c.v)
		}
	}
	if n := int64(f.width) * int64(f.height) * int64(len(f.components)); n > 8*int64(size) {
		return fmt.Errorf("%w: %d bytes cannot hold %d x %d pixels", ErrFormat, size, f.width, f.height)
	}
	return nil
}

// parseLossless checks the scan's parameters, where from is the predictor and
// low the point transform (T.81, H.1.1 and B.2.3).
func (s *scan) parseLossless(f *frame) error {
	switch {
	case s.from < 1 || s.from > 7 || s.to != 0 || s.high != 0:
		return fmt.Errorf("%w: lossless by predictor %d to %d", ErrFormat, s.from, s.to)
	case s.low >= f.precision:
		return fmt.Errorf("%w: a point transform by %d of %d bits", ErrFormat, s.low, f.precision)
	case s.interval%f.width != 0:
		return fmt.Errorf("%w: a restart after %d samples in rows of %d", ErrFormat, s.interval, f.width)
	}
	for i := range s.units {
		u := &s.units[i]
		if u.scanned {
			return fmt.Errorf("%w: component ID %d for the second time", ErrFormat, u.id)
		}
		if u.dc == nil {
			return fmt.Errorf("%w: a Huffman table is missing", ErrFormat)
		}
		if err := u.dc.lossless(); err != nil {
			return err
		}
		u.scanned = true
	}
	s.cols, s.rows = f.width, f.height
	return nil
}

// lossless makes a table ready whose values are sizes of differences.
func (h *huffman) lossless() error {
	n := 0
	for _, count := range h.counts {
		n += int(count)
	}
	for _, v := range h.values[:n] {
		if v > 16 {
			return fmt.Errorf("%w: a Huffman table of differences of %d bits", ErrFormat, v)
		}
	}
	h.build()
	return nil
}

// lossless decodes a scan into the values of its components, a row at a time.
func (s *scan) lossless(d *decoder) error {
	components, n := len(d.frame.components), len(s.units)
	row := lossless{width: s.cols, from: components, by: n, predictor: s.from, bits: d.frame.precision - s.low}
	diffs := make([]uint16, n*s.cols)
	for y := range s.rows {
		first := y == 0 || s.interval > 0 && s.left == 0
		if first && y > 0 {
			if err := s.restart(); err != nil {
				return err
			}
		}
		s.left -= s.cols
		if err := s.differences(diffs); err != nil {
			return fmt.Errorf("row %d of %d: %w", y+1, s.rows, err)
		}
		values := d.values[max(y-1, 0)*components*s.cols:]
		for i := range s.units {
			if !row.undo(values[s.index(i, d):], diffs[i:], y > 0, first) {
				return fmt.Errorf("row %d of %d: %w", y+1, s.rows, errSample)
			}
		}
	}
	s.scale(d)
	return nil
}

// index returns which of the frame's components unit i is.
func (s *scan) index(i int, d *decoder) int {
	for k := range d.frame.components {
		if s.units[i].component == &d.frame.components[k] {
			return k
		}
	}
	return 0
}

// scale undoes the point transform.
func (s *scan) scale(d *decoder) {
	if s.low == 0 {
		return
	}
	for i := range s.units {
		for k := s.index(i, d); k < len(d.values); k += len(d.frame.components) {
			d.values[k] <<= s.low
		}
	}
}

// differences decodes one row of the scan's components in turn (H.1.2.2). acc
// and n are kept in registers.
func (s *scan) differences(out []uint16) error {
	acc, n, unit := s.acc, s.n, 0
	table := s.units[0].dc
	for i := range out {
		if len(s.units) > 1 {
			table = s.units[unit].dc
			if unit++; unit == len(s.units) {
				unit = 0
			}
		}
		if n < 32 {
			s.acc, s.n = acc, n
			s.refill()
			acc, n = s.acc, s.n
		}
		e := table.look[acc>>(64-lookBits)]
		if c := e.coefficient(); c != 0 {
			acc <<= uint(e) & 63
			n -= e.bits()
			out[i] = uint16(c)
			continue
		}
		length, size := e.bits(), e.value()
		if length == 0 {
			if length, size = table.find(acc); length == 0 {
				return errCode
			}
		}
		acc <<= length & 63
		n -= length
		switch size {
		case 0:
			out[i] = 0
		case 16: // has no bits of its own
			out[i] = 1 << 15
		default:
			out[i] = uint16(extend(uint32(acc>>((64-size)&63)), int(size)))
			acc <<= size & 63
			n -= int(size)
		}
	}
	s.acc, s.n = acc, n
	if s.overrun() {
		return errShort
	}
	return nil
}

// lossless adds differences to predictions.
type lossless struct {
	width     int
	from, by  int // values from one sample of a component to the next, of the image and of the differences
	predictor int
	bits      int // of a sample, less the point transform
}

// undo makes a row of one component. values starts with the row above, if there
// is one above. The first row after a start or restart is predicted along itself
// (H.1.1). A sample of more than l.bits is not ok.
func (l lossless) undo(values, diffs []uint16, above, first bool) (ok bool) {
	row := values
	if above {
		row = values[l.from*l.width:]
	}
	last := int32(1) << (l.bits - 1)
	if !first {
		last = int32(values[0])
	}
	a := uint16(last) + diffs[0]
	row[0] = a
	var all uint16
	if first || l.predictor == 1 {
		all = l.along(row, diffs, a)
	} else {
		all = l.down(row, values, diffs, a)
	}
	return uint32(all)>>l.bits == 0
}

// along predicts each sample by its left neighbour, and returns all values
// combined by or.
func (l lossless) along(row, diffs []uint16, a uint16) uint16 {
	all := a
	for x, i, j := 1, l.from, l.by; x < l.width; x, i, j = x+1, i+l.from, j+l.by {
		a += diffs[j]
		row[i] = a
		all |= a
	}
	return all
}

// down is along for the other predictors (T.81, table H.1).
func (l lossless) down(row, up, diffs []uint16, left uint16) uint16 {
	all := left
	a, c := int32(left), int32(up[0])
	for x, i, j := 1, l.from, l.by; x < l.width; x, i, j = x+1, i+l.from, j+l.by {
		b := int32(up[i])
		var p int32
		switch l.predictor {
		case 2:
			p = b
		case 3:
			p = c
		case 4:
			p = a + b - c
		case 5:
			p = a + (b-c)>>1
		case 6:
			p = b + (a-c)>>1
		case 7:
			p = (a + b) >> 1
		}
		v := uint16(p) + diffs[j]
		row[i] = v
		all |= v
		a, c = int32(v), b
	}
	return all
}
