package dicom

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"nearcase/embed/dicom/dataset"
)

// The examples are the notes of PS3.3 C.11.2.1.2.1 and C.11.2.1.3.2, with an
// output range of 0 to 255.
func TestWindowsAreTheStandards(t *testing.T) {
	for _, c := range []struct {
		function      string
		centre, width float64
		x, want       float64
	}{
		{"LINEAR", 2048, 4096, 0, 0},
		{"LINEAR", 2048, 4096, 4095, 255},
		{"LINEAR", 2048, 4096, 1, (1-2047.5)/4095*255 + 127.5},
		{"", 2048, 1, 2047, 0},
		{"", 2048, 1, 2047.5, 0},
		{"", 2048, 1, 2048, 255},
		{"LINEAR", 0, 100, -50, 0},
		{"LINEAR", 0, 100, 49.5, 255},
		{"LINEAR", 0, 100, 0, (0.5/99 + 0.5) * 255},
		{"LINEAR_EXACT", 2048, 4096, 0, 0},
		{"LINEAR_EXACT", 2048, 4096, 4096, 255},
		{"LINEAR_EXACT", 2048, 4096, 2048, 127.5},
		{"LINEAR_EXACT", 0, 0.5, 0.125, 0.75 * 255},
		{"LINEAR_EXACT", 0, 0.5, 1, 255},
		{"SIGMOID", 40, 80, 40, 127.5},
		{"SIGMOID", 40, 80, 60, 255 / (1 + math.Exp(-1))},
		{"SIGMOID", 40, 80, -1e6, 0},
	} {
		w := window{c.centre, c.width}
		f, err := w.transfer(c.function)
		if err != nil {
			t.Fatalf("%v.transfer(%q): %v", w, c.function, err)
		}
		if got := f(c.x); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v.transfer(%q)(%v) = %v, want %v", w, c.function, c.x, got, c.want)
		}
	}
}

func TestWindowsThatCannotBeReadAreErrors(t *testing.T) {
	for _, c := range []struct {
		centre, width, function string
		want                    error
	}{
		{"forty", "400", "", ErrCorrupt},
		{"40", "NaN", "", ErrCorrupt},
		{"40", "Inf", "SIGMOID", ErrCorrupt},
		{"40", "400", "CUBIC", ErrUnsupported},
	} {
		f := row16(t, []int{1, 2}, ds(tagCentre, c.centre), ds(tagWidth, c.width), cs(tagFunction, c.function))
		if _, err := f.Render(0, View{}); !errors.Is(err, c.want) {
			t.Errorf("Render of window %s, %s, %q: %v, want %v", c.centre, c.width, c.function, err, c.want)
		}
		if _, err := f.Render(0, View{Levels: Full}); err != nil {
			t.Errorf("Render(full) of window %s, %s: %v", c.centre, c.width, err)
		}
	}
}

