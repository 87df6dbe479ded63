package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"

	"nearcase/probe/eval"
)

// looks returns how each result is drawn: where there are several networks, by
// colour of the network and dashes of the method, else by colour of the method.
func looks(results []eval.Result) []look {
	models, methods := names(results)
	var all []look
	for _, r := range results {
		m, k := slices.Index(models, r.Model), slices.Index(methods, r.Method)
		if len(models) > 1 {
			all = append(all, look{m % colours, k % dashes})
		} else {
			all = append(all, look{k % colours, 0})
		}
	}
	return all
}

// names are those of networks and methods, in the order of results.
func names(results []eval.Result) (models, methods []string) {
	for _, r := range results {
		if !slices.Contains(models, r.Model) {
			models = append(models, r.Model)
		}
		if !slices.Contains(methods, r.Method) {
			methods = append(methods, r.Method)
		}
	}
	return models, methods
}

// series is a curve of a result.
type series struct {
	look
	points []eval.Point
	value  string // beside it; may be empty
}

// A curveKind is a kind of curve that each class has.
type curveKind struct {
	id, title, caption string
	x, y               string
	of                 func(eval.ClassResult) []eval.Point
	measure            string // sums a curve up; written at the lower left or right
	left               bool
	chance             func(*plot, eval.ClassResult)
}

func roc() curveKind {
	return curveKind{id: "roc", title: "ROC curves", x: "1 − specificity", y: "sensitivity", measure: eval.AUCOfClass,
		caption: "Receiver operating characteristic of each class against the rest, with its area. Dotted: chance.",
		of:      func(c eval.ClassResult) []eval.Point { return c.ROC },
		chance:  func(p *plot, _ eval.ClassResult) { p.line("chance", p.left, p.bottom, p.right, p.top) },
	}
}

func precisionRecall() curveKind {
	return curveKind{id: "pr", title: "Precision–recall curves", x: "recall", y: "precision", measure: eval.AveragePrecision, left: true,
		caption: "Precision and recall of each class against the rest, with average precision. Dotted: the class's prevalence, which is chance.",
		of:      func(c eval.ClassResult) []eval.Point { return c.PR },
		chance: func(p *plot, c eval.ClassResult) {
			if c.Known > 0 {
				y := p.y(float64(c.N) / float64(c.Known))
				p.line("chance", p.left, y, p.right, y)
			}
		},
	}
}

// most is of how many classes curves are drawn.
const most = 24

// mostValues is how many curves of a plot have their values written in it.
const mostValues = 9

// perClass draws a plot for each class of which there is a curve.
func (r Report) perClass(k curveKind) (all []template.HTML) {
	classes := r.drawn(k.of)
	for _, class := range classes {
		lines, c := r.lines(k, class)
		p := panel(panelSide(len(classes)), class, fmt.Sprintf("%s of %s", count(c.N), counted(c.Known, "image")), unit(k.x), unit(k.y))
		k.chance(p, c)
		p.curves(lines, k.left)
		all = append(all, p.svg(k.title+": "+class))
	}
	return all
}

// lines are the curves that results have of a class, and one of these results.
func (r Report) lines(k curveKind, class string) (lines []series, of eval.ClassResult) {
	style := looks(r.Results)
	for i, result := range r.Results {
		c, ok := find(result, class)
		if !ok || len(k.of(c)) == 0 {
			continue
		}
		s := series{look: style[i], points: k.of(c)}
		if m, ok := c.Measure(k.measure); ok {
			s.value = number(m.Value)
		}
		lines, of = append(lines, s), c
	}
	return lines, of
}

// drawn returns the classes that have a curve: at most so many, the most
// frequent of them, in the order of the report.
func (r Report) drawn(curve func(eval.ClassResult) []eval.Point) []string {
	frequency := map[string]int{}
	for _, result := range r.Results {
		for _, c := range result.Classes {
			if len(curve(c)) > 0 {
				frequency[c.Class] = max(frequency[c.Class], c.N)
			}
		}
	}
	var all []string
	for _, class := range r.Classes {
		if _, ok := frequency[class]; ok {
			all = append(all, class)
		}
	}
	if len(all) <= most {
		return all
	}
	ranked := slices.Clone(all)
	slices.SortStableFunc(ranked, func(a, b string) int { return frequency[b] - frequency[a] })
	return slices.DeleteFunc(all, func(class string) bool { return !slices.Contains(ranked[:most], class) })
}

