package dicom

import (
	"testing"

	"nearcase/embed/dicom/dataset"
)

// noise returns n bytes of little endian words below 4096.
func noise(n int) []byte {
	out, seed := make([]byte, n), uint32(1)
	for i := range out {
		seed = seed*1664525 + 1013904223
		if out[i] = byte(seed >> 24); i%2 == 1 {
			out[i] &= 0x0f
		}
	}
	return out
}

// A file of mammogram size: 4000 x 5000 pixels of 16 bits.
func BenchmarkRenderLargeFrame(b *testing.B) {
	data := encode(b, explicitLittle, module(5000, 4000, append(bits(16, 12, 11, 0), cs(tagPhotometric, monochrome1),
		ds(tagCentre, "2048"), ds(tagWidth, "4096"), ow(tagPixels, noise(4000*5000*2)...))...)...)
	for _, levels := range []string{Window, Full, Percentile} {
		b.Run(levels, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				p := benchRender(b, benchOpen(b, data), 0, View{Levels: levels})
				if len(p.Pix) != 3*4000*5000 {
					b.Fatal(p.Width, p.Height)
				}
			}
		})
	}
}

// A file of 500 frames of 512 x 512 pixels of 16 bits, native and RLE.
func BenchmarkRender500Frames(b *testing.B) {
	const frames, side = 500, 512
	one := noise(side * side * 2)
	elements := module(side, side, append(bits(16, 12, 11, 0), str(tagFrames, "IS", "500"), ds(tagCentre, "2048"), ds(tagWidth, "4096"))...)
	var all []byte
	parts := [][]byte{nil}
	planes := [2][]byte{}
	for i, v := range one {
		planes[(i+1)%2] = append(planes[(i+1)%2], v)
	}
	packed := encodeRLE(planes[0], planes[1])
	for range frames {
		all, parts = append(all, one...), append(parts, packed)
	}
	for _, c := range []struct {
		syntax string
		pixels dataset.Element
	}{{explicitLittle, ow(tagPixels, all...)}, {rle, fragments(parts...)}} {
		data := encode(b, c.syntax, append(elements, c.pixels)...)
		b.Run(c.syntax, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				f := benchOpen(b, data)
				for i := range f.Frames() {
					benchRender(b, f, i, View{})
				}
			}
		})
	}
}

func benchOpen(b *testing.B, data []byte) *File {
	f, err := Open(data, Limits{Bytes: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

func benchRender(b *testing.B, f *File, frame int, v View) *Picture {
	p, err := f.Render(frame, v)
	if err != nil {
		b.Fatal(err)
	}
	return p
}
