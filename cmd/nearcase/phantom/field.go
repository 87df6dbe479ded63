package phantom

import (
	"math"
	"math/rand/v2"
)

// field is smooth noise of about one octave, the mean of two lattices turned
// against each other so that neither shows.
type field struct{ lattices [2]lattice }

func newField(r *rand.Rand, step float64) *field {
	first := between(r, 0, 90)
	return &field{[2]lattice{newLattice(r, step, first), newLattice(r, step, first+45)}}
}

// at is the noise at p: of mean 0 and a standard deviation between 1/2 and 1.
func (f *field) at(p point) float64 {
	return (f.lattices[0].at(p) + f.lattices[1].at(p)) / math.Sqrt2
}

// latticeSide is the number of points on each side of a lattice, a power of two. The
// noise repeats itself after them, which is further than a lung is wide.
const latticeSide = 32

// lattice is noise between normal deviates on a square lattice.
type lattice struct {
	turn  turn
	step  float64 // pixels between points
	value [latticeSide][latticeSide]float64
}

func newLattice(r *rand.Rand, step, degrees float64) lattice {
	l := lattice{turn: newTurn(degrees), step: step}
	for i := range l.value {
		for j := range l.value[i] {
			l.value[i][j] = r.NormFloat64()
		}
	}
	return l
}

// at joins the four points about p by cubic steps.
func (l *lattice) at(p point) float64 {
	q := l.turn.undo(p).times(1 / l.step)
	left, top := math.Floor(q.x), math.Floor(q.y)
	u, v := ease(q.x-left), ease(q.y-top)
	i, j := int(left)&(latticeSide-1), int(top)&(latticeSide-1)
	k, m := (i+1)&(latticeSide-1), (j+1)&(latticeSide-1)
	upper := l.value[j][i]*(1-u) + l.value[j][k]*u
	lower := l.value[m][i]*(1-u) + l.value[m][k]*u
	return upper*(1-v) + lower*v
}

// ease leads from 0 to 1 without a corner at either end.
func ease(t float64) float64 { return t * t * (3 - 2*t) }
