// Package dicom turns a DICOM file (PS3.10) into upright pictures of 8-bit RGB,
// one per frame, by the pixel pipeline of PS3.3: stored values, modality LUT,
// VOI LUT, inversion, square pixels. It also reads what a case library keeps of
// a file besides its pixels.
//
// It decodes native, deflated and encapsulated uncompressed pixel data, RLE,
// JPEG (baseline, extended and lossless), JPEG-LS, JPEG 2000 and HTJ2K. The last
// three need a library of the system at run time: ErrLibrary says which.
//
// Overlays, presentation states, ICC profiles and supplemental palettes are
// ignored: a network is to see what was measured.
//
// Input is treated as hostile: sizes are checked against the limits and against
// the bytes that there are before anything is allocated for them.
package dicom

import (
	"errors"
	"fmt"
	"strings"

	"nearcase/embed/dicom/dataset"
	"nearcase/embed/native"
)

// What can be wrong with a file. Errors carry one of them and say which value
// was found and which was expected.
var (
	ErrNotDICOM    = dataset.ErrNotDICOM
	ErrCorrupt     = dataset.ErrCorrupt
	ErrTooLarge    = dataset.ErrTooLarge
	ErrUnsupported = dataset.ErrUnsupported
	ErrLibrary     = native.ErrLibrary
	ErrInterrupted = native.ErrInterrupted // also an ErrLibrary; another try may succeed

	// ErrNoImage is a well-formed file without pixel data, such as a report.
	ErrNoImage = errors.New("DICOM without an image")
	// ErrView is a View that no file could be rendered with.
	ErrView = errors.New("no such view")
)

const (
	defaultBytes  = 256 << 20
	defaultPixels = 100_000_000
	defaultFrames = 10_000
)

// Limits bounds what Open accepts. The zero value means the defaults.
type Limits struct {
	// Bytes is the most bytes a file may have, and those of a deflated file
	// when inflated; 0 means 256 MiB.
	Bytes int64
	// Pixels is the most pixels (rows × columns) a frame may have, as stored
	// and as rendered; 0 means 100,000,000. Reading one frame holds up to about
	// 12 bytes per sample beside the file and the picture.
	Pixels int64
	// Frames is the most frames that a file may declare or hold; 0 means 10,000.
	Frames int
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

// pixels returns ErrTooLarge when a frame of that size has more pixels than l
// allows. Both are positive.
func (l Limits) pixels(width, height int) error {
	if int64(width) > l.Pixels/int64(height) {
		return fmt.Errorf("%w: a frame of %d x %d pixels, the limit is %d pixels", ErrTooLarge, width, height, l.Pixels)
	}
	return nil
}

// frames returns ErrTooLarge when a file has more frames than l allows.
func (l Limits) frames(n int) error {
	if n > l.Frames {
		return fmt.Errorf("%w: %d frames, the limit is %d", ErrTooLarge, n, l.Frames)
	}
	return nil
}

// File is an opened file. It aliases the bytes that it was opened from, which
// must not change. It is safe for concurrent use.
type File struct {
	file     *dataset.File
	limits   Limits
	identity Identity
	format   format // of the frames; only where source is not nil
	source   source // nil without pixel data
}

// Is reports whether data looks like a DICOM file: by its prefix, or, where
// there is none, by a plausible first element.
func Is(data []byte) bool { return dataset.Is(data) }

// Open parses a file. One without pixel data opens and has no frames. Errors
// are ErrNotDICOM, ErrCorrupt, also where the file has an identity that cannot be
// read, ErrTooLarge and ErrUnsupported, the last also for pixel data that no
// method of this package could read. Errors of this package quote no text of the
// file but codes: they may be logged.
func Open(data []byte, l Limits) (*File, error) {
	l = l.orDefault()
	parsed, err := dataset.Parse(data, dataset.Limits{Bytes: l.Bytes, Inflated: l.Bytes})
	if err != nil {
		return nil, fmt.Errorf("dicom: open: %w", err)
	}
	f := &File{file: parsed, limits: l}
	if f.identity, err = identityOf(parsed.Set); err != nil {
		return nil, fmt.Errorf("dicom: open: %w", err)
	}
	if err := f.openPixels(); err != nil {
		return nil, fmt.Errorf("dicom: open: %w", err)
	}
	return f, nil
}

func (f *File) openPixels() error {
	if set := f.file.Set; set.Find(tagFloatPixels) != nil || set.Find(tagDoublePixels) != nil {
		return fmt.Errorf("%w: floating-point pixel data", ErrUnsupported)
	}
	e := f.file.Set.FindBinary(tagPixels)
	if e == nil {
		return nil
	}
	var err error
	if f.format, err = parseFormat(f.file.Set); err != nil {
		return err
	}
	if err := f.limits.pixels(f.format.columns, f.format.rows); err != nil {
		return err
	}
	if err := f.limits.frames(f.format.frames); err != nil {
		return err
	}
	source, err := openSource(f.file, e, &f.format)
	if err != nil {
		return err
	}
	f.source = source
	return f.limits.frames(source.frames())
}

// Declared returns the number of frames that the file declares, at least 1 with
// pixel data and 0 without. Where Frames returns fewer, the file is incomplete.
func (f *File) Declared() int { return f.format.frames }

// BurnedIn reports whether the file says that its pixels show text that
// identifies the patient (PS3.3 C.7.6.1.1.3). That it does not say so means
// nothing.
func (f *File) BurnedIn() bool {
	text, _ := f.file.Set.Characters(tagBurnedIn)
	return strings.EqualFold(text, "YES")
}

// Frames returns the number of frames that can be read: those that the file
// declares and has data for. It is 0 without pixel data, and where the first
// frame is truncated; reading a frame says which.
func (f *File) Frames() int {
	if f.source == nil {
		return 0
	}
	return min(f.format.frames, f.source.frames())
}

// Stored is a decoded frame before any lookup: row-major from the top left and
// interleaved, len(Values) == Samples*Width*Height.
type Stored struct {
	Width, Height int
	Samples       int  // per pixel: 1 or 3
	Bits          int  // per value: 1 to 32
	Signed        bool // values are in two's complement, extended to 32 bits
	// Photometric is PS3.3's photometric interpretation of Values. It differs
	// from the file's where decompression changed the colour space, or where
	// the stream contradicts the file.
	Photometric string
	// Values below 1<<Bits, or below 1<<(Bits-1) in magnitude where they are
	// signed. Unsigned values of 32 bits are kept as their bits: uint32(v).
	Values []int32
}

// Stored decodes a frame, 0-based. Errors are ErrNoImage, ErrCorrupt (also for
// a frame that is not there), ErrTooLarge, ErrUnsupported and ErrLibrary.
func (f *File) Stored(frame int) (*Stored, error) {
	s, err := f.stored(frame)
	if err != nil {
		return nil, fmt.Errorf("dicom: frame %d: %w", frame, err)
	}
	return s, nil
}

func (f *File) stored(frame int) (*Stored, error) {
	if f.source == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoImage, describe(f.file))
	}
	if have := f.Frames(); frame < 0 || frame >= have {
		return nil, fmt.Errorf("%w: no such frame: %d declared, the data has %d", ErrCorrupt, f.format.frames, have)
	}
	return f.source.stored(&f.format, frame)
}

// Deidentified returns the file with p's confidentiality profile applied, ready
// to be written.
func (f *File) Deidentified(p dataset.Profile) ([]byte, error) {
	d, err := f.file.Deidentified(p)
	if err != nil {
		return nil, fmt.Errorf("dicom: deidentify: %w", err)
	}
	return d.Bytes()
}
