package phantom

import "math"

// point is a place in pixels, x to the right and y down: on the canvas from
// its upper left corner, on a body from the middle of the chest.
type point struct{ x, y float64 }

func (p point) plus(q point) point               { return point{p.x + q.x, p.y + q.y} }
func (p point) minus(q point) point              { return point{p.x - q.x, p.y - q.y} }
func (p point) times(f float64) point            { return point{p.x * f, p.y * f} }
func (p point) towards(q point, f float64) point { return p.plus(q.minus(p).times(f)) }

func length(p point) float64 { return math.Sqrt(p.x*p.x + p.y*p.y) }

// turn is a rotation: the cosine and sine of its angle.
type turn struct{ cos, sin float64 }

func newTurn(degrees float64) turn {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	return turn{cos, sin}
}

func (t turn) apply(p point) point { return point{t.cos*p.x - t.sin*p.y, t.sin*p.x + t.cos*p.y} }
func (t turn) undo(p point) point  { return point{t.cos*p.x + t.sin*p.y, t.cos*p.y - t.sin*p.x} }

// ellipse is an ellipse with radii rx and ry.
type ellipse struct {
	centre point
	rx, ry float64
	// The directions of rx and ry, each over its radius.
	across, down point
}

func newEllipse(centre point, rx, ry, degrees float64) ellipse {
	t := newTurn(degrees)
	return ellipse{centre, rx, ry, point{t.cos, t.sin}.times(1 / rx), point{-t.sin, t.cos}.times(1 / ry)}
}

// within are the coordinates of p that make the ellipse the unit circle.
func (e *ellipse) within(p point) point {
	p = p.minus(e.centre)
	return point{p.x*e.across.x + p.y*e.across.y, p.x*e.down.x + p.y*e.down.y}
}

// distance is the distance from p to the edge, negative inside. It is the
// first-order estimate f/|∇f| for f = |p/r| - 1: exact on the edge, which is
// all that anti-aliasing needs.
func (e *ellipse) distance(p point) float64 {
	q := e.within(p)
	f := length(q)
	if f < 1e-9 {
		return -min(e.rx, e.ry)
	}
	return f * (f - 1) / length(point{q.x / e.rx, q.y / e.ry})
}

// cover is the share of a pixel at p inside the ellipse: what the function
// cover gives for the distance, but sooner where that is 0 or 1.
func (e *ellipse) cover(p point, soft float64) float64 {
	q := e.within(p)
	// The distance is at least |f-1| times the smaller radius.
	least := min(e.rx, e.ry)
	f2, outer, inner := (q.x*q.x+q.y*q.y)*least*least, least+soft/2, max(least-soft/2, 0)
	switch {
	case f2 >= outer*outer:
		return 0
	case f2 < inner*inner: // at its middle a small one is not sure to cover a pixel
		return 1
	}
	return cover(e.distance(p), soft)
}

// capsule is a thick line from a to b with round ends.
type capsule struct {
	a, b   point
	radius float64
}

func (c *capsule) distance(p point) float64 {
	ab, ap := c.b.minus(c.a), p.minus(c.a)
	t, ab2 := 0.0, ab.x*ab.x+ab.y*ab.y
	if ab2 > 0 { // else it is a circle
		t = (ap.x*ab.x + ap.y*ab.y) / ab2
	}
	return length(p.minus(c.a.towards(c.b, min(max(t, 0), 1)))) - c.radius
}

// cover is the share of a pixel at p inside the capsule, zero at once where p
// is above, below or beside it.
func (c *capsule) cover(p point, soft float64) float64 {
	r := c.radius + soft/2
	if p.y < min(c.a.y, c.b.y)-r || p.y > max(c.a.y, c.b.y)+r || p.x < min(c.a.x, c.b.x)-r || p.x > max(c.a.x, c.b.x)+r {
		return 0
	}
	return cover(c.distance(p), soft)
}

// box is an upright rectangle with rounded corners, of the given half sizes.
type box struct {
	centre       point
	x, y, corner float64
}

func (b box) distance(p point) float64 {
	x := math.Abs(p.x-b.centre.x) - b.x + b.corner
	y := math.Abs(p.y-b.centre.y) - b.y + b.corner
	outside := length(point{max(x, 0), max(y, 0)})
	return outside + min(max(x, y), 0) - b.corner
}

// cover is the share of a pixel inside an edge at a distance, where the edge
// is as soft as the given number of pixels.
func cover(distance, soft float64) float64 {
	return min(max(0.5-distance/soft, 0), 1)
}

// curve returns points half a pixel apart or closer on a quadratic Bézier
// curve from a to b that bends towards via.
func curve(a, via, b point) []point {
	// A step is at most twice the longer leg over n.
	n := int(4*(length(via.minus(a))+length(b.minus(via)))) + 1
	points := make([]point, n+1)
	for i := range points {
		t := float64(i) / float64(n)
		points[i] = a.towards(via, t).towards(via.towards(b, t), t)
	}
	return points
}
