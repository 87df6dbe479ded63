package dicom

import (
	"fmt"
	"math"

	"nearcase/embed/dicom/dataset"
)

// white is the brightest of the 8-bit grey levels.
const white = 255

// voiOf returns the chosen VOI transformation of a data set or frame: from
// outputs of the modality LUT to 0..255. Tables come before windows, in the
// file's order; a choice beyond the last is the first. Windows without a width,
// which some writers fill in, do not count. It is nil where there is none. Inputs
// of a table may be negative. The VOI is that of a window.
func voiOf(s *dataset.Set, choice int, negative bool) (transfer, *VOI, error) {
	tables := s.Sequence(tagVOILUTs)
	windows, err := windowsOf(s)
	if err != nil || len(tables)+len(windows) == 0 {
		return nil, nil, err
	}
	if choice >= len(tables)+len(windows) {
		choice = 0
	}
	if choice < len(tables) {
		made, err := tableVOI(tables[choice], negative)
		return made, nil, err
	}
	return windows[choice-len(tables)].shown(s.Text(tagFunction))
}

// window is a range of values that becomes all grey levels; width is positive.
type window struct{ centre, width float64 }

// windowsOf returns the windows that have a width.
func windowsOf(s *dataset.Set) ([]window, error) {
	centres, err := numbers(s, tagCentre)
	if err != nil {
		return nil, err
	}
	widths, err := numbers(s, tagWidth)
	if err != nil {
		return nil, err
	}
	var out []window
	for i := range min(len(centres), len(widths)) {
		if widths[i] > 0 {
			out = append(out, window{centres[i], widths[i]})
		}
	}
	return out, nil
}

// tableVOI is a VOI LUT (PS3.3 C.11.2.1.1). Inputs between two entries take
// the nearer.
func tableVOI(s *dataset.Set, negative bool) (transfer, error) {
	d, err := describeLUT(s, tagDescriptor, negative)
	if err != nil {
		return nil, err
	}
	table, err := readLUT(s, tagLUTData, d)
	if err != nil {
		return nil, err
	}
	most := float64(int(1)<<d.bits - 1)
	return func(x float64) float64 {
		x = min(max(x, -1<<40), 1<<40) // converts to an integer whatever it was
		return float64(table.at(int64(math.Floor(x+0.5)))) * white / most
	}, nil
}

// transfer returns the window's transformation by a function (PS3.3 C.11.2.1.2
// and C.11.2.1.3). LINEAR is not defined for a width below 1, for which it is
// LINEAR_EXACT here.
func (w window) transfer(function string) (transfer, error) {
	switch {
	case function == "SIGMOID":
		return sigmoid(w.centre, w.width), nil
	case function == "LINEAR_EXACT", (function == "" || function == "LINEAR") && w.width < 1:
		return linearExact(w.centre, w.width), nil
	case function == "" || function == "LINEAR":
		return linear(w.centre, w.width), nil
	}
	return nil, fmt.Errorf("%w: VOI LUT function %s", ErrUnsupported, quoted(function))
}

// shown is transfer with what it is.
func (w window) shown(function string) (transfer, *VOI, error) {
	made, err := w.transfer(function)
	if err != nil {
		return nil, nil, err
	}
	if function == "" {
		function = "LINEAR"
	}
	return made, &VOI{w.centre, w.width, function}, nil
}

func linear(centre, width float64) transfer {
	return func(x float64) float64 {
		switch {
		case x <= centre-0.5-(width-1)/2:
			return 0
		case x > centre-0.5+(width-1)/2:
			return white
		}
		return ((x-(centre-0.5))/(width-1) + 0.5) * white
	}
}

func linearExact(centre, width float64) transfer {
	return func(x float64) float64 {
		switch {
		case x <= centre-width/2:
			return 0
		case x > centre+width/2:
			return white
		}
		return ((x-centre)/width + 0.5) * white
	}
}

func sigmoid(centre, width float64) transfer {
	return func(x float64) float64 {
		return white / (1 + math.Exp(-4*(x-centre)/width))
	}
}

// between maps low to 0 and high to 255, and what is beyond to the nearer.
// Where both are equal, only what is above them is white.
func between(low, high float64) transfer {
	return func(x float64) float64 {
		switch {
		case x <= low:
			return 0
		case x >= high:
			return white
		}
		return (x - low) / (high - low) * white
	}
}

// shownBetween is between with the window that it is.
func shownBetween(low, high float64) (transfer, *VOI, error) {
	if low == high {
		return between(low, high), nil, nil
	}
	return between(low, high), &VOI{low + (high-low)/2, high - low, "LINEAR_EXACT"}, nil
}
