package index

import (
	"math"
	"math/rand/v2"
	"slices"

	"nearcase/index/simd"
)

// Embeddings have a mean far from the origin and fill few of their dimensions.
// So an index that has seen enough of them codes a vector v in a frame, as what
// distinguishes it, w = v - mean, which is short; and the head of w is its part
// in the directions in which such differences are longest, in a quarter of the
// bytes or fewer, and leaves little. With B those directions, h = Bw, r = w - Bᵀh:
//
//	q·v = (|mean|² + mean·w_q) + mean·w_v + w_q·w_v
//	w_q·w_v = h_q·h_v + r_q·w_v,   |r_q·w_v| ≤ |r_q||r_v| + δ|h_q||h_v|
//
// where δ is how far B is from orthonormal. So heads alone rule out most of the
// rows that a scan looks at, and prove it; and codes most of the rest.

// frame is what vectors are coded in. The zero value has the origin for a mean
// and no directions.
type frame struct {
	mean   []float32
	square float64 // |mean|²
	size   int     // the number of directions
	rows   []float32
	delta  float64
}

// Training a frame looks at trainRows vectors and improves it trainRounds times.
const (
	trainRows   = 4096
	trainRounds = 6
)

// Directions are worth their memory when what they leave, as a share of the mean
// square of the differences, is at most restEnough; restAim is as good as more.
// There are up to a quarter as many as dimensions.
const (
	restEnough = 0.15
	restAim    = 0.03
)

// train returns the frame of vectors, with the fewest directions that leave
// little of them, or with none if a reasonable number does not.
func train(vectors [][]float32, dimension int) *frame {
	f := new(frame)
	if m := mean(vectors, dimension); exactDot(m, m) > 0 {
		f.mean, f.square = m, exactDot(m, m)
	}
	differences := make([][]float32, len(vectors))
	for i, v := range vectors {
		differences[i] = f.difference(nil, v)
	}
	most := min(256, dimension/4/simd.Block*simd.Block)
	if most == 0 || len(vectors) == 0 {
		return f
	}
	span := principal(differences, dimension, most)
	whole := meanRest(differences, nil)
	for size := simd.Block; size <= most; size += simd.Block {
		rest := meanRest(differences, span[:size]) / whole
		if rest <= restAim || size == most && rest <= restEnough {
			f.mix(span[:size], dimension)
			break
		}
	}
	return f
}

func mean(vectors [][]float32, dimension int) []float32 {
	sum := make([]float64, dimension)
	for _, v := range vectors {
		for i, x := range v {
			sum[i] += float64(x)
		}
	}
	m := make([]float32, dimension)
	for i, x := range sum {
		m[i] = float32(x / float64(max(1, len(vectors))))
	}
	return m
}

// difference appends v - mean to w.
func (f *frame) difference(w, v []float32) []float32 {
	if f.mean == nil {
		return append(w, v...)
	}
	for i, x := range v {
		w = append(w, x-f.mean[i])
	}
	return w
}

// bias is mean·w.
func (f *frame) bias(w []float32) float64 {
	if f.mean == nil {
		return 0
	}
	return exactDot(f.mean, w)
}

// principal returns size orthonormal rows that nearly span the principal
// directions of vectors about the origin, the strongest first, by subspace
// iteration (Halko, Martinsson and Tropp 2011).
func principal(vectors [][]float32, dimension, size int) [][]float32 {
	r := rand.New(rand.NewPCG(1, 1))
	span := normal(r, size, dimension)
	orthonormalise(span)
	columns := transposed(vectors, dimension)
	for range trainRounds {
		parts := product(vectors, span)
		span = transposed(product(columns, transposed(parts, size)), size)
		orthonormalise(span)
	}
	return ordered(span, vectors)
}

// ordered sorts rows by how much of the vectors lies along them.
func ordered(span, vectors [][]float32) [][]float32 {
	type row struct {
		v      []float32
		energy float64
	}
	rows := make([]row, len(span))
	forEach(len(span), func(i int) {
		rows[i].v = span[i]
		for _, v := range vectors {
			d := float64(simd.Dot(span[i], v))
			rows[i].energy += d * d
		}
	})
	slices.SortStableFunc(rows, func(a, b row) int {
		if a.energy > b.energy {
			return -1
		}
		return 1
	})
	for i := range rows {
		span[i] = rows[i].v
	}
	return span
}

