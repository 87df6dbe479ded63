package embed

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"image/color"
	"io"

	"golang.org/x/image/tiff/lzw"
)

// decodeTIFF decodes what inspectTIFF has accepted.
func decodeTIFF(data []byte) (*Picture, error) {
	t, err := openTIFF(data)
	if err != nil {
		return nil, err
	}
	p := newPicture(t.width, t.height)
	convert := t.convert()
	block := make([]byte, t.blockHeight*t.rowBytes())
	samples := make([]byte, t.blockWidth*t.blockSamples())
	for i := range t.blocks() {
		raw := block[:t.rows(i)*t.rowBytes()]
		if err := t.expand(raw, i); err != nil {
			return nil, fmt.Errorf("%w: TIFF block %d of %d: %w", ErrCorrupt, i+1, t.blocks(), err)
		}
		t.place(p, raw, samples, i, convert)
	}
	return p, nil
}

// expand decompresses block i into dst, which it fills.
func (t *tiff) expand(dst []byte, i int) (err error) {
	at, count := int(t.offsets.at(i)), int(t.counts.at(i))
	src := bytes.NewReader(t.dir.data[at : at+count])
	switch t.compression {
	case uncompressed:
		_, err = io.ReadFull(src, dst)
	case packBits:
		err = unpackBits(dst, src)
	case lzwCompressed:
		_, err = guarded(func(r io.Reader) (int, error) {
			z := lzw.NewReader(r, lzw.MSB, 8)
			defer z.Close()
			return io.ReadFull(z, dst)
		}, t.dir.data[at:at+count])
	default:
		err = inflate(dst, src)
	}
	return err
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

// place writes the visible part of block i to p, row by row through samples.
func (t *tiff) place(p *Picture, raw, samples []byte, i int, convert func(dst, src []byte)) {
	plane, i := i/(t.across*t.down), i%(t.across*t.down)
	x0, y0 := i%t.across*t.blockWidth, i/t.across*t.blockHeight
	width, height := min(t.blockWidth, p.Width-x0), min(t.blockHeight, p.Height-y0)
	visible := samples[:width*t.blockSamples()]
	for y := range height {
		t.narrow(samples, raw[y*t.rowBytes():(y+1)*t.rowBytes()])
		dst := p.row(y0 + y)[3*x0 : 3*(x0+width)]
		if !t.planar {
			convert(dst, visible)
			continue
		}
		for x, v := range visible {
			dst[3*x+plane] = v
		}
	}
}

// narrow undoes the predictor of a row in place and writes its samples, cut to
// their upper 8 bits, to dst. Samples of fewer bits are left as they are.
func (t *tiff) narrow(dst, row []byte) {
	n := t.blockSamples()
	switch {
	case t.bits == 16:
		t.narrow16(dst, row, n)
	case t.bits == 8:
		if t.predictor == 2 {
			for i := n; i < len(row); i++ {
				row[i] += row[i-n]
			}
		}
		copy(dst, row)
	default:
		perByte, mask := 8/t.bits, byte(1<<t.bits-1)
		for i := range dst {
			dst[i] = row[i/perByte] >> (8 - t.bits*(i%perByte+1)) & mask
		}
	}
}

func (t *tiff) narrow16(dst, row []byte, n int) {
	previous := [mostBlockSamples]uint16{}
	for i := range dst {
		v := t.dir.order.Uint16(row[2*i:])
		if t.predictor == 2 {
			v += previous[i%n]
			previous[i%n] = v
		}
		dst[i] = byte(v >> 8)
	}
}

// convert returns the conversion of a row of interleaved samples to RGB.
func (t *tiff) convert() func(dst, src []byte) {
	switch {
	case t.photometric == paletteColour:
		return paletteRow(t.palette())
	case t.photometric == inks:
		return cmykRow
	case t.photometric == trueColour && t.samples == 3:
		return func(dst, src []byte) { copy(dst, src) }
	case t.photometric == trueColour && t.extra == associatedAlpha:
		return rgbaRow
	case t.photometric == trueColour:
		return dropRow
	}
	grey := paletteRow(t.greys())
	if t.samples == 1 {
		return grey
	}
	return func(dst, src []byte) {
		for i := range len(dst) / 3 {
			grey(dst[3*i:3*i+3], src[t.samples*i:t.samples*i+1])
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
