package embed

// half is what rounds a fixed-point sum to nearest.
const half = 1 << (weightBits - 1)

// clip turns a fixed-point sum into a pixel.
func clip(s int32) byte {
	s >>= weightBits
	if uint32(s) > 255 {
		return byte(^s >> 31) // 0 below, 255 above
	}
	return byte(s)
}

// convolveGrey is convolveRow for a row of one byte per pixel, whose outputs
// are written three times each.
func convolveGrey(dst, src []byte, k *kernel) {
	for i := range k.first {
		first, weight := k.at(i)
		in := src[first : first+len(weight)]
		var sum int32 = half
		for j, w := range weight {
			sum += w * int32(in[j])
		}
		v := clip(sum)
		o := dst[3*i : 3*i+3 : 3*i+3]
		o[0], o[1], o[2] = v, v, v
	}
}

// convolveRow writes the outputs of k for a row of RGB pixels.
func convolveRow(dst, src []byte, k *kernel) {
	for i := range k.first {
		first, weight := k.at(i)
		in := src[3*first : 3*(first+len(weight))]
		var r, g, b int32 = half, half, half
		for _, w := range weight {
			if len(in) < 3 {
				break // never: it lets the compiler drop three bounds checks
			}
			r += w * int32(in[0])
			g += w * int32(in[1])
			b += w * int32(in[2])
			in = in[3:]
		}
		o := dst[3*i : 3*i+3 : 3*i+3]
		o[0], o[1], o[2] = clip(r), clip(g), clip(b)
	}
}

// convolveColumns writes to dst the sum of rows of len(dst) bytes, which follow
// each other in src, by their weights.
func convolveColumns(dst, src []byte, weight []int32) {
	const block = 256
	var sum [block]int32
	for at := 0; at < len(dst); at += block {
		out := dst[at:min(at+block, len(dst))]
		part := sum[:len(out)]
		for i := range part {
			part[i] = half
		}
		for j, w := range weight {
			accumulate(part, src[j*len(dst)+at:], w)
		}
		for i, s := range part {
			out[i] = clip(s)
		}
	}
}

func accumulate(sum []int32, row []byte, w int32) {
	row = row[:len(sum)]
	for i, v := range row {
		sum[i] += w * int32(v)
	}
}
