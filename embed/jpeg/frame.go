package jpeg

import (
	"encoding/binary"
	"fmt"
)

// frame is a frame header (T.81, B.2.2).
type frame struct {
	width, height int
	precision     int // bits per sample
	progressive   bool
	lossless      bool
	components    []component
	across, down  int // the largest sampling factors
	cols, rows    int // MCUs of a scan of all components
}

// component is one plane of a frame.
type component struct {
	id   byte
	h, v int  // sampling factors
	tq   byte // its quantisation table

	width, height int // samples
	cols, rows    int // blocks that hold them
	stretch, drop int // pixels per sample, across and down

	quant   *[64]int32 // in zigzag order, from its first scan on
	scanned bool       // in a sequential frame
	store   store      // in a progressive frame
	plane   plane
	scratch []byte // an upsampled row
	wide    wide   // in a frame of 12 bits, in place of those
}

// parseFrame reads the frame header of marker m. Unless all are asked for, only
// the processes and precision of Decode are supported.
func parseFrame(m byte, body []byte, all bool) (frame, error) {
	if m > markSOF3 || m == markSOF3 && !all {
		return frame{}, fmt.Errorf("%w: the process of frame %#02x", ErrUnsupported, m)
	}
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return frame{}, fmt.Errorf("%w: a frame header of %d bytes", ErrFormat, len(body))
	}
	f := frame{
		height: int(binary.BigEndian.Uint16(body[1:])), width: int(binary.BigEndian.Uint16(body[3:])),
		precision: int(body[0]), progressive: m == markSOF2, lossless: m == markSOF3,
	}
	if !f.precise(all) {
		return frame{}, fmt.Errorf("%w: a precision of %d bits", ErrUnsupported, f.precision)
	}
	switch {
	case f.width == 0:
		return f, fmt.Errorf("%w: a width of 0 pixels", ErrFormat)
	case f.height == 0:
		return f, fmt.Errorf("%w: a height that its scan defines (DNL)", ErrUnsupported)
	}
	return f, f.parseComponents(body[6:])
}

// precise reports whether the frame's precision is one that is decoded.
func (f *frame) precise(all bool) bool {
	if f.lossless {
		return f.precision >= 2 && f.precision <= 16
	}
	return f.precision == 8 || f.precision == 12 && all
}

func (f *frame) parseComponents(body []byte) error {
	n := len(body) / 3
	if n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%w: %d components", ErrUnsupported, n)
	}
	f.components = make([]component, n)
	for i := range f.components {
		b := body[3*i:]
		c := component{id: b[0], h: int(b[1] >> 4), v: int(b[1] & 15), tq: b[2]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.tq > 3 {
			return fmt.Errorf("%w: component %d has sampling factors %d x %d and table %d", ErrFormat, i+1, c.h, c.v, c.tq)
		}
		if n == 1 {
			c.h, c.v = 1, 1 // factors are relative (A.1.1)
		}
		f.across, f.down = max(f.across, c.h), max(f.down, c.v)
		f.components[i] = c
	}
	return f.measure()
}

// measure works out the sizes that follow from the sampling factors (A.1.1,
// A.2.4).
func (f *frame) measure() error {
	f.cols, f.rows = ceil(f.width, 8*f.across), ceil(f.height, 8*f.down)
	for i := range f.components {
		c := &f.components[i]
		if f.across%c.h != 0 || f.down%c.v != 0 {
			return fmt.Errorf("%w: sampling factors of %d x %d where the largest are %d x %d",
				ErrUnsupported, c.h, c.v, f.across, f.down)
		}
		c.stretch, c.drop = f.across/c.h, f.down/c.v
		c.width, c.height = ceil(f.width, c.stretch), ceil(f.height, c.drop)
		c.cols, c.rows = ceil(c.width, 8), ceil(c.height, 8)
	}
	return nil
}

// check refuses more than limit pixels, and more than size bytes can code:
// every block takes at least one code, in a sequential frame two.
func (f *frame) check(limit int64, size int) error {
	if int64(f.width)*int64(f.height) > limit {
		return fmt.Errorf("%w: %d x %d pixels, the limit is %d pixels", ErrTooLarge, f.width, f.height, limit)
	}
	if f.lossless {
		return f.checkLossless(size)
	}
	bits := int64(0)
	for i := range f.components {
		bits += int64(f.components[i].cols) * int64(f.components[i].rows)
	}
	if !f.progressive {
		bits *= 2
	}
	if bits > 8*int64(size) {
		return fmt.Errorf("%w: %d bytes cannot hold %d x %d pixels", ErrFormat, size, f.width, f.height)
	}
	return nil
}

// complete reports whether every coefficient of c has been decoded.
func (c *component) complete(progressive bool) bool {
	if progressive {
		return c.store.complete()
	}
	return c.scanned
}

// ceil returns a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }
