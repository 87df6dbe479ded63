package eval

import (
	"math/rand/v2"
	"testing"
)

// area is that under a curve, by trapezoids.
func area(curve []Point) float64 {
	sum := 0.0
	for i, b := range curve[1:] {
		a := curve[i]
		sum += (b.X - a.X) * (a.Y + b.Y) / 2
	}
	return sum
}

func TestCurvesAreThinnedWithoutLosingTheirShape(t *testing.T) {
	for name, signal := range map[string]float64{"chance": 0, "fair": 0.5, "good": 0.9, "perfect": 1.1} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 3))
			scores, in := make([]float64, 20_000), make([]bool, 20_000)
			for i := range scores {
				in[i] = r.IntN(4) == 0
				scores[i] = r.Float64()
				if in[i] {
					scores[i] += signal
				}
			}
			order := rank(scores, in)
			roc, pr := order.curves()
			m := order.measure(ones(len(scores)))
			if len(roc) > curvePoints || len(pr) > curvePoints {
				t.Errorf("curves of %d and %d points, want at most %d", len(roc), len(pr), curvePoints)
			}
			if got := area(roc); got < m.auc-0.003 || got > m.auc+0.003 {
				t.Errorf("area under %d points = %v, want about %v", len(roc), got, m.auc)
			}
			if got := area(pr); got < m.precision-0.02 || got > m.precision+0.02 {
				t.Errorf("area under %d points = %v, want about %v", len(pr), got, m.precision)
			}
			last := len(pr) - 1
			if roc[0] != (Point{0, 0}) || roc[len(roc)-1] != (Point{1, 1}) || pr[0] != (Point{0, 1}) || pr[last].X != 1 {
				t.Errorf("ends of the curves = %v, %v, %v, %v", roc[0], roc[len(roc)-1], pr[0], pr[last])
			}
			lowest := 1.0
			for _, s := range order.steps()[1:] {
				lowest = min(lowest, ratioOf(s.truePos, s.truePos+s.falsePos))
			}
			kept := 1.0
			for _, p := range pr {
				kept = min(kept, p.Y)
			}
			if kept != lowest {
				t.Errorf("lowest precision of the curve = %v, want %v", kept, lowest)
			}
		})
	}
}

func TestAReliabilityDiagramHasEveryImageOnce(t *testing.T) {
	c := newCalibration(4)
	c.set(0, 0, 0)
	c.set(1, 1.0/15, 1)
	c.set(2, 1, 1)
	c.set(3, 0.99, 0)
	got := reliability([]calibration{c})
	for i, want := range map[int]Bin{
		0:  {0, 1.0 / 15, 1, 0, 0},
		1:  {1.0 / 15, 2.0 / 15, 1, 1.0 / 15, 1},
		2:  {2.0 / 15, 3.0 / 15, 0, 0, 0},
		14: {14.0 / 15, 1, 2, 0.995, 0.5},
	} {
		if got[i] != want {
			t.Errorf("bin %d = %+v, want %+v", i, got[i], want)
		}
	}
}
