package embed

import "math"

// The interpolations of a Manifest, named and defined as in Pillow.
const (
	Nearest  = "nearest"
	Box      = "box"
	Bilinear = "bilinear"
	Bicubic  = "bicubic"
	Lanczos  = "lanczos"
)

// filter is a resampling kernel: weight(x) is zero for |x| > support.
type filter struct {
	support float64
	weight  func(x float64) float64
}

// filterOf returns the filter of an interpolation, and false for Nearest,
// which has none, and for names that are no interpolation.
func filterOf(interpolation string) (filter, bool) {
	switch interpolation {
	case Box:
		return filter{0.5, boxWeight}, true
	case Bilinear:
		return filter{1, triangleWeight}, true
	case Bicubic:
		return filter{2, cubicWeight}, true
	case Lanczos:
		return filter{3, lanczosWeight}, true
	}
	return filter{}, false
}

// boxWeight takes the right edge and not the left, so that every input belongs
// to exactly one output.
func boxWeight(x float64) float64 {
	if x > -0.5 && x <= 0.5 {
		return 1
	}
	return 0
}

func triangleWeight(x float64) float64 {
	return max(0, 1-math.Abs(x))
}

// cubicWeight is the cubic convolution kernel with a = -1/2 (Keys, "Cubic
// convolution interpolation for digital image processing", IEEE Transactions
// on Acoustics, Speech and Signal Processing 29(6), 1981, equation 4).
//
// The float64 conversions forbid fused multiply-add, which would round
// differently on arm64 than on amd64.
func cubicWeight(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	if x < 1 {
		t := float64((a+2)*x) - (a + 3)
		return float64(float64(t*x)*x) + 1
	}
	if x < 2 {
		t := float64((x-5)*x) + 8
		return (float64(t*x) - 4) * a
	}
	return 0
}

// lanczosWeight is the sinc function windowed by a sinc three times as wide.
func lanczosWeight(x float64) float64 {
	if x >= -3 && x < 3 {
		return sinc(x) * sinc(x/3)
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// weightBits is the number of fractional bits of a kernel's weights: 32 less 8
// for the pixel and 2 for sums that overshoot, as in Pillow.
const weightBits = 32 - 8 - 2

// kernel is the convolution of one direction in fixed point: output i is the
// sum over j < count[i] of weight[i*size+j] times input first[i]+j.
type kernel struct {
	size         int
	first, count []int
	weight       []int32
}

// at returns where output i starts reading and the weights it uses.
func (k *kernel) at(i int) (first int, weight []int32) {
	return k.first[i], k.weight[i*k.size : i*k.size+k.count[i]]
}

// span returns the inputs [from, to) that some output reads.
func (k *kernel) span() (from, to int) {
	last := len(k.first) - 1
	return k.first[0], k.first[last] + k.count[last]
}

// newKernel returns the kernel for outputs [from, to) of an antialiased resize
// from in to out samples. When shrinking, the filter is stretched by the ratio,
// so that every input counts (Pillow, "Resample.c").
func newKernel(in, out, from, to int, f filter) *kernel {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support := f.support * stretch
	n := to - from
	k := &kernel{size: min(2*int(math.Ceil(support))+1, in), first: make([]int, n), count: make([]int, n)}
	k.weight = make([]int32, n*k.size)
	exact := make([]float64, k.size)
	for i := range n {
		centre := (float64(from+i) + 0.5) * scale
		first := max(0, int(centre-support+0.5))
		last := min(in, int(centre+support+0.5))
		k.first[i], k.count[i] = first, last-first
		weigh(exact[:last-first], first, centre, 1/stretch, f)
		fix(k.weight[i*k.size:], exact[:last-first])
	}
	return k
}

// weigh fills w with the filter's values around centre for the inputs from
// first on, scaled to sum to one.
func weigh(w []float64, first int, centre, step float64, f filter) {
	sum := 0.0
	for j := range w {
		w[j] = f.weight((float64(first+j) - centre + 0.5) * step)
		sum += w[j]
	}
	if sum == 0 {
		return
	}
	for j := range w {
		w[j] /= sum
	}
}

// fix rounds weights to fixed point, halves away from zero.
func fix(dst []int32, w []float64) {
	for j, v := range w {
		dst[j] = int32(math.Copysign(0.5, v) + v*(1<<weightBits))
	}
}
