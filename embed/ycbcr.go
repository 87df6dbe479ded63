package embed

import "image"

// webpRGB is rgb for WebP, whose lossy pictures are YCbCr in studio range,
// which image.YCbCr does not tell from JPEG's full range.
func webpRGB(img image.Image) *Picture {
	switch m := img.(type) {
	case *image.YCbCr:
		return webpYCbCr(m)
	case *image.NYCbCrA:
		return webpYCbCr(&m.YCbCr)
	}
	return rgb(img)
}

// webpYCbCr converts VP8's pictures, in which four pixels share their chroma
// (RFC 6386, section 2). It is repeated and not interpolated.
func webpYCbCr(m *image.YCbCr) *Picture {
	p := newPicture(m.Rect.Dx(), m.Rect.Dy())
	scratch := make([]byte, 2*p.Width)
	cb, cr := scratch[:p.Width], scratch[p.Width:]
	for y := range p.Height {
		luma, chroma := y*m.YStride, y/2*m.CStride
		double(cb, m.Cb[chroma:])
		double(cr, m.Cr[chroma:])
		studioRow(p.row(y), m.Y[luma:luma+p.Width], cb, cr)
	}
	return p
}

// double fills dst with every byte of src twice.
func double(dst, src []byte) {
	for i := range dst {
		dst[i] = src[i/2]
	}
}

// studioRow converts BT.601 with luma in 16..235 and chroma in 16..240, which
// is what VP8 means in WebP, in the fixed point of libwebp's "yuv.h".
func studioRow(dst, luma, cb, cr []byte) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, v := range luma {
		y, b, r := 19077*int32(v)>>8, int32(cb[i]), int32(cr[i])
		o := dst[3*i : 3*i+3 : 3*i+3]
		o[0] = clip6(y + 26149*r>>8 - 14234)
		o[1] = clip6(y - 6419*b>>8 - 13320*r>>8 + 8708)
		o[2] = clip6(y + 33050*b>>8 - 17685)
	}
}

// clip6 returns the integer part of a number with 6 fractional bits, clipped to
// a byte.
func clip6(v int32) byte {
	v >>= 6
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
}
