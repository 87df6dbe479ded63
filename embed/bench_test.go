package embed

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"strconv"
	"testing"
)

// radiograph returns a JPEG of a smooth grey picture with some grain.
func radiograph(b testing.TB, side int) []byte {
	b.Helper()
	img := image.NewGray(image.Rect(0, 0, side, side))
	grain := noise(side, side, 1)
	for i := range img.Pix {
		x, y := float64(i%side)/float64(side), float64(i/side)/float64(side)
		img.Pix[i] = byte(120 + 90*math.Sin(7*x)*math.Cos(5*y) + float64(grain.Pix[i])/32)
	}
	return encodedJPEG(b, img)
}

func encodedJPEG(b testing.TB, img image.Image) []byte {
	b.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

func BenchmarkDecodeJPEG(b *testing.B) {
	for _, side := range []int{224, 1024} {
		grey := radiograph(b, side)
		p := decoded(b, grey)
		colour := image.NewRGBA(image.Rect(0, 0, side, side))
		for i := range side * side {
			colour.SetRGBA(i%side, i/side, color.RGBA{p.Pix[3*i], 255 - p.Pix[3*i], byte(i % side), 255})
		}
		b.Run("grey/"+strconv.Itoa(side), func(b *testing.B) { benchmarkDecode(b, grey, side) })
		b.Run("colour/"+strconv.Itoa(side), func(b *testing.B) { benchmarkDecode(b, encodedJPEG(b, colour), side) })
	}
}

func benchmarkDecode(b *testing.B, data []byte, side int) {
	b.SetBytes(int64(3 * side * side))
	b.ReportAllocs()
	for b.Loop() {
		decoded(b, data)
	}
}

func BenchmarkPreprocess(b *testing.B) {
	m := networks()[0]
	dst := make([]float32, m.InputLen())
	for _, side := range []int{224, 1024} {
		p := decoded(b, radiograph(b, side))
		for _, interpolation := range []string{Bilinear, Bicubic} {
			b.Run(interpolation+"/"+strconv.Itoa(side), func(b *testing.B) {
				m.Resize.Interpolation = interpolation
				b.ReportAllocs()
				for b.Loop() {
					if err := m.Preprocess(p, dst); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkResize is what .ci/bench-resize compares with Pillow: its names say
// mode, size and target as testdata/resize.py does.
func BenchmarkResize(b *testing.B) {
	for _, c := range []struct {
		mode                             string
		width, height, toWidth, toHeight int
	}{
		{"L", 2048, 2500, 224, 273}, {"RGB", 2048, 2500, 224, 273}, {"RGB", 1024, 1024, 256, 256}, {"RGB", 512, 512, 224, 224},
		{"L", 4000, 5000, 518, 647}, {"RGB", 4000, 5000, 518, 647}, {"RGB", 100, 100, 224, 224},
	} {
		p := noise(c.width, c.height, 1)
		if c.mode == "L" {
			for i := range p.Pix {
				p.Pix[i] = p.Pix[i/3*3]
			}
		}
		whole := image.Rect(0, 0, c.toWidth, c.toHeight)
		for _, how := range interpolations() {
			b.Run(fmt.Sprintf("%s/%dx%d/%dx%d/%s", c.mode, c.width, c.height, c.toWidth, c.toHeight, how), func(b *testing.B) {
				resize(p, c.toWidth, c.toHeight, whole, how)
				for b.Loop() {
					resize(p, c.toWidth, c.toHeight, whole, how)
				}
			})
		}
	}
}
