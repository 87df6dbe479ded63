package index

import (
	"math"
	"math/rand/v2"
)

// datasets make n unit vectors of dimension d, the same on every run.
var datasets = []struct {
	name     string
	generate func(n, d int) [][]float32
}{
	{"clustered", clustered},
	{"uniform", uniform},
	{"near-duplicates", nearDuplicates},
	{"copies", copies},
}

// clustered returns n unit vectors of dimension d, the same on every run: 200
// clusters of spread 0.6 in 64 latent dimensions, projected to d, with a common
// offset and noise of 0.05, then normalised. Embeddings of images look alike:
// few intrinsic dimensions, clumps, and a mean far from zero.
func clustered(n, d int) [][]float32 {
	const clusters, latent = 200, 64
	r := rand.New(rand.NewPCG(1, 2))
	centres := gaussian(r, clusters, latent, 1)
	projection := gaussian(r, d, latent, 1/math.Sqrt(latent))
	offset := gaussian(r, 1, d, 1)[0]
	vectors := make([][]float32, n)
	for i := range vectors {
		point := gaussian(r, 1, latent, 0.6)[0]
		for j, x := range centres[r.IntN(clusters)] {
			point[j] += x
		}
		noise := gaussian(r, 1, d, 0.05)[0]
		for j, row := range projection {
			noise[j] += offset[j] + inner(row, point)
		}
		vectors[i] = normalised(noise)
	}
	return vectors
}

// uniform returns vectors of random directions: in many dimensions none is near
// another, which is the worst case of a graph.
func uniform(n, d int) [][]float32 {
	r := rand.New(rand.NewPCG(3, 4))
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = normalised(gaussian(r, 1, d, 1)[0])
	}
	return vectors
}

// nearDuplicates returns clumps of 50 vectors on average around originals of
// clustered. Each differs from its original by a length of 0.005 to 0.05, one in
// ten not at all.
func nearDuplicates(n, d int) [][]float32 {
	r := rand.New(rand.NewPCG(5, 6))
	originals := clustered(n/50+1, d)
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = originals[r.IntN(len(originals))]
		if r.IntN(10) > 0 {
			vectors[i] = moved(r, vectors[i], 0.005+0.045*r.Float64())
		}
	}
	return vectors
}

// moved returns a unit vector at about a distance from v.
func moved(r *rand.Rand, v []float32, distance float64) []float32 {
	near := gaussian(r, 1, len(v), distance/math.Sqrt(float64(len(v))))[0]
	for i, x := range v {
		near[i] += float64(x)
	}
	return normalised(near)
}

// copies returns 200 exact copies of each of some vectors of clustered, shuffled.
func copies(n, d int) [][]float32 {
	originals := clustered(n/200+1, d)
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = originals[i%len(originals)]
	}
	rand.New(rand.NewPCG(7, 8)).Shuffle(n, func(i, j int) { vectors[i], vectors[j] = vectors[j], vectors[i] })
	return vectors
}

// gaussian returns n rows of d normal deviates.
func gaussian(r *rand.Rand, n, d int, deviation float64) [][]float64 {
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = make([]float64, d)
		for j := range rows[i] {
			rows[i][j] = deviation * r.NormFloat64()
		}
	}
	return rows
}

func inner(a, b []float64) (sum float64) {
	b = b[:len(a)]
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

// normalised returns v at unit length.
func normalised(v []float64) []float32 {
	length := math.Sqrt(inner(v, v))
	unit := make([]float32, len(v))
	for i, x := range v {
		unit[i] = float32(x / length)
	}
	return unit
}

// awkward are vectors that rounding to eight bits treats worst or best.
var awkward = []struct {
	name string
	draw func(r *rand.Rand, d int) []float64
}{
	{"dense", func(r *rand.Rand, d int) []float64 { return gaussian(r, 1, d, 1)[0] }},
	{"few-valued", func(r *rand.Rand, d int) []float64 {
		return filled(d, func(int) float64 { return float64(r.IntN(3) - 1) })
	}},
	{"all of one size", func(r *rand.Rand, d int) []float64 {
		return filled(d, func(int) float64 { return float64(2*r.IntN(2) - 1) })
	}},
	{"sparse", func(r *rand.Rand, d int) []float64 {
		return filled(d, func(int) float64 { return float64(max(0, r.IntN(10)-8)) * r.NormFloat64() })
	}},
	{"one huge component", func(r *rand.Rand, d int) []float64 {
		v := gaussian(r, 1, d, 1e-4)[0]
		v[r.IntN(d)] = 1
		return v
	}},
	{"one size after another", func(r *rand.Rand, d int) []float64 {
		return filled(d, func(i int) float64 { return math.Pow(0.7, float64(i)) * r.NormFloat64() })
	}},
	{"all near half a step", func(r *rand.Rand, d int) []float64 {
		v := filled(d, func(int) float64 { return float64(r.IntN(20)) + 0.5 + 1e-6*r.NormFloat64() })
		v[r.IntN(d)] = 127
		return v
	}},
}

// filled returns d numbers.
func filled(d int, number func(i int) float64) []float64 {
	v := make([]float64, d)
	for i := range v {
		v[i] = number(i)
	}
	return v
}

// drawAwkward returns n vectors of one of the kinds of awkward or of any, some
// copied or moved in their last bits, some of lengths other than 1.
func drawAwkward(r *rand.Rand, kind, n, d int) [][]float32 {
	vectors := make([][]float32, n)
	for i := range vectors {
		switch {
		case i > 0 && r.IntN(4) == 0:
			vectors[i] = nudged(r, vectors[r.IntN(i)])
		default:
			vectors[i] = scaled(r, awkward[(kind+r.IntN(2)*r.IntN(len(awkward)))%len(awkward)].draw(r, d))
		}
	}
	return vectors
}

// nudged returns a copy of v in which some numbers move to the next float.
func nudged(r *rand.Rand, v []float32) []float32 {
	near := make([]float32, len(v))
	for i, x := range v {
		near[i] = x
		if x != 0 && r.IntN(3) == 0 {
			near[i] = math.Nextafter32(x, float32(r.IntN(3)-1))
		}
	}
	return near
}

// scaled returns v, or an axis where v is zero, at a length that is stored: 1,
// or up to 9e-4 off.
func scaled(r *rand.Rand, v []float64) []float32 {
	if inner(v, v) == 0 {
		v[0] = 1
	}
	unit := normalised(v)
	if r.IntN(2) == 0 {
		length := float32(1 + 9e-4*(2*r.Float64()-1))
		for i := range unit {
			unit[i] *= length
		}
	}
	return unit
}

// keysFrom returns n keys from first on.
func keysFrom(first uint64, n int) []uint64 {
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = first + uint64(i)
	}
	return keys
}
