package embed

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"strings"

	"nearcase/embed/dicom"
	"nearcase/embed/jpeg"
)

// header is what an encoded image says of itself before it is decoded.
type header struct {
	width, height int
	orientation   int // EXIF's, 1 to 8
}

// codec reads one format.
type codec struct {
	media string
	// open finds what the file holds, and refuses what would make decoding
	// allocate more than the size explains.
	open func(data []byte, l Limits) (source, error)
}

// still is a file of one picture.
type still struct {
	data []byte
	header
	// decode returns the picture as stored, not yet oriented.
	decode func(data []byte, v View) (*Picture, error)
}

func (s *still) frames() int { return 1 }

func (s *still) picture(_ int, v View) (*Picture, error) {
	p, err := s.decode(s.data, v)
	if err != nil {
		return nil, err
	}
	if p.Width != s.width || p.Height != s.height {
		return nil, fmt.Errorf("%w: its header says %d x %d pixels, its data %d x %d",
			ErrCorrupt, s.width, s.height, p.Width, p.Height)
	}
	return oriented(p, s.orientation), nil
}

// stillBy makes a codec's open of what finds the header and what decodes.
func stillBy(inspect func([]byte, Limits) (header, error), decode func([]byte, View) (*Picture, error)) func([]byte, Limits) (source, error) {
	return func(data []byte, l Limits) (source, error) {
		h, err := inspect(data, l)
		if err != nil {
			return nil, err
		}
		return &still{data, h, decode}, nil
	}
}

// codecOf returns the codec that the first bytes of data name.
func codecOf(data []byte) (codec, bool) {
	starts := func(magic string) bool { return strings.HasPrefix(string(data[:min(len(data), 8)]), magic) }
	switch {
	// First, because a DICOM file's preamble may hold the start of a TIFF file
	// (PS3.10, 7.1) that says nothing of whom it must not tell.
	case len(data) >= 132 && string(data[128:132]) == "DICM":
		return codec{"application/dicom", openDICOM}, true
	case starts("\x89PNG\r\n\x1a\n"):
		return codec{"image/png", stillBy(inspectPNG, decodePNG)}, true
	case starts("\xff\xd8\xff"):
		return codec{"image/jpeg", stillBy(inspectJPEG, decodeJPEG)}, true
	case starts("II*\x00"), starts("MM\x00*"), starts("II+\x00"), starts("MM\x00+"):
		return codec{"image/tiff", openTIFF}, true
	case starts("BM") && len(data) >= 10 && string(data[6:10]) == "\x00\x00\x00\x00":
		return codec{"image/bmp", openBMP}, true
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return codec{"image/webp", openWebP}, true
	case starts("GIF87a"), starts("GIF89a"):
		return codec{"image/gif", openGIF}, true
	case dicom.Is(data):
		return codec{"application/dicom", openDICOM}, true
	}
	return codec{}, false
}

// decodeJPEG leaves the limit to inspectJPEG, which has been asked.
func decodeJPEG(data []byte, _ View) (*Picture, error) {
	img, err := jpeg.Decode(data, math.MaxInt64)
	if err != nil {
		return nil, verdict(err)
	}
	return components(img), nil
}

// decodePNG takes grey of 16 bits, transparent in parts or not, at full depth.
func decodePNG(data []byte, v View) (*Picture, error) {
	img, err := guarded(png.Decode, data)
	if err != nil {
		return nil, err
	}
	switch m := img.(type) {
	case *image.Gray16:
		return deepOf(m.Rect.Dx(), m.Rect.Dy(), m.Pix, 2).picture(v), nil
	case *image.NRGBA64:
		if isGrey := data[25] == 0; isGrey {
			return deepOf(m.Rect.Dx(), m.Rect.Dy(), m.Pix, 8).picture(v), nil
		}
	}
	return rgb(img), nil
}

// guarded calls another package's decoder, which may panic on hostile input,
// and turns its errors into this package's.
func guarded[T any](decode func(io.Reader) (T, error), data []byte) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: the decoder gave up: %v", ErrCorrupt, r)
		}
	}()
	v, err = decode(bytes.NewReader(data))
	return v, verdict(err)
}

// verdict wraps a decoder's error in ErrUnsupported, ErrTooLarge or ErrCorrupt.
func verdict(err error) error {
	var p png.UnsupportedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jpeg.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.As(err, &p), errors.Is(err, jpeg.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
