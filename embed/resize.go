package embed

import "image"

// resize scales p to width × height and returns the region of the result,
// which must lie within it. Only what the region needs is computed, so that a
// long thin picture costs no more than its crop. The pixels are exactly those
// of Pillow's Image.resize: a convolution along the rows, rounded to 8 bits,
// then one along the columns. A direction that keeps its length is not
// filtered. The result may be p itself.
func resize(p *Picture, width, height int, region image.Rectangle, interpolation string) *Picture {
	f, ok := filterOf(interpolation)
	if !ok {
		return resizeNearest(p, width, height, region)
	}
	var down *kernel
	rows := image.Rect(0, region.Min.Y, 0, region.Max.Y)
	if height != p.Height {
		down = newKernel(p.Height, height, region.Min.Y, region.Max.Y, f)
		rows.Min.Y, rows.Max.Y = down.span()
	}
	if width == p.Width {
		p = crop(p, image.Rect(region.Min.X, rows.Min.Y, region.Max.X, rows.Max.Y))
	} else {
		p = resizeRows(p, rows.Min.Y, rows.Max.Y, newKernel(p.Width, width, region.Min.X, region.Max.X, f))
	}
	if down == nil {
		return p
	}
	return resizeColumns(p, rows.Min.Y, down)
}

// crop returns the region of p, which is p itself where it covers p.
func crop(p *Picture, region image.Rectangle) *Picture {
	if region == image.Rect(0, 0, p.Width, p.Height) {
		return p
	}
	out := newPicture(region.Dx(), region.Dy())
	for y := range out.Height {
		copy(out.row(y), p.row(region.Min.Y + y)[3*region.Min.X:])
	}
	return out
}

// resizeRows convolves rows [from, to) of p along x, a grey picture in a third
// of the work.
func resizeRows(p *Picture, from, to int, k *kernel) *Picture {
	out := newPicture(len(k.first), to-from)
	if p.isGrey() {
		line := make([]byte, p.Width)
		for y := range out.Height {
			for x, row := 0, p.row(from+y); x < len(line); x++ {
				line[x] = row[3*x]
			}
			convolveGrey(out.row(y), line, k)
		}
		return out
	}
	for y := range out.Height {
		convolveRow(out.row(y), p.row(from+y), k)
	}
	return out
}

// isGrey reports whether every pixel's red, green and blue are equal. Most
// medical pictures are grey, and a coloured one is found out soon.
func (p *Picture) isGrey() bool {
	for v := p.Pix; len(v) >= 3; v = v[3:] {
		if v[0] != v[1] || v[0] != v[2] {
			return false
		}
	}
	return true
}

// convolveGrey is convolveRow for a row of one byte per pixel.
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

// resizeColumns convolves p along y. Its rows are those from top on of the
// picture that k was made for.
func resizeColumns(p *Picture, top int, k *kernel) *Picture {
	out := newPicture(p.Width, len(k.first))
	sum := make([]int32, 3*p.Width)
	for y := range out.Height {
		first, weight := k.at(y)
		for i := range sum {
			sum[i] = half
		}
		for j, w := range weight {
			accumulate(sum, p.row(first-top+j), w)
		}
		for i, s := range sum {
			out.Pix[y*len(sum)+i] = clip(s)
		}
	}
	return out
}

func accumulate(sum []int32, row []byte, w int32) {
	row = row[:len(sum)]
	for i, v := range row {
		sum[i] += w * int32(v)
	}
}

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

// resizeNearest takes the input under each output's centre. The positions are
// summed step by step as Pillow does, whose rounding errors decide ties.
func resizeNearest(p *Picture, width, height int, region image.Rectangle) *Picture {
	if width == p.Width && height == p.Height {
		return crop(p, region)
	}
	columns := nearest(p.Width, width, region.Min.X, region.Max.X)
	rows := nearest(p.Height, height, region.Min.Y, region.Max.Y)
	out := newPicture(len(columns), len(rows))
	for y, from := range rows {
		src, dst := p.row(from), out.row(y)
		for x, c := range columns {
			copy(dst[3*x:3*x+3], src[3*c:])
		}
	}
	return out
}

// nearest returns the inputs of outputs [from, to) of in samples spread over out.
func nearest(in, out, from, to int) []int {
	step := float64(in) / float64(out)
	at := step * 0.5
	picked := make([]int, 0, to-from)
	for i := range to {
		if i >= from {
			picked = append(picked, min(int(at), in-1))
		}
		at += step
	}
	return picked
}
