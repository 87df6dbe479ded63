package embed

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"image/color"
	"io"
	"math/bits"

	"golang.org/x/image/tiff/lzw"
)

// picture decodes a page that check has accepted.
func (t *tiff) picture(v View) (*Picture, error) {
	isGrey := t.photometric == whiteIsZero || t.photometric == blackIsZero
	switch {
	case isGrey && t.bits == 16:
		return t.deepPicture(v)
	case t.planes() > 1:
		return t.planarPicture()
	}
	p, convert, n := newPicture(t.width, t.height), t.convert(t.blockSamples()), t.blockSamples()
	samples := make([]byte, t.blockWidth*n)
	err := t.eachRow(func(_, x, y, width int, row []byte) {
		t.narrow(samples, row)
		convert(p.row(y)[3*x:3*(x+width)], samples[:width*n])
	})
	return p, err
}

// planarPicture interleaves the planes before it converts them.
func (t *tiff) planarPicture() (*Picture, error) {
	n := t.planes()
	samples, all := make([]byte, t.blockWidth), make([]byte, n*t.width*t.height)
	err := t.eachRow(func(plane, x, y, width int, row []byte) {
		t.narrow(samples, row)
		dst := all[n*(y*t.width+x):]
		for i, v := range samples[:width] {
			dst[n*i+plane] = v
		}
	})
	if err != nil {
		return nil, err
	}
	p := newPicture(t.width, t.height)
	t.convert(n)(p.Pix, all)
	return p, nil
}

// deepPicture shows grey of 16 bits at the view's levels. Pillow does not
// invert it where white is zero, so LevelsClip does not.
func (t *tiff) deepPicture(v View) (*Picture, error) {
	d := deep{t.width, t.height, make([]uint16, t.width*t.height)}
	size := 2 * t.blockSamples()
	var invert uint16
	if t.photometric == whiteIsZero && v.Levels != LevelsClip {
		invert = 0xffff
	}
	err := t.eachRow(func(_, x, y, width int, row []byte) {
		dst := d.samples[y*t.width+x:][:width]
		for i := range dst {
			dst[i] = t.dir.order.Uint16(row[size*i:]) ^ invert
		}
	})
	if err != nil {
		return nil, err
	}
	return d.picture(v), nil
}

// eachRow decompresses block after block and hands over each row of the part
// that lies on the picture: where it begins, how many pixels of it are visible,
// and its samples as stored with the predictor undone.
func (t *tiff) eachRow(do func(plane, x, y, width int, row []byte)) error {
	block := make([]byte, t.blockHeight*t.rowBytes())
	for i := range t.blocks() {
		raw := block[:t.rows(i)*t.rowBytes()]
		if err := t.expand(raw, i); err != nil {
			return fmt.Errorf("%w: TIFF block %d of %d: %w", ErrCorrupt, i+1, t.blocks(), err)
		}
		plane, i := i/(t.across*t.down), i%(t.across*t.down)
		x, y := i%t.across*t.blockWidth, i/t.across*t.blockHeight
		for line := range min(t.blockHeight, t.height-y) {
			row := raw[line*t.rowBytes() : (line+1)*t.rowBytes()]
			t.unpredict(row)
			do(plane, x, y+line, min(t.blockWidth, t.width-x), row)
		}
	}
	return nil
}

// expand decompresses block i into dst, which it fills.
func (t *tiff) expand(dst []byte, i int) (err error) {
	at := t.offsets.at(i)
	data := t.dir.data[at : at+t.counts.at(i)]
	if t.compression == jpegCompressed {
		return t.expandJPEG(dst, data)
	}
	if t.fill == 2 {
		data = reversed(data)
	}
	src := bytes.NewReader(data)
	switch t.compression {
	case uncompressed:
		_, err = io.ReadFull(src, dst)
	case packBits:
		err = unpackBits(dst, src)
	case fax3, fax4:
		err = t.expandFax(dst, data)
	case lzwCompressed:
		_, err = guarded(func(r io.Reader) (int, error) {
			z := lzw.NewReader(r, lzw.MSB, 8)
			defer z.Close()
			return io.ReadFull(z, dst)
		}, data)
	default:
		err = inflate(dst, src)
	}
	return err
}

