package report

import (
	"html/template"
	"math"

	"nearcase/probe/eval"
)

// A forest plot has a line for each estimate: its name, the value with its
// interval, and the same in figures.
type forest struct {
	title string
	// zero draws a line at no difference and signs the figures.
	zero bool
	// left and right say what a value on either side of zero favours.
	left, right string
	rows        []bough
}

// bough is a row of a forest. One without an estimate is a heading.
type bough struct {
	name    string
	look    look
	heading bool
	eval.Estimate
}

// The columns of a forest plot.
const (
	forestWidth  = 1100
	forestNames  = 350 // end of the names
	forestLeft   = 366
	forestRight  = 892
	forestHeight = 25 // of a row
)

// svg returns the drawing, and false if there is no row with a finite value.
func (f forest) svg() (template.HTML, bool) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range f.rows {
		for _, v := range []float64{r.Value, r.Low, r.High} {
			if !r.heading && finite(r.Value) && finite(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low > high {
		return "", false
	}
	if f.zero {
		low, high = min(low, 0), max(high, 0)
	}
	top := 14.0
	bottom := top + forestHeight*float64(len(f.rows))
	p := &plot{drawing: &drawing{width: forestWidth, height: bottom + 44}, left: forestLeft, right: forestRight, top: top, bottom: bottom,
		xAxis: around("", low, high, 6)}
	p.rules(f)
	for i, r := range f.rows {
		p.row(f, r, top+forestHeight*(float64(i)+0.5))
	}
	return p.svg(f.title), true
}

// rules draws the axis and what its sides mean.
func (p *plot) rules(f forest) {
	for _, t := range p.xAxis.ticks {
		p.line("grid", p.x(t), p.top, p.x(t), p.bottom)
		p.text("tick", "middle", p.x(t), p.bottom+16, 0, p.xAxis.label(t))
	}
	p.line("axis", p.left, p.bottom, p.right, p.bottom)
	if f.zero {
		p.line("zero", p.x(0), p.top-6, p.x(0), p.bottom)
		p.text("name", "start", p.left, p.bottom+36, 0, f.left)
		p.text("name", "end", p.right, p.bottom+36, 0, f.right)
		return
	}
	p.text("name", "middle", (p.left+p.right)/2, p.bottom+36, 0, f.title)
}

func (p *plot) row(f forest, r bough, y float64) {
	if r.heading {
		p.text("title", "start", 0, y+4, forestNames, r.name)
		return
	}
	p.text("label", "start", 16, y+4, forestNames-16, r.name)
	if !finite(r.Value) {
		p.text("value", "start", p.right+20, y+4, 0, absent)
		return
	}
	x := p.x(r.Value)
	if finite(r.Low) && finite(r.High) {
		p.line(look{Colour: r.look.Colour}.stroke(), p.x(r.Low), y, p.x(r.High), y)
	}
	if f.zero && !excludesZero(r.Estimate) {
		p.bar("hollow "+look{Colour: r.look.Colour}.stroke(), x-4, y-4, 8, 8)
	} else {
		p.bar(r.look.fill(), x-4.5, y-4.5, 9, 9)
	}
	figure, interval := number, bounds
	if f.zero {
		figure, interval = signed, between
	}
	p.text("value strong", "end", p.right+68, y+4, 0, figure(r.Value))
	p.text("value", "start", p.right+80, y+4, 0, interval(r.Estimate))
}
