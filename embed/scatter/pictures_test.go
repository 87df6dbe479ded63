package scatter

import (
	"math"
	"math/rand/v2"
)

// A painter gives the colour of a point in pixels.
type painter func(x, y float64) [3]float64

// paint returns what the graph takes: 3 × 128 × 128 floats, cut to 0 to 1.
func paint(p painter) []float32 {
	out := make([]float32, 3*size*size)
	for i := range size * size {
		for c, v := range p(float64(i%size), float64(i/size)) {
			out[c*size*size+i] = float32(min(max(v, 0), 1))
		}
	}
	return out
}

func grey(v float64) [3]float64 { return [3]float64{v, v, v} }

// noise returns a picture of independent pixels and colours.
func noise(seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	return paint(func(_, _ float64) [3]float64 { return [3]float64{r.Float64(), r.Float64(), r.Float64()} })
}

// stripes returns a wave of that length, travelling at that angle.
func stripes(length, angle float64) painter {
	return func(x, y float64) [3]float64 {
		return grey(0.5 + 0.3*math.Sin(2*math.Pi/length*(x*math.Cos(angle)+y*math.Sin(angle))))
	}
}

// chest returns a rough radiograph: two dark fields, ribs across them, a bright
// middle, and grain that moves along.
func chest(dx, dy float64) painter {
	r := rand.New(rand.NewPCG(7, 7))
	var waves [60][4]float64
	for i := range waves {
		waves[i] = [4]float64{r.NormFloat64() / 4, r.NormFloat64() / 4, 2 * math.Pi * r.Float64(), 0.012 * r.Float64()}
	}
	bell := func(v, width float64) float64 { return math.Exp(-v * v / (2 * width * width)) }
	return func(x, y float64) [3]float64 {
		x, y = x-dx-63.5, y-dy-63.5
		v := 0.6 - 0.4*(bell(x-27, 13)+bell(x+27, 13))*bell(y+5, 30) + 0.2*bell(x, 9)
		v += 0.04 * math.Sin(y/3+math.Abs(x)/10) * bell(y, 35)
		for _, w := range waves {
			v += w[3] * math.Sin(w[0]*x+w[1]*y+w[2])
		}
		return grey(v)
	}
}

// smear returns stained cells on a pale ground.
func smear(seed uint64) painter {
	r := rand.New(rand.NewPCG(seed, 2))
	var at [80][3]float64
	for i := range at {
		at[i] = [3]float64{size * r.Float64(), size * r.Float64(), 4 + 3*r.Float64()}
	}
	return func(x, y float64) [3]float64 {
		c := [3]float64{0.9, 0.85, 0.82}
		for _, a := range at {
			if d := math.Hypot(x-a[0], y-a[1]) / a[2]; d < 1 {
				c = [3]float64{0.75 - 0.3*d*d, 0.4 + 0.1*d, 0.6}
			}
		}
		return c
	}
}
