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

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"

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
	// inspect finds the size and the orientation, and refuses what would make
	// decode allocate more than the size explains.
	inspect func(data []byte, l Limits) (header, error)
	// decode returns the picture as stored, not yet oriented.
	decode func(data []byte) (*Picture, error)
}

// codecOf returns the codec that the first bytes of data name.
func codecOf(data []byte) (codec, bool) {
	starts := func(magic string) bool { return strings.HasPrefix(string(data[:min(len(data), 8)]), magic) }
	switch {
	case starts("\x89PNG\r\n\x1a\n"):
		return codec{"image/png", inspectPNG, through(png.Decode, rgb)}, true
	case starts("\xff\xd8\xff"):
		return codec{"image/jpeg", inspectJPEG, decodeJPEG}, true
	case starts("II*\x00"), starts("MM\x00*"), starts("II+\x00"), starts("MM\x00+"):
		return codec{"image/tiff", inspectTIFF, decodeTIFF}, true
	case starts("BM") && len(data) >= 10 && string(data[6:10]) == "\x00\x00\x00\x00":
		return codec{"image/bmp", inspectBMP, through(bmp.Decode, rgb)}, true
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return codec{"image/webp", inspectWebP, through(webp.Decode, webpRGB)}, true
	}
	return codec{}, false
}

// MediaType returns image/png, image/jpeg, image/tiff, image/bmp or image/webp
// by the first bytes of data, and "" for anything else. That the rest of data
// is such an image is not said.
func MediaType(data []byte) string {
	c, _ := codecOf(data)
	return c.media
}

// Decode returns the picture in data: PNG, JPEG, TIFF (its first page), BMP or
// WebP, turned upright by its EXIF orientation.
//
// Colours become 8-bit RGB as by Pillow's convert("RGB"): grey is repeated,
// palettes are looked up, alpha is dropped and not blended, CMYK is multiplied
// out. The exception is 16-bit samples, which keep their upper 8 bits (v>>8):
// Pillow clips 16-bit grey to 255, which would leave a radiograph white. Scans
// that fill only the low bits of 16 come out dark; DICOM carries the window
// that such images need, plain files do not.
//
// The limits are checked before any pixel memory is allocated. Errors are
// ErrEmpty, ErrNotImage, ErrUnsupported, ErrCorrupt or ErrTooLarge.
func Decode(data []byte, limits Limits) (*Picture, error) {
	limits = limits.orDefault()
	if len(data) == 0 {
		return nil, fmt.Errorf("embed: decode: %w", ErrEmpty)
	}
	if int64(len(data)) > limits.Bytes {
		return nil, fmt.Errorf("embed: decode: %w: %d bytes, the limit is %d bytes", ErrTooLarge, len(data), limits.Bytes)
	}
	c, ok := codecOf(data)
	if !ok {
		return nil, fmt.Errorf("embed: decode: %w: expected PNG, JPEG, TIFF, BMP or WebP", ErrNotImage)
	}
	p, err := c.picture(data, limits)
	if err != nil {
		return nil, fmt.Errorf("embed: decode %s: %w", c.media, err)
	}
	return p, nil
}

func (c codec) picture(data []byte, l Limits) (*Picture, error) {
	h, err := c.inspect(data, l)
	if err != nil {
		return nil, err
	}
	p, err := c.decode(data)
	if err != nil {
		return nil, err
	}
	if p.Width != h.width || p.Height != h.height {
		return nil, fmt.Errorf("%w: its header says %d x %d pixels, its data %d x %d",
			ErrCorrupt, h.width, h.height, p.Width, p.Height)
	}
	return oriented(p, h.orientation), nil
}

// decodeJPEG leaves the limit to inspectJPEG, which has been asked.
func decodeJPEG(data []byte) (*Picture, error) {
	img, err := jpeg.Decode(data, math.MaxInt64)
	if err != nil {
		return nil, verdict(err)
	}
	return components(img), nil
}

// through makes a codec's decode of another package's decoder.
func through(decode func(io.Reader) (image.Image, error), convert func(image.Image) *Picture) func([]byte) (*Picture, error) {
	return func(data []byte) (*Picture, error) {
		img, err := guarded(decode, data)
		if err != nil {
			return nil, err
		}
		return convert(img), nil
	}
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
	case errors.As(err, &p), errors.Is(err, jpeg.ErrUnsupported), errors.Is(err, bmp.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