func find(r eval.Result, class string) (eval.ClassResult, bool) {
	i := slices.IndexFunc(r.Classes, func(c eval.ClassResult) bool { return c.Class == class })
	if i < 0 {
		return eval.ClassResult{}, false
	}
	return r.Classes[i], true
}

// curves draws lines and writes their values where such curves leave room: at
// the lower right, or at the lower left.
func (p *plot) curves(lines []series, left bool) {
	for _, s := range lines {
		p.path(s.stroke(), p.at(pairs(s.points)), false)
	}
	if len(lines) > mostValues {
		return
	}
	x := p.right - 76
	if left {
		x = p.left + 8
	}
	y := p.bottom - 15*float64(len(lines)) + 4
	p.bar("plate", x-4, y-14, 78, 15*float64(len(lines))+6)
	for _, s := range lines {
		p.line(s.stroke(), x, y-4, x+26, y-4)
		p.text("value", "end", x+70, y, 0, s.value)
		y += 15
	}
}

func pairs(points []eval.Point) (all [][2]float64) {
	for _, p := range points {
		all = append(all, [2]float64{p.X, p.Y})
	}
	return all
}

// reliabilities draws a diagram for each result that has one.
func (r Report) reliabilities() (all []template.HTML) {
	n := 0
	for _, result := range r.Results {
		if len(result.Reliability) > 0 {
			n++
		}
	}
	style := looks(r.Results)
	for i, result := range r.Results {
		if len(result.Reliability) > 0 {
			all = append(all, reliability(panelSide(n), r.name(result.Model, result.Method), style[i], result))
		}
	}
	return all
}

// stripHeight is the height of the counts below a reliability diagram.
const stripHeight = 46

func reliability(side float64, title string, l look, r eval.Result) template.HTML {
	note := ""
	if m, ok := r.Measure(eval.ECE); ok {
		note = "ECE " + number(m.Value)
	}
	x := unit("mean probability")
	p := panel(side, title, note, x, unit("share that is so"))
	p.height += stripHeight + 12
	p.line("chance", p.left, p.bottom, p.right, p.top)
	var points [][2]float64
	for _, b := range r.Reliability {
		if b.N > 0 {
			points = append(points, [2]float64{b.Confidence, b.Right})
		}
	}
	points = p.at(points)
	p.path(look{Colour: l.Colour}.stroke(), points, false)
	for _, at := range points {
		p.dot(l.fill(), at[0], at[1], 3.5)
	}
	p.counts(l, r.Reliability)
	return p.svg("Reliability diagram of " + title)
}

// counts draws how many images, or findings of images, each bin has.
func (p *plot) counts(l look, bins []eval.Bin) {
	highest := 1
	for _, b := range bins {
		highest = max(highest, b.N)
	}
	base := p.bottom + 46 + stripHeight
	p.line("axis", p.left, base, p.right, base)
	p.text("tick", "end", p.left-7, base, 0, "count")
	for _, b := range bins {
		if !finite(b.Low) || !finite(b.High) || b.N == 0 {
			continue
		}
		x, width := p.x(b.Low), p.x(b.High)-p.x(b.Low)
		height := max(1, float64(b.N)/float64(highest)*(stripHeight-14))
		p.bar("faint "+l.fill(), x+1, base-height, max(1, width-2), height)
		switch n := brief(b.N); {
		case 5.6*float64(len(n)) <= width+1:
			p.text("tiny", "middle", x+width/2, base-height-3, 0, n)
		case b.N == highest: // above all others there is room
			p.text("tiny", "end", x+width, base-height-3, 0, n)
		}
	}
}

