package dataset

import (
	"math"
	"math/rand/v2"
)

const (
	clusterCount  = 200
	latent        = 64
	originalCount = 1000
)

// clusters draws points around centres in few dimensions and projects them.
type clusters struct {
	centres, projection [][]float64
	offset              []float64
}

func newClusters(dim int) *clusters {
	r := rand.New(rand.NewPCG(modelSeed, 0))
	c := &clusters{
		centres:    gaussian(r, clusterCount, latent, 1),
		projection: gaussian(r, dim, latent, 1/math.Sqrt(latent)),
		offset:     make([]float64, dim),
	}
	fill(r, c.offset, 1)
	return c
}

// gaussian returns n rows of d normal deviates.
func gaussian(r *rand.Rand, n, d int, deviation float64) [][]float64 {
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = make([]float64, d)
		fill(r, rows[i], deviation)
	}
	return rows
}

func (c *clusters) draw(r *rand.Rand, row []float64) {
	var point [latent]float64
	fill(r, point[:], 0.6)
	for i, x := range c.centres[r.IntN(clusterCount)] {
		point[i] += x
	}
	for i, p := range c.projection {
		row[i] = c.offset[i] + inner(p, point[:]) + 0.05*r.NormFloat64()
	}
}

// copies draws copies of a few originals.
type copies struct{ originals Matrix }

func newCopies(dim int) *copies {
	return &copies{rows(modelSeed, originalCount, dim, newClusters(dim).draw)}
}

func (c *copies) draw(r *rand.Rand, row []float64) {
	original := c.originals.Row(r.IntN(originalCount))
	var deviation float64
	if r.IntN(10) > 0 {
		deviation = (0.005 + 0.045*r.Float64()) / math.Sqrt(float64(len(row)))
	}
	for i, x := range original {
		row[i] = float64(x) + deviation*r.NormFloat64()
	}
}
