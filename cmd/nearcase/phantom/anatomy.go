package phantom

import (
	"math"
	"math/rand/v2"
)

// anatomy is a patient's chest, in body coordinates. Sides are as one looks at
// the image: side 0 is on the left of it, which is the patient's right.
type anatomy struct {
	torso      ellipse
	neck       capsule
	shoulders  capsule // the one where x > 0; the other is its mirror image
	lungs      [2]ellipse
	domes      [2]ellipse // of the diaphragm: cut off the lungs from below
	hila       [2]ellipse
	heart      ellipse
	clavicles  [2]capsule
	spine      spine
	ribs       ribs
	markings   *field  // the vessels of the lungs
	marked     float64 // their contrast in grey levels
	air        float64 // grey levels that a lung is darker than the rest
	gain, tilt float64 // exposure, and degrees that the patient leans
}

// spine is a column of vertebrae, pitch pixels high and twice half wide, that
// lies bend pixels aside at its middle.
type spine struct{ bend, half, pitch float64 }

// ribs are arcs, alike on both sides, highest at apex pixels from the middle.
// They end with the cage, a little outside the lungs.
type ribs struct {
	phase, spacing, width, drop, contrast, apex float64
	cage                                        [2]ellipse
}

func newAnatomy(r *rand.Rand) *anatomy {
	broad, tall := between(r, 0.88, 1.1), between(r, 0.86, 1.08)
	a := &anatomy{
		spine:    spine{between(r, -5, 5), between(r, 7, 10), between(r, 11, 15)},
		ribs:     newRibs(r),
		markings: newField(r, between(r, 8, 13)),
		marked:   between(r, 1, 3),
		air:      between(r, 52, 70),
		gain:     between(r, 0.9, 1.1),
		tilt:     between(r, -4, 4),
	}
	a.addMiddle(r, broad, tall)
	for side := range a.lungs {
		a.addSide(r, side, broad, tall)
	}
	return a
}

func newRibs(r *rand.Rand) ribs {
	return ribs{
		phase: between(r, 0, 20), spacing: between(r, 15, 21), width: between(r, 4, 6.5),
		drop: between(r, 8, 22), contrast: between(r, 8, 14), apex: between(r, 14, 26),
	}
}

func (a *anatomy) addMiddle(r *rand.Rand, broad, tall float64) {
	y, size := between(r, -70, -66)*tall, between(r, 0.85, 1.2)
	a.torso = newEllipse(point{0, between(r, 38, 48)}, 106*broad, 150*tall, 0)
	a.neck = capsule{point{0, -140}, point{0, -70}, between(r, 24, 30)}
	a.shoulders = capsule{point{0, y}, point{135, y + between(r, 12, 24)}, between(r, 28, 32)}
	a.heart = newEllipse(point{between(r, 10, 18), between(r, 24, 32)}, 36*size, 29*size, between(r, 20, 40))
}

func (a *anatomy) addSide(r *rand.Rand, side int, broad, tall float64) {
	s := float64(2*side - 1)
	x := 46 * broad * s
	centre, lean := point{x, between(r, -5, 2)}, -s*between(r, 5, 10)
	rx, ry := between(r, 33, 38)*broad, between(r, 70, 78)*tall
	a.lungs[side] = newEllipse(centre, rx, ry, lean)
	a.ribs.cage[side] = newEllipse(centre, rx+6, ry+6, lean)
	a.domes[side] = newEllipse(point{x, between(r, 70, 80)}, 54*broad, between(r, 28, 36), 0)
	a.hila[side] = newEllipse(point{20 * s, between(r, -4, 6)}, between(r, 7, 10), between(r, 11, 16), -20*s)
	a.clavicles[side] = capsule{point{9 * s, between(r, -58, -52)}, point{72 * s * broad, between(r, -78, -68)}, between(r, 3, 4.2)}
}

// side is the side that p is on.
func side(p point) int {
	if p.x < 0 {
		return 0
	}
	return 1
}

// body is how much of a pixel at p is body: 0 to 1.
func (a *anatomy) body(p point) float64 {
	torso := a.torso.cover(p, 2)
	if torso == 1 {
		return 1
	}
	return max(torso, a.neck.cover(p, 2), a.shoulders.cover(point{math.Abs(p.x), p.y}, 2))
}

// lung is how much of a pixel at p is lung that nothing hides: 0 to 1.
func (a *anatomy) lung(p point) float64 {
	i := side(p)
	lung := a.lungs[i].cover(p, 2)
	if lung == 0 {
		return 0
	}
	return min(lung, 1-a.domes[i].cover(p, 2)) * (1 - a.heart.cover(p, 3))
}

// grey is the grey level at p, before exposure, given how much of it is lung.
func (a *anatomy) grey(p point, lung float64) float64 {
	body := a.body(p)
	if body == 0 {
		return 8
	}
	i := side(p)
	grey := 8 + 112*body - a.air*lung + 16*a.clavicles[i].cover(p, 1.5)
	grey += a.spine.grey(p) + a.ribs.grey(p, i)
	if lung > 0 {
		grey += lung * (a.marked*a.markings.at(p) + 16*a.hila[i].cover(p, 8))
	}
	return grey
}

func (s *spine) grey(p point) float64 {
	y := p.y / 80
	x := math.Abs(p.x - s.bend*(1-y*y))
	if x > s.half+1 {
		return 0
	}
	disc := cover(offBeat(p.y, s.pitch)-1.5, 1.5)
	return cover(x-s.half, 1.5) * (30 - 12*disc)
}

func (r *ribs) grey(p point, side int) float64 {
	cage := r.cage[side].cover(p, 2)
	if cage == 0 {
		return 0
	}
	x := (math.Abs(p.x) - r.apex) / 50
	return r.contrast * cage * cover(offBeat(p.y-r.drop*x*x+r.phase, r.spacing)-r.width/2, 1.5)
}

// offBeat is how far x is from the nearest of the places that are period apart,
// of which one is half a period from zero.
func offBeat(x, period float64) float64 {
	turns := x / period
	return math.Abs(turns-math.Floor(turns)-0.5) * period
}
