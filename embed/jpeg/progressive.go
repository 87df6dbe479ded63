package jpeg

import (
	"fmt"
	"math/bits"
)

// store holds a component's coefficients while progressive scans add to them.
type store struct {
	cols   int         // blocks in a row
	blocks [][64]int16 // in zigzag order
	set    []uint64    // bit k: blocks[i][k] is not 0, for k > 0
	lacks  [64]int     // the bits of precision that each coefficient lacks
}

// unsent is what a coefficient lacks before its first scan.
const unsent = 16

func newStore(cols, rows int) store {
	s := store{cols: cols, blocks: make([][64]int16, cols*rows), set: make([]uint64, cols*rows)}
	for k := range s.lacks {
		s.lacks[k] = unsent
	}
	return s
}

func (s *store) complete() bool { return s.blocks != nil && s.lacks == [64]int{} }

// parseProgressive checks the scan's band (T.81, G.1.1.1).
func (s *scan) parseProgressive() error {
	ac := s.from > 0
	switch {
	case s.to > 63 || s.from > s.to || !ac && s.to > 0 || ac && len(s.units) > 1:
		return fmt.Errorf("%w: coefficients %d to %d of %d components", ErrFormat, s.from, s.to, len(s.units))
	case s.low > 13 || s.high > 0 && s.low != s.high-1:
		return fmt.Errorf("%w: from precision %d to %d", ErrFormat, s.high, s.low)
	}
	for i := range s.units {
		u := &s.units[i]
		table := u.dc
		if ac {
			table = u.ac
		}
		if ac || s.high == 0 {
			if table == nil {
				return fmt.Errorf("%w: a Huffman table is missing", ErrFormat)
			}
			table.build()
		}
	}
	return nil
}

// account notes what the scan adds, which must follow on what there is.
func (s *scan) account() error {
	before := s.high
	if before == 0 {
		before = unsent
	}
	for i := range s.units {
		lacks := &s.units[i].store.lacks
		for k := s.from; k <= s.to; k++ {
			if lacks[k] != before {
				return fmt.Errorf("%w: coefficient %d is sent out of order", ErrFormat, k)
			}
			lacks[k] = s.low
		}
	}
	return nil
}

// progressiveDC decodes a scan of first coefficients (G.1.2.1).
func (s *scan) progressiveDC() error {
	for row := range s.rows {
		for col := range s.cols {
			if err := s.advance(); err != nil {
				return err
			}
			if err := s.mcuDC(row, col); err != nil {
				return fmt.Errorf("row %d of %d, column %d: %w", row+1, s.rows, col+1, err)
			}
		}
	}
	return nil
}

func (s *scan) mcuDC(row, col int) error {
	for i := range s.units {
		u := &s.units[i]
		for v := range u.v {
			from := (row*u.v+v)*u.store.cols + col*u.h
			for h := range u.h {
				if err := s.first(u, &u.store.blocks[from+h]); err != nil {
					return err
				}
			}
		}
	}
	if s.overrun() {
		return errShort
	}
	return nil
}

// first decodes a block's first coefficient, or one more bit of it.
func (s *scan) first(u *unit, block *[64]int16) error {
	if s.high > 0 {
		if s.bit() {
			block[0] |= 1 << s.low
		}
		return nil
	}
	diff, err := s.difference(u.dc)
	if err != nil {
		return err
	}
	u.last += diff
	if v := u.last << s.low; v != int32(int16(v)) {
		return errValue
	}
	block[0] = int16(u.last << s.low)
	return nil
}

// progressiveAC decodes a scan of a band of other coefficients, a restart
// interval at a time.
func (s *scan) progressiveAC() error {
	total := s.cols * s.rows
	step := s.interval
	if step == 0 {
		step = total
	}
	for from := 0; from < total; from += step {
		if from > 0 {
			if err := s.restart(); err != nil {
				return err
			}
		}
		if err := s.bands(from, min(from+step, total)); err != nil {
			return err
		}
	}
	return nil
}

// bands decodes the band of blocks from to end. Blocks of a run that have
// nothing to correct take next to no time, as they take next to no data.
func (s *scan) bands(from, end int) error {
	u := &s.units[0]
	decode := s.band
	if s.high > 0 {
		decode = s.bandAgain
	}
	band := uint64(2)<<s.to - uint64(1)<<s.from
	for i := from; i < end; i++ {
		if s.run > 0 && s.high == 0 {
			skip := min(s.run, end-i)
			s.run -= skip
			i += skip - 1
			continue
		}
		at := s.at(i)
		if s.run > 0 && u.store.set[at]&band == 0 {
			s.run--
			continue
		}
		err := decode(u.ac, &u.store.blocks[at], &u.store.set[at])
		if err == nil && s.overrun() {
			err = errShort
		}
		if err != nil {
			return fmt.Errorf("row %d of %d, column %d: %w", i/s.cols+1, s.rows, i%s.cols+1, err)
		}
	}
	if s.run > 0 {
		return errRun
	}
	return nil
}

