package jpeg

import "encoding/binary"

// block is a block of dequantised coefficients, by rows. inverse leaves it zero
// for the next.
type block struct {
	at   [64]int32
	set  uint64 // bit i: at[i] may be other than 0; at[0] always may
	work [64]int32
}

// The inverse transform is that of Loeffler, Ligtenberg and Moschytz,
// "Practical fast 1-D DCT algorithms with 11 multiplications" (ICASSP 1989), in
// fixed point: constants of 13 bits, and 2 bits of fraction kept between the
// columns and the rows. Both roundings are part of the result, so the order of
// the passes is, too; within a pass sums are exact and may be arranged at will.
const (
	constBits = 13
	passBits  = 2

	c0298 = 2446  // 0.298631336
	c0390 = 3196  // 0.390180644
	c0541 = 4433  // 0.541196100
	c0765 = 6270  // 0.765366865
	c0899 = 7373  // 0.899976223
	c1175 = 9633  // 1.175875602
	c1501 = 12299 // 1.501321110
	c1847 = 15137 // 1.847759065
	c1961 = 16069 // 1.961570560
	c2053 = 16819 // 2.053119869
	c2562 = 20995 // 2.562915447
	c3072 = 25172 // 3.072711026
)

// inverse transforms b into 8 rows of 8 samples. Coefficients beyond those of
// any image wrap around.
func (b *block) inverse(dst []byte, stride int) {
	switch {
	case b.set>>1 == 0:
		b.flat(dst, stride)
	case vectorised():
		b.inverseVector(dst, stride)
	default:
		b.inversePortable(dst, stride)
	}
}

// inversePortable is inverse in Go.
func (b *block) inversePortable(dst []byte, stride int) {
	const (
		shift1 = constBits - passBits
		shift2 = constBits + passBits + 3
		half1  = 1 << (shift1 - 1)
		half2  = 1<<(shift2-1) + 128<<shift2 // 128 is the level shift
	)
	work := &b.work
	cols := fold(b.set &^ 0xff)
	if b.set>>32 == 0 {
		pass4(work, &b.at, cols, half1, shift1)
	} else {
		pass8(work, &b.at, cols, half1, shift1)
	}
	if fold(b.set|1)&0xf0 == 0 {
		pass4(&b.at, work, 0xff, half2, shift2)
	} else {
		pass8(&b.at, work, 0xff, half2, shift2)
	}
	write(dst, stride, &b.at)
	b.at, b.set = [64]int32{}, 0
}

// fold returns the columns that have a coefficient in set.
func fold(set uint64) uint64 {
	set |= set >> 32
	set |= set >> 16
	return (set | set>>8) & 0xff
}

// flat is inverse for a block of nothing but at[0].
func (b *block) flat(dst []byte, stride int) {
	const shift = passBits + 3
	v := uint64(clamp((b.at[0]<<passBits+128<<shift+1<<(shift-1))>>shift)) * 0x0101010101010101
	for range 8 {
		binary.LittleEndian.PutUint64(dst, v)
		dst = dst[min(stride, len(dst)):]
	}
	b.at[0], b.set = 0, 0
}

func write(dst []byte, stride int, at *[64]int32) {
	for y := range 8 {
		row, in := dst[y*stride:y*stride+8:y*stride+8], at[8*y:8*y+8:8*y+8]
		for x := range row {
			row[x] = clamp(in[x])
		}
	}
}

// clamp returns v within 0 to 255.
func clamp(v int32) byte {
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
}

// pass8 transforms the columns of src into the rows of dst, so that two passes
// leave a block as it lay. Columns not in cols have nothing but their first
// coefficient.
func pass8(dst, src *[64]int32, cols uint64, bias int32, shift uint) {
	for i := range 8 {
		out := dst[8*i : 8*i+8 : 8*i+8]
		first := src[i]<<constBits + bias
		if cols>>i&1 == 0 {
			fill(out, first>>(shift&31))
			continue
		}
		x1, x2, x3, x4 := src[8+i], src[16+i], src[24+i], src[32+i]
		x5, x6, x7 := src[40+i], src[48+i], src[56+i]

		z := (x2 + x6) * c0541
		e2, e3 := z-x6*c1847, z+x2*c0765
		e0, e1 := first+x4<<constBits, first-x4<<constBits
		a0, a3, a1, a2 := e0+e3, e0-e3, e1+e2, e1-e2

		z5 := (x7 + x3 + x5 + x1) * c1175
		z1, z2 := (x7+x1)*-c0899, (x5+x3)*-c2562
		z3, z4 := (x7+x3)*-c1961+z5, (x5+x1)*-c0390+z5
		b0, b1 := x7*c0298+z1+z3, x5*c2053+z2+z4
		b2, b3 := x3*c3072+z2+z3, x1*c1501+z1+z4

		out[0], out[7] = (a0+b3)>>(shift&31), (a0-b3)>>(shift&31)
		out[1], out[6] = (a1+b2)>>(shift&31), (a1-b2)>>(shift&31)
		out[2], out[5] = (a2+b1)>>(shift&31), (a2-b1)>>(shift&31)
		out[3], out[4] = (a3+b0)>>(shift&31), (a3-b0)>>(shift&31)
	}
}

// pass4 is pass8 where the last four coefficients of every column are 0.
func pass4(dst, src *[64]int32, cols uint64, bias int32, shift uint) {
	for i := range 8 {
		out := dst[8*i : 8*i+8 : 8*i+8]
		first := src[i]<<constBits + bias
		if cols>>i&1 == 0 {
			fill(out, first>>(shift&31))
			continue
		}
		x1, x2, x3 := src[8+i], src[16+i], src[24+i]

		e2, e3 := x2*c0541, x2*(c0541+c0765)
		a0, a3, a1, a2 := first+e3, first-e3, first+e2, first-e2

		z5 := (x3 + x1) * c1175
		b0, b1 := z5-x1*c0899-x3*c1961, z5-x3*c2562-x1*c0390
		b2, b3 := z5+x3*(c3072-c2562-c1961), z5+x1*(c1501-c0899-c0390)

		out[0], out[7] = (a0+b3)>>(shift&31), (a0-b3)>>(shift&31)
		out[1], out[6] = (a1+b2)>>(shift&31), (a1-b2)>>(shift&31)
		out[2], out[5] = (a2+b1)>>(shift&31), (a2-b1)>>(shift&31)
		out[3], out[4] = (a3+b0)>>(shift&31), (a3-b0)>>(shift&31)
	}
}

func fill(out []int32, v int32) {
	for i := range out {
		out[i] = v
	}
}
