package report

import (
	"encoding/xml"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// A drawing is SVG for a page whose style sheet has its classes. Lengths are in
// pixels. What it is given must be finite.
type drawing struct {
	width, height float64
	body          strings.Builder
}

// colours and dashes are how many of either the style sheet has.
const (
	colours = 8
	dashes  = 4
)

// look is how a series is told from the others.
type look struct{ Colour, Dash int }

func (l look) stroke() string { return fmt.Sprintf("line s%d d%d", l.Colour, l.Dash) }
func (l look) fill() string   { return fmt.Sprintf("f%d", l.Colour) }

// svg ends the drawing. title stands for it where it cannot be seen.
func (d *drawing) svg(title string) template.HTML {
	head := fmt.Sprintf("<svg viewBox=\"0 0 %s %s\" width=\"%s\" height=\"%s\" role=\"img\" aria-label=\"%s\">\n",
		px(d.width), px(d.height), px(d.width), px(d.height), escape(title))
	return template.HTML(head + d.body.String() + "</svg>")
}

func px(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&d.body, "<path class=\"%s\" d=\"M%s %sL%s %s\"/>\n", class, px(x1), px(y1), px(x2), px(y2))
}

// text is clipped to room, unless that is 0; the whole of it is then its title.
// anchor is start, middle or end.
func (d *drawing) text(class, anchor string, x, y, room float64, text string) {
	shown, title := text, ""
	if room > 0 {
		shown = clip(text, room/wide(class))
	}
	if shown != text {
		title = "<title>" + escape(text) + "</title>"
	}
	fmt.Fprintf(&d.body, "<text class=\"%s\" text-anchor=\"%s\" x=\"%s\" y=\"%s\">%s%s</text>\n",
		class, anchor, px(x), px(y), title, escape(shown))
}

// wide is what a character takes on the average.
func wide(class string) float64 {
	if class == "title" {
		return 8.4
	}
	return 7
}

// clip shortens text to about so many characters. Those beyond Latin, Greek and
// Cyrillic count twice, since many are wide.
func clip(text string, room float64) string {
	used, last := 0.0, 0
	for i, r := range text {
		if used++; r > 0x52f {
			used++
		}
		if used > room {
			return strings.TrimSpace(text[:last]) + "…"
		}
		if used <= room-1 {
			last = i + len(string(r))
		}
	}
	return text
}

func (d *drawing) path(class string, points [][2]float64, closed bool) {
	var b strings.Builder
	for i, p := range points {
		fmt.Fprintf(&b, "%c%s %s", "ML"[min(i, 1)], px(p[0]), px(p[1]))
	}
	if closed {
		b.WriteByte('Z')
	}
	fmt.Fprintf(&d.body, "<path class=\"%s\" d=\"%s\"/>\n", class, b.String())
}

func (d *drawing) dot(class string, x, y, radius float64) {
	fmt.Fprintf(&d.body, "<circle class=\"%s\" cx=\"%s\" cy=\"%s\" r=\"%s\"/>\n", class, px(x), px(y), px(radius))
}

func (d *drawing) bar(class string, x, y, width, height float64) {
	fmt.Fprintf(&d.body, "<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"/>\n", class, px(x), px(y), px(width), px(height))
}

// An axis runs from low to high, which differ.
type axis struct {
	name      string
	low, high float64
	log       bool
	ticks     []float64
	label     func(float64) string
}

// part is where on the axis a value lies, from 0 to 1.
func (a axis) part(x float64) float64 {
	low, high := a.low, a.high
	if a.log {
		x, low, high = math.Log(x), math.Log(low), math.Log(high)
	}
	return min(1, max(0, (x-low)/(high-low)))
}

// unit is an axis from 0 to 1.
func unit(name string) axis {
	return axis{name: name, low: 0, high: 1, ticks: []float64{0, 0.2, 0.4, 0.6, 0.8, 1}, label: short}
}

func short(x float64) string {
	text := strconv.FormatFloat(math.Round(x*1e6)/1e6, 'f', -1, 64)
	return strings.Replace(text, "-", "−", 1)
}

// around is an axis of about n steps that holds low and high and ends on ticks.
func around(name string, low, high float64, n int) axis {
	if high-low < 1e-6 {
		low, high = low-0.01, high+0.01
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(n))))
	for _, s := range []float64{2, 2.5, 2} { // 2, 5 and 10 times
		if (high-low)/step > float64(n) {
			step *= s
		}
	}
	a := axis{name: name, label: short}
	first, last := math.Floor(low/step+1e-9), math.Ceil(high/step-1e-9)
	for i := first; i <= last; i++ {
		a.ticks = append(a.ticks, i*step)
	}
	a.low, a.high = first*step, last*step
	return a
}

// A plot is the part of a drawing between two axes.
type plot struct {
	*drawing
	left, top, right, bottom float64
	xAxis, yAxis             axis
}

func (p *plot) x(value float64) float64 { return p.left + p.xAxis.part(value)*(p.right-p.left) }
func (p *plot) y(value float64) float64 { return p.bottom - p.yAxis.part(value)*(p.bottom-p.top) }

// axes draws the grid, the ticks' labels and the axes' names.
func (p *plot) axes() {
	for _, t := range p.xAxis.ticks {
		p.line("grid", p.x(t), p.top, p.x(t), p.bottom)
		p.text("tick", "middle", p.x(t), p.bottom+16, 0, p.xAxis.label(t))
	}
	for _, t := range p.yAxis.ticks {
		p.line("grid", p.left, p.y(t), p.right, p.y(t))
		p.text("tick", "end", p.left-7, p.y(t)+4, 0, p.yAxis.label(t))
	}
	p.line("axis", p.left, p.bottom, p.right, p.bottom)
	p.text("name", "middle", (p.left+p.right)/2, p.bottom+34, 0, p.xAxis.name)
	middle := (p.top + p.bottom) / 2
	fmt.Fprintf(&p.body, "<text class=\"name\" text-anchor=\"middle\" transform=\"translate(%s %s) rotate(-90)\">%s</text>\n",
		px(p.left-36), px(middle), escape(p.yAxis.name))
}

// at places points of values; those that are not finite are left out.
func (p *plot) at(values [][2]float64) (points [][2]float64) {
	for _, v := range values {
		if finite(v[0]) && finite(v[1]) {
			points = append(points, [2]float64{p.x(v[0]), p.y(v[1])})
		}
	}
	return points
}

// panel is one of several small square plots side by side.
func panel(side float64, title, note string, x, y axis) *plot {
	p := &plot{drawing: &drawing{width: side + 66, height: side + 88}, xAxis: x, yAxis: y,
		left: 50, top: 44, right: 50 + side, bottom: 44 + side}
	p.text("title", "start", p.left, 16, side, title)
	p.text("tick", "start", p.left, 33, side*1.1, note)
	p.axes()
	return p
}

// panelSide is the side of n plots as they fill a page of 1,120 pixels: three or
// four in a row.
func panelSide(n int) float64 {
	if n <= 3 || n == 5 || n == 6 || n == 9 {
		return 292
	}
	return 200
}
