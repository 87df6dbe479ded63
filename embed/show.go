package embed

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
)

// Within returns the picture scaled to the largest size of its proportions that
// fits width × height, at least 1 × 1; the picture itself where that is larger
// than the picture is. Both must be positive.
func (p *Picture) Within(width, height int) *Picture {
	w, h := p.Width, p.Height
	if w > width || h > height {
		w, h = fitted(w, h, width, height)
	}
	return resize(p, w, h, image.Rect(0, 0, w, h), Bilinear)
}

// fitted returns the size of a picture of w × h that is made to fit.
func fitted(w, h, width, height int) (int, int) {
	if int64(w)*int64(height) >= int64(h)*int64(width) {
		return width, max(1, int((int64(h)*int64(width)+int64(w)/2)/int64(w)))
	}
	return max(1, int((int64(w)*int64(height)+int64(h)/2)/int64(h))), height
}

// PNG returns the picture as a PNG file: grey of 8 bits where it is grey, RGB
// otherwise.
func (p *Picture) PNG() ([]byte, error) {
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := e.Encode(&b, p.image()); err != nil {
		return nil, fmt.Errorf("embed: encode PNG: %w", err)
	}
	return b.Bytes(), nil
}

// JPEG returns the picture as a JPEG file of a quality from 1 to 100.
func (p *Picture) JPEG(quality int) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p.image(), &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("embed: encode JPEG: %w", err)
	}
	return b.Bytes(), nil
}

// image returns the picture as an image: grey or opaque.
func (p *Picture) image() image.Image {
	if p.isGrey() {
		m := image.NewGray(image.Rect(0, 0, p.Width, p.Height))
		for i := range m.Pix {
			m.Pix[i] = p.Pix[3*i]
		}
		return m
	}
	m := image.NewRGBA(image.Rect(0, 0, p.Width, p.Height))
	for i := range p.Width * p.Height {
		to, from := m.Pix[4*i:4*i+4:4*i+4], p.Pix[3*i:3*i+3:3*i+3]
		to[0], to[1], to[2], to[3] = from[0], from[1], from[2], 255
	}
	return m
}
