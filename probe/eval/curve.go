package eval

// curvePoints is the most points of a curve.
const curvePoints = 200

// curves returns the ROC curve, from (0, 0) to (1, 1), and the precision-recall
// curve, from (0, 1) to where everything is positive, each with a point for
// every score, less those of the ROC curve that lie on a line with their
// neighbours, and thinned to curvePoints. Both are nil unless there are both
// positives and negatives.
func (r ranking) curves() (roc, pr []Point) {
	pos, neg := r.totals(ones(r.images()))
	if pos == 0 || neg == 0 {
		return nil, nil
	}
	steps := r.steps()
	var bent []step
	for i, s := range steps {
		if i == 0 || i == len(steps)-1 || bends(bent[len(bent)-1], s, steps[i+1]) {
			bent = append(bent, s)
		}
	}
	for _, s := range bent {
		roc = append(roc, Point{ratioOf(s.falsePos, neg), ratioOf(s.truePos, pos)})
	}
	pr = append(pr, Point{0, 1})
	for _, s := range steps[1:] {
		pr = append(pr, Point{ratioOf(s.truePos, pos), ratioOf(s.truePos, s.truePos+s.falsePos)})
	}
	return thin(roc, func(p Point) float64 { return (p.X + p.Y) / 2 }), thin(pr, func(p Point) float64 { return p.X })
}

// images is how many there are up to the last that is ranked.
func (r ranking) images() int {
	n := 0
	for _, at := range r {
		n = max(n, int(at>>markBits)+1)
	}
	return n
}

// step is how many are taken for positive from a score on.
type step struct{ truePos, falsePos int }

// steps returns one step for none and then one for each score, falling.
func (r ranking) steps() []step {
	steps := []step{{}}
	var taken step
	for _, at := range r {
		if at&positive != 0 {
			taken.truePos++
		} else {
			taken.falsePos++
		}
		if at&lastTied != 0 {
			steps = append(steps, taken)
		}
	}
	return steps
}

// bends tells whether b is off the line from a to c.
func bends(a, b, c step) bool {
	return (b.falsePos-a.falsePos)*(c.truePos-b.truePos) != (c.falsePos-b.falsePos)*(b.truePos-a.truePos)
}

// thin keeps at most curvePoints: the first and the last and, of each of equal
// parts of 0 to 1 in which along puts them, the first, the lowest and the
// highest.
func thin(curve []Point, along func(Point) float64) []Point {
	const parts = (curvePoints - 2) / 3
	if len(curve) <= curvePoints {
		return curve
	}
	last := len(curve) - 1
	part := func(i int) int { return min(int(along(curve[i])*parts), parts-1) }
	kept := []Point{curve[0]}
	for i := 1; i < last; {
		first, low, high := i, i, i
		for ; i < last && part(i) == part(first); i++ {
			if curve[i].Y < curve[low].Y {
				low = i
			}
			if curve[i].Y >= curve[high].Y {
				high = i
			}
		}
		kept = append(kept, curve[first])
		for _, j := range []int{min(low, high), max(low, high)} {
			if j > first && curve[j] != kept[len(kept)-1] {
				kept = append(kept, curve[j])
			}
		}
	}
	return append(kept, curve[last])
}

// reliability returns the bins of a reliability diagram over all images, or all
// known images of all findings; nil for none.
func reliability(all []calibration) []Bin {
	if all == nil {
		return nil
	}
	diagram := make([]Bin, bins)
	for _, c := range all {
		for i, b := range c.bin {
			if b < bins {
				diagram[b].N++
				diagram[b].Confidence += c.probability[i]
				diagram[b].Right += c.right[i]
			}
		}
	}
	for i := range diagram {
		b := &diagram[i]
		b.Low, b.High = float64(i)/bins, float64(i+1)/bins
		if b.N > 0 {
			b.Confidence, b.Right = b.Confidence/float64(b.N), b.Right/float64(b.N)
		}
	}
	return diagram
}
