package jpeg

import "fmt"

// Samples is an image as its samples: row-major from the top left and
// interleaved, len(Values) == Components*Width*Height, each less than
// 1<<Precision.
type Samples struct {
	Width, Height int
	Components    int // 1, 3 or 4
	Precision     int // bits of a sample
	Values        []uint16
	// YCbCr is whether the stream says that its three components are YCbCr, by
	// libjpeg's rules, whatever Values are.
	YCbCr bool
}

// DecodeSamples is Decode for every precision: the sequential and progressive
// processes of 8 and 12 bits and the lossless process of 2 to 16, all with
// Huffman coding. It decodes 12 bits as libjpeg does when built for them.
//
// If raw, Values are the components as stored, upsampled where they need it.
// Otherwise those of 8 bits are converted to grey, RGB or inks as Decode's are;
// those of other precisions are never converted.
//
// More than pixels pixels are an ErrTooLarge; beside the image, decoding takes
// no more than a few bytes for each. Other errors are ErrFormat and
// ErrUnsupported.
func DecodeSamples(data []byte, pixels int64, raw bool) (*Samples, error) {
	d := decoder{segments: segments{data: data}, all: true, output: output{raw: raw}}
	if err := d.decode(pixels); err != nil {
		return nil, fmt.Errorf("jpeg: decode samples: %w", err)
	}
	return d.samples(), nil
}

func (d *decoder) samples() *Samples {
	f := &d.frame
	convert, ycc := d.colours(f)
	switch {
	case d.values == nil:
		d.values = make([]uint16, len(d.pix))
		for i, v := range d.pix {
			d.values[i] = uint16(v)
		}
	case f.precision == 8 && !d.raw:
		d.recolour(convert)
	}
	return &Samples{Width: f.width, Height: f.height, Components: len(f.components),
		Precision: f.precision, Values: d.values, YCbCr: ycc}
}

// recolour converts lossless values of 8 bits.
func (d *decoder) recolour(convert func(dst []byte, rows [4][]byte)) {
	n, width := len(d.frame.components), d.frame.width
	var rows [4][]byte
	for i := range n {
		rows[i] = make([]byte, width)
	}
	out := make([]byte, n*width)
	for row := d.values; len(row) > 0; row = row[n*width:] {
		for i := range out {
			rows[i%n][i/n] = byte(row[i])
		}
		convert(out, rows)
		for i, v := range out {
			row[i] = uint16(v)
		}
	}
}

// stored returns what interleaves n components as they are.
func stored(n int) func(dst []byte, rows [4][]byte) {
	switch n {
	case 1:
		return grey
	case 3:
		return interleave
	}
	return func(dst []byte, rows [4][]byte) {
		for i := range dst {
			dst[i] = rows[i&3][i>>2]
		}
	}
}
