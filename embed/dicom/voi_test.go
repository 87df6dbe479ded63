package dicom

import (
	"testing"

	"pgregory.net/rapid"

	"nearcase/embed/dicom/dataset"
)

// Law: the window that a picture is said to be made by makes it, to the rounding of a
// level.
func TestAPictureIsMadeByTheWindowItTells(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(0, 65535), 1, 40).Draw(r, "values")
		elements := rapid.SampledFrom([][]dataset.Element{
			nil, {ds(tagCentre, "3000"), ds(tagWidth, "5000")}, {ds(tagCentre, "3000.5"), ds(tagWidth, "0.5")},
			{ds(tagCentre, "300"), ds(tagWidth, "500"), cs(tagFunction, "SIGMOID")}, {ds(tagSlope, "-2"), ds(tagIntercept, "7")},
		}).Draw(r, "elements")
		elements = append([]dataset.Element{cs(tagPhotometric, rapid.SampledFrom([]string{monochrome1, monochrome2}).Draw(r, "photometric"))}, elements...)
		v := rapid.SampledFrom([]View{{}, {Levels: Full}, {Levels: Percentile}, {Centre: 9, Width: 99, Function: "LINEAR_EXACT"}}).Draw(r, "view")
		f := row16(t, values, elements...)
		p, err := f.Render(0, v)
		if err != nil {
			r.Fatal(err)
		}
		if p.VOI == nil {
			for _, y := range p.Pix {
				if y != 0 && y != white {
					r.Fatalf("no window is told of a picture with level %d", y)
				}
			}
			return
		}
		again, err := f.Render(0, View{Centre: p.VOI.Centre, Width: p.VOI.Width, Function: p.VOI.Function})
		if err != nil || *again.VOI != *p.VOI {
			r.Fatalf("Render by %+v: %+v, %v", *p.VOI, again, err)
		}
		for i, y := range again.Pix {
			if d := int(y) - int(p.Pix[i]); d < -1 || d > 1 {
				r.Fatalf("by %+v level %d is %d, want %d", *p.VOI, i, y, p.Pix[i])
			}
		}
	})
}

func TestNoWindowIsToldOfOneValue(t *testing.T) {
	p, err := row16(t, []int{1, 1}).Render(0, View{})
	if err != nil || p.VOI != nil {
		t.Errorf("of one value: got %+v, %v, want no window", p.VOI, err)
	}
}
