package phantom

import (
	"image"
	"image/color"
	"image/draw"
)

// band is the width in pixels of the border that says what the image is.
const band = 18

// letters are five by seven dots each, row by row, the leftmost dot in the
// highest of five bits.
func letters() [7][7]uint8 {
	return [7][7]uint8{
		{0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000}, // P
		{0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001}, // H
		{0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001}, // A
		{0b10001, 0b11001, 0b10101, 0b10011, 0b10001, 0b10001, 0b10001}, // N
		{0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100}, // T
		{0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110}, // O
		{0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001}, // M
	}
}

func paper() color.NRGBA { return color.NRGBA{0, 118, 128, 255} }
func ink() color.NRGBA   { return color.NRGBA{255, 236, 160, 255} }

// drawBand draws the band with the word PHANTOM at the top and the bottom.
func drawBand(m *image.NRGBA) {
	inner := frame()
	for _, r := range []image.Rectangle{
		{Max: image.Pt(Size, inner.Min.Y)}, {Min: image.Pt(0, inner.Max.Y), Max: image.Pt(Size, Size)},
		image.Rect(0, inner.Min.Y, inner.Min.X, inner.Max.Y), image.Rect(inner.Max.X, inner.Min.Y, Size, inner.Max.Y),
	} {
		draw.Draw(m, r, image.NewUniform(paper()), image.Point{}, draw.Src)
	}
	for _, top := range []int{2, Size - 16} {
		drawWord(m, Size/2-41, top)
	}
}

// drawWord draws the word with each dot two pixels wide and high.
func drawWord(m *image.NRGBA, left, top int) {
	for l, rows := range letters() {
		for y := range 14 {
			for x := range 10 {
				if rows[y/2]>>(4-x/2)&1 == 1 {
					m.SetNRGBA(left+12*l+x, top+y, ink())
				}
			}
		}
	}
}
