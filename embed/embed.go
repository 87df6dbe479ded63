// Package embed turns the bytes of an image into a vector: bytes → picture →
// tensor → unit vector. Open and Decode read image files into 8-bit RGB, a
// Manifest says how a picture becomes a network's input, and a Model ties a
// manifest to the Network that it describes.
//
// Everything here is synchronous, allocates in proportion to the picture and
// treats its input as hostile: damaged bytes give an error, never a panic.
package embed

import (
	"errors"
	"fmt"
)

// What Open and Decode can find wrong with an image. Errors carry one of them
// and say which value was found and which was expected.
var (
	ErrEmpty    = errors.New("the image is empty")
	ErrNotImage = errors.New("not an image this program reads")
	ErrCorrupt  = errors.New("damaged or truncated image")
	ErrTooLarge = errors.New("image too large")

	// ErrUnsupported is a well-formed image that uses a feature nobody decodes
	// here, such as floating-point TIFF. It is also an ErrNotImage.
	ErrUnsupported = fmt.Errorf("%w: unsupported feature", ErrNotImage)
)

const (
	defaultBytes  = 256 << 20
	defaultPixels = 100_000_000
	defaultFrames = 5000

	// maxSide bounds the weights of a resize, which grow with the longer side.
	maxSide = 1 << 20
)

// Limits bounds what Open and Decode accept. The zero value means the defaults.
type Limits struct {
	// Bytes is the most bytes an encoded image may have; 0 means 256 MiB.
	Bytes int64
	// Frames is the most images that one file may have; 0 means 5,000.
	Frames int
	// Pixels is the most pixels (width × height) a frame may have; 0 means
	// 100,000,000. Decoding holds up to about 30 bytes per pixel (a
	// progressive CMYK JPEG), most formats about 10, and for lossless WebP up to
	// 200 MiB whatever its size.
	Pixels int64
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	if l.Pixels <= 0 {
		l.Pixels = defaultPixels
	}
	if l.Frames <= 0 {
		l.Frames = defaultFrames
	}
	return l
}

// size returns ErrTooLarge when a picture of that size has more pixels than l
// allows, and ErrCorrupt when it has none.
func (l Limits) size(width, height int) error {
	if width <= 0 || height <= 0 {
		return fmt.Errorf("%w: its header says %d x %d pixels", ErrCorrupt, width, height)
	}
	if max(width, height) > maxSide {
		return fmt.Errorf("%w: %d x %d pixels, the limit of a side is %d", ErrTooLarge, width, height, maxSide)
	}
	if int64(width) > l.Pixels/int64(height) {
		return fmt.Errorf("%w: %d x %d pixels, the limit is %d pixels", ErrTooLarge, width, height, l.Pixels)
	}
	return nil
}

// Picture is an 8-bit RGB image, row-major from the top left, interleaved:
// len(Pix) == 3*Width*Height. Nothing in this package changes a Picture after
// it has been made, so one may be read by many goroutines.
type Picture struct {
	Width, Height int
	Pix           []byte
	// VOI is the window that made the grey levels of a DICOM file; nil where none did,
	// in colours, and of other files.
	VOI *VOI
}

func newPicture(width, height int) *Picture {
	return &Picture{Width: width, Height: height, Pix: make([]byte, 3*width*height)}
}

// row returns the 3*Width bytes of row y.
func (p *Picture) row(y int) []byte {
	n := 3 * p.Width
	return p.Pix[y*n : (y+1)*n : (y+1)*n]
}

func (p *Picture) valid() error {
	if p == nil {
		return errors.New("no picture")
	}
	if p.Width <= 0 || p.Height <= 0 || len(p.Pix) != 3*p.Width*p.Height {
		return fmt.Errorf("picture of %d x %d pixels has %d bytes", p.Width, p.Height, len(p.Pix))
	}
	return nil
}