// reversed returns data with the bits of every byte in the other order.
func reversed(data []byte) []byte {
	out := make([]byte, len(data))
	for i, v := range data {
		out[i] = bits.Reverse8(v)
	}
	return out
}

// inflate fills dst from a zlib stream. It reads on to the end, where the
// checksum is, unless the stream is longer than dst.
func inflate(dst []byte, src io.Reader) error {
	z, err := zlib.NewReader(src)
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(z, dst); err != nil {
		return err
	}
	if n, err := z.Read(make([]byte, 1)); n == 0 && err != io.EOF {
		return err
	}
	return nil
}

// unpackBits fills dst from src (TIFF 6.0, section 9).
func unpackBits(dst []byte, src *bytes.Reader) error {
	for len(dst) > 0 {
		b, err := src.ReadByte()
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		n := min(int(b)+1, len(dst))
		switch {
		case b < 128:
			if _, err := io.ReadFull(src, dst[:n]); err != nil {
				return io.ErrUnexpectedEOF
			}
		case b == 128:
			continue
		default:
			n = min(257-int(b), len(dst))
			v, err := src.ReadByte()
			if err != nil {
				return io.ErrUnexpectedEOF
			}
			for i := range dst[:n] {
				dst[i] = v
			}
		}
		dst = dst[n:]
	}
	return nil
}

// unpredict undoes the predictor of a row in place.
func (t *tiff) unpredict(row []byte) {
	n := t.blockSamples()
	switch {
	case t.predictor != 2:
	case t.bits == 8:
		for i := n; i < len(row); i++ {
			row[i] += row[i-n]
		}
	default:
		for i := 2 * n; i < len(row); i += 2 {
			t.dir.order.PutUint16(row[i:], t.dir.order.Uint16(row[i:])+t.dir.order.Uint16(row[i-2*n:]))
		}
	}
}

// narrow writes the samples of a row, cut to their upper 8 bits, to dst.
// Samples of fewer bits are left as they are.
func (t *tiff) narrow(dst, row []byte) {
	switch t.bits {
	case 16:
		for i := range dst {
			dst[i] = byte(t.dir.order.Uint16(row[2*i:]) >> 8)
		}
	case 8:
		copy(dst, row)
	default:
		unpack(dst, row, t.bits)
	}
}

// convert returns the conversion of a row of n interleaved samples to RGB.
func (t *tiff) convert(n int) func(dst, src []byte) {
	switch {
	case t.photometric == paletteColour:
		return paletteRow(t.palette())
	case t.photometric == inks:
		return cmykRow
	case t.photometric >= trueColour && n == 3:
		return func(dst, src []byte) { copy(dst, src) }
	case t.photometric == trueColour && t.extra == associatedAlpha:
		return rgbaRow
	case t.photometric == trueColour:
		return dropRow
	}
	grey := paletteRow(t.greys())
	if n == 1 {
		return grey
	}
	return func(dst, src []byte) {
		for i := range len(dst) / 3 {
			grey(dst[3*i:3*i+3], src[n*i:n*i+1])
		}
	}
}

// palette returns the colour map, whose entries have 16 bits and whose reds
// come before its greens and blues.
func (t *tiff) palette() color.Palette {
	n := t.colourMap.len() / 3
	palette := make(color.Palette, min(n, 1<<t.bits))
	for i := range palette {
		at := func(c int) byte { return byte(t.colourMap.at(c*n+i) >> 8) }
		palette[i] = color.NRGBA{at(0), at(1), at(2), 255}
	}
	return palette
}

// greys returns the grey of every sample value.
func (t *tiff) greys() color.Palette {
	top := 1<<min(t.bits, 8) - 1
	palette := make(color.Palette, top+1)
	for i := range palette {
		v := byte(i * 255 / top)
		if t.photometric == whiteIsZero {
			v = 255 - v
		}
		palette[i] = color.NRGBA{v, v, v, 255}
	}
	return palette
}
