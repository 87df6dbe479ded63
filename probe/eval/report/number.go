package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"nearcase/probe/eval"
)

// absent stands where there is no number.
const absent = "–"

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// number has three decimals and a true minus sign.
func number(x float64) string {
	if !finite(x) {
		return absent
	}
	text := strconv.FormatFloat(x, 'f', 3, 64)
	if text == "-0.000" {
		return "0.000"
	}
	return strings.Replace(text, "-", "−", 1)
}

// signed is number with a plus sign above zero.
func signed(x float64) string {
	if text := number(x); finite(x) && x > 0 && text != "0.000" {
		return "+" + text
	}
	return number(x)
}

// bounds is the interval of e. With a negative end a dash would read as a minus.
func bounds(e eval.Estimate) string {
	if !finite(e.Low) || !finite(e.High) {
		return "no interval"
	}
	if e.Low < 0 {
		return between(e)
	}
	return number(e.Low) + "–" + number(e.High)
}

// between is the interval of a difference, in words throughout, so that those of a
// column look alike whether or not an end is negative.
func between(e eval.Estimate) string {
	if !finite(e.Low) || !finite(e.High) {
		return "no interval"
	}
	return number(e.Low) + " to " + number(e.High)
}

// estimate is a value with its interval, as in a sentence.
func estimate(e eval.Estimate) string {
	if !finite(e.Low) || !finite(e.High) {
		return number(e.Value)
	}
	return fmt.Sprintf("%s (95 %% interval %s to %s)", number(e.Value), number(e.Low), number(e.High))
}

// excludesZero says whether an interval is known and lies on one side of zero.
func excludesZero(e eval.Estimate) bool {
	return finite(e.Low) && finite(e.High) && (e.Low > 0 || e.High < 0)
}

// count has a comma between thousands.
func count(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// counted is a count with its noun, which takes an s unless there is one.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// listed joins as in a sentence: a, b and c.
func listed(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}
