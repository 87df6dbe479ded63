package embed

import "golang.org/x/sys/cpu"

// vectorised reports whether this machine runs the convolutions in assembly,
// which give the same pixels as those in Go.
func vectorised() bool { return cpu.X86.HasAVX2 }

const (
	// rowTaps is what vectorRow takes the weights by.
	rowTaps = 4
	// rowBeyond is how many bytes behind its window vectorRow reads.
	rowBeyond = 4
	// columnBlock is how many bytes vectorColumns writes at a time.
	columnBlock = 32
)

// vectorRow is convolveRow for n outputs, of which output i is the sum of taps
// pixels from src[first[i]] on by the weights from weight[i*taps] on. taps is a
// positive multiple of rowTaps.
//
//go:noescape
func vectorRow(dst, src *byte, first, weight *int32, taps, n int)

// vectorColumns is convolveColumns for the first n columns of rows of stride
// bytes. n is a multiple of columnBlock, taps is positive.
//
//go:noescape
func vectorColumns(dst, src *byte, weight *int32, taps, stride, n int)

// vectorPick copies n pixels from the bytes at[i] of src to dst, each with the
// byte behind it. n is positive. It takes no AVX2.
//
//go:noescape
func vectorPick(dst, src *byte, at *int32, n int)

// resizeRowsVector is resizeRows in assembly, and false where the picture is
// too narrow for it.
func resizeRowsVector(out, p *Picture, from int, k *kernel) bool {
	first, weight, taps := k.even(p.Width)
	if taps == 0 {
		return false
	}
	n := 3 * p.Width
	for y := range out.Height {
		at := (from + y) * n
		row := p.Pix[at:]
		if len(row) < n+rowBeyond {
			row = append(make([]byte, 0, n+rowBeyond), row[:n]...)[:n+rowBeyond]
		}
		vectorRow(&out.row(y)[0], &row[0], &first[0], &weight[0], taps, len(first))
	}
	return true
}

// pick copies the pixels at the given bytes of src to dst.
func pick(dst, src []byte, at []int32) {
	n := len(at) - 1 // dst ends with the last
	for n > 0 && int(at[n-1])+4 > len(src) {
		n--
	}
	if n > 0 {
		vectorPick(&dst[0], &src[0], &at[0], n)
	}
	pickPortable(dst[3*n:], src, at[n:])
}

// even returns k with as many taps for every output, a multiple of rowTaps:
// weights of zero are added, and windows moved back where they would end beyond
// the width. The positions are in bytes. There are no taps if the width is less.
func (k *kernel) even(width int) (first, weight []int32, taps int) {
	for _, n := range k.count {
		taps = max(taps, n)
	}
	taps = (taps + rowTaps - 1) / rowTaps * rowTaps
	if taps > width {
		return nil, nil, 0
	}
	first, weight = make([]int32, len(k.first)), make([]int32, taps*len(k.first))
	for i := range first {
		start, w := k.at(i)
		moved := min(start, width-taps)
		first[i] = int32(3 * moved)
		copy(weight[i*taps+start-moved:], w)
	}
	return first, weight, taps
}

// columns is convolveColumns, whose last block may overlap the one before.
func columns(dst, src []byte, weight []int32) {
	if len(dst) < columnBlock || len(weight) == 0 || !vectorised() {
		convolveColumns(dst, src, weight)
		return
	}
	src = src[:len(weight)*len(dst)]
	whole, last := len(dst)&^(columnBlock-1), len(dst)-columnBlock
	vectorColumns(&dst[0], &src[0], &weight[0], len(weight), len(dst), whole)
	if whole < len(dst) {
		vectorColumns(&dst[last], &src[last], &weight[0], len(weight), len(dst), columnBlock)
	}
}