// at returns the place in its store of block i of a scan of one component,
// which leaves out the blocks that only fill up MCUs.
func (s *scan) at(i int) int {
	if beyond := s.units[0].store.cols - s.cols; beyond > 0 {
		i += i / s.cols * beyond
	}
	return i
}

// symbol decodes a code of zeros and size (G.1.2.2).
func (s *stream) symbol(table *huffman) (zeros, size int, err error) {
	if s.n < 32 {
		s.refill()
	}
	e := table.look[s.acc>>(64-lookBits)]
	length, v := e.bits(), e.value()
	switch {
	case length == 0:
		length, v = table.find(s.acc)
	case e.coefficient() != 0:
		length -= int(v & 15)
	}
	if length == 0 {
		return 0, 0, errCode
	}
	s.drop(length)
	return int(v >> 4), int(v & 15), nil
}

// ends starts a run of 2^exponent blocks, more by the bits that follow, that
// have no more new coefficients, this one included.
func (s *scan) ends(exponent int) {
	s.run = 1 << exponent
	if exponent > 0 {
		s.run += int(s.take(exponent))
	}
}

// band decodes a block's band for the first time (G.1.2.2).
func (s *scan) band(table *huffman, block *[64]int16, set *uint64) error {
	for k := s.from; k <= s.to; k++ {
		zeros, size, err := s.symbol(table)
		switch {
		case err != nil:
			return err
		case size == 0 && zeros < 15:
			s.ends(zeros)
			s.run--
			return nil
		case size == 0:
			k += 15
			continue
		}
		if k += zeros; k > s.to {
			return errRun
		}
		v := extend(s.take(size), size) << s.low
		if v != int32(int16(v)) {
			return errValue
		}
		block[k&63] = int16(v)
		*set |= 1 << k
	}
	return nil
}

// bandAgain decodes one more bit of a block's band (G.1.2.3): new coefficients,
// and a bit of each that was there, in the order of their places.
func (s *scan) bandAgain(table *huffman, block *[64]int16, set *uint64) error {
	k := s.from
	for s.run == 0 && k <= s.to {
		zeros, size, err := s.symbol(table)
		if err != nil {
			return err
		}
		if size == 0 && zeros < 15 {
			s.ends(zeros)
			break
		}
		if size > 1 {
			return errValue
		}
		v := int16(-1)
		if size == 1 && s.bit() {
			v = 1
		}
		if k = s.correct(block, *set, k, zeros); k > s.to {
			return errRun
		}
		if size == 1 {
			block[k&63] = v << s.low
			*set |= 1 << k
		}
		k++
	}
	if s.run > 0 {
		s.correct(block, *set, k, 64)
		s.run--
	}
	return nil
}

// correct adds a bit to every coefficient from place k on until it has passed
// zeros places without one. It returns the next such place, or one beyond the
// band.
func (s *scan) correct(block *[64]int16, set uint64, k, zeros int) int {
	for {
		gap := bits.TrailingZeros64(set >> k)
		if gap > zeros || k+gap > s.to {
			return min(k+zeros, s.to+1)
		}
		zeros -= gap
		k += gap
		if c := &block[k&63]; s.bit() {
			if *c < 0 {
				*c -= 1 << s.low
			} else {
				*c += 1 << s.low
			}
		}
		k++
	}
}

// transform turns the coefficients of all components into samples and those
// into rows of the image.
func (d *decoder) transform() {
	f := &d.frame
	for row := range f.rows {
		for i := range f.components {
			c := &f.components[i]
			for v := range c.v {
				c.transform(row*c.v + v)
			}
		}
		d.emit(f.ready(row))
	}
}

func (c *component) transform(row int) {
	var b block
	out := c.plane.block(row, 0)
	for col := range c.store.cols {
		c.load(&b, row*c.store.cols+col)
		b.inverse(out[8*col:], c.plane.stride)
	}
}

// load dequantises block i of the store into b, which is zero.
func (c *component) load(b *block, i int) {
	in := &c.store.blocks[i]
	b.at[0] = int32(in[0]) * c.quant[0]
	for set := c.store.set[i]; set != 0; set &= set - 1 {
		k := bits.TrailingZeros64(set)
		place := zigzag[k&63] & 63
		b.at[place] = int32(in[k&63]) * c.quant[k&63]
		b.set |= 1 << place
	}
}
