package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Scale maps values onto an axis: At grows with the value, Low and High are
// the ends of the axis as At gives them.
type Scale struct {
	At        func(float64) float64
	Low, High float64
	Ticks     []Tick
}

// Tick is a value marked on an axis. A minor one has a faint line and no label.
type Tick struct {
	Value float64
	Label string
	Minor bool
}

// part is where on the axis the value lies, 0 at its low and 1 at its high
// end. Values beyond the ends are put on them.
func (s Scale) part(value float64) float64 {
	return min(1, max(0, (s.At(value)-s.Low)/(s.High-s.Low)))
}

// Log returns a logarithmic scale that holds low and high, which are positive,
// with a labelled tick at every power of ten and, where those are few, at its
// double and fivefold. Its ends are ticks.
func Log(low, high float64) Scale {
	steps := []float64{1, 2, 5}
	first := math.Floor(math.Log10(low))
	sparse := math.Log10(high)-math.Log10(low) > 2.5
	var all []Tick
	for e := first; e <= math.Ceil(math.Log10(high)); e++ {
		for _, s := range steps {
			t := Tick{Value: s * math.Pow(10, e), Minor: sparse && s != 1}
			t.Label = Number(t.Value)
			all = append(all, t)
		}
	}
	return withTicks(math.Log10, all, low, high)
}

// finest is the smallest error that Recall tells from none: 0.9998 and all above
// it lie at 1.
const finest = 2e-4

// Recall returns a scale of recall from low to 1, on which every tenth of the
// error takes the same length: what lies between 0.99 and 0.999 is as wide as
// what lies between 0.9 and 0.99.
func Recall(low float64) Scale {
	at := func(r float64) float64 { return -math.Log10(max(finest, 1-r)) }
	var all []Tick
	for _, r := range []float64{0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1} {
		all = append(all, Tick{Value: r, Label: strconv.FormatFloat(r, 'f', -1, 64)})
	}
	return withTicks(at, all, max(0, low), 1)
}

// withTicks returns the scale from the last tick at or below low to the first
// at or above high.
func withTicks(at func(float64) float64, all []Tick, low, high float64) Scale {
	from, to := 0, len(all)-1
	for from+1 < len(all) && all[from+1].Value <= low {
		from++
	}
	for to > from+1 && all[to-1].Value >= high {
		to--
	}
	all = all[from : to+1]
	return Scale{At: at, Low: at(all[0].Value), High: at(all[len(all)-1].Value), Ticks: all}
}

// Number writes x with commas between thousands; below ten with as many digits
// as it has, up to three.
func Number(x float64) string {
	if x < 10 {
		return strconv.FormatFloat(math.Round(x*1000)/1000, 'f', -1, 64)
	}
	digits := fmt.Sprintf("%.0f", x)
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}
