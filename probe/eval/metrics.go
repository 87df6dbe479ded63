package eval

// Confusion counts images by true and predicted class: Confusion[t][p] images of
// class t were predicted to be p.
type Confusion [][]int

func newConfusion(classes int) Confusion {
	c := make(Confusion, classes)
	for i := range c {
		c[i] = make([]int, classes)
	}
	return c
}

// outcomes counts, for one class, true and false positives and negatives.
type outcomes struct{ truePos, falsePos, falseNeg, trueNeg int }

func (o outcomes) known() int { return o.truePos + o.falsePos + o.falseNeg + o.trueNeg }
