// Package native decodes JPEG-LS (ITU-T T.87) through CharLS and JPEG 2000
// (ITU-T T.800) with its high-throughput form (T.814) through OpenJPEG. Both are
// libraries of the system, loaded when first needed: nothing of them is needed
// to build. Where one is missing, decoding its format is an ErrLibrary that
// names the package to install. NEARCASE_CHARLS and NEARCASE_OPENJPEG may name
// their files. The libraries need cgo and Linux or macOS.
//
// Input is treated as hostile. Before a library sees a byte, the headers are
// read here: sizes, components, tiles, precincts and code-blocks are bounded, so
// that a library's memory is in proportion to the samples that the limit allows.
// Then it decodes in a worker, a process of this program's own file that is
// started when needed and kept for the next image after one that it decoded:
// where a library fails on hostile bytes, by a fault or an assertion, or takes
// time or memory without end, that is an error here and no more. A worker has
// nothing of this process but its standard input and output, and of the
// environment no more than where libraries are. An image is blamed for the end of
// a worker that was started for it: after that of another it is tried again.
//
// Where the program's file gives the process privileges (set-user-ID, capabilities
// or a security policy: Linux's AT_SECURE), another user's environment would
// choose code that runs with them: both libraries are then ErrLibrary.
//
// All functions are safe to call at the same time, and start no goroutines.
package native

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What can go wrong. Errors carry one of them and say what was found.
var (
	ErrLibrary     = errors.New("codec library not available")
	ErrCorrupt     = errors.New("damaged or truncated image")
	ErrTooLarge    = errors.New("image too large")
	ErrUnsupported = errors.New("unsupported kind of image")

	// ErrInterrupted is an ErrLibrary that may pass: the system ended the worker,
	// as it does for want of memory. The image may be sound.
	ErrInterrupted = fmt.Errorf("%w for now", ErrLibrary)
)

// Limits bounds what is decoded. The zero value allows nothing.
type Limits struct {
	Pixels int64 // the most samples: width × height × components
}

// check refuses more samples than there may be.
func (l Limits) check(width, height, components int64) error {
	if height > 0 && width > l.Pixels/height/components {
		return fmt.Errorf("%w: %d x %d pixels of %d components, the limit is %d samples",
			ErrTooLarge, width, height, components, l.Pixels)
	}
	return nil
}

// Image is a decoded image, row-major from the top left and interleaved:
// len(Values) == Width*Height*Components. Values are within Precision bits, in
// two's complement if Signed.
type Image struct {
	Width, Height int
	Components    int // 1 to 4
	Precision     int // bits of a sample
	Signed        bool
	Values        []int32
}

// DecodeJPEGLS returns the image of a JPEG-LS stream of 1, 3 or 4 components
// and 2 to 16 bits, lossless or near-lossless and interleaved in any way.
// Mapping tables, subsampled components and point transforms are ErrUnsupported.
func DecodeJPEGLS(data []byte, l Limits) (*Image, error) {
	return decodeJPEGLS(&charls, data, l)
}

// DecodeJPEG2000 returns the image of a codestream, or of the first codestream
// of a JP2 file, of 1 to 4 components of one precision of up to 24 bits. Of
// transforms of colour it undoes the codestream's own alone. Subsampled
// components, palettes, progression order changes, packed packet headers and
// transforms of T.801 are ErrUnsupported.
func DecodeJPEG2000(data []byte, l Limits) (*Image, error) {
	return decodeJPEG2000(&openjpeg, data, l)
}

// request is what the headers of an image say.
type request struct {
	width, height, components, precision int
	signed                               bool
	size                                 int // bytes of the samples as a worker writes them
}

func decodeJPEGLS(from *library, data []byte, l Limits) (*Image, error) {
	h, err := parseJPEGLS(data, l)
	if err != nil {
		return nil, fmt.Errorf("native: JPEG-LS: %w", err)
	}
	r := request{width: h.width, height: h.height, components: h.components, precision: h.precision}
	r.size = r.width * r.height * r.components
	if h.precision > 8 {
		r.size *= 2
	}
	samples, err := from.decode(r, data)
	if err != nil {
		return nil, fmt.Errorf("native: JPEG-LS: %w", err)
	}
	return h.image(samples), nil
}

func decodeJPEG2000(from *library, data []byte, l Limits) (*Image, error) {
	stream, err := codestreamOf(data)
	if err != nil {
		return nil, fmt.Errorf("native: JPEG 2000: %w", err)
	}
	c, err := parseCodestream(stream, l)
	if err != nil {
		return nil, fmt.Errorf("native: JPEG 2000: %w", err)
	}
	r := request{width: int(c.area.width()), height: int(c.area.height()), components: c.components,
		precision: c.precision, signed: c.signed, size: int(4 * c.samples())}
	samples, err := from.decode(r, stream)
	if err != nil {
		return nil, fmt.Errorf("native: JPEG 2000: %w", err)
	}
	img := &Image{Width: r.width, Height: r.height, Components: r.components, Precision: r.precision, Signed: r.signed,
		Values: make([]int32, c.samples())}
	for i := range img.Values {
		img.Values[i] = int32(binary.NativeEndian.Uint32(samples[4*i:]))
	}
	return img, nil
}
