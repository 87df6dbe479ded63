package jpeg

import "fmt"

// zigzag holds the place of each coefficient in its block (T.81, figure A.6).
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

func (s *scan) parseSequential() error {
	for i := range s.units {
		u := &s.units[i]
		if u.scanned {
			return fmt.Errorf("%w: component ID %d for the second time", ErrFormat, u.id)
		}
		if u.dc == nil || u.ac == nil {
			return fmt.Errorf("%w: a Huffman table is missing", ErrFormat)
		}
		u.scanned = true
		u.dc.build()
		u.ac.build()
	}
	return nil
}

// sequential decodes a scan into its components' planes. If that completes
// rows of the image, they are made at once: their samples are still in cache.
func (s *scan) sequential(d *decoder) error {
	whole := len(s.units) < len(d.frame.components)
	for row := range s.rows {
		for col := range s.cols {
			if err := s.advance(); err != nil {
				return err
			}
			if err := s.mcu(row, col); err != nil {
				return fmt.Errorf("row %d of %d, column %d: %w", row+1, s.rows, col+1, err)
			}
		}
		if !whole {
			d.emit(d.frame.ready(row))
		}
	}
	return nil
}

func (s *scan) mcu(row, col int) error {
	for i := range s.units {
		u := &s.units[i]
		for v := range u.v {
			out := u.plane.block(row*u.v+v, col*u.h)
			for h := range u.h {
				if err := s.block(u, &s.now); err != nil {
					return err
				}
				s.now.inverse(out[8*h:], u.plane.stride)
			}
		}
	}
	if s.overrun() {
		return errShort
	}
	return nil
}

// block decodes and dequantises one block (T.81, F.2.2).
func (s *scan) block(u *unit, b *block) error {
	diff, err := s.difference(u.dc)
	if err != nil {
		return err
	}
	u.last += diff
	if u.last != int32(int16(u.last)) {
		return errValue
	}
	b.at[0] = u.last * u.quant[0]
	return s.coefficients(u.ac, u.quant, b)
}

// difference decodes the difference of a DC coefficient to the last (F.2.2.1).
func (s *stream) difference(table *huffman) (int32, error) {
	if s.n < 32 {
		s.refill()
	}
	e := table.look[s.acc>>(64-lookBits)]
	if c := e.coefficient(); c != 0 {
		s.drop(e.bits())
		return c, nil
	}
	length, size := e.bits(), e.value()
	if length == 0 {
		length, size = table.find(s.acc)
	}
	if length == 0 || size > 15 {
		return 0, errCode
	}
	s.drop(length)
	if size == 0 {
		return 0, nil
	}
	return extend(s.take(int(size)), int(size)), nil
}

// coefficients decodes a block's AC coefficients (F.2.2.2). acc and n are kept
// in registers: this loop is where a decoding spends its time.
func (s *stream) coefficients(table *huffman, quant *[64]int32, b *block) error {
	acc, n, set := s.acc, s.n, uint64(0)
	for k := 1; k < 64; k++ {
		if n < 32 {
			s.acc, s.n = acc, n
			s.refill()
			acc, n = s.acc, s.n
		}
		e := table.look[acc>>(64-lookBits)]
		value := e.coefficient()
		if value != 0 {
			acc <<= uint(e) & 63
			n -= e.bits()
			k += e.run()
		} else {
			length, symbol := e.bits(), e.value()
			if length == 0 {
				if length, symbol = table.find(acc); length == 0 {
					return errCode
				}
			}
			acc <<= length & 63
			n -= length
			size := int(symbol & 15)
			if size == 0 {
				if symbol != 0xf0 {
					break // end of block
				}
				k += 15
				continue
			}
			value = extend(uint32(acc>>((64-size)&63)), size)
			acc <<= size & 63
			n -= size
			k += int(symbol >> 4)
		}
		if k > 63 {
			return errRun
		}
		place := zigzag[k] & 63
		b.at[place] = value * quant[k]
		set |= 1 << place
	}
	s.acc, s.n, b.set = acc, n, set
	return nil
}
