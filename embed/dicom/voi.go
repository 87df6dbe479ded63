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
// file's order; a choice beyond the last is the first. It is nil where there is
// none. Inputs of a table may be negative.
func voiOf(s *dataset.Set, choice int, negative bool) (transfer, error) {
	tables := s.Sequence(tagVOILUTs)
	centres, err := numbers(s, tagCentre)
	if err != nil {
		return nil, err
	}
	widths, err := numbers(s, tagWidth)
	if err != nil {
		return nil, err
	}
	windows := min(len(centres), len(widths))
	if len(tables)+windows == 0 {
		return nil, nil
	}
	if choice >= len(tables)+windows {
		choice = 0
	}
	if choice < len(tables) {
		return tableVOI(tables[choice], negative)
	}
	choice -= len(tables)
	return windowVOI(s.Text(tagFunction), centres[choice], widths[choice])
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

// windowVOI is a window (PS3.3 C.11.2.1.2 and C.11.2.1.3).
func windowVOI(function string, centre, width float64) (transfer, error) {
	switch function {
	case "", "LINEAR":
		if width >= 1 {
			return linear(centre, width), nil
		}
	case "LINEAR_EXACT":
		if width > 0 {
			return linearExact(centre, width), nil
		}
	case "SIGMOID":
		if width > 0 {
			return sigmoid(centre, width), nil
		}
	default:
		return nil, fmt.Errorf("%w: VOI LUT function %q", ErrUnsupported, function)
	}
	return nil, fmt.Errorf("%w: window of width %v and centre %v, want a width of at least 1, or above 0 where exact or sigmoid",
		ErrCorrupt, width, centre)
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
