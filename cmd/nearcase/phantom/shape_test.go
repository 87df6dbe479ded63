package phantom

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func points(t *rapid.T, name string) point {
	coordinate := rapid.Float64Range(-150, 150)
	return point{coordinate.Draw(t, name+".x"), coordinate.Draw(t, name+".y")}
}

func ellipses(t *rapid.T) ellipse {
	radius := rapid.Float64Range(3, 150)
	degrees := rapid.Float64Range(-180, 180).Draw(t, "degrees")
	return newEllipse(points(t, "centre"), radius.Draw(t, "rx"), radius.Draw(t, "ry"), degrees)
}

// Law: an ellipse's quick cover is the cover of its distance.
func TestEllipseCoverIsThatOfItsDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, p, soft := ellipses(t), points(t, "p"), rapid.Float64Range(0.5, 10).Draw(t, "soft")
		// Most of what can go wrong does so near the edge.
		if rapid.Bool().Draw(t, "near") {
			share := rapid.Float64Range(0.8, 1.2).Draw(t, "share")
			p = e.centre.plus(e.across.times(share * e.rx * e.rx))
		}
		if got, want := e.cover(p, soft), cover(e.distance(p), soft); math.Abs(got-want) > 1e-9 {
			t.Fatalf("%+v.cover(%v, %v) = %v, want %v", e, p, soft, got, want)
		}
	})
}

// What a quotient of nothing by nothing would be is known all the same.
func TestPointsInTheMiddle(t *testing.T) {
	e := newEllipse(point{1, 2}, 3, 3, 0)
	if got, want := e.cover(e.centre, 10), cover(e.distance(e.centre), 10); got != want {
		t.Errorf("a small ellipse covers its middle by %v, want %v", got, want)
	}
	c := capsule{point{}, point{0, 1e-200}, 5}
	if got := c.distance(point{7, 0}); got != 2 {
		t.Errorf("a point beside a capsule without length is %v from it, want 2", got)
	}
}

// Law: the distance to a circle, which is an ellipse with equal radii, is exact.
func TestDistanceToACircle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		centre, p, radius := points(t, "centre"), points(t, "p"), rapid.Float64Range(3, 150).Draw(t, "radius")
		e := newEllipse(centre, radius, radius, rapid.Float64Range(-180, 180).Draw(t, "degrees"))
		if got, want := e.distance(p), length(p.minus(e.centre))-e.rx; math.Abs(got-want) > 1e-6 {
			t.Fatalf("%+v.distance(%v) = %v, want %v", e, p, got, want)
		}
	})
}

// Law: the ends of both radii, turned with the ellipse, are on the edge.
func TestRadiiEndOnTheEdge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		centre, degrees := points(t, "centre"), rapid.Float64Range(-180, 180).Draw(t, "degrees")
		e := newEllipse(centre, 30, 70, degrees)
		for _, end := range []point{{30, 0}, {0, 70}, {-30, 0}, {0, -70}} {
			p := centre.plus(newTurn(degrees).apply(end))
			if got := e.distance(p); math.Abs(got) > 1e-9 {
				t.Fatalf("%+v.distance(%v) = %v, want 0", e, p, got)
			}
		}
	})
}

// Law: the distance to a capsule is that to the nearest of many discs on it.
func TestDistanceToACapsule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, p := capsule{points(t, "a"), points(t, "b"), 5}, points(t, "p")
		want := math.Inf(1)
		for i := range 1001 {
			want = min(want, length(p.minus(c.a.towards(c.b, float64(i)/1000)))-5)
		}
		if got := c.distance(p); math.Abs(got-want) > 0.3 {
			t.Fatalf("%+v.distance(%v) = %v, want %v", c, p, got, want)
		}
	})
}

// Law: a capsule's quick cover is the cover of its distance.
func TestCapsuleCoverIsThatOfItsDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := capsule{points(t, "a"), points(t, "b"), rapid.Float64Range(1, 40).Draw(t, "radius")}
		p, soft := points(t, "p"), rapid.Float64Range(0.5, 10).Draw(t, "soft")
		if got, want := c.cover(p, soft), cover(c.distance(p), soft); got != want {
			t.Fatalf("%+v.cover(%v, %v) = %v, want %v", c, p, soft, got, want)
		}
	})
}

func TestDistanceToABox(t *testing.T) {
	b := box{centre: point{10, 20}, x: 8, y: 6, corner: 2}
	for _, c := range []struct {
		name string
		p    point
		want float64
	}{
		{"at the centre it is the smaller half", point{10, 20}, -6},
		{"on a side it is zero", point{18, 20}, 0},
		{"beside it is straight", point{10, 29}, 3},
		{"past a corner it is to the arc", point{16 + 3, 24 + 4}, 5 - 2},
		{"inside near a side it is negative", point{3, 20}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := b.distance(c.p); math.Abs(got-c.want) > 1e-9 {
				t.Errorf("%+v.distance(%v) = %v, want %v", b, c.p, got, c.want)
			}
		})
	}
}

// Law: a curve leads from a to b in steps of at most half a pixel.
func TestCurvesHaveNoGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, via, b := points(t, "a"), points(t, "via"), points(t, "b")
		c := curve(a, via, b)
		if first, last := c[0], c[len(c)-1]; length(first.minus(a)) > 1e-9 || length(last.minus(b)) > 1e-9 {
			t.Fatalf("curve(%v, %v, %v) leads from %v to %v", a, via, b, first, last)
		}
		for i := range c[1:] {
			if step := length(c[i+1].minus(c[i])); step > 0.5+1e-9 {
				t.Fatalf("curve(%v, %v, %v) has a step of %v at %d, want 0.5 at most", a, via, b, step, i)
			}
		}
	})
}

// Law: canvas and body coordinates lead back to each other.
func TestPosesCanBeUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newPose(source(rapid.Uint64().Draw(t, "seed"), 0, forPose, 0), 3)
		p := points(t, "p")
		if got := o.toBody(o.toCanvas(p)); length(got.minus(p)) > 1e-9 {
			t.Fatalf("toBody(toCanvas(%v)) = %v", p, got)
		}
	})
}

// Law: noise is centred, of the documented spread, and without jumps.
func TestNoiseIsSmoothAndCentred(t *testing.T) {
	var sum, squares, n float64
	for seed := range uint64(20) {
		f := newField(source(seed, 0, forContent, 0), 6)
		for x := -90.0; x < 90; x += 1.7 {
			for y := -90.0; y < 90; y += 1.7 {
				v := f.at(point{x, y})
				sum, squares, n = sum+v, squares+v*v, n+1
				if step := math.Abs(f.at(point{x + 0.01, y}) - v); step > 0.05 {
					t.Fatalf("seed %d: noise changes by %v over a hundredth of a pixel at %v,%v", seed, step, x, y)
				}
			}
		}
	}
	mean := sum / n
	if spread := math.Sqrt(squares/n - mean*mean); math.Abs(mean) > 0.1 || spread < 0.5 || spread > 1 {
		t.Errorf("noise has mean %v and standard deviation %v, want 0 and 0.5 to 1", mean, spread)
	}
}
