// Package plot draws line charts as SVG: one line for each series, named at
// its end, readable in light and dark. The same chart gives the same bytes.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// Chart is a plot of series on two scales. X and Y name the axes; Title says
// what is shown, and also stands for the picture where it cannot be seen.
type Chart struct {
	Title, X, Y    string
	XScale, YScale Scale
	Series         []Series
}

// Series is a line through its points in their order; a single point is drawn
// as a ring. Strong ones are thicker. Colour is one of eight, modulo eight.
type Series struct {
	Name   string
	Colour int
	Strong bool
	Points []Point
}

// Point is one value pair.
type Point struct{ X, Y float64 }

// The picture's size and the margins of the plot area.
const (
	width, height            = 860, 500
	left, right, top, bottom = 78, 150, 56, 62
)

// palette has each colour twice, for light and for dark surroundings. They
// follow those of Okabe and Ito, which the colour-blind can tell apart.
var palette = []struct{ light, dark string }{
	{"#0062a8", "#5db4f5"}, {"#c24e00", "#ff8f4a"}, {"#00805a", "#35d3a2"}, {"#a8488c", "#e78fc9"},
	{"#806000", "#e6c229"}, {"#555f6b", "#b4bec9"}, {"#b3263a", "#ff7d8c"}, {"#5a45b5", "#b3a4ff"},
}

// SVG draws the chart.
func (c Chart) SVG() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		width, height, width, height, escape(c.Title))
	b.WriteString(style())
	fmt.Fprintf(&b, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", width, height)
	fmt.Fprintf(&b, "<text class=\"title\" x=\"%d\" y=\"28\">%s</text>\n", left, escape(c.Title))
	c.axes(&b)
	for _, s := range c.Series {
		c.line(&b, s)
	}
	for _, l := range c.labels() {
		l.draw(&b)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func style() string {
	var light, dark strings.Builder
	for i, p := range palette {
		fmt.Fprintf(&light, ".s%d{stroke:%s}.f%d{fill:%s}", i, p.light, i, p.light)
		fmt.Fprintf(&dark, ".s%d{stroke:%s}.f%d{fill:%s}", i, p.dark, i, p.dark)
	}
	return `<style>
text{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;font-size:13px}
.paper{fill:#ffffff}.title{font-size:15px;font-weight:600}.title,.name{fill:#1f2328}.tick{fill:#59636e}
.grid{stroke:#d8dee4;stroke-width:1}.minor{stroke:#eef1f4}.axis{stroke:#8b949e;stroke-width:1}
.line{fill:none;stroke-width:1.75;stroke-linejoin:round}.strong{stroke-width:3.25}
.ring{fill:#ffffff;stroke-width:1.75}.label{font-weight:600;stroke:#ffffff;stroke-width:4;paint-order:stroke;stroke-linejoin:round}
.lead{stroke-width:1}
` + light.String() + `
@media (prefers-color-scheme:dark){
.paper,.ring{fill:#0d1117}.title,.name{fill:#e6edf3}.tick{fill:#9198a1}.label{stroke:#0d1117}
.grid{stroke:#2a313a}.minor{stroke:#1a2028}.axis{stroke:#6e7681}
` + dark.String() + `
}
</style>
`
}

// x and y are where in the picture a value lies.
func (c Chart) x(value float64) float64 { return left + c.XScale.part(value)*(width-left-right) }
func (c Chart) y(value float64) float64 {
	return height - bottom - c.YScale.part(value)*(height-top-bottom)
}

func (c Chart) axes(b *bytes.Buffer) {
	for _, t := range c.XScale.Ticks {
		x := c.x(t.Value)
		fmt.Fprintf(b, "<path class=\"%s\" d=\"M%.1f %dV%d\"/>\n", gridClass(t), x, top, height-bottom)
		if !t.Minor {
			fmt.Fprintf(b, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, height-bottom+20, t.Label)
		}
	}
	for _, t := range c.YScale.Ticks {
		y := c.y(t.Value)
		fmt.Fprintf(b, "<path class=\"%s\" d=\"M%d %.1fH%d\"/>\n", gridClass(t), left, y, width-right)
		if !t.Minor {
			fmt.Fprintf(b, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left-10, y+4.5, t.Label)
		}
	}
	fmt.Fprintf(b, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", left, height-bottom, width-right)
	fmt.Fprintf(b, "<text class=\"name\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (left+width-right)/2, height-16, escape(c.X))
	fmt.Fprintf(b, "<text class=\"name\" x=\"%d\" y=\"%d\">%s</text>\n", left, top-10, escape(c.Y))
}

func gridClass(t Tick) string {
	if t.Minor {
		return "grid minor"
	}
	return "grid"
}

func (c Chart) line(b *bytes.Buffer, s Series) {
	i := s.Colour % len(palette)
	var path strings.Builder
	for j, p := range s.Points {
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(j, 1)], c.x(p.X), c.y(p.Y))
	}
	class, radius := "", 2.6
	if s.Strong {
		class, radius = " strong", 3.6
	}
	if len(s.Points) > 1 {
		fmt.Fprintf(b, "<path class=\"line s%d%s\" d=\"%s\"/>\n", i, class, path.String())
	}
	for _, p := range s.Points {
		if len(s.Points) == 1 {
			fmt.Fprintf(b, "<circle class=\"ring s%d%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>\n", i, class, c.x(p.X), c.y(p.Y))
		} else {
			fmt.Fprintf(b, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", i, c.x(p.X), c.y(p.Y), radius)
		}
	}
}

func escape(text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(text))
	return b.String()
}