// mix makes the frame's directions others of the same space, of which none
// stands out, so that eight bits serve all of them.
func (f *frame) mix(span [][]float32, dimension int) {
	turn := normal(rand.New(rand.NewPCG(2, 2)), len(span), len(span))
	orthonormalise(turn)
	rows := product(turn, transposed(span, dimension))
	orthonormalise(rows)
	f.size, f.rows, f.delta = len(span), slices.Concat(rows...), skew(rows)
}

// skew is an upper bound of how far rows are from orthonormal: the Frobenius
// norm of I - BBᵀ. A row of zeros, of which no head has a part, is left out.
func skew(rows [][]float32) float64 {
	var square float64
	for i := range rows {
		for j := range rows {
			dot := exactDot(rows[i], rows[j])
			if i == j && dot != 0 {
				dot -= 1
			}
			square += dot * dot
		}
	}
	return math.Sqrt(square)
}

func exactDot(a, b []float32) (sum float64) {
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

// meanRest is the mean square of what vectors have outside of a span.
func meanRest(vectors, span [][]float32) float64 {
	rests := make([]float64, len(vectors))
	forEach(len(vectors), func(i int) {
		rests[i] = exactDot(vectors[i], vectors[i])
		for _, s := range span {
			d := float64(simd.Dot(vectors[i], s))
			rests[i] -= d * d
		}
	})
	var sum float64
	for _, r := range rests {
		sum += max(0, r)
	}
	return sum / float64(len(rests))
}

// normal returns rows of normal deviates.
func normal(r *rand.Rand, n, d int) [][]float32 {
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, d)
		for j := range rows[i] {
			rows[i][j] = float32(r.NormFloat64())
		}
	}
	return rows
}

// product returns the inner products of every row of a with every row of b.
func product(a, b [][]float32) [][]float32 {
	p := make([][]float32, len(a))
	forEach(len(a), func(i int) {
		p[i] = make([]float32, len(b))
		for j := range b {
			p[i][j] = simd.Dot(a[i], b[j])
		}
	})
	return p
}

// transposed returns the columns of rows that have n numbers each.
func transposed(rows [][]float32, n int) [][]float32 {
	columns := make([][]float32, n)
	for j := range columns {
		columns[j] = make([]float32, len(rows))
		for i := range rows {
			columns[j][i] = rows[i][j]
		}
	}
	return columns
}

// orthonormalise makes rows orthonormal, each after those before it, twice over
// for accuracy (Gram and Schmidt). A row that others span already becomes zero.
func orthonormalise(rows [][]float32) {
	for i, row := range rows {
		for range 2 {
			for _, before := range rows[:i] {
				subtract(row, before, simd.Dot(row, before))
			}
			length := math.Sqrt(exactDot(row, row))
			scale := float32(0)
			if length > 1e-6 {
				scale = float32(1 / length)
			}
			for j := range row {
				row[j] *= scale
			}
		}
	}
}

func subtract(row, other []float32, times float32) {
	for j, x := range other {
		row[j] -= times * x
	}
}

// head sets h, which has the frame's size, to the head of w, and returns an upper
// bound of the length of the rest. length is that of w.
func (f *frame) head(h, w []float32, length float64) (rest float32) {
	d := len(w)
	square := length * length
	for i := range h {
		h[i] = simd.Dot(f.rows[i*d:(i+1)*d], w)
		square -= float64(h[i]) * float64(h[i])
	}
	// |r|² = |w|² - |h|² + hᵀ(BBᵀ - I)h, and h is rounded as simd.Dot says.
	slack := 2 * (f.delta + 2*f.rounding(d)) * length * length
	return float32(math.Sqrt(max(0, square)+slack)*(1+1e-6)) + 1e-9
}

// rounding bounds the length of what computing a head in float32 adds to it, as
// a share of the vector's.
func (f *frame) rounding(dimension int) float64 {
	return math.Sqrt(float64(f.size)) * (float64(dimension)/16 + 8) / (1 << 24) * unitSlack
}
