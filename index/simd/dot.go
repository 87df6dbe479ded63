package simd

// Dot returns the inner product of a and b, which must have the same length.
//
// The order of its roundings is fixed, so that a vector kernel can reproduce
// it bit for bit on 4, 8 or 16 lanes:
//
//   - Sixteen lanes start at +0. Lane i takes the elements i, i+16, i+32 and so
//     on in this order: each product is rounded to float32, then added to the
//     lane and rounded again. Nothing is fused (no FMA).
//   - A length that is no multiple of 16 counts as padded with zeros; such a
//     lane keeps its bits, because no lane can hold -0.
//   - The lanes are joined by halves: l[i] += l[i+8] for i < 8, then
//     l[i] += l[i+4] for i < 4, l[i] += l[i+2] for i < 2, and l[0] + l[1].
//
// The error against the real number is at most (n/16 + 6) · 2⁻²⁴ · Σ|a[i]·b[i]|
// while nothing over- or underflows. Dot of no elements is 0. A result that is
// NaN is so under every kernel; its sign and payload are not fixed. Dot panics
// where b is shorter than a; a longer b is cut.
func Dot(a, b []float32) float32 {
	if len(b) < len(a) {
		panic("simd: the second vector of a product is shorter")
	}
	return dot(a, b[:len(a)])
}

// dotPortable is Dot in Go, for vectors of one length.
func dotPortable(a, b []float32) float32 {
	low, high := lanes(a, b), [8]float32{}
	if len(a) > 8 {
		high = lanes(a[8:], b[8:])
	}
	for i := range low {
		low[i] += high[i]
	}
	for i := range 4 {
		low[i] += low[i+4]
	}
	return (low[0] + low[2]) + (low[1] + low[3])
}

// lanes returns eight of Dot's sixteen lanes: those of the elements whose index
// modulo 16 is below 8. Eight sums fit the registers of every architecture
// where sixteen spill, and two passes over cached vectors cost less than that.
// The conversions forbid the compiler to fuse a product with its sum.
func lanes(a, b []float32) (l [8]float32) {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(a) >= 24 && len(b) >= 24 {
		x, y := (*[24]float32)(a), (*[24]float32)(b)
		s0 += float32(x[0] * y[0])
		s1 += float32(x[1] * y[1])
		s2 += float32(x[2] * y[2])
		s3 += float32(x[3] * y[3])
		s4 += float32(x[4] * y[4])
		s5 += float32(x[5] * y[5])
		s6 += float32(x[6] * y[6])
		s7 += float32(x[7] * y[7])
		s0 += float32(x[16] * y[16])
		s1 += float32(x[17] * y[17])
		s2 += float32(x[18] * y[18])
		s3 += float32(x[19] * y[19])
		s4 += float32(x[20] * y[20])
		s5 += float32(x[21] * y[21])
		s6 += float32(x[22] * y[22])
		s7 += float32(x[23] * y[23])
		a, b = a[min(32, len(a)):], b[min(32, len(b)):]
	}
	l = [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
	for i := range l {
		for j := i; j < len(a) && j < len(b); j += 16 {
			l[i] += float32(a[j] * b[j])
		}
	}
	return l
}