func TestWindowsWithoutAWidthDoNotCount(t *testing.T) {
	values := []int{0, 50, 100, 150, 200}
	full, first, second := []int{0, 64, 128, 191, 255}, []int{0, 128, 255, 255, 255}, []int{0, 0, 0, 128, 255}
	for _, c := range []struct {
		name, centre, width, function string
		window                        int
		want                          []int
	}{
		{"none but a placeholder", "0", "0", "", 0, full},
		{"a placeholder of an exact window", "0", "0", "LINEAR_EXACT", 0, full},
		{"a negative width", "40", "-3", "SIGMOID", 0, full},
		{"a placeholder of a function that is not known", "0", "0", "CUBIC", 0, full},
		{"a placeholder before windows", `0\50.5\150.5`, `0\101\101`, "", 0, first},
		{"a placeholder between", `50.5\0\150.5`, `101\0\101`, "", 1, second},
		{"a placeholder behind", `50.5\0`, `101\0`, "", 1, first},
		{"a width below 1 is exact", "50.25", "0.5", "LINEAR", 0, []int{0, 0, 255, 255, 255}},
		{"a width below 1 without a function", "50", "0.5", "", 0, []int{0, 128, 255, 255, 255}},
	} {
		f := row16(t, values, ds(tagCentre, c.centre), ds(tagWidth, c.width), cs(tagFunction, c.function))
		if got := levelsOf(t, f, 0, View{Window: c.window}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLevels(t *testing.T) {
	window := []dataset.Element{ds(tagCentre, `50.5\150.5`), ds(tagWidth, `101\101`)}
	table := sq(tagVOILUTs, []dataset.Element{us(tagDescriptor, 3, 100, 8), ow(tagLUTData, 0, 51, 255, 0)})
	values := []int{0, 50, 100, 101, 150, 200}
	for _, c := range []struct {
		name  string
		view  View
		extra []dataset.Element
		want  []int
	}{
		{"no window is from the least to the greatest", View{}, nil, []int{0, 64, 128, 129, 191, 255}},
		{"the first window", View{}, window, []int{0, 128, 255, 255, 255, 255}},
		{"the second window", View{Window: 1}, window, []int{0, 0, 0, 3, 128, 255}},
		{"a window that is not there is the first", View{Window: 9}, window, []int{0, 128, 255, 255, 255, 255}},
		{"a window that is asked for", View{Centre: 150.5, Width: 101}, window, []int{0, 0, 0, 3, 128, 255}},
		{"by a function of its own", View{Centre: 100, Width: 200, Function: "LINEAR_EXACT"}, window, []int{0, 64, 128, 129, 191, 255}},
		{"in rescaled values", View{Centre: 50.5, Width: 101}, []dataset.Element{ds(tagSlope, "-1"), ds(tagIntercept, "100")}, []int{255, 128, 0, 0, 0, 0}},
		{"inverted last", View{Centre: 50.5, Width: 101}, []dataset.Element{cs(tagPhotometric, monochrome1)}, []int{255, 127, 0, 0, 0, 0}},
		{"full, whatever the windows", View{Levels: Full}, window, []int{0, 64, 128, 129, 191, 255}},
		{"percentiles", View{Levels: Percentile, Low: 20, High: 80}, nil, []int{0, 0, 128, 130, 255, 255}},
		{"a VOI LUT before windows", View{}, append(window, table), []int{0, 0, 0, 51, 255, 255}},
		{"windows after a VOI LUT", View{Window: 1}, append(window, table), []int{0, 128, 255, 255, 255, 255}},
		{"rescaled", View{}, append(window, ds(tagSlope, "-1"), ds(tagIntercept, "100")), []int{255, 128, 0, 0, 0, 0}},
		{"rescaled and full", View{Levels: Full}, []dataset.Element{ds(tagSlope, "-2.5")}, []int{255, 191, 128, 126, 64, 0}},
		{"empty rescale", View{}, []dataset.Element{ds(tagSlope, ""), ds(tagIntercept, "")}, []int{0, 64, 128, 129, 191, 255}},
		{"inverse shape", View{}, []dataset.Element{cs(tagLUTShape, "INVERSE")}, []int{255, 191, 127, 126, 64, 0}},
		{"inverse shape and photometric", View{}, []dataset.Element{cs(tagLUTShape, "INVERSE"), cs(tagPhotometric, monochrome1)}, []int{255, 191, 127, 126, 64, 0}},
	} {
		if got := levelsOf(t, row16(t, values, c.extra...), 0, c.view); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestModalityLUTs(t *testing.T) {
	lut := func(first int, e dataset.Element) dataset.Element {
		return sq(tagModalityLUTs, []dataset.Element{us(tagDescriptor, 4, first, 16), e})
	}
	words := ow(tagLUTData, words(10, 20, 40, 0)...)
	for _, c := range []struct {
		name   string
		values []int
		lut    dataset.Element
		want   []int
	}{
		{"from the first input on", []int{99, 100, 101, 102, 103, 104}, lut(100, words), []int{64, 64, 128, 255, 0, 0}},
		{"a negative first input", []int{-9, -8, -7, -6, -5, 9}, lut(-8, words), []int{64, 64, 128, 255, 0, 0}},
		{"as US entries", []int{0, 1, 2, 3}, lut(0, us(tagLUTData, 10, 20, 40, 0)), []int{64, 128, 255, 0}},
	} {
		if got := levelsOf(t, row16(t, c.values, c.lut), 0, View{}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A VOI LUT whose inputs are rescaled to negative values has a signed first
// input even where the file's values are unsigned.
func TestVOILUTsTakeRescaledValues(t *testing.T) {
	table := sq(tagVOILUTs, []dataset.Element{us(tagDescriptor, 3, -2, 12), ow(tagLUTData, words(0, 4095, 819)...)})
	f := row16(t, []int{0, 1022, 1023, 1024, 2000}, ds(tagIntercept, "-1024"), ds(tagSlope, "1"), table)
	if got, want := levelsOf(t, f, 0, View{}), []int{0, 0, 255, 51, 51}; !slices.Equal(got, want) {
		t.Errorf("levels %v, want %v", got, want)
	}
}

func TestPaddingTakesNoPart(t *testing.T) {
	pad := us(tagPaddingValue, -2000)
	for _, c := range []struct {
		name   string
		values []int
		view   View
		extra  []dataset.Element
		want   []int
	}{
		{"full", []int{-2000, 0, 100}, View{}, []dataset.Element{pad}, []int{0, 0, 255}},
		{"inverted", []int{-2000, 0, 100}, View{}, []dataset.Element{pad, cs(tagPhotometric, monochrome1)}, []int{0, 255, 0}},
		{"a range", []int{-2000, -1500, 0, 100}, View{}, []dataset.Element{pad, us(tagPaddingLimit, -1000)}, []int{0, 0, 0, 255}},
		{"a range the other way", []int{-2000, -1500, 0, 100}, View{}, []dataset.Element{us(tagPaddingValue, -1000), us(tagPaddingLimit, -2000)}, []int{0, 0, 0, 255}},
		{"percentiles", []int{-2000, 0, 50, 100}, View{Levels: Percentile, Low: 0, High: 100}, []dataset.Element{pad}, []int{0, 0, 128, 255}},
		{"in the middle of a window", []int{65000, 60000, 64999}, View{}, []dataset.Element{us(tagPaddingValue, 65000), ds(tagCentre, "65000"), ds(tagWidth, "11")}, []int{0, 0, 115}},
		{"nothing else", []int{-2000, -2000}, View{}, []dataset.Element{pad, cs(tagPhotometric, monochrome1)}, []int{0, 0}},
	} {
		if got := levelsOf(t, row16(t, c.values, c.extra...), 0, c.view); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Law: MONOCHROME1 is the exact inverse of MONOCHROME2, whatever the view.
func TestMonochrome1IsTheInverse(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(-32768, 32767), 1, 40).Draw(r, "values")
		v := View{Levels: rapid.SampledFrom([]string{Window, Full, Percentile}).Draw(r, "levels")}
		extra := []dataset.Element{
			ds(tagCentre, fmt.Sprint(rapid.IntRange(-40000, 40000).Draw(r, "centre"))),
			ds(tagWidth, fmt.Sprint(rapid.IntRange(1, 70000).Draw(r, "width"))),
			cs(tagFunction, rapid.SampledFrom([]string{"LINEAR", "LINEAR_EXACT", "SIGMOID"}).Draw(r, "function")),
			ds(tagSlope, fmt.Sprint(rapid.SampledFrom([]float64{1, -1, 0.3, -12.5}).Draw(r, "slope"))),
		}
		one := levelsOf(t, row16(t, values, append(extra, cs(tagPhotometric, monochrome1))...), 0, v)
		two := levelsOf(t, row16(t, values, extra...), 0, v)
		for i := range one {
			if one[i] != 255-two[i] {
				r.Fatalf("value %d: MONOCHROME1 %d, MONOCHROME2 %d", values[i], one[i], two[i])
			}
		}
	})
}

// Law: ranks by counting are those of the sorted values, narrow or wide.
func TestRanksAreThoseOfSortedValues(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := &Stored{Bits: 32, Signed: rapid.Bool().Draw(r, "signed")}
		s.Values = rapid.SliceOfN(rapid.OneOf(rapid.Int32Range(-500, 500), rapid.Int32()), 1, 60).Draw(r, "values")
		m := modality{slope: rapid.SampledFrom([]float64{1, -1, 0.25}).Draw(r, "slope")}
		p := padding{rapid.Bool().Draw(r, "padded"), 0, 3}
		var want []float64
		for _, v := range s.Values {
			if v := s.value(v); !p.has(v) {
				want = append(want, m.of(v))
			}
		}
		slices.Sort(want)
		low, _ := s.span()
		checkRanks(r, rank(s, m, p), want)
		checkRanks(r, rankWide(s, m, p, low), want)
	})
}

func checkRanks(r *rapid.T, got ranked, want []float64) {
	if got.count != len(want) {
		r.Fatalf("%d values, want %d", got.count, len(want))
	}
	for k, v := range want {
		if got.at(k) != v {
			r.Fatalf("value %d is %v, want %v", k, got.at(k), v)
		}
	}
}

// Law: a table of grey levels gives what the formula gives value by value.
func TestTablesPaintWhatFormulasDo(t *testing.T) {
	shade := func(v int64) byte { return byte(v * 7) }
	rapid.Check(t, func(r *rapid.T) {
		s := &Stored{Bits: 32, Signed: rapid.Bool().Draw(r, "signed")}
		base := rapid.Int32().Draw(r, "base")
		for _, d := range rapid.SliceOfN(rapid.Int32Range(0, 1000), 1, 20).Draw(r, "steps") {
			s.Values = append(s.Values, base/2+d)
		}
		a, b := &Picture{Pix: make([]byte, 3*len(s.Values))}, &Picture{Pix: make([]byte, 3*len(s.Values))}
		low, high := s.span()
		s.paint(a, low, high, shade)
		s.paint(b, low, low+mostLevels, shade)
		if !bytes.Equal(a.Pix, b.Pix) {
			r.Fatalf("values %v: %v by table, %v without", s.Values, a.Pix, b.Pix)
		}
	})
}

func TestWideValuesAreNotFolded(t *testing.T) {
	elements := module(1, 3, bits(32, 32, 31, 0)...)
	elements = append(elements, ow(tagPixels, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0xff))
	f := open(t, encode(t, explicitLittle, elements...))
	for _, v := range []View{{}, {Levels: Percentile, High: 100}} {
		if got, want := levelsOf(t, f, 0, v), []int{0, 128, 255}; !slices.Equal(got, want) {
			t.Errorf("levels %v: %v, want %v", v, got, want)
		}
	}
}

func TestFunctionalGroupsAreEachFrames(t *testing.T) {
	window := func(centre string) []dataset.Element {
		return []dataset.Element{sq(tagFrameVOI, []dataset.Element{ds(tagCentre, centre), ds(tagWidth, "101")})}
	}
	shared := sq(tagShared, []dataset.Element{
		sq(tagTransformations, []dataset.Element{ds(tagSlope, "2"), ds(tagIntercept, "-100")}),
		sq(tagMeasures, []dataset.Element{ds(tagSpacing, `1\2`)}),
	})
	elements := append(module(1, 2, shared, str(tagFrames, "IS", "3")),
		sq(tagPerFrame, window("50.5"), window("0.5"), nil), ds(tagCentre, "300"), ds(tagWidth, "1"),
		ow(tagPixels, 50, 100, 50, 100, 50, 100))
	f := open(t, encode(t, explicitLittle, elements...))
	for frame, want := range [][]int{{0, 64, 191, 255}, {128, 160, 223, 255}, {0, 0, 0, 0}} {
		if got := levelsOf(t, f, frame, View{}); !slices.Equal(got, want) {
			t.Errorf("frame %d: %v, want %v", frame, got, want)
		}
	}
}

func TestViewsAreChecked(t *testing.T) {
	f := row16(t, []int{1, 2})
	for _, v := range []View{{Levels: "best"}, {Window: -1}, {Low: 5, High: 5}, {Low: -1, High: 5}, {Low: 5, High: 101}, {Low: math.NaN(), High: 3}} {
		if _, err := f.Render(0, v); !errors.Is(err, ErrView) {
			t.Errorf("Render(%+v): %v, want %v", v, err, ErrView)
		}
	}
}

func TestFramesMayBeRenderedAtOnce(t *testing.T) {
	f := row16(t, []int{1, 2, 3}, cs(tagPhotometric, monochrome1))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if p, err := f.Render(0, View{}); err != nil || p.Pix[0] != 255 {
				t.Errorf("Render: %v, %v", p, err)
			}
		})
	}
	wait.Wait()
}

// An image of 8 bits without a window, as ultrasound and scanners write them,
// looks like the same picture in a plain file, and not like a stretched one.
func TestEightBitsWithoutAWindowStayAsTheyAre(t *testing.T) {
	values := []byte{10, 20, 100, 200}
	for _, c := range []struct {
		name  string
		view  View
		extra []dataset.Element
		want  []int
	}{
		{"by window", View{}, nil, []int{10, 20, 100, 200}},
		{"by window, MONOCHROME1", View{}, []dataset.Element{cs(tagPhotometric, monochrome1)}, []int{245, 235, 155, 55}},
		{"full", View{Levels: Full}, nil, []int{0, 13, 121, 255}},
		{"by window, rescaled", View{}, []dataset.Element{ds(tagSlope, "2")}, []int{0, 13, 121, 255}},
	} {
		elements := append(module(1, 4, bits(8, 8, 7, 0)...), dataset.Element{Tag: tagPixels, VR: "OB", Value: values})
		f := open(t, encode(t, explicitLittle, append(elements, c.extra...)...))
		if got := levelsOf(t, f, 0, c.view); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
