package scatter

import "math"

// The mother wavelet and the window between octaves, in pixels of the octave.
const (
	sigma     = 0.8             // of the Morlet wavelet's envelope, along its wave
	frequency = 3 * math.Pi / 4 // of its wave, radians per pixel
	slant     = 4.0 / angles    // the envelope is 1/slant times longer across
	reach     = 4               // its kernel has 2·reach+1 pixels a side

	smoothing = 1.0 // standard deviation of the Gaussian before halving
	window    = 3   // its kernel has 2·window+1 pixels a side
)

// A kernel is a square of odd side, row by row.
type kernel []float64

// morlet returns the real and the imaginary part of the wavelet whose wave
// travels at angle·π/angles from the x axis towards the y axis, which points
// down. Both sum to zero, so that an even picture gives no response.
func morlet(angle int) (re, im kernel) {
	sin, cos := math.Sincos(math.Pi * float64(angle) / angles)
	var envelope kernel
	var mass, wave float64
	for y := -reach; y <= reach; y++ {
		for x := -reach; x <= reach; x++ {
			u, v := float64(x)*cos+float64(y)*sin, float64(y)*cos-float64(x)*sin
			g := math.Exp(-(u*u + slant*slant*v*v) / (2 * sigma * sigma))
			envelope = append(envelope, g)
			re, im = append(re, g*math.Cos(frequency*u)), append(im, g*math.Sin(frequency*u))
			mass, wave = mass+g, wave+re[len(re)-1]
		}
	}
	area := 2 * math.Pi * sigma * sigma / slant
	for i, g := range envelope {
		re[i], im[i] = (re[i]-g*wave/mass)/area, im[i]/area
	}
	return re.fixed(0), im.fixed(0)
}

// gaussian returns the window that precedes halving. It sums to one.
func gaussian() kernel {
	var k kernel
	var sum float64
	for y := -window; y <= window; y++ {
		for x := -window; x <= window; x++ {
			g := math.Exp(-float64(x*x+y*y) / (2 * smoothing * smoothing))
			k, sum = append(k, g), sum+g
		}
	}
	for i := range k {
		k[i] /= sum
	}
	return k.fixed(1)
}

// fixed rounds the kernel and lets its middle take up what is missing to sum,
// which the kernel then has exactly.
func (k kernel) fixed(sum float64) kernel {
	for i, v := range k {
		k[i] = round(v)
		sum -= k[i]
	}
	k[len(k)/2] += sum
	return k
}

// round returns the nearest multiple of 2⁻²⁰. Processors with and without
// fused multiplication differ by much less, so all write the same graph. They
// also differ in the sign of what should be zero; adding zero takes it away.
func round(v float64) float64 {
	return math.Round(v*(1<<20))/(1<<20) + 0
}

// colours returns the rows that make luminance, blue and red difference of RGB:
// JFIF's YCbCr with the differences around zero. The first row sums to one and
// the others to zero, exactly, so that grey has no colour.
func colours() [3][3]float64 {
	var rows [3][3]float64
	for i, c := range [3][2]float64{{0.299, 0.587}, {-0.168736, -0.331264}, {0.5, -0.418688}} {
		a, b := round(c[0]), round(c[1])
		rows[i] = [3]float64{a, b, -a - b}
	}
	rows[0][2]++
	return rows
}
