package jpeg

import "encoding/binary"

// colours returns what turns a frame's components into an image's, and whether
// they are YCbCr, by libjpeg's rules: the markers of JFIF and Adobe decide, then
// the component IDs; a lossless stream without those markers is not YCbCr.
func (t *tables) colours(f *frame) (convert func(dst []byte, rows [4][]byte), ycc bool) {
	switch c := f.components; {
	case len(c) == 1:
		return grey, false
	case len(c) == 4 && t.adobe == adobeOther:
		return inksOfYCCK, false
	case len(c) == 4:
		return inks, false
	case t.jfif:
	case t.adobe == adobeAbsent && f.lossless:
		return interleave, false
	case t.adobe == adobeNone, t.adobe == adobeAbsent && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B':
		return interleave, false
	}
	return colour, true
}

func grey(dst []byte, rows [4][]byte) { copy(dst, rows[0]) }

func interleave(dst []byte, rows [4][]byte) {
	for i, v := range rows[0] {
		o := dst[3*i : 3*i+3 : 3*i+3]
		o[0], o[1], o[2] = v, rows[1][i], rows[2][i]
	}
}

func inks(dst []byte, rows [4][]byte) {
	for i, v := range rows[0] {
		o := dst[4*i : 4*i+4 : 4*i+4]
		o[0], o[1], o[2], o[3] = ^v, ^rows[1][i], ^rows[2][i], ^rows[3][i]
	}
}

// inksOfYCCK gives the complement of what is stored, as inks does; the stored
// YCCK is the complement of RGB.
func inksOfYCCK(dst []byte, rows [4][]byte) {
	colour(dst[:3*len(rows[0])], rows)
	for i := len(rows[0]) - 1; i >= 0; i-- {
		copy(dst[4*i:4*i+3], dst[3*i:3*i+3])
		dst[4*i+3] = ^rows[3][i]
	}
}

// colour converts YCbCr to RGB by ITU-T T.871, section 7, in 16-bit fixed point.
func colour(dst []byte, rows [4][]byte) {
	const (
		half    = 1 << 15
		redCr   = 91881  // 1.40200
		greenCb = -22554 // -0.34414
		greenCr = -46802 // -0.71414
		blueCb  = 116130 // 1.77200
	)
	luma := rows[0]
	cb, cr := rows[1][:len(luma)], rows[2][:len(luma)]
	for i, v := range luma {
		y, b, r := int32(v)<<16+half, int32(cb[i])-128, int32(cr[i])-128
		o := dst[3*i : 3*i+3 : 3*i+3]
		o[0], o[1], o[2] = whole(y+redCr*r), whole(y+greenCb*b+greenCr*r), whole(y+blueCb*b)
	}
}

// whole returns the integer part of a number with 16 bits of fraction, within 0
// to 255.
func whole(v int32) byte {
	if uint32(v) > 255<<16|0xffff {
		return byte(^v >> 31)
	}
	return byte(v >> 16)
}

// triple is colour where chroma says grey, exactly; four pixels at a time.
func triple(dst, luma []byte) {
	for len(luma) >= 4 && len(dst) >= 12 {
		a, b, c, d := uint32(luma[0]), uint32(luma[1]), uint32(luma[2]), uint32(luma[3])
		binary.LittleEndian.PutUint32(dst, 0x010101*a|b<<24)
		binary.LittleEndian.PutUint32(dst[4:], 0x0101*b|0x01010000*c)
		binary.LittleEndian.PutUint32(dst[8:], c|0x01010100*d)
		dst, luma = dst[12:], luma[4:]
	}
	for i, v := range luma {
		dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
	}
}
