// Package apitest has a small network for tests of the protocol around a
// service, where the real runtime is not what is tested.
package apitest

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"

	"nearcase/api"
	"nearcase/embed"
)

// Quadrants is the name of the one model there is.
const Quadrants = "quadrants"

const side, dimension = 8, 12

// quadrants gives the mean of each channel over each quarter of its input.
type quadrants struct{}

func (quadrants) Run(_ context.Context, batch []float32, n int) ([]float32, []int, error) {
	out := make([]float32, n*dimension)
	for i, v := range batch {
		at, in := i/(3*side*side), i%(3*side*side)
		c, y, x := in/(side*side), in/side%side, in%side
		out[at*dimension+4*c+2*(2*y/side)+2*x/side] += v
	}
	return out, []int{n, dimension}, nil
}

func (quadrants) Close() error { return nil }

// OpenModel opens Quadrants; any other name is api.ErrModel.
func OpenModel(name string) (*embed.Model, error) {
	if name != Quadrants {
		return nil, fmt.Errorf("%w: there is %s", api.ErrModel, Quadrants)
	}
	return embed.NewModel(embed.Manifest{
		Name: name, Input: "image", Output: "means", Dimension: dimension,
		Resize: embed.Resize{Mode: embed.Fixed, Size: side, Interpolation: embed.Bilinear},
		Mean:   [3]float64{.5, .5, .5}, Std: [3]float64{.5, .5, .5},
	}, strings.Repeat("0", 64), quadrants{})
}

// Models describes Quadrants.
func Models() ([]api.ModelInfo, error) {
	return []api.ModelInfo{{Name: Quadrants, Dimension: dimension}}, nil
}

// Plain is a picture of one colour, as PNG.
func Plain(c color.RGBA) []byte {
	m := image.NewRGBA(image.Rect(0, 0, 48, 40))
	draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	var b bytes.Buffer
	_ = png.Encode(&b, m) // cannot fail
	return b.Bytes()
}
