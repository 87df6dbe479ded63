package embed

import "image"

// studio converts VP8's pictures, in which four pixels share their chroma (RFC
// 6386, section 2). Their range is BT.601's, which image.YCbCr does not tell
// from JPEG's. Chroma is interpolated as libwebp does by default.
func studio(m *image.YCbCr) *Picture {
	p := newPicture(m.Rect.Dx(), m.Rect.Dy())
	scratch := make([]byte, 2*p.Width)
	cb, cr := scratch[:p.Width], scratch[p.Width:]
	last := (p.Height - 1) / 2
	for y := range p.Height {
		near, far := y/2, min(max(0, y/2-1+y%2*2), last)
		widen(cb, m.Cb[near*m.CStride:], m.Cb[far*m.CStride:])
		widen(cr, m.Cr[near*m.CStride:], m.Cr[far*m.CStride:])
		luma := y * m.YStride
		studioRow(p.row(y), m.Y[luma:luma+p.Width], cb, cr)
	}
	return p
}

// widen writes the chroma of a row of pixels from that of the nearer and the
// farther of the two rows of samples around it. Of the four samples around a
// pixel, the nearest weighs 9 sixteenths, those beside it 3 and the one across
// it 1, in two steps that each round as libwebp's do. At the left and right
// ends only the rows are interpolated.
func widen(dst, near, far []byte) {
	n := len(dst)
	dst[0] = end(near[0], far[0])
	for x := 1; x < n-1; x += 2 {
		i := x / 2
		n0, n1, f0, f1 := uint32(near[i]), uint32(near[i+1]), uint32(far[i]), uint32(far[i+1])
		sum := n0 + n1 + f0 + f1 + 8
		dst[x] = byte(((sum+2*(n1+f0))>>3 + n0) >> 1)
		dst[x+1] = byte(((sum+2*(n0+f1))>>3 + n1) >> 1)
	}
	if n%2 == 0 {
		dst[n-1] = end(near[n/2-1], far[n/2-1])
	}
}

func end(near, far byte) byte { return byte((3*uint32(near) + uint32(far) + 2) >> 2) }

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
