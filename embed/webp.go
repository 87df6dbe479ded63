package embed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
)

// webp is the first frame of a WebP file (RFC 9649). Its chunks are read here
// and not by golang.org/x/image/webp, which takes no animation, believes the
// lengths and sizes that it reads, and decodes the alpha that is then dropped.
type webp struct {
	header // of the canvas
	frame  image.Rectangle
	body   []byte
	decode func(body []byte) (*Picture, error)
}

func openWebP(data []byte, l Limits) (source, error) {
	w := &webp{header: header{orientation: 1}}
	size := int64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size > int64(len(data)) {
		return nil, fmt.Errorf("%w: %d bytes, its header says %d", ErrCorrupt, len(data), size)
	}
	take := func(name string, body []byte) error { return w.chunk(name, body, l) }
	if err := chunks(data[min(12, size):size], take); err != nil {
		return nil, err
	}
	if err := l.size(w.width, w.height); err != nil {
		return nil, err
	}
	if w.body == nil {
		return nil, fmt.Errorf("%w: no frame", ErrCorrupt)
	}
	return w, nil
}

// chunks hands every chunk of a RIFF file's data to take.
func chunks(data []byte, take func(name string, body []byte) error) error {
	for len(data) >= 8 {
		name, length := string(data[:4]), int64(binary.LittleEndian.Uint32(data[4:]))
		if length > int64(len(data)-8) {
			return fmt.Errorf("%w: a %q chunk of %d bytes where %d are left", ErrCorrupt, name, length, len(data)-8)
		}
		body := data[8 : 8+length]
		data = data[min(8+length+length&1, int64(len(data))):]
		if err := take(name, body); err != nil {
			return err
		}
	}
	return nil
}

// chunk takes what one chunk says of the file.
func (w *webp) chunk(name string, body []byte, l Limits) error {
	switch {
	case name == "EXIF":
		w.orientation = orientationEXIF(bytes.TrimPrefix(body, []byte("Exif\x00\x00")))
	case name == "VP8X" && len(body) == 10:
		return w.canvas(1+uint24(body[4:]), 1+uint24(body[7:]), l)
	case name == "ANMF" && len(body) >= 16:
		return w.animation(body)
	case name == "VP8X", name == "ANMF":
		return fmt.Errorf("%w: a %q chunk of %d bytes", ErrCorrupt, name, len(body))
	case name == "VP8 ", name == "VP8L":
		if err := w.bitstream(name, body); err != nil {
			return err
		}
		return w.canvas(w.frame.Dx(), w.frame.Dy(), l)
	}
	return nil
}

// canvas sets the size of the picture, which chunks must agree about.
func (w *webp) canvas(width, height int, l Limits) error {
	if w.width != 0 && (w.width != width || w.height != height) {
		return fmt.Errorf("%w: it says both %d x %d and %d x %d pixels", ErrCorrupt, w.width, w.height, width, height)
	}
	w.width, w.height = width, height
	return l.size(width, height)
}

// animation takes the first frame of an animation; those after it are left.
func (w *webp) animation(body []byte) error {
	if w.body != nil {
		return nil
	}
	at, size := image.Pt(2*uint24(body), 2*uint24(body[3:])), image.Pt(1+uint24(body[6:]), 1+uint24(body[9:]))
	place := image.Rectangle{at, at.Add(size)}
	if !place.In(image.Rect(0, 0, w.width, w.height)) {
		return fmt.Errorf("%w: a frame at %v of %d x %d pixels", ErrCorrupt, place, w.width, w.height)
	}
	if err := chunks(body[16:], w.part); err != nil {
		return err
	}
	if w.body != nil && w.frame.Size() != size {
		return fmt.Errorf("%w: it says both %d x %d and %d x %d pixels",
			ErrCorrupt, size.X, size.Y, w.frame.Dx(), w.frame.Dy())
	}
	w.frame = place
	return nil
}

// part takes what one chunk says of an animation's frame.
func (w *webp) part(name string, body []byte) error {
	if name == "VP8 " || name == "VP8L" {
		return w.bitstream(name, body)
	}
	return nil
}

// bitstream takes the first picture, whose size stands at its beginning (RFC
// 6386, section 9.1; RFC 9649, section 3.4).
func (w *webp) bitstream(name string, body []byte) error {
	var width, height int
	decode := decodeVP8
	switch {
	case name == "VP8L" && len(body) >= 5:
		bits := int(binary.LittleEndian.Uint32(body[1:]))
		width, height, decode = 1+bits&0x3fff, 1+bits>>14&0x3fff, decodeVP8L
	case name == "VP8 " && len(body) >= 10:
		width = int(binary.LittleEndian.Uint16(body[6:])) & 0x3fff
		height = int(binary.LittleEndian.Uint16(body[8:])) & 0x3fff
	default:
		return fmt.Errorf("%w: a %q chunk of %d bytes", ErrCorrupt, name, len(body))
	}
	if w.body != nil {
		return fmt.Errorf("%w: a second %q chunk", ErrCorrupt, name)
	}
	w.frame, w.body, w.decode = image.Rect(0, 0, width, height), body, decode
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func (w *webp) frames() int { return 1 }

// picture lays the frame on a canvas that is transparent, which is black.
func (w *webp) picture(int, View) (*Picture, error) {
	p, err := w.decode(w.body)
	if err != nil {
		return nil, err
	}
	if p.Width != w.frame.Dx() || p.Height != w.frame.Dy() {
		return nil, fmt.Errorf("%w: its header says %d x %d pixels, its data %d x %d",
			ErrCorrupt, w.frame.Dx(), w.frame.Dy(), p.Width, p.Height)
	}
	return oriented(onCanvas(p, w.frame.Min, w.width, w.height), w.orientation), nil
}

func decodeVP8(body []byte) (*Picture, error) {
	img, err := guarded(func(r io.Reader) (*image.YCbCr, error) {
		d := vp8.NewDecoder()
		d.Init(r, len(body))
		if _, err := d.DecodeFrameHeader(); err != nil {
			return nil, err
		}
		return d.DecodeFrame()
	}, body)
	if err != nil {
		return nil, err
	}
	return studio(img), nil
}

func decodeVP8L(body []byte) (*Picture, error) {
	img, err := guarded(vp8l.Decode, body)
	if err != nil {
		return nil, err
	}
	return rgb(img), nil
}

// onCanvas returns p on a black picture of width × height at the place given,
// or p itself where it covers all of that.
func onCanvas(p *Picture, at image.Point, width, height int) *Picture {
	if at == (image.Point{}) && p.Width == width && p.Height == height {
		return p
	}
	canvas := newPicture(width, height)
	for y := range p.Height {
		copy(canvas.row(at.Y + y)[3*at.X:], p.row(y))
	}
	return canvas
}
