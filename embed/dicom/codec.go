package dicom

import (
	"errors"
	"fmt"

	"nearcase/embed/jpeg"
	"nearcase/embed/native"
)

// decoder decodes the stream of one frame.
type decoder func(m *format, data []byte) (*Stored, error)

// Transfer syntaxes (PS3.6 A).
const (
	base               = "1.2.840.10008.1.2"
	syntaxUncompressed = base + ".1.98"
	syntaxRLE          = base + ".5"
)

// isMarked reports whether streams of a syntax start with a mark.
func isMarked(syntax string) bool { return syntax != syntaxUncompressed && syntax != syntaxRLE }

// decoderOf returns the decoder of a transfer syntax (PS3.6 A) and whether its
// pixel data is encapsulated. It is nil for the native syntaxes and for those
// that are not known.
func decoderOf(syntax string) (decode decoder, encapsulated bool) {
	switch syntax {
	case base, base + ".1", base + ".1.99", base + ".2", implicitMixed:
		return nil, false
	case syntaxUncompressed:
		return decodeUncompressed, true
	case syntaxRLE:
		return decodeRLE, true
	case base + ".4.50", base + ".4.51", base + ".4.57", base + ".4.70":
		return decodeJPEG, true
	case base + ".4.80", base + ".4.81":
		return decodeJPEGLS, true
	case base + ".4.90", base + ".4.91", base + ".4.201", base + ".4.202", base + ".4.203":
		return decodeJPEG2000, true
	}
	return nil, true
}

// decodeUncompressed reads a frame of encapsulated uncompressed pixel data,
// which is explicit little endian (PS3.5 A.4.11).
func decodeUncompressed(m *format, data []byte) (*Stored, error) {
	u, err := newUncompressed(m, data)
	if err != nil {
		return nil, err
	}
	if u.frames() < 1 {
		return nil, fmt.Errorf("%w: %d bytes for a frame of %d bits", ErrCorrupt, len(data), u.size)
	}
	return u.stored(m, 0)
}

// decodeJPEG decodes JPEG of any kind. Its values are as coded: whether their
// colours are RGB is said by an Adobe segment or by the components' names, else
// by the file's photometric interpretation. A JFIF segment, which would make
// them YBR, says nothing: files that call such streams RGB mean it.
func decodeJPEG(m *format, data []byte) (*Stored, error) {
	h, err := jpegHeader(data)
	if err != nil {
		return nil, err
	}
	if err := h.agrees(m); err != nil {
		return nil, err
	}
	s, err := jpeg.DecodeSamples(data, int64(m.pixels()), true)
	if err != nil {
		return nil, jpegError(err)
	}
	values := make([]int32, len(s.Values))
	for i, v := range s.Values {
		values[i] = int32(v)
	}
	h.precision = s.Precision
	return m.decoded(h, values)
}

// decodeJPEGLS decodes JPEG-LS, lossless or not.
func decodeJPEGLS(m *format, data []byte) (*Stored, error) {
	h, err := jpegHeader(data)
	if err != nil {
		return nil, err
	}
	if err := h.agrees(m); err != nil {
		return nil, err
	}
	img, err := native.DecodeJPEGLS(data, native.Limits{Pixels: int64(m.values())})
	if err != nil {
		return nil, nativeError(err)
	}
	h.precision = img.Precision
	return m.decoded(h, img.Values)
}

// decoded makes a frame of values from a stream that knows nothing of signs:
// two's complement is in as many bits as stream and file both have.
func (m *format) decoded(h header, values []int32) (*Stored, error) {
	if len(values) != m.values() {
		return nil, fmt.Errorf("%w: %d values where the file says %d", ErrCorrupt, len(values), m.values())
	}
	s := m.frame(values)
	s.Bits = min(h.precision, m.stored)
	high := s.Bits - 1
	if m.high < h.precision && m.high > high {
		high = m.high // the stream codes whole cells, the stored bits not at their bottom
	}
	for i, v := range values {
		values[i] = extract(uint32(v), high, s.Bits, m.signed)
	}
	return s, m.streamColour(s, h)
}

// streamColour sets what the values' colours are.
func (m *format) streamColour(s *Stored, h header) error {
	switch {
	case m.samples == 1:
	case h.colour != "":
		s.Photometric = h.colour
	case m.photometric == ybrICT, m.photometric == ybrRCT:
		return fmt.Errorf("%w: %s without a component transform of JPEG 2000", ErrCorrupt, m.photometric)
	}
	return nil
}

// decodeJPEG2000 decodes JPEG 2000 and HTJ2K. Precision and sign are the
// codestream's, whatever the file says; but where it is unsigned and the file
// signed, its bits are two's complement.
func decodeJPEG2000(m *format, data []byte) (*Stored, error) {
	h, err := jpeg2000Header(data)
	if err != nil {
		return nil, err
	}
	if err := h.agrees(m); err != nil {
		return nil, err
	}
	img, err := native.DecodeJPEG2000(data, native.Limits{Pixels: int64(m.values())})
	if err != nil {
		return nil, nativeError(err)
	}
	if len(img.Values) != m.values() || img.Precision < 1 || img.Precision > 32 {
		return nil, fmt.Errorf("%w: %d values of %d bits where the file says %d", ErrCorrupt, len(img.Values), img.Precision, m.values())
	}
	s := m.frame(img.Values)
	s.Bits, s.Signed = img.Precision, img.Signed || m.signed
	if s.Signed && !img.Signed {
		for i, v := range s.Values {
			s.Values[i] = extract(uint32(v), s.Bits-1, s.Bits, true)
		}
	}
	return s, m.transformColour(s, h)
}

// transformColour sets what the values' colours are: decoding has undone any
// component transform.
func (m *format) transformColour(s *Stored, h header) error {
	if m.samples == 3 && (h.colour == rgb || m.photometric == ybrICT || m.photometric == ybrRCT) {
		s.Photometric = rgb
		return nil
	}
	return m.streamColour(s, h)
}

// jpegError and nativeError turn the decoders' errors into this package's.
func jpegError(err error) error {
	switch {
	case errors.Is(err, jpeg.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, jpeg.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

func nativeError(err error) error {
	switch {
	case errors.Is(err, native.ErrLibrary):
		return err
	case errors.Is(err, native.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, native.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
