package embed

import "image"

// ycbcrRow turns a row of luma and full-width chroma into RGB.
type ycbcrRow func(dst, luma, cb, cr []byte)

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

func webpYCbCr(m *image.YCbCr) *Picture {
	p := newPicture(m.Rect.Dx(), m.Rect.Dy())
	fillYCbCr(p, m, studioRow)
	return p
}

func fillYCbCr(p *Picture, m *image.YCbCr, convert ycbcrRow) {
	scratch := make([]byte, 2*p.Width)
	for y := range p.Height {
		cb, cr := chroma(m, y, scratch[:p.Width], scratch[p.Width:])
		convert(p.row(y), m.Y[y*m.YStride:y*m.YStride+p.Width], cb, cr)
	}
}

// chroma returns the chroma of row y at luma's resolution, in cb and cr or in
// place. Subsampled chroma is repeated; this is the one place to interpolate it
// as libjpeg does.
func chroma(m *image.YCbCr, y int, cb, cr []byte) (_, _ []byte) {
	across, down := subsampling(m.SubsampleRatio)
	from := y / down * m.CStride
	if across == 1 {
		return m.Cb[from : from+len(cb)], m.Cr[from : from+len(cr)]
	}
	n := (len(cb) + across - 1) / across
	stretch(cb, m.Cb[from:from+n], across)
	stretch(cr, m.Cr[from:from+n], across)
	return cb, cr
}

// subsampling returns how many luma samples share a chroma sample each way.
func subsampling(ratio image.YCbCrSubsampleRatio) (across, down int) {
	switch ratio {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// stretch repeats every byte of src n times, as far as dst goes.
func stretch(dst, src []byte, n int) {
	for _, v := range src {
		k := min(n, len(dst))
		for i := range dst[:k] {
			dst[i] = v
		}
		dst = dst[k:]
	}
}

// jfifRow converts full-range BT.601 (ITU-T T.871, section 7) in 16-bit fixed
// point, rounded as libjpeg rounds, so that grey stays exactly grey.
func jfifRow(dst, luma, cb, cr []byte) {
	const (
		half    = 1 << 15
		redCr   = 91881  // 1.40200
		greenCb = -22554 // -0.34414
		greenCr = -46802 // -0.71414
		blueCb  = 116130 // 1.77200
	)
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, v := range luma {
		y, b, r := int32(v)<<16+half, int32(cb[i])-128, int32(cr[i])-128
		o := dst[3*i : 3*i+3 : 3*i+3]
		o[0] = clip16(y + redCr*r)
		o[1] = clip16(y + greenCb*b + greenCr*r)
		o[2] = clip16(y + blueCb*b)
	}
}

// clip16 returns the integer part of a number with 16 fractional bits, clipped
// to a byte.
func clip16(v int32) byte {
	v >>= 16
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
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

// clip6 is clip16 for 6 fractional bits.
func clip6(v int32) byte {
	v >>= 6
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
}
