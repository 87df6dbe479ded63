package plot

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
)

// label is a series' name beside its last point, (px, py). The text begins at
// x and its middle is at y.
type label struct {
	colour       int
	name         string
	px, py, x, y float64
}

// What a label takes in the picture.
const (
	lineHeight = 17
	perRune    = 7.6
)

func (l label) end() float64 { return l.x + perRune*float64(len([]rune(l.name))) }

// labels places the names so that none covers another.
func (c Chart) labels() []label {
	var all []label
	for _, s := range c.Series {
		if len(s.Points) == 0 {
			continue
		}
		last := s.Points[len(s.Points)-1]
		px, py := c.x(last.X), c.y(last.Y)
		all = append(all, label{s.Colour % len(palette), s.Name, px, py, px + 12, py})
	}
	slices.SortStableFunc(all, func(a, b label) int { return cmp.Compare(a.py, b.py) })
	for range 200 {
		if !spread(all) {
			break
		}
	}
	return all
}

// spread moves every two labels that overlap apart and says whether any did.
func spread(all []label) bool {
	moved := false
	for i := range all {
		for j := i + 1; j < len(all); j++ {
			a, b := &all[i], &all[j]
			lack := lineHeight - (b.y - a.y)
			if a.x >= b.end() || b.x >= a.end() || lack <= 0.05 || b.y-a.y < -lineHeight {
				continue
			}
			a.y -= lack / 2
			b.y += lack / 2
			moved = true
		}
	}
	for i := range all {
		all[i].y = min(height-bottom-2, max(top, all[i].y))
	}
	return moved
}

func (l label) draw(b *bytes.Buffer) {
	if math.Abs(l.y-l.py) > 5 {
		fmt.Fprintf(b, "<path class=\"lead s%d\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", l.colour, l.px+4, l.py, l.x-2, l.y)
	}
	fmt.Fprintf(b, "<text class=\"label f%d\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", l.colour, l.x, l.y+4.5, escape(l.name))
}
