package embed

import (
	"bytes"
	"errors"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Decode is the first frame as the zero View shows it.
func TestDecodeIsTheFirstFrameByDefault(t *testing.T) {
	for _, name := range append(formats(), "tiff pages", "png 16-bit grey", "tiff orientation 6") {
		data := example(t, name)
		i, err := Open(data, Limits{})
		if err != nil {
			t.Fatalf("Open(%s): %v", name, err)
		}
		got, err := i.Picture(0, View{Levels: LevelsWindow, Window: 3})
		if want := decoded(t, data); err != nil || !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("Open(%s).Picture(0, window 3): not what Decode returns (%v)", name, err)
		}
		if i.MediaType() != MediaType(data) {
			t.Errorf("Open(%s).MediaType() = %q, want %q", name, i.MediaType(), MediaType(data))
		}
	}
}

func TestFramesArePagesAndAnimationsHaveOne(t *testing.T) {
	for name, want := range map[string]int{
		"tiff pages": 4, "tiff raw rgb": 1, "png animated": 1, "gif animated": 1, "webp animated": 1, "jpeg grey": 1,
	} {
		i, err := Open(example(t, name), Limits{})
		if err != nil {
			t.Fatalf("Open(%s): %v", name, err)
		}
		if got := i.Frames(); got != want {
			t.Errorf("Open(%s).Frames() = %d, want %d", name, got, want)
		}
	}
}

func TestAViewThatThereIsNotIsAnError(t *testing.T) {
	i, err := Open(example(t, "tiff pages"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		frame int
		view  View
		says  string
	}{
		{-1, View{}, "frame -1 of 4"},
		{4, View{}, "frame 4 of 4"},
		{0, View{Levels: "auto"}, `levels "auto"`},
		{0, View{Window: -1}, "window -1"},
		{0, View{Width: 10}, "only DICOM"},
		{0, View{Width: -1}, "width -1"},
		{0, View{Width: math.NaN()}, "width NaN"},
		{0, View{Low: 2, High: 1}, "percentiles 2 and 1"},
		{0, View{Low: 1}, "percentiles 1 and 0"},
		{0, View{High: 101}, "percentiles 0 and 101"},
	} {
		p, err := i.Picture(c.frame, c.view)
		if p != nil || !errors.Is(err, ErrView) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Picture(%d, %+v) = %v, %v; want %v saying %q", c.frame, c.view, p, err, ErrView, c.says)
		}
	}
}

func TestLevelsOfDeepGrey(t *testing.T) {
	d := deep{5, 1, []uint16{0, 255, 256, 1000, 65535}}
	for _, c := range []struct {
		view View
		want []byte
	}{
		{View{Levels: LevelsWindow}, []byte{0, 0, 1, 3, 255}},
		{View{Levels: LevelsFull}, []byte{0, 0, 1, 3, 255}},
		{View{Levels: LevelsClip}, []byte{0, 255, 255, 255, 255}},
		{View{Levels: LevelsPercentile, Low: 0, High: 100}, []byte{0, 1, 1, 4, 255}},
		{View{Levels: LevelsPercentile, Low: 25, High: 75}, []byte{0, 0, 0, 255, 255}},
		{View{Levels: LevelsPercentile, Low: 12.5, High: 62.5}, []byte{0, 65, 65, 255, 255}},
	} {
		p := d.picture(c.view)
		for i, want := range c.want {
			if got := p.Pix[3*i : 3*i+3]; !bytes.Equal(got, []byte{want, want, want}) {
				t.Errorf("levels %+v of %d = %v, want %d thrice", c.view, d.samples[i], got, want)
			}
		}
	}
	flat := deep{2, 1, []uint16{7, 7}}
	if got := flat.picture(View{Levels: LevelsPercentile, Low: 1, High: 99}).Pix; got[0] != 0 {
		t.Errorf("percentiles of a flat picture make it %d, want black", got[0])
	}
}

// Law: stretching keeps the order of the samples.
func TestPercentilesKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Uint16(), 1, 50).Draw(t, "samples")
		slices.Sort(samples)
		low := rapid.Float64Range(0, 99).Draw(t, "low")
		high := rapid.Float64Range(low+0.01, 100).Draw(t, "high")
		p := deep{len(samples), 1, samples}.picture(View{Levels: LevelsPercentile, Low: low, High: high})
		if !slices.IsSorted(p.Pix) {
			t.Fatalf("percentiles %g and %g of %v = %v", low, high, samples, p.Pix)
		}
	})
}

// Law: interlacing is a permutation of the lines.
func TestInterlacedLinesAreEveryLineOnce(t *testing.T) {
	for height := 1; height < 40; height++ {
		g := gif{frame: image.Rect(0, 0, 1, height), interlaced: true}
		var lines []int
		for i := range height {
			lines = append(lines, g.line(i))
		}
		slices.Sort(lines)
		for i, line := range lines {
			if i != line {
				t.Fatalf("line of %d: %v in order", height, lines)
			}
		}
	}
}
