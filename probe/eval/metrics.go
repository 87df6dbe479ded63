package eval

import "fmt"

// Confusion counts images by true and predicted class: Confusion[t][p] images
// of class t were predicted to be p. Where a ratio's denominator is zero the
// ratio is zero.
type Confusion [][]int

// Confuse counts truth against predicted, in the order of classes. It returns
// ErrClass for a label outside classes or a class named twice.
func Confuse(truth, predicted, classes []string) (Confusion, error) {
	if len(truth) != len(predicted) {
		return nil, fmt.Errorf("confusing %d labels with %d predictions: %w", len(truth), len(predicted), ErrLength)
	}
	t, err := positions(truth, classes)
	if err != nil {
		return nil, err
	}
	p, err := positions(predicted, classes)
	if err != nil {
		return nil, err
	}
	c := newConfusion(len(classes))
	for i := range t {
		c[t[i]][p[i]]++
	}
	return c, nil
}

func newConfusion(classes int) Confusion {
	c := make(Confusion, classes)
	for i := range c {
		c[i] = make([]int, classes)
	}
	return c
}

// positions returns each label's position in classes.
func positions(labels, classes []string) ([]int, error) {
	at := make(map[string]int, len(classes))
	for i, c := range classes {
		if _, ok := at[c]; ok {
			return nil, fmt.Errorf("class %q named twice: %w", c, ErrClass)
		}
		at[c] = i
	}
	p := make([]int, len(labels))
	for i, l := range labels {
		j, ok := at[l]
		if !ok {
			return nil, fmt.Errorf("label %q of image %d: %w", l, i, ErrClass)
		}
		p[i] = j
	}
	return p, nil
}

// outcomes counts, for one class, true and false positives and negatives.
type outcomes struct{ truePos, falsePos, falseNeg, trueNeg int }

// of returns the outcomes for the class at position c against the others.
func (m Confusion) of(c int) outcomes {
	var o outcomes
	for t, row := range m {
		for p, n := range row {
			switch {
			case t == c && p == c:
				o.truePos += n
			case t == c:
				o.falseNeg += n
			case p == c:
				o.falsePos += n
			default:
				o.trueNeg += n
			}
		}
	}
	return o
}

func over(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func (o outcomes) recall() float64    { return over(o.truePos, o.truePos+o.falseNeg) }
func (o outcomes) precision() float64 { return over(o.truePos, o.truePos+o.falsePos) }
func (o outcomes) f1() float64        { return over(2*o.truePos, 2*o.truePos+o.falsePos+o.falseNeg) }

// Recall returns the share of the images of class c that were predicted so.
func (m Confusion) Recall(c int) float64 { return m.of(c).recall() }

// Precision returns the share of the images predicted as class c that are.
func (m Confusion) Precision(c int) float64 { return m.of(c).precision() }

// F1 returns the harmonic mean of recall and precision of class c.
func (m Confusion) F1(c int) float64 { return m.of(c).f1() }

// Accuracy returns the share of images predicted rightly.
func (m Confusion) Accuracy() float64 {
	right, all := 0, 0
	for t, row := range m {
		right += row[t]
		for _, n := range row {
			all += n
		}
	}
	return over(right, all)
}

// BalancedAccuracy returns the mean recall of the classes that have images.
func (m Confusion) BalancedAccuracy() float64 {
	sum, present := 0.0, 0
	for t, row := range m {
		all := 0
		for _, n := range row {
			all += n
		}
		if all > 0 {
			sum += over(row[t], all)
			present++
		}
	}
	if present == 0 {
		return 0
	}
	return sum / float64(present)
}
