package embed

import (
	"fmt"
	"image"
	"math"
)

// The ways a Manifest may bring a picture to its size.
const (
	// Shorter scales the shorter side to Size and the other in proportion,
	// truncated to an integer, as torchvision's Resize does.
	Shorter = "shorter"
	// Fixed scales both sides to Size and ignores the proportions.
	Fixed = "fixed"
	// LongestPad scales the longer side to Size, the other in proportion,
	// rounded half to even and at least 1, and centres the result on a square of
	// Fill, as Pillow's ImageOps.pad does.
	LongestPad = "longest-pad"
	// Longest scales the longer side to Size and the other in proportion, as
	// timm's and open_clip's ResizeKeepRatio do. It differs from LongestPad by
	// the order of rounding and in that Crop cuts and pads the result.
	Longest = "longest"
	// Keep leaves a picture as it is for Crop to cut and pad.
	Keep = "keep"
)

// InputLen returns the number of floats of one preprocessed image, 3·H·W.
func (m Manifest) InputLen() int { return 3 * m.Side() * m.Side() }

// Side returns the width and height of the network's input.
func (m Manifest) Side() int {
	if m.Crop > 0 {
		return m.Crop
	}
	return m.Resize.Size
}

// Preprocess writes the network's input for one picture to dst, which must
// have InputLen floats: resized, cropped at the centre, and every value
// multiplied by Scale, less Mean and divided by Std (computed in float64 and
// rounded once). Mean and Std are in the order of Channels. dst is [3][H][W],
// or [H][W][3] if Layout is nhwc. p is only read.
func (m Manifest) Preprocess(p *Picture, dst []float32) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if err := p.valid(); err != nil {
		return fmt.Errorf("embed: preprocess: %w", err)
	}
	if len(dst) != m.InputLen() {
		return fmt.Errorf("embed: preprocess: room for %d floats, want %d", len(dst), m.InputLen())
	}
	m = m.withDefaults()
	f := m.frame(p.Width, p.Height)
	m.fill(resize(p, f.width, f.height, f.visible, m.Resize.Interpolation), f.at, dst)
	return nil
}

// frame says how a picture lands on the network's input.
type frame struct {
	width, height int             // of the resized picture
	visible       image.Rectangle // what the crop leaves of the resized picture
	at            image.Point     // where that lies on the input
}

// frame lays a picture of width × height on the input: it is resized, centred
// on a canvas (which is larger only with LongestPad), and the canvas is cropped
// at its centre, or padded where the crop is larger.
func (m Manifest) frame(width, height int) frame {
	w, h := m.resized(width, height)
	canvas := image.Pt(w, h)
	if m.Resize.Mode == LongestPad {
		canvas = image.Pt(m.Resize.Size, m.Resize.Size)
	}
	side := m.Side()
	picture := image.Rect(0, 0, w, h)
	// Where the input's origin lies on the resized picture: negative on Fill.
	origin := image.Pt(
		m.offset(canvas.X-side)-evenHalf(canvas.X-w),
		m.offset(canvas.Y-side)-evenHalf(canvas.Y-h))
	visible := image.Rect(0, 0, side, side).Add(origin).Intersect(picture)
	return frame{width: w, height: h, visible: visible, at: visible.Min.Sub(origin)}
}

// offset returns where a crop begins on a length that is surplus longer than
// it, negative where the crop is longer. torchvision's center_crop rounds half
// to even and, padding, puts the larger half behind; the center_crop of Hugging
// Face's image_transforms rounds down and so puts it before.
func (m Manifest) offset(surplus int) int {
	switch {
	case m.CropOffset == Floor:
		return surplus >> 1
	case surplus < 0:
		return surplus / 2
	}
	return evenHalf(surplus)
}

// evenHalf returns n/2 rounded half to even. n must not be negative.
func evenHalf(n int) int { return int(math.RoundToEven(float64(n) / 2)) }

