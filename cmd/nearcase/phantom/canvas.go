package phantom

import (
	"image"
	"math/rand/v2"
)

// canvas is a phantom being drawn: grey levels that are neither rounded nor
// bounded yet. Outside the frame nothing is drawn.
type canvas struct {
	pose pose
	grey [Size * Size]float64
	lung [Size * Size]float64 // how much of each pixel is open lung
}

// pose is where the body lies on the canvas.
type pose struct {
	turn  turn
	scale float64
	shift point
}

func newPose(r *rand.Rand, tilt float64) pose {
	return pose{
		turn:  newTurn(tilt + between(r, -2.5, 2.5)),
		scale: between(r, 0.97, 1.03),
		shift: point{Size/2 + between(r, -5, 5), Size/2 + between(r, -5, 5)},
	}
}

func (o pose) toBody(p point) point   { return o.turn.undo(p.minus(o.shift)).times(1 / o.scale) }
func (o pose) toCanvas(p point) point { return o.turn.apply(p.times(o.scale)).plus(o.shift) }

func newCanvas(o pose) *canvas { return &canvas{pose: o} }

// frame is the part of the canvas inside the band.
func frame() image.Rectangle { return image.Rect(0, 0, Size, Size).Inset(band) }

// each calls f for the pixels within reach of a place on the canvas that are
// inside the frame, with their index and centre.
func (c *canvas) each(centre point, reach float64, f func(i int, p point)) {
	r := image.Rect(int(centre.x-reach)-1, int(centre.y-reach)-1, int(centre.x+reach)+2, int(centre.y+reach)+2)
	r = r.Intersect(frame())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			f(y*Size+x, point{float64(x) + 0.5, float64(y) + 0.5})
		}
	}
}

// all calls f for every pixel inside the frame.
func (c *canvas) all(f func(i int, p point)) { c.each(point{Size / 2, Size / 2}, Size/2, f) }

func (c *canvas) body(a *anatomy) {
	c.all(func(i int, p point) {
		p = c.pose.toBody(p)
		c.lung[i] = a.lung(p)
		c.grey[i] = a.grey(p, c.lung[i])
	})
}

// stroke draws a line along points on the body, which are close together. It
// lightens what is below up to the given grey level and never darkens it.
func (c *canvas) stroke(points []point, width, level float64) {
	for _, q := range points {
		q = c.pose.toCanvas(q)
		c.each(q, width, func(i int, p point) {
			d := p.minus(q)
			if d.x*d.x+d.y*d.y < width*width {
				c.lighten(i, level*cover(length(d)-width/2, 1))
			}
		})
	}
}

func (c *canvas) lighten(i int, level float64) { c.grey[i] = max(c.grey[i], level) }

// expose turns densities into grey levels: each image has its own gain, a
// brightness that falls off in some direction, and noise.
func (c *canvas) expose(r *rand.Rand, gain float64) {
	gain *= between(r, 0.9, 1.1)
	base, noise := between(r, 2, 14), between(r, 2, 4)
	slope := newTurn(between(r, 0, 360)).apply(point{between(r, 0, 0.1), 0})
	c.all(func(i int, p point) {
		tilted := slope.x*(p.x-Size/2) + slope.y*(p.y-Size/2)
		c.grey[i] = base + gain*c.grey[i] + tilted + noise*r.NormFloat64()
	})
}

// picture rounds the grey levels and puts the band around them.
func (c *canvas) picture() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, Size, Size))
	c.all(func(i int, _ point) {
		v := uint8(min(max(c.grey[i]+0.5, 0), 255))
		m.Pix[4*i], m.Pix[4*i+1], m.Pix[4*i+2], m.Pix[4*i+3] = v, v, v, 255
	})
	drawBand(m)
	return m
}
