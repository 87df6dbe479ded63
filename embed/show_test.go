package embed

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestAPictureFitsWithItsProportions(t *testing.T) {
	for _, c := range []struct{ width, height, mostWidth, mostHeight, wantWidth, wantHeight int }{
		{200, 100, 100, 100, 100, 50},
		{100, 200, 100, 100, 50, 100},
		{30, 20, 100, 100, 30, 20},
		{1000, 1, 10, 10, 10, 1},
		{1, 1000, 10, 10, 1, 10},
		{300, 200, 100, 10, 15, 10},
		{7, 7, 7, 7, 7, 7},
	} {
		p := newPicture(c.width, c.height).Within(c.mostWidth, c.mostHeight)
		if p.Width != c.wantWidth || p.Height != c.wantHeight || p.valid() != nil {
			t.Errorf("Within(%d, %d) of %d x %d: got %d x %d, want %d x %d", c.mostWidth, c.mostHeight, c.width, c.height, p.Width, p.Height, c.wantWidth, c.wantHeight)
		}
	}
}

// A picture comes back from PNG as it was.
func TestAPictureOutlivesPNG(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPicture(rapid.IntRange(1, 20).Draw(t, "width"), rapid.IntRange(1, 20).Draw(t, "height"))
		grey := rapid.Bool().Draw(t, "grey")
		for i := range p.Pix {
			if p.Pix[i] = byte(rapid.IntRange(0, 255).Draw(t, "level")); grey && i%3 > 0 {
				p.Pix[i] = p.Pix[i-1]
			}
		}
		data, err := p.PNG()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data, Limits{})
		if err != nil || got.Width != p.Width || got.Height != p.Height || !bytes.Equal(got.Pix, p.Pix) {
			t.Fatalf("Decode(PNG of %+v) = %+v, %v", p, got, err)
		}
	})
}

func TestAPictureAsJPEGIsNearlyWhatItWas(t *testing.T) {
	p := newPicture(16, 16)
	for i := range p.Pix {
		p.Pix[i] = byte(100 + i/48)
	}
	data, err := p.JPEG(85)
	if err != nil || MediaType(data) != "image/jpeg" {
		t.Fatalf("JPEG: got %q, %v", MediaType(data), err)
	}
	got, err := Decode(data, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got.Pix {
		if d := int(v) - int(p.Pix[i]); d < -4 || d > 4 {
			t.Fatalf("level %d: got %d, want about %d", i, v, p.Pix[i])
		}
	}
}
