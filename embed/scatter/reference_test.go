package scatter

import "math"

// The transform again, as its definition reads: float64, one path after the
// other, plain loops, and sums over orientations where the graph has a matrix.
// It shares only the filters' kernels with the graph.

// A plane is a square map, row by row.
type plane []float64

func (p plane) side() int { return int(math.Sqrt(float64(len(p)))) }

// filtered correlates p, mirrored at its borders, with k at every stride-th pixel.
func (p plane) filtered(k kernel, stride int) plane {
	n, w := p.side(), int(math.Sqrt(float64(len(k))))
	mirror := func(i int) int {
		if i < 0 {
			i = -i
		}
		return min(i, 2*(n-1)-i)
	}
	var out plane
	for y := 0; y < n; y += stride {
		for x := 0; x < n; x += stride {
			var sum float64
			for i, v := range k {
				sum += v * p[mirror(y+i/w-w/2)*n+mirror(x+i%w-w/2)]
			}
			out = append(out, sum)
		}
	}
	return out
}

// scattered returns the modulus of p's response to the wavelet of an angle.
func (p plane) scattered(angle int) plane {
	re, im := morlet(angle)
	out, b := p.filtered(re, 1), p.filtered(im, 1)
	for i := range out {
		out[i] = math.Hypot(out[i], b[i])
	}
	return out
}

// coarser returns p, each step halved once more.
func (p plane) coarser(steps int) plane {
	for range steps {
		p = p.filtered(gaussian(), 2)
	}
	return p
}

// cells returns the means over 4 × 4 cells.
func (p plane) cells() (means [16]float64) {
	n := p.side()
	for i, v := range p {
		means[i/n*4/n*4+i%n*4/n] += v * 16 / float64(len(p))
	}
	return means
}

type (
	firstOrders  [5][8][16]float64       // octave, angle, cell
	secondOrders [5][5][8][8][16]float64 // finer, coarser, angle, angle, cell
)

// relativeLogs returns the logarithms of cells + added, relative to usual.
func relativeLogs(p plane, added, usual float64) [16]float64 {
	logs := p.cells()
	for i, v := range logs {
		logs[i] = math.Log((v + added) / (usual + added))
	}
	return logs
}

func scatterFirst(p plane, contrast float64) (s firstOrders) {
	for j := range s {
		maps := p.coarser(j)
		for a := range 8 {
			s[j][a] = relativeLogs(maps.scattered(a), 0.0005, contrast*math.Pow(math.Sqrt2, float64(j)))
		}
	}
	return s
}

// scatterSecond is relative to the first order.
func scatterSecond(p plane, first firstOrders) (s secondOrders) {
	for j := range 5 {
		maps := p.coarser(j)
		for a := range 8 {
			envelope := maps.scattered(a)
			for k := j + 1; k < 5; k++ {
				coarse := envelope.coarser(k - j)
				for b := range 8 {
					s[j][k][a][b] = relativeLogs(coarse.scattered(b), 0.00005, 0.002*math.Pow(math.Sqrt2, float64(j))/16)
					for i := range 16 {
						s[j][k][a][b][i] -= first[j][a][i]
					}
				}
			}
		}
	}
	return s
}

// ycc returns luminance, blue and red difference of 3 × 128 × 128 RGB.
func ycc(pixels []float32) [3]plane {
	var out [3]plane
	n := len(pixels) / 3
	for i := range n {
		r, g, b := float64(pixels[i]), float64(pixels[n+i]), float64(pixels[2*n+i])
		out[0] = append(out[0], 0.299*r+0.587*g+0.114*b)
		out[1] = append(out[1], -0.168736*r-0.331264*g+0.5*b)
		out[2] = append(out[2], 0.5*r-0.418688*g-0.081312*b)
	}
	return out
}

// referenceFeatures returns the embedding of one picture.
func referenceFeatures(pixels []float32) []float64 {
	p := ycc(pixels)
	s1 := scatterFirst(p[0], 0.002)
	s2 := scatterSecond(p[0], s1)
	var out []float64
	out = append(out, referenceLevels(s1)...)
	out = append(out, referenceOrientations(s1)...)
	out = append(out, referenceSecond(s2)...)
	out = append(out, referenceColour(scatterFirst(p[1], 0), scatterFirst(p[2], 0))...)
	for c, scale := range []float64{3, 10, 10} {
		for _, v := range p[c].cells() {
			if c == 0 {
				v -= 0.5
			}
			out = append(out, scale*v)
		}
	}
	for i, v := range out {
		out[i] = math.Asinh(v)
	}
	return out
}

func referenceLevels(s firstOrders) []float64 {
	out := make([]float64, 5*16)
	var mean float64
	for j := range 5 {
		for a := range 8 {
			for i, v := range s[j][a] {
				out[16*j+i] += v / math.Sqrt(8)
				mean += v / math.Sqrt(8) / 80
			}
		}
	}
	for i := range out {
		out[i] -= 0.3 * mean
	}
	return out
}

func referenceOrientations(s firstOrders) []float64 {
	out := make([]float64, 2*5*16)
	for j := range 5 {
		for a := range 8 {
			sin, cos := math.Sincos(math.Pi / 4 * float64(a))
			for i, v := range s[j][a] {
				out[32*j+i] += cos * v / 2
				out[32*j+16+i] += sin * v / 2
			}
		}
	}
	return out
}

// referenceSecond returns the means and the relative orientations of all cells,
// then the four absolute orientations of every 2 × 2 cells.
func referenceSecond(s secondOrders) []float64 {
	means, along := make([]float64, 160), make([]float64, 160)
	turned := make([]float64, 4*40)
	pair := 0
	for k := 1; k < 5; k++ {
		for j := range k {
			for n := range 64 * 16 {
				a, b, i := n/128, n/16%8, n%16
				v := s[j][k][a][b][i]
				sin1, cos1 := math.Sincos(math.Pi / 4 * float64(a))
				sin2, cos2 := math.Sincos(math.Pi / 4 * float64(b))
				means[16*pair+i] += 0.35 * v / 8
				along[16*pair+i] += math.Sqrt2 / 8 * v * (cos1*cos2 + sin1*sin2)
				for h, wave := range []float64{cos1, sin1, cos2, sin2} {
					turned[40*h+4*pair+i/8*2+i%4/2] += math.Sqrt2 / 16 * v * wave / 4
				}
			}
			pair++
		}
	}
	return append(append(means, along...), turned...)
}

func referenceColour(channels ...firstOrders) []float64 {
	out := make([]float64, 5*2*4)
	for c, s := range channels {
		for j := range 5 {
			for a := range 8 {
				for i, v := range s[j][a] {
					out[8*j+4*c+i/8*2+i%4/2] += v / math.Sqrt(8) / 4
				}
			}
		}
	}
	return out
}
