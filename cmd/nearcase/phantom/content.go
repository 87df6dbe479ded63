package phantom

import (
	"math"
	"math/rand/v2"
	"slices"
)

// content draws the finding and the devices of one image.
func (c *canvas) content(r *rand.Rand, a *anatomy, o content) {
	switch o.finding {
	case Haze:
		c.haze(r)
	case Nodules:
		c.nodules(r, a)
	}
	if slices.Contains(o.devices, Line) {
		c.line(r)
	}
	if slices.Contains(o.devices, Pacemaker) {
		c.pacemaker(r, a)
	}
}

// haze brightens the lungs a little and unevenly, one of them or both.
func (c *canvas) haze(r *rand.Rand) {
	texture := newField(r, between(r, 5, 8))
	contrast := between(r, 10, 15)
	sides := [][2]float64{{1, 0}, {0, 1}, {1, 1}}[r.IntN(3)]
	c.all(func(i int, p point) {
		if c.lung[i] > 0 {
			f := sides[side(c.pose.toBody(p))] * c.lung[i] * contrast
			c.grey[i] += f * (1 + texture.at(p))
		}
	})
}

// nodules draws two to five round blobs.
func (c *canvas) nodules(r *rand.Rand, a *anatomy) {
	for range 2 + r.IntN(4) {
		radius, contrast := between(r, 5.5, 9), between(r, 60, 85)
		centre := c.pose.toCanvas(a.inLung(r, radius))
		c.each(centre, radius, func(i int, p point) {
			d := length(p.minus(centre)) / radius
			c.grey[i] += contrast * ease(1-min(d*d, 1))
		})
	}
}

// inLung chooses a place in a lung with nothing else nearer than the margin.
func (a *anatomy) inLung(r *rand.Rand, margin float64) point {
	for range 100 {
		l := &a.lungs[r.IntN(2)]
		p := l.centre.plus(point{between(r, -1, 1) * l.rx, between(r, -1, 1) * l.ry})
		if a.isOpen(p, margin) {
			return p
		}
	}
	return a.lungs[0].centre // which has room about it in any anatomy
}

// isOpen tells whether there is lung about p as far as the margin.
func (a *anatomy) isOpen(p point, margin float64) bool {
	i := side(p)
	return a.lungs[i].distance(p) < -margin && a.domes[i].distance(p) > margin && a.heart.distance(p) > margin
}

// line draws a catheter from the neck or an arm down to the middle of the chest.
func (c *canvas) line(r *rand.Rand) {
	s := float64(2*r.IntN(2) - 1)
	from := point{s * between(r, 22, 85), -100}
	via := point{s * between(r, -5, 25), between(r, -70, -40)}
	to := point{between(r, -14, -4), between(r, 0, 25)}
	c.stroke(curve(from, via, to), 2.2, between(r, 165, 195))
}

// pacemaker draws a flat case below a clavicle with a lead into the heart.
func (c *canvas) pacemaker(r *rand.Rand, a *anatomy) {
	s := float64(2*r.IntN(2) - 1)
	b := box{point{s * between(r, 56, 66), between(r, -56, -46)}, between(r, 10, 13), between(r, 8, 10), 5}
	tip := a.heart.centre.plus(point{between(r, 4, 16), between(r, 4, 12)})
	c.stroke(curve(b.centre, point{between(r, -10, 2), -70}, tip), 2, 185)
	c.each(c.pose.toCanvas(b.centre), 20, func(i int, p point) {
		p = c.pose.toBody(p)
		c.lighten(i, 215*cover(b.distance(p), 1.5)-30*cover(math.Abs(b.distance(p)+4)-0.7, 1))
	})
}
