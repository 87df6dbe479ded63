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

// resizeRows convolves rows [from, to) of p along x.
func resizeRows(p *Picture, from, to int, k *kernel) *Picture {
	out := newPicture(len(k.first), to-from)
	if !vectorised() || !resizeRowsVector(out, p, from, k) {
		resizeRowsPortable(out, p, from, k)
	}
	return out
}

// resizeRowsPortable writes a grey picture in a third of the work.
func resizeRowsPortable(out, p *Picture, from int, k *kernel) {
	if !p.isGrey() {
		for y := range out.Height {
			convolveRow(out.row(y), p.row(from+y), k)
		}
		return
	}
	line := make([]byte, p.Width)
	for y := range out.Height {
		for x, row := 0, p.row(from+y); x < len(line); x++ {
			line[x] = row[3*x]
		}
		convolveGrey(out.row(y), line, k)
	}
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

// resizeColumns convolves p along y. Its rows are those from top on of the
// picture that k was made for.
func resizeColumns(p *Picture, top int, k *kernel) *Picture {
	out := newPicture(p.Width, len(k.first))
	for y := range out.Height {
		first, weight := k.at(y)
		columns(out.row(y), p.Pix[3*p.Width*(first-top):], weight)
	}
	return out
}

// resizeNearest takes the input under each output's centre. The positions are
// summed step by step as Pillow does, whose rounding errors decide ties.
func resizeNearest(p *Picture, width, height int, region image.Rectangle) *Picture {
	if width == p.Width && height == p.Height {
		return crop(p, region)
	}
	across := nearest(p.Width, width, region.Min.X, region.Max.X)
	down := nearest(p.Height, height, region.Min.Y, region.Max.Y)
	for i := range across {
		across[i] *= 3
	}
	out := newPicture(len(across), len(down))
	for y, from := range down {
		pick(out.row(y), p.Pix[3*p.Width*int(from):], across)
	}
	return out
}

// pickPortable is pick in Go.
func pickPortable(dst, src []byte, at []int32) {
	for i, c := range at {
		copy(dst[3*i:3*i+3], src[c:])
	}
}

// nearest returns the inputs of outputs [from, to) of in samples spread over out.
func nearest(in, out, from, to int) []int32 {
	step := float64(in) / float64(out)
	at := step * 0.5
	picked := make([]int32, 0, to-from)
	for i := range to {
		if i >= from {
			picked = append(picked, int32(min(int(at), in-1)))
		}
		at += step
	}
	return picked
}
