// Package jpeg decodes JPEG images (ITU-T T.81) of 8 bits per sample: the
// baseline, extended sequential and progressive processes with Huffman coding,
// of one, three or four components with any sampling factors. DecodeSamples also
// takes those of 12 bits and the lossless process of up to 16.
//
// A JPEG's bytes do not settle its pixels: T.81 leaves the rounding of the
// inverse transform and the interpolation of subsampled colour to the decoder.
// This one makes the choices of libjpeg's defaults, on which the reference
// pipelines of the field stand, and gives the same pixels bit for bit: the
// accurate integer transform, triangle-filtered chroma, 16-bit fixed-point
// colours.
//
// Where libjpeg warns of damage and goes on, this package refuses: a truncated
// scan or an impossible code is an error, so that no image is half an image.
//
// Input is treated as hostile. Work and memory are in proportion to the bytes
// that there are and to the pixels that the header states, which a limit
// bounds. The package keeps no state.
package jpeg

import (
	"errors"
	"fmt"
)

// What can be wrong with an image. Errors carry one of them and say which value
// was found.
var (
	ErrFormat      = errors.New("damaged or truncated JPEG")
	ErrUnsupported = errors.New("unsupported kind of JPEG")
	ErrTooLarge    = errors.New("JPEG too large")
)

// maxScans is the most scans an image may have. Each costs a pass over the whole
// image however few bytes it takes; encoders write about ten.
const maxScans = 500

// Image is a decoded image, row-major from the top left and interleaved:
// len(Pix) == Components*Width*Height. One component is grey, three are red,
// green and blue. Four are cyan, magenta, yellow and black, where 255 is full
// ink if the file stores 0 for it, as Adobe's do.
type Image struct {
	Width, Height int
	Components    int
	Pix           []byte
}

// Decode returns the image in data; bytes after its end are not looked at. More
// than limit pixels are an ErrTooLarge, and nothing is allocated for them.
// Other errors are ErrFormat and ErrUnsupported.
func Decode(data []byte, limit int64) (*Image, error) {
	d := decoder{segments: segments{data: data}}
	if err := d.decode(limit); err != nil {
		return nil, fmt.Errorf("jpeg: decode: %w", err)
	}
	return d.image(), nil
}

// Size returns the size in pixels that data's frame header states, which is
// positive. Nothing after that header is looked at.
func Size(data []byte) (width, height int, err error) {
	d := decoder{segments: segments{data: data}}
	if err := d.header(); err != nil {
		return 0, 0, fmt.Errorf("jpeg: size: %w", err)
	}
	return d.frame.width, d.frame.height, nil
}

// decoder is one decoding.
type decoder struct {
	segments
	tables
	frame frame
	scans int
	all   bool // it decodes what DecodeSamples does
	output
}

func (d *decoder) decode(limit int64) error {
	if err := d.header(); err != nil {
		return err
	}
	if err := d.frame.check(limit, len(d.data)-d.at); err != nil {
		return err
	}
	for {
		m, body, err := d.next()
		if m == markEOI || errors.Is(err, errEnd) {
			return d.finish()
		}
		if err == nil {
			err = d.segment(m, body)
		}
		if err != nil {
			return err
		}
	}
}

// header reads everything up to the frame header.
func (d *decoder) header() error {
	if err := d.open(); err != nil {
		return err
	}
	for {
		m, body, err := d.next()
		if err != nil {
			return err
		}
		if isFrame(m) {
			d.frame, err = parseFrame(m, body, d.all)
			return err
		}
		if err := d.define(m, body); err != nil {
			return err
		}
	}
}

// segment takes in what follows the frame header.
func (d *decoder) segment(m byte, body []byte) error {
	switch {
	case m == markSOS:
		return d.scan(body)
	case isFrame(m):
		return fmt.Errorf("%w: a second frame", ErrFormat)
	}
	return d.define(m, body)
}

// finish completes the image, of which nothing may be missing.
func (d *decoder) finish() error {
	for i := range d.frame.components {
		if c := &d.frame.components[i]; !c.complete(d.frame.progressive) {
			return fmt.Errorf("%w: it ends before component %d is complete", ErrFormat, i+1)
		}
	}
	switch {
	case d.frame.lossless:
	case d.frame.precision > 8:
		d.emitWide()
	default:
		if d.frame.progressive {
			d.transform()
		}
		d.emit(d.frame.height)
	}
	return nil
}

func (d *decoder) image() *Image {
	return &Image{Width: d.frame.width, Height: d.frame.height, Components: len(d.frame.components), Pix: d.pix}
}
