package embed

import (
	"bytes"
	"image"
	"testing"

	"pgregory.net/rapid"
)

func interpolations() []string { return []string{Nearest, Box, Bilinear, Bicubic, Lanczos} }

func drawSide(t *rapid.T, name string) int { return rapid.IntRange(1, 40).Draw(t, name) }

// Law: a region of the result is the crop of the whole result.
func TestResizeOfARegionIsACropOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := noise(drawSide(t, "width"), drawSide(t, "height"), 4)
		w, h := drawSide(t, "to width"), drawSide(t, "to height")
		how := rapid.SampledFrom(interpolations()).Draw(t, "interpolation")
		x0, y0 := rapid.IntRange(0, w-1).Draw(t, "x0"), rapid.IntRange(0, h-1).Draw(t, "y0")
		region := image.Rect(x0, y0, rapid.IntRange(x0+1, w).Draw(t, "x1"), rapid.IntRange(y0+1, h).Draw(t, "y1"))
		want := crop(resize(p, w, h, image.Rect(0, 0, w, h), how), region)
		got := resize(p, w, h, region, how)
		if got.Width != want.Width || got.Height != want.Height || !bytes.Equal(got.Pix, want.Pix) {
			t.Fatalf("resize(%d x %d to %d x %d, %v, %s) is not the crop of the whole", p.Width, p.Height, w, h, region, how)
		}
	})
}

// Law: a picture of one colour keeps it at any size. (Weights rounded to 22
// bits may sum to a little less than one, which costs at most one level.)
func TestResizeKeepsAFlatPictureFlat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPicture(drawSide(t, "width"), drawSide(t, "height"))
		v := rapid.Byte().Draw(t, "value")
		for i := range p.Pix {
			p.Pix[i] = v
		}
		w, h := drawSide(t, "to width"), drawSide(t, "to height")
		how := rapid.SampledFrom(interpolations()).Draw(t, "interpolation")
		for i, got := range resize(p, w, h, image.Rect(0, 0, w, h), how).Pix {
			if d := int(got) - int(v); d < -1 || d > 1 {
				t.Fatalf("resize(flat %d, %s).Pix[%d] = %d", v, how, i, got)
			}
		}
	})
}

// Law: the shorter way for grey pictures gives what the colour way gives. One
// pixel of another colour in a corner that no output reads forces the latter.
func TestGreyIsResizedLikeColour(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grey := noise(drawSide(t, "width"), drawSide(t, "height"), 6)
		for i := range grey.Pix {
			grey.Pix[i] = grey.Pix[i/3*3]
		}
		f, _ := filterOf(rapid.SampledFrom(interpolations()[1:]).Draw(t, "interpolation"))
		w := drawSide(t, "to width")
		k := newKernel(grey.Width, w, 0, w, f)
		colour := newPicture(w, grey.Height)
		for y := range grey.Height {
			convolveRow(colour.row(y), grey.row(y), k)
		}
		got := newPicture(w, grey.Height)
		if resizeRowsPortable(got, grey, 0, k); !bytes.Equal(got.Pix, colour.Pix) {
			t.Fatalf("resizeRowsPortable(%d to %d) differs between grey and colour", grey.Width, w)
		}
	})
}

// Law: the convolutions in assembly give what those in Go give.
func TestConvolutionsInAssemblyAreThoseInGo(t *testing.T) {
	if !vectorised() {
		t.Skip("this machine runs those in Go")
	}
	rapid.Check(t, func(t *rapid.T) {
		p := noise(rapid.IntRange(1, 200).Draw(t, "width"), drawSide(t, "height"), 7)
		f, _ := filterOf(rapid.SampledFrom(interpolations()[1:]).Draw(t, "interpolation"))
		w, h, from := drawSide(t, "to width"), drawSide(t, "to height"), rapid.IntRange(0, p.Height-1).Draw(t, "from")
		k := newKernel(p.Width, w, 0, w, f)
		got, want := newPicture(w, p.Height-from), newPicture(w, p.Height-from)
		if resizeRowsPortable(want, p, from, k); resizeRowsVector(got, p, from, k) && !bytes.Equal(got.Pix, want.Pix) {
			t.Fatalf("resizeRowsVector(%d to %d) differs from resizeRowsPortable", p.Width, w)
		}
		k = newKernel(p.Height, h, 0, h, f)
		for y := range h {
			first, weight := k.at(y)
			got, want := make([]byte, 3*p.Width), make([]byte, 3*p.Width)
			columns(got, p.Pix[first*len(got):], weight)
			convolveColumns(want, p.Pix[first*len(want):], weight)
			if !bytes.Equal(got, want) {
				t.Fatalf("columns(%d bytes, %d weights) differs from convolveColumns", len(got), len(weight))
			}
		}
	})
}

// Law: pixels picked in assembly are those picked in Go, and nothing is written
// beyond them.
func TestPixelsPickedInAssemblyAreThoseInGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := noise(drawSide(t, "width"), 1, 8).Pix
		at := rapid.SliceOfN(rapid.Int32Range(0, int32(len(src)/3-1)), 1, 30).Draw(t, "at")
		for i := range at {
			at[i] *= 3
		}
		got, want := make([]byte, 3*len(at)+8), make([]byte, 3*len(at)+8)
		pick(got[:3*len(at)], src, at)
		if pickPortable(want[:3*len(at)], src, at); !bytes.Equal(got, want) {
			t.Fatalf("pick(%v) = %v, want %v", at, got, want)
		}
	})
}

// A picture 1 pixel high and as long as allowed takes no more memory than its
// crop and one row.
func TestResizeOfALongPictureComputesOnlyTheCrop(t *testing.T) {
	m := networks()[0]
	p, dst := newPicture(maxSide, 1), make([]float32, m.InputLen())
	var err error
	got := allocated(func() { err = m.Preprocess(p, dst) })
	if err != nil {
		t.Fatalf("Preprocess: %v", err)
	}
	if got > 8<<20 {
		t.Errorf("Preprocess(%d x 1) allocated %d bytes", maxSide, got)
	}
}

func TestResizeToTheSameSizeIsThePictureItself(t *testing.T) {
	p := noise(7, 5, 1)
	for _, how := range interpolations() {
		if got := resize(p, 7, 5, image.Rect(0, 0, 7, 5), how); got != p {
			t.Errorf("resize(7 x 5 to 7 x 5, %s) made a copy", how)
		}
	}
}

func TestFilterWeights(t *testing.T) {
	for _, c := range []struct {
		how     string
		x, want float64
	}{
		{Box, 0.5, 1}, {Box, -0.5, 0},
		{Bilinear, 0, 1}, {Bilinear, -0.25, 0.75}, {Bilinear, 1, 0},
		{Bicubic, 0, 1}, {Bicubic, 0.5, 0.5625}, {Bicubic, -1.5, -0.0625}, {Bicubic, 1, 0}, {Bicubic, 2, 0},
		{Lanczos, 0, 1}, {Lanczos, 0.5, 0.6079271018540265}, {Lanczos, 3, 0},
	} {
		f, ok := filterOf(c.how)
		if got := f.weight(c.x); !ok || got-c.want > 1e-12 || c.want-got > 1e-12 {
			t.Errorf("%s weight(%v) = %v, want %v", c.how, c.x, got, c.want)
		}
	}
}
