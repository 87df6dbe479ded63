package dicom

import (
	"errors"
	"slices"
	"testing"

	"nearcase/embed/dicom/dataset"
)

// paletteFile returns a file in PALETTE COLOR of which red has a table, green
// and blue are values.
func paletteFile(t *testing.T, values []int, descriptor []int, data dataset.Element) *File {
	t.Helper()
	elements := module(1, len(values), append(bits(16, 16, 15, 0), cs(tagPhotometric, palette))...)
	elements = append(elements, us(tagPaletteDescriptor, descriptor...), data)
	for c := dataset.Tag(1); c < 3; c++ {
		elements = append(elements, us(tagPaletteDescriptor+c, 256, 0, 16), ow(tagPaletteData+c, words(ramp()...)...))
	}
	return open(t, encode(t, explicitLittle, append(elements, ow(tagPixels, words(values...)...))...))
}

func ramp() []int {
	out := make([]int, 256)
	for i := range out {
		out[i] = i<<8 | 0x80
	}
	return out
}

func TestPalettes(t *testing.T) {
	whole := make([]int, 1<<16)
	for i := range whole {
		whole[i] = 65535 - i
	}
	for _, c := range []struct {
		name       string
		values     []int
		descriptor []int
		data       dataset.Element
		want       []int // red
	}{
		{"16-bit entries", []int{0, 1, 2, 9}, []int{3, 0, 16}, ow(tagPaletteData, words(0x01ff, 0x8000, 0xffff)...), []int{1, 128, 255, 255}},
		{"8-bit entries, two to a word", []int{0, 1, 2}, []int{3, 0, 8}, ow(tagPaletteData, 5, 6, 7, 0), []int{5, 6, 7}},
		{"8-bit entries in words", []int{0, 1, 2}, []int{3, 0, 8}, ow(tagPaletteData, words(5, 6, 7)...), []int{5, 6, 7}},
		{"a first value", []int{0, 100, 101, 102}, []int{2, 100, 8}, ow(tagPaletteData, 5, 6), []int{5, 5, 6, 6}},
		{"0 is 65536 entries", []int{0, 65535, 256}, []int{0, 0, 16}, ow(tagPaletteData, words(whole...)...), []int{255, 0, 254}},
		{"segments", []int{0, 1, 2, 3, 4, 5, 6, 7}, []int{8, 0, 16},
			ow(tagSegmentedData, words(discrete, 2, 0, 256, straight, 2, 768, indirect, 1, 0, 0, discrete, 2, 2560, 2816)...),
			[]int{0, 1, 2, 3, 0, 1, 10, 11}},
		{"8-bit segments", []int{0, 1, 2, 3, 4, 5}, []int{6, 0, 8},
			ow(tagSegmentedData, discrete, 1, 0, straight, 3, 30, indirect, 1, 3, 0, 0, 0), []int{0, 10, 20, 30, 30, 30}},
	} {
		got := levelsOf(t, paletteFile(t, c.values, c.descriptor, c.data), 0, View{})
		if c.name == "8-bit segments" {
			got = got[:4]
			c.want = c.want[:4]
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPalettesThatAreBroken(t *testing.T) {
	seg := func(v ...int) dataset.Element { return ow(tagSegmentedData, words(v...)...) }
	for _, c := range []struct {
		name       string
		descriptor []int
		data       dataset.Element
	}{
		{"too few entries", []int{3, 0, 16}, ow(tagPaletteData, 1, 2, 3, 4)},
		{"no data", []int{3, 0, 16}, us(tagRows, 1)},
		{"5 bits", []int{3, 0, 5}, ow(tagPaletteData, 1, 2, 3, 4)},
		{"a short descriptor", []int{3, 0}, ow(tagPaletteData, 1, 2, 3, 4, 5, 6)},
		{"too few segments", []int{3, 0, 16}, seg(discrete, 2, 1, 2)},
		{"a segment cut short", []int{3, 0, 16}, seg(discrete, 3, 1, 2)},
		{"a line from nowhere", []int{3, 0, 16}, seg(straight, 3, 1)},
		{"an empty segment", []int{3, 0, 16}, seg(discrete, 0, discrete, 3, 1, 2, 3)},
		{"a kind that is not known", []int{3, 0, 16}, seg(7, 3, 1, 2, 3)},
		{"a copy of a copy", []int{3, 0, 16}, seg(discrete, 1, 5, indirect, 1, 6, 0)},
		{"a copy from beyond", []int{3, 0, 16}, seg(discrete, 1, 5, indirect, 1, 600, 0)},
		{"a copy from far beyond", []int{3, 0, 16}, seg(discrete, 1, 5, indirect, 1, -1, -1)},
	} {
		if _, err := paletteFile(t, []int{0, 1}, c.descriptor, c.data).Render(0, View{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want %v", c.name, err, ErrCorrupt)
		}
	}
}

func TestPixelsAreMadeSquare(t *testing.T) {
	for _, c := range []struct {
		name  string
		extra []dataset.Element
		width int
		want  []int // of the pixels 0 200 / 100 0
	}{
		{"square", nil, 2, []int{0, 200, 100, 0}},
		{"aspect of 1", []dataset.Element{str(tagAspect, "IS", `1\1`)}, 2, []int{0, 200, 100, 0}},
		{"twice as wide", []dataset.Element{str(tagAspect, "IS", `1\2`)}, 4, []int{0, 50, 150, 200, 100, 75, 25, 0}},
		{"twice as high", []dataset.Element{str(tagAspect, "IS", `2\1`)}, 2, []int{0, 200, 25, 150, 75, 50, 100, 0}},
		{"the spacing", []dataset.Element{ds(tagSpacing, `0.2\0.4`)}, 4, []int{0, 50, 150, 200, 100, 75, 25, 0}},
		{"the detector's spacing", []dataset.Element{ds(tagImagerSpacing, `0.2\0.4`)}, 4, []int{0, 50, 150, 200, 100, 75, 25, 0}},
		{"aspect before spacing", []dataset.Element{ds(tagSpacing, `0.2\0.4`), str(tagAspect, "IS", `1\1`)}, 2, []int{0, 200, 100, 0}},
		{"the patient's spacing before the detector's", []dataset.Element{ds(tagSpacing, `1\1`), ds(tagImagerSpacing, `0.2\0.4`)}, 2, []int{0, 200, 100, 0}},
		{"a spacing of zero says nothing", []dataset.Element{ds(tagSpacing, `0\0`)}, 2, []int{0, 200, 100, 0}},
		{"a spacing of hardly more", []dataset.Element{ds(tagSpacing, `0.2\0.2000001`)}, 2, []int{0, 200, 100, 0}},
	} {
		window := []dataset.Element{ds(tagCentre, "128"), ds(tagWidth, "256"), ow(tagPixels, 0, 200, 100, 0)}
		f := open(t, encode(t, explicitLittle, append(module(2, 2, c.extra...), window...)...))
		p := pictureOf(t, f, 0)
		if got := levelsOf(t, f, 0, View{}); p.Width != c.width || !slices.Equal(got, c.want) {
			t.Errorf("%s: %d wide, %v, want %d, %v", c.name, p.Width, got, c.width, c.want)
		}
		if f.Width() != p.Width || f.Height() != p.Height {
			t.Errorf("%s: File %d x %d, Render %d x %d", c.name, f.Width(), f.Height(), p.Width, p.Height)
		}
	}
}

func TestPixelsThatAreFarFromSquareAreRefused(t *testing.T) {
	pixels := ow(tagPixels, 0, 200, 100, 0)
	f := open(t, encode(t, explicitLittle, append(module(2, 2, str(tagAspect, "IS", `1\1000`)), pixels)...))
	if _, err := f.Render(0, View{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Render of an aspect of 1:1000: %v, want %v", err, ErrUnsupported)
	}
	f, err := Open(encode(t, explicitLittle, append(module(2, 2, str(tagAspect, "IS", `1\50`)), pixels)...), Limits{Pixels: 150})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Render(0, View{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Render of 100 x 2 pixels where 150 are allowed: %v, want %v", err, ErrTooLarge)
	}
}