// resized returns the size that a picture of width × height is scaled to.
func (m Manifest) resized(width, height int) (int, int) {
	size := m.Resize.Size
	switch m.Resize.Mode {
	case Shorter:
		if width <= height {
			return size, int(int64(size) * int64(height) / int64(width))
		}
		return int(int64(size) * int64(width) / int64(height)), size
	case LongestPad:
		if width >= height {
			return size, shrunk(size, height, width)
		}
		return shrunk(size, width, height), size
	case Longest:
		ratio := float64(max(width, height)) / float64(size)
		return scaled(width, ratio), scaled(height, ratio)
	case Keep:
		return width, height
	}
	return size, size
}

// scaled returns side/ratio rounded half to even, at least 1.
func scaled(side int, ratio float64) int {
	return max(1, int(math.RoundToEven(float64(side)/ratio)))
}

// shrunk returns short/long·size rounded half to even, at least 1.
func shrunk(size, short, long int) int {
	return max(1, int(math.RoundToEven(float64(short)/float64(long)*float64(size))))
}

// fill writes p, whose top left lies at the point at of the input, to dst and
// the colour Fill around it.
func (m Manifest) fill(p *Picture, at image.Point, dst []float32) {
	levels := m.levels()
	side := m.Side()
	// dst index of channel c at pixel i is c*plane + i*step.
	plane, step, write := side*side, 1, writePlanes
	if m.Layout == NHWC {
		plane, step, write = 1, 3, writePixels
	}
	// What red, green and blue become, and where that begins.
	var level [3]*[256]float32
	var out [3][]float32
	for c, from := range m.sources() {
		level[from], out[from] = &levels[c], dst[c*plane:]
	}
	if p.Width < side || p.Height < side {
		for c, v := range m.Fill {
			for i := range side * side {
				out[c][i*step] = level[c][v]
			}
		}
	}
	for y := range p.Height {
		i := ((at.Y+y)*side + at.X) * step
		write([3][]float32{out[0][i:], out[1][i:], out[2][i:]}, level, p.row(y))
	}
}

// writePlanes writes a row of pixels to three planes, four pixels at a time.
func writePlanes(out [3][]float32, level [3]*[256]float32, row []byte) {
	n := len(row) / 3
	r, g, b := out[0][:n], out[1][:n], out[2][:n]
	red, green, blue := level[0], level[1], level[2]
	i := 0
	for ; i <= n-4 && len(row) >= 12; i += 4 {
		o := (*[4]float32)(r[i : i+4])
		o[0], o[1], o[2], o[3] = red[row[0]], red[row[3]], red[row[6]], red[row[9]]
		o = (*[4]float32)(g[i : i+4])
		o[0], o[1], o[2], o[3] = green[row[1]], green[row[4]], green[row[7]], green[row[10]]
		o = (*[4]float32)(b[i : i+4])
		o[0], o[1], o[2], o[3] = blue[row[2]], blue[row[5]], blue[row[8]], blue[row[11]]
		row = row[12:]
	}
	for ; i < n && len(row) >= 3; i++ {
		r[i], g[i], b[i] = red[row[0]], green[row[1]], blue[row[2]]
		row = row[3:]
	}
}

// writePixels writes a row of pixels to every third float of out.
func writePixels(out [3][]float32, level [3]*[256]float32, row []byte) {
	n := len(row) - 2
	r, g, b := out[0][:n], out[1][:n], out[2][:n]
	red, green, blue := level[0], level[1], level[2]
	for i := 0; i < n && len(row) >= 3; i += 3 {
		r[i], g[i], b[i] = red[row[0]], green[row[1]], blue[row[2]]
		row = row[3:]
	}
}

// sources returns which of red, green and blue each input channel reads.
func (m Manifest) sources() [3]int {
	if m.Channels == BGR {
		return [3]int{2, 1, 0}
	}
	return [3]int{0, 1, 2}
}

// levels returns the normalised value of every pixel value of each channel.
func (m Manifest) levels() (levels [3][256]float32) {
	for c := range levels {
		for v := range levels[c] {
			levels[c][v] = float32((float64(float64(v)*m.Scale) - m.Mean[c]) / m.Std[c])
		}
	}
	return levels
}
