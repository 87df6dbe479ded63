package jpeg

import "encoding/binary"

// sources returns the rows of samples that row y of the image is made of: its
// own and the next nearest.
func (c *component) sources(y int) (near, far []byte) {
	own := y / c.drop
	if y&1 == 0 {
		return c.row(own), c.row(own - 1)
	}
	return c.row(own), c.row(own + 1)
}

// upsampled returns row y at the image's resolution, valid until the next call.
// Samples lie in the middle of the pixels that they cover. Where those are two,
// a pixel takes 3/4 of its own sample and 1/4 of the next nearest, in each
// direction; the rounding alternates so as not to drift. This is libjpeg's
// "fancy upsampling". Other ratios, and rows of one or two samples, repeat.
func (c *component) upsampled(y int) []byte {
	near, far := c.sources(y)
	switch {
	case c.stretch == 1 && c.drop == 1:
		return near
	case c.stretch == 1 && c.drop == 2:
		blendDown(c.scratch, near, far, 1+y&1)
	case c.stretch == 2 && c.drop == 1 && c.width > 2:
		blendAcross(c.scratch, near)
	case c.stretch == 2 && c.drop == 2 && c.width > 2:
		blendBoth(c.scratch, near, far)
	default:
		repeat(c.scratch, near, c.stretch)
	}
	return c.scratch
}

// isGrey reports whether row y of a chroma component is without colour.
func (c *component) isGrey(y int) bool {
	near, far := c.sources(y)
	return isGrey(near) && isGrey(far)
}

func isGrey(row []byte) bool {
	const grey = 0x8080808080808080
	for ; len(row) >= 8; row = row[8:] {
		if binary.LittleEndian.Uint64(row) != grey {
			return false
		}
	}
	for _, v := range row {
		if v != grey&0xff {
			return false
		}
	}
	return true
}

// sampled is what a sample is kept in.
type sampled interface{ byte | uint16 }

func repeat[T sampled](dst, src []T, times int) {
	for i, v := range src {
		for j := range times {
			dst[i*times+j] = v
		}
	}
}

// blendDown adds round, 1 or 2, before it drops two bits.
func blendDown[T sampled](dst, near, far []T, round int) {
	dst, far = dst[:len(near)], far[:len(near)]
	for i, v := range near {
		dst[i] = T((3*int(v) + int(far[i]) + round) >> 2)
	}
}

func blendAcross[T sampled](dst, src []T) {
	a := uint32(src[0])
	dst[0] = src[0]
	for i := 1; i < len(src); i++ {
		b := uint32(src[i])
		o := dst[2*i-1 : 2*i+1 : 2*i+1]
		o[0], o[1] = T((3*a+b+2)>>2), T((a+3*b+1)>>2)
		a = b
	}
	dst[2*len(src)-1] = T(a)
}

// blendBoth keeps four bits of fraction until the end.
func blendBoth[T sampled](dst, near, far []T) {
	far = far[:len(near)]
	a := 3*uint32(near[0]) + uint32(far[0])
	dst[0] = T((4*a + 8) >> 4)
	for i := 1; i < len(near); i++ {
		b := 3*uint32(near[i]) + uint32(far[i])
		o := dst[2*i-1 : 2*i+1 : 2*i+1]
		o[0], o[1] = T((3*a+b+7)>>4), T((a+3*b+8)>>4)
		a = b
	}
	dst[2*len(near)-1] = T((4*a + 7) >> 4)
}