// brief is a count in at most four characters, up to a million.
func brief(n int) string {
	switch {
	case n < 1000:
		return strconv.Itoa(n)
	case n < 10_000:
		return strconv.FormatFloat(float64(n)/1000, 'f', 1, 64) + "k"
	}
	return strconv.Itoa(n/1000) + "k"
}

// learning draws the learning curves of one measure, and says whether there are
// any.
func (r Report) learning(m measure) (template.HTML, bool) {
	curves, low, high := r.learned(m.name)
	if len(curves) == 0 {
		return "", false
	}
	first, last := low.X, high.X
	if first == last {
		first, last = first/1.5, last*1.5
	}
	p := &plot{drawing: &drawing{width: 760, height: 380}, left: 62, top: 16, right: 744, bottom: 332, yAxis: around(m.short, low.Y, high.Y, 6)}
	p.xAxis = axis{name: "labelled images of each class, at most (log scale)", low: first, high: last, log: true,
		label: func(x float64) string { return count(int(x)) }}
	p.xAxis.ticks = p.spaced(curves)
	p.axes()
	p.ranges(curves, r.looks(curves))
	return p.svg("Learning curves: " + m.short), true
}

// learned returns the curves of a measure with the points that can be drawn, and
// the least and the greatest of them.
func (r Report) learned(name string) (curves []Curve, low, high eval.Point) {
	low, high = eval.Point{X: math.Inf(1), Y: math.Inf(1)}, eval.Point{X: math.Inf(-1), Y: math.Inf(-1)}
	for _, c := range r.Learning {
		if c.Measure != name {
			continue
		}
		var points []CurvePoint
		for _, p := range c.Points {
			if p.PerClass < 1 || !finite(p.Value) {
				continue
			}
			if !finite(p.Low) || !finite(p.High) {
				p.Low, p.High = p.Value, p.Value
			}
			low = eval.Point{X: min(low.X, float64(p.PerClass)), Y: min(low.Y, p.Low, p.Value)}
			high = eval.Point{X: max(high.X, float64(p.PerClass)), Y: max(high.Y, p.High, p.Value)}
			points = append(points, p)
		}
		if c.Points = points; len(points) > 0 {
			curves = append(curves, c)
		}
	}
	return curves, low, high
}

// spaced returns the numbers of images that curves have, without those too
// close to be labelled.
func (p *plot) spaced(curves []Curve) (ticks []float64) {
	var all []int
	for _, c := range curves {
		for _, point := range c.Points {
			all = append(all, point.PerClass)
		}
	}
	slices.Sort(all)
	for _, n := range slices.Compact(all) {
		if x := float64(n); len(ticks) == 0 || p.x(x)-p.x(ticks[len(ticks)-1]) > 34 {
			ticks = append(ticks, x)
		}
	}
	return ticks
}

// looks are those of the results that the curves are of.
func (r Report) looks(curves []Curve) (all []look) {
	style := looks(r.Results)
	for i, c := range curves {
		at := slices.IndexFunc(r.Results, func(x eval.Result) bool { return x.Model == c.Model && x.Method == c.Method })
		if at >= 0 {
			all = append(all, style[at])
		} else {
			all = append(all, look{(len(style) + i) % colours, 0})
		}
	}
	return all
}

// ranges draws each curve over the range of its repetitions.
func (p *plot) ranges(curves []Curve, style []look) {
	for i, c := range curves {
		var up, down [][2]float64
		for _, point := range c.Points {
			up = append(up, [2]float64{float64(point.PerClass), point.High})
			down = append(down, [2]float64{float64(point.PerClass), point.Low})
		}
		slices.Reverse(down)
		p.path("band "+style[i].fill(), p.at(append(up, down...)), true)
	}
	for i, c := range curves {
		var line [][2]float64
		for _, point := range c.Points {
			line = append(line, [2]float64{float64(point.PerClass), point.Value})
		}
		points := p.at(line)
		p.path(style[i].stroke(), points, false)
		for _, at := range points {
			p.dot(style[i].fill(), at[0], at[1], 3)
		}
	}
}
