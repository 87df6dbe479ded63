package dicom

import (
	"fmt"
	"math"
)

// How grey levels are chosen.
const (
	Window     = "window"     // the file's VOI LUT or window; see View where it has none
	Full       = "full"       // from the least to the greatest value present
	Percentile = "percentile" // from one percentile of the values present to another
)

const (
	defaultLow  = 0.5
	defaultHigh = 99.5
)

// View is how a monochrome frame's values become grey levels. The zero value is
// the file's first VOI LUT or window. Colours are rendered as they are.
type View struct {
	// Levels is Window, Full or Percentile; "" is Window. Without a window, values
	// of up to 8 bits that no modality LUT changes are grey levels as they are,
	// like a plain image's, and others are shown in Full.
	Levels string
	// Window is which of several, 0-based: VOI LUTs come first, then windows. A
	// file with fewer is rendered with its first.
	Window int
	// Low and High are the percentiles, 0 to 100; both 0 means 0.5 and 99.5.
	Low, High float64
	// Centre and Width, if Width is positive, are a window in place of the file's,
	// in outputs of the modality LUT, with Function LINEAR, LINEAR_EXACT or SIGMOID
	// (PS3.3 C.11.2.1); "" is LINEAR.
	Centre, Width float64
	Function      string
}

// Valid returns an ErrView unless files can be rendered with v.
func (v View) Valid() error {
	switch v = v.orDefault(); {
	case v.Levels != Window && v.Levels != Full && v.Levels != Percentile:
		return fmt.Errorf("%w: levels %q, want %s, %s or %s", ErrView, v.Levels, Window, Full, Percentile)
	case v.Window < 0:
		return fmt.Errorf("%w: window %d", ErrView, v.Window)
	case !(v.Low >= 0 && v.Low < v.High && v.High <= 100):
		return fmt.Errorf("%w: percentiles %v to %v", ErrView, v.Low, v.High)
	case !(v.Width >= 0 && v.Width <= mostWidth && math.Abs(v.Centre) <= mostWidth):
		return fmt.Errorf("%w: window centre %v, width %v", ErrView, v.Centre, v.Width)
	}
	if _, err := (window{v.Centre, v.Width}).transfer(v.Function); err != nil {
		return fmt.Errorf("%w: window function %.40q, want LINEAR, LINEAR_EXACT or SIGMOID", ErrView, v.Function)
	}
	return nil
}

// mostWidth bounds a window that is asked for: no stored value is beyond.
const mostWidth = 1 << 40

func (v View) orDefault() View {
	if v.Levels == "" {
		v.Levels = Window
	}
	if v.Low == 0 && v.High == 0 {
		v.Low, v.High = defaultLow, defaultHigh
	}
	return v
}

// Picture is an 8-bit RGB image, row-major from the top left and interleaved:
// len(Pix) == 3*Width*Height.
type Picture struct {
	Width, Height int
	Pix           []byte
	// VOI is the window that made its grey levels, by which the file is rendered
	// alike; nil where a table did, where all are black or white, and in colours.
	VOI *VOI
}

// VOI is a window on the outputs of the modality LUT, with a Function of PS3.3
// C.11.2.1: LINEAR, LINEAR_EXACT or SIGMOID. Width is positive.
type VOI struct {
	Centre, Width float64
	Function      string
}

// Render decodes a frame, 0-based, and returns it as it is to be seen:
//
//   - Monochrome values go through the modality LUT and then the VOI LUT that v
//     chooses, each in real arithmetic, become the nearest of 256 levels (halves
//     up), and are inverted last where the file asks for it: MONOCHROME1, or a
//     presentation LUT shape of INVERSE. Padding takes no part in choosing
//     levels and is black, inverted or not.
//   - Palettes are looked up; entries of 16 bits keep their upper 8.
//   - YBR becomes RGB; more than 8 bits are scaled to the nearest of 256 levels.
//   - Pixels that are not square are made so: the picture is enlarged along
//     their longer side, linearly between pixel centres.
//
// Errors are those of Stored, and ErrView.
func (f *File) Render(frame int, v View) (*Picture, error) {
	p, err := f.render(frame, v)
	if err != nil {
		return nil, fmt.Errorf("dicom: render frame %d: %w", frame, err)
	}
	return p, nil
}

