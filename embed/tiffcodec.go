package embed

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/image/ccitt"

	"nearcase/embed/jpeg"
)

// mostTables is the most bytes of JPEG tables that a page may share; all that
// there can be take less than a tenth of it.
const mostTables = 1 << 16

// expandFax fills dst from ITU-T T.4 (one-dimensional) or T.6 codes, in which
// white is 0 as in a TIFF whose white is zero.
func (t *tiff) expandFax(dst, data []byte) error {
	kind := ccitt.Group4
	if t.compression == fax3 {
		kind = ccitt.Group3
	}
	_, err := guarded(func(r io.Reader) (int, error) {
		invert := &ccitt.Options{Invert: true}
		return io.ReadFull(ccitt.NewReader(r, ccitt.MSB, kind, t.blockWidth, len(dst)/t.rowBytes(), invert), dst)
	}, data)
	return err
}

// expandJPEG fills dst from a JPEG (Adobe, "TIFF Technical Note 2", 1995). It
// may be taller than its block, of which only the last may be cut.
func (t *tiff) expandJPEG(dst, data []byte) error {
	rows := len(dst) / t.rowBytes()
	img, err := jpeg.Decode(t.complete(data), int64(t.blockWidth)*int64(t.blockHeight))
	if err != nil {
		return err
	}
	if img.Width != t.blockWidth || img.Height < rows || img.Components != t.blockSamples() {
		return fmt.Errorf("a JPEG of %d x %d pixels of %d samples, expected %d x %d of %d",
			img.Width, img.Height, img.Components, t.blockWidth, rows, t.blockSamples())
	}
	copy(dst, img.Pix)
	if img.Components == 4 {
		for i := range dst {
			dst[i] = ^dst[i] // a JPEG's inks are taken for Adobe's, a TIFF's are not
		}
	}
	return nil
}

// complete returns the JPEG in data with the page's tables and with what the
// page says of its colours in the place of what it says itself: an Adobe marker
// (T.872, 6.5.3), which holds 1 for YCbCr and 0 for anything else.
func (t *tiff) complete(data []byte) []byte {
	const app0, app14 = 0xe0, 0xee
	out := []byte("\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00")
	if t.photometric == lumaChroma {
		out[len(out)-1] = 1
	}
	out = append(out, stripped(t.tables.data, app0, app14)...)
	return append(out, stripped(data, app0, app14)...)
}

// stripped returns the segments of a JPEG, without the marker that begins it,
// the one that ends it, if it ends before its pixels, and those given.
func stripped(data []byte, without ...byte) []byte {
	const eoi, sos = 0xd9, 0xda
	out := make([]byte, 0, len(data))
	for at := 2; ; {
		next, marker := nextMarker(data, at)
		switch {
		case next >= len(data) || marker == eoi:
			return out
		case marker == sos:
			return append(out, data[next-2:]...)
		}
		end := min(len(data), next+segmentLength(data[next:]))
		if bytes.IndexByte(without, marker) < 0 {
			out = append(out, data[next-2:end]...)
		}
		at = end
	}
}

// segmentLength returns what a segment says of its length, at least its own 2.
func segmentLength(data []byte) int {
	if len(data) < 2 {
		return 2
	}
	return max(2, int(data[0])<<8|int(data[1]))
}
