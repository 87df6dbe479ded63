package index

import (
	"math"
	"math/rand/v2"
)

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
	for i := range a {
		sum += a[i] * b[i]
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
