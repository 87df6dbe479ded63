package embed

import (
	"encoding/binary"
	"image"
	"image/color"

	"nearcase/embed/jpeg"
)

// components returns a JPEG's pixels as a Picture, which takes them over if
// they are RGB.
func components(img *jpeg.Image) *Picture {
	if img.Components == 3 {
		return &Picture{Width: img.Width, Height: img.Height, Pix: img.Pix}
	}
	p := newPicture(img.Width, img.Height)
	if img.Components == 1 {
		grayRow(p.Pix, img.Pix)
	} else {
		cmykRow(p.Pix, img.Pix)
	}
	return p
}

// rgb returns img as a Picture: the types that decoders return by a loop of
// their own, any other by way of its colour model.
func rgb(img image.Image) *Picture {
	b := img.Bounds()
	p := newPicture(b.Dx(), b.Dy())
	switch m := img.(type) {
	case *image.Gray:
		eachRow(p, m.Pix, m.Stride, 1, grayRow)
	case *image.Gray16:
		eachRow(p, m.Pix, m.Stride, 2, gray16Row)
	case *image.RGBA:
		eachRow(p, m.Pix, m.Stride, 4, rgbaRow)
	case *image.NRGBA:
		eachRow(p, m.Pix, m.Stride, 4, dropRow)
	case *image.RGBA64:
		eachRow(p, m.Pix, m.Stride, 8, rgba64Row)
	case *image.NRGBA64:
		eachRow(p, m.Pix, m.Stride, 8, drop64Row)
	case *image.Paletted:
		eachRow(p, m.Pix, m.Stride, 1, paletteRow(m.Palette))
	default:
		fillAny(p, img)
	}
	return p
}

// eachRow converts pix, rows of stride bytes and pixels of size bytes. A
// decoder's images start at their first pixel.
func eachRow(p *Picture, pix []byte, stride, size int, convert func(dst, src []byte)) {
	n := size * p.Width
	for y := range p.Height {
		convert(p.row(y), pix[y*stride:y*stride+n])
	}
}

// grayRow takes four pixels at a time: radiographs are this.
func grayRow(dst, src []byte) {
	for len(src) >= 4 && len(dst) >= 12 {
		a, b, c, d := uint32(src[0]), uint32(src[1]), uint32(src[2]), uint32(src[3])
		binary.LittleEndian.PutUint32(dst, 0x010101*a|b<<24)
		binary.LittleEndian.PutUint32(dst[4:], 0x0101*b|0x01010000*c)
		binary.LittleEndian.PutUint32(dst[8:], c|0x01010100*d)
		dst, src = dst[12:], src[4:]
	}
	for i, v := range src {
		dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
	}
}

// gray16Row takes big-endian samples, as all of Go's 16-bit images have.
func gray16Row(dst, src []byte) {
	for i := 0; i < len(src)/2; i++ {
		o, v := dst[3*i:3*i+3:3*i+3], src[2*i]
		o[0], o[1], o[2] = v, v, v
	}
}

func dropRow(dst, src []byte) {
	for i := 0; i < len(src)/4; i++ {
		o, s := dst[3*i:3*i+3:3*i+3], src[4*i:4*i+4:4*i+4]
		o[0], o[1], o[2] = s[0], s[1], s[2]
	}
}

func drop64Row(dst, src []byte) {
	for i := 0; i < len(src)/8; i++ {
		o, s := dst[3*i:3*i+3:3*i+3], src[8*i:8*i+8:8*i+8]
		o[0], o[1], o[2] = s[0], s[2], s[4]
	}
}

// rgbaRow takes premultiplied colours.
func rgbaRow(dst, src []byte) {
	for i := 0; i < len(src)/4; i++ {
		o, s := dst[3*i:3*i+3:3*i+3], src[4*i:4*i+4:4*i+4]
		o[0], o[1], o[2] = s[0], s[1], s[2]
		if s[3] != 255 {
			o[0], o[1], o[2] = unmultiply(s[0], s[3]), unmultiply(s[1], s[3]), unmultiply(s[2], s[3])
		}
	}
}

func rgba64Row(dst, src []byte) {
	for i := 0; i < len(src)/8; i++ {
		o, s := dst[3*i:3*i+3:3*i+3], src[8*i:8*i+8:8*i+8]
		o[0], o[1], o[2] = s[0], s[2], s[4]
		if s[6] != 255 {
			o[0], o[1], o[2] = unmultiply(s[0], s[6]), unmultiply(s[2], s[6]), unmultiply(s[4], s[6])
		}
	}
}

// unmultiply undoes a premultiplication as Pillow does: truncated, and black
// where nothing of the colour is left.
func unmultiply(v, alpha byte) byte {
	if alpha == 0 {
		return 0
	}
	return byte(min(255, 255*int(v)/int(alpha)))
}

// cmykRow multiplies each ink's absence with black's, with Pillow's rounding.
func cmykRow(dst, src []byte) {
	for i := 0; i < len(src)/4; i++ {
		o, s := dst[3*i:3*i+3:3*i+3], src[4*i:4*i+4:4*i+4]
		light := 255 - uint32(s[3])
		for c := range o {
			o[c] = byte(light - over255(uint32(s[c])*light))
		}
	}
}

// over255 returns v/255 rounded, for v up to 255².
func over255(v uint32) uint32 {
	v += 128
	return (v + v>>8) >> 8
}

// paletteRow returns a row converter for a palette. Indices beyond it are black.
func paletteRow(palette color.Palette) func(dst, src []byte) {
	var table [256][3]byte
	for i, c := range palette[:min(len(palette), 256)] {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [3]byte{n.R, n.G, n.B}
	}
	return func(dst, src []byte) {
		for i, v := range src {
			copy(dst[3*i:3*i+3], table[v][:])
		}
	}
}

func fillAny(p *Picture, img image.Image) {
	b := img.Bounds()
	for y := range p.Height {
		row := p.row(y)
		for x := range p.Width {
			n := color.NRGBAModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			row[3*x], row[3*x+1], row[3*x+2] = n.R, n.G, n.B
		}
	}
}
