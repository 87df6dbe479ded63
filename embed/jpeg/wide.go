package jpeg

import "fmt"

// wide holds all samples of a component of a frame of 12 bits, row-major.
type wide struct {
	pix     []uint16
	stride  int
	scratch []uint16 // an upsampled row
}

// allocateWide makes memory for the values of the image, and for what becomes
// of them in a frame of 12 bits.
func (d *decoder) allocateWide() {
	f := &d.frame
	d.values = make([]uint16, len(f.components)*f.width*f.height)
	if f.lossless {
		return
	}
	for i := range f.components {
		c := &f.components[i]
		cols, rows := f.cols*c.h, f.rows*c.v
		if f.progressive {
			c.store = newStore(cols, rows)
		}
		c.wide = wide{pix: make([]uint16, 64*cols*rows), stride: 8 * cols}
		if c.stretch > 1 || c.drop > 1 {
			c.wide.scratch = make([]uint16, c.width*c.stretch)
		}
	}
}

// block returns the samples from block (row, col) on.
func (w *wide) block(row, col int) []uint16 {
	return w.pix[8*row*w.stride+8*col:]
}

// sequentialWide is sequential for 12 bits; rows of the image are made at the
// end.
func (s *scan) sequentialWide() error {
	for row := range s.rows {
		for col := range s.cols {
			if err := s.advance(); err != nil {
				return err
			}
			if err := s.mcuWide(row, col); err != nil {
				return fmt.Errorf("row %d of %d, column %d: %w", row+1, s.rows, col+1, err)
			}
		}
	}
	return nil
}

func (s *scan) mcuWide(row, col int) error {
	for i := range s.units {
		u := &s.units[i]
		for v := range u.v {
			out := u.wide.block(row*u.v+v, col*u.h)
			for h := range u.h {
				if err := s.block(u, &s.now); err != nil {
					return err
				}
				s.now.inverseWide(out[8*h:], u.wide.stride)
			}
		}
	}
	if s.overrun() {
		return errShort
	}
	return nil
}

// inverseWide is inverse for samples of 12 bits, of which one bit of fraction is
// kept between the passes. A pass's sums may leave 32 bits; its results do not.
func (b *block) inverseWide(dst []uint16, stride int) {
	const (
		kept   = 1
		shift1 = constBits - kept
		shift2 = constBits + kept + 3
		half1  = 1 << (shift1 - 1)
		half2  = 1<<(shift2-1) + 2048<<shift2 // 2048 is the level shift
	)
	pass8(&b.work, &b.at, 0xff, half1, shift1)
	pass8(&b.at, &b.work, 0xff, half2, shift2)
	for y := range 8 {
		row, in := dst[y*stride:y*stride+8:y*stride+8], b.at[8*y:8*y+8:8*y+8]
		for x := range row {
			row[x] = uint16(min(max(in[x], 0), 4095))
		}
	}
	b.at, b.set = [64]int32{}, 0
}

// transformWide is transform for all rows of blocks of c.
func (c *component) transformWide() {
	var b block
	for i := range c.store.blocks {
		c.load(&b, i)
		b.inverseWide(c.wide.block(i/c.store.cols, i%c.store.cols), c.wide.stride)
	}
}

// emitWide makes the image of 12 bits from complete components.
func (d *decoder) emitWide() {
	f := &d.frame
	n := len(f.components)
	for i := range f.components {
		c := &f.components[i]
		if f.progressive {
			c.transformWide()
		}
		for y := range f.height {
			out := d.values[(y*f.width)*n+i:]
			for x, v := range c.upsampledWide(y)[:f.width] {
				out[x*n] = v
			}
		}
	}
}

// rowWide returns a row of c's samples, where those beyond an edge are the last.
func (c *component) rowWide(y int) []uint16 {
	from := min(max(y, 0), c.height-1) * c.wide.stride
	return c.wide.pix[from : from+c.width : from+c.width]
}

// upsampledWide is upsampled for 12 bits.
func (c *component) upsampledWide(y int) []uint16 {
	own := y / c.drop
	near, far := c.rowWide(own), c.rowWide(own-1+2*(y&1))
	out := c.wide.scratch
	switch {
	case c.stretch == 1 && c.drop == 1:
		return near
	case c.stretch == 1 && c.drop == 2:
		blendDown(out, near, far, 1+y&1)
	case c.stretch == 2 && c.drop == 1 && c.width > 2:
		blendAcross(out, near)
	case c.stretch == 2 && c.drop == 2 && c.width > 2:
		blendBoth(out, near, far)
	default:
		repeat(out, near, c.stretch)
	}
	return out
}
