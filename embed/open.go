package embed

import (
	"errors"
	"fmt"
)

// ErrView is a View or a frame that an image does not have.
var ErrView = errors.New("no such view of the image")

// The ways a View may bring samples of more than 8 bits to 8.
const (
	// LevelsWindow is what the file says of its own brightness, which only
	// DICOM does. For other files it is LevelsFull.
	LevelsWindow = "window"
	// LevelsFull spreads the range that the samples could take: v>>8 of 16 bits.
	LevelsFull = "full"
	// LevelsPercentile spreads the range between two percentiles of the image.
	LevelsPercentile = "percentile"
	// LevelsClip cuts off at 255, as Pillow's convert("RGB") does with modes
	// I;16 and I.
	LevelsClip = "clip"
)

// View says how the samples of an image become 8 bits. Among plain files only
// grey of 16 bits per sample (PNG, TIFF) has a choice. The zero value means the
// first window of DICOM, and the full range of other files.
type View struct {
	// Levels is LevelsWindow, LevelsFull, LevelsPercentile or LevelsClip; ""
	// means LevelsWindow.
	Levels string
	// Window is the window that LevelsWindow takes, from 0 on.
	Window int
	// Low and High are the percentiles that LevelsPercentile makes 0 and 255,
	// with 0 ≤ Low < High ≤ 100; both 0 means 0.5 and 99.5.
	Low, High float64
	// Centre and Width, if Width is positive, are what LevelsWindow takes in place
	// of a DICOM file's windows, with Function LINEAR (also ""), LINEAR_EXACT or
	// SIGMOID. Other files have no windows: ErrView.
	Centre, Width float64
	Function      string
}

// withDefaults returns v with defaults, or ErrView.
func (v View) withDefaults() (View, error) {
	if v.Low == 0 && v.High == 0 {
		v.Low, v.High = 0.5, 99.5
	}
	switch v.Levels {
	case "":
		v.Levels = LevelsWindow
	case LevelsWindow, LevelsFull, LevelsPercentile, LevelsClip:
	default:
		return v, fmt.Errorf("%w: levels %q, expected window, full, percentile or clip", ErrView, v.Levels)
	}
	if !(0 <= v.Low && v.Low < v.High && v.High <= 100) {
		return v, fmt.Errorf("%w: percentiles %g and %g, expected 0 ≤ low < high ≤ 100", ErrView, v.Low, v.High)
	}
	if v.Window < 0 || !(v.Width >= 0) {
		return v, fmt.Errorf("%w: window %d, width %g", ErrView, v.Window, v.Width)
	}
	return v, nil
}

// source is an opened file of one format.
type source interface {
	// frames returns how many frames there are, at least 1.
	frames() int
	// picture decodes a frame that there is, upright. The view has its defaults.
	picture(frame int, v View) (*Picture, error)
}

// Image is an opened image file whose pixels have not been decoded. It reads
// the bytes that it was opened from, which must stay as they are, and is safe
// for concurrent use.
type Image struct {
	media  string
	source source
}

// Open reads the structure of the image in data: PNG, JPEG, TIFF, BMP, GIF, WebP
// or DICOM. No pixel memory is allocated. Errors are ErrEmpty, ErrNotImage,
// ErrUnsupported, ErrCorrupt, ErrTooLarge, ErrNoPixels or ErrCodec.
func Open(data []byte, limits Limits) (*Image, error) {
	limits = limits.orDefault()
	if len(data) == 0 {
		return nil, fmt.Errorf("embed: open: %w", ErrEmpty)
	}
	if int64(len(data)) > limits.Bytes {
		return nil, fmt.Errorf("embed: open: %w: %d bytes, the limit is %d bytes", ErrTooLarge, len(data), limits.Bytes)
	}
	c, ok := codecOf(data)
	if !ok {
		return nil, fmt.Errorf("embed: open: %w: expected PNG, JPEG, TIFF, BMP, GIF, WebP or DICOM", ErrNotImage)
	}
	s, err := c.open(data, limits)
	if err != nil {
		return nil, fmt.Errorf("embed: open %s: %w", c.media, err)
	}
	if n := s.frames(); n > limits.Frames {
		return nil, fmt.Errorf("embed: open %s: %w: %d frames, the limit is %d", c.media, ErrTooLarge, n, limits.Frames)
	}
	return &Image{media: c.media, source: s}, nil
}

// MediaType returns what MediaType returns for the file.
func (i *Image) MediaType() string { return i.media }

// Frames returns how many pictures the image holds, at least 1: the pages of a
// TIFF file that are no thumbnails or masks. Animated files have one, their
// first.
func (i *Image) Frames() int { return i.source.frames() }

// Picture decodes a frame, from 0 on, and turns it upright by its orientation.
//
// Colours become 8-bit RGB as by Pillow's convert("RGB"): grey is repeated,
// palettes are looked up, alpha is dropped and not blended, CMYK is multiplied
// out, a frame smaller than its canvas lies on the transparent or first colour.
// The exception is 16-bit grey, which v decides: Pillow clips it to 255, which
// would leave a radiograph white.
//
// The limits given to Open are checked before any pixel memory is allocated.
// Errors are those of Open and ErrView.
func (i *Image) Picture(frame int, v View) (*Picture, error) {
	v, err := v.withDefaults()
	if err == nil && (frame < 0 || frame >= i.Frames()) {
		err = fmt.Errorf("%w: frame %d of %d", ErrView, frame, i.Frames())
	}
	if _, is := i.source.(medical); err == nil && !is && v.Width > 0 {
		err = fmt.Errorf("%w: a window, which only DICOM files have", ErrView)
	}
	if err != nil {
		return nil, fmt.Errorf("embed: picture: %w", err)
	}
	p, err := i.source.picture(frame, v)
	if err != nil {
		return nil, fmt.Errorf("embed: decode %s: %w", i.media, err)
	}
	return p, nil
}

// Decode returns the first frame of the image in data as the zero View shows
// it. Scans that fill only the low bits of 16 come out dark: LevelsPercentile
// is for them.
func Decode(data []byte, limits Limits) (*Picture, error) {
	i, err := Open(data, limits)
	if err != nil {
		return nil, err
	}
	return i.Picture(0, View{})
}

// MediaType returns image/png, image/jpeg, image/tiff, image/bmp, image/gif,
// image/webp or application/dicom by the first bytes of data, and "" for anything else. That the
// rest of data is such an image is not said.
func MediaType(data []byte) string {
	c, _ := codecOf(data)
	return c.media
}