func (f *File) render(frame int, v View) (*Picture, error) {
	if err := v.Valid(); err != nil {
		return nil, err
	}
	s, err := f.stored(frame)
	if err != nil {
		return nil, err
	}
	width, height, err := f.square(frame)
	if err != nil {
		return nil, err
	}
	p := &Picture{Width: s.Width, Height: s.Height, Pix: make([]byte, 3*s.Width*s.Height)}
	switch s.Photometric {
	case monochrome1, monochrome2:
		err = f.grey(p, s, frame, v.orDefault())
	case palette:
		err = f.lookUp(p, s)
	default:
		err = colours(p, s)
	}
	if err != nil {
		return nil, err
	}
	return p.resized(width, height), nil
}

// grey renders a monochrome frame.
func (f *File) grey(p *Picture, s *Stored, frame int, v View) error {
	m, err := parseModality(f.macro(frame, tagTransformations), s.Signed)
	if err != nil {
		return err
	}
	low, high := s.span()
	if m.table != nil && high-low >= mostLevels {
		return fmt.Errorf("%w: a modality LUT for values from %d to %d", ErrUnsupported, low, high)
	}
	pad := paddingOf(f.file.Set, s.Signed)
	voi, shown, err := f.levels(s, m, pad, frame, v)
	if err != nil {
		return err
	}
	p.VOI = shown
	invert := s.Photometric == monochrome1 || f.file.Set.Text(tagLUTShape) == "INVERSE"
	shade := func(stored int64) byte {
		if pad.has(stored) {
			return 0
		}
		y := round8(voi(m.of(stored)))
		if invert {
			y = white - y
		}
		return y
	}
	s.paint(p, low, high, shade)
	return nil
}

// levels returns the transformation to grey levels that v chooses, and the window
// that it is, if it is one.
func (f *File) levels(s *Stored, m modality, pad padding, frame int, v View) (transfer, *VOI, error) {
	if v.Levels == Window && v.Width > 0 {
		return window{v.Centre, v.Width}.shown(v.Function)
	}
	if v.Levels == Window {
		voi, shown, err := voiOf(f.macro(frame, tagFrameVOI), v.Window, m.negative(s.Bits, s.Signed))
		if voi != nil || err != nil {
			return voi, shown, err
		}
		if s.Bits <= 8 && !s.Signed && m.isIdentity() {
			return shownBetween(0, float64(int(1)<<s.Bits-1))
		}
		v.Levels = Full
	}
	r := rank(s, m, pad)
	switch {
	case r.count == 0: // nothing but padding
		return shownBetween(0, 0)
	case v.Levels == Full:
		return shownBetween(r.at(0), r.at(r.count-1))
	}
	return shownBetween(r.percentile(v.Low), r.percentile(v.High))
}

// paint sets every pixel to the shade of its value, through a table where
// values span few enough.
func (s *Stored) paint(p *Picture, low, high int64, shade func(int64) byte) {
	if high-low >= mostLevels {
		for i, v := range s.Values {
			y := shade(s.value(v))
			p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2] = y, y, y
		}
		return
	}
	table, base := make([]byte, high-low+1), uint32(low)
	for i := range table {
		table[i] = shade(low + int64(i))
	}
	pix := p.Pix
	for i, v := range s.Values {
		y, to := table[uint32(v)-base], pix[3*i:3*i+3:3*i+3]
		to[0], to[1], to[2] = y, y, y
	}
}

// round8 returns the nearest level, halves up.
func round8(y float64) byte { return byte(math.Floor(min(max(y, 0), white) + 0.5)) }
