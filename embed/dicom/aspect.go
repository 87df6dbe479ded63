package dicom

import (
	"fmt"
	"math"

	"nearcase/embed/dicom/dataset"
)

// Tags that say how large a pixel is: vertically, then horizontally.
const (
	tagAspect         dataset.Tag = 0x0028_0034
	tagSpacing        dataset.Tag = 0x0028_0030
	tagImagerSpacing  dataset.Tag = 0x0018_1164
	tagNominalSpacing dataset.Tag = 0x0018_2010
)

// mostStretch is the most that a picture is enlarged to make its pixels square.
const mostStretch = 100

// Width returns the width in pixels of the first frame as Render returns it, 0
// without pixel data. Frames may differ only where each states its own pixel
// spacing.
func (f *File) Width() int {
	width, _ := f.size()
	return width
}

// Height returns the height that belongs to Width.
func (f *File) Height() int {
	_, height := f.size()
	return height
}

func (f *File) size() (width, height int) {
	if f.source == nil {
		return 0, 0
	}
	width, height, err := f.square(0)
	if err != nil {
		return f.format.columns, f.format.rows
	}
	return width, height
}

// square returns a frame's size with square pixels.
func (f *File) square(frame int) (width, height int, err error) {
	width, height = f.format.columns, f.format.rows
	vertical, horizontal := f.pixelSize(frame)
	if ratio := max(vertical/horizontal, horizontal/vertical); ratio > mostStretch {
		return 0, 0, fmt.Errorf("%w: pixels more than %d times as long as wide", ErrUnsupported, mostStretch)
	}
	if vertical > horizontal {
		height = int(math.Floor(float64(height)*vertical/horizontal + 0.5))
	} else {
		width = int(math.Floor(float64(width)*horizontal/vertical + 0.5))
	}
	return width, height, f.limits.pixels(width, height)
}

// pixelSize returns a pixel's size in units that are not known: the pixel aspect
// ratio, which a file has only where it states no spacing (PS3.3
// C.7.6.3.1.7), or the spacing in the patient, at the detector, or of a scanned
// film. Sizes that are not positive say nothing.
func (f *File) pixelSize(frame int) (vertical, horizontal float64) {
	set := f.file.Set
	for _, from := range []struct {
		set *dataset.Set
		tag dataset.Tag
	}{
		{set, tagAspect},
		{f.macro(frame, tagMeasures), tagSpacing},
		{set, tagSpacing}, {set, tagImagerSpacing}, {set, tagNominalSpacing},
	} {
		v, _ := from.set.Floats(from.tag)
		if len(v) >= 2 && v[0] > 0 && v[1] > 0 {
			return v[0], v[1]
		}
	}
	return 1, 1
}

// resized returns the picture enlarged to a size of which one side is its own.
func (p *Picture) resized(width, height int) *Picture {
	switch {
	case width != p.Width:
		out := &Picture{Width: width, Height: height, Pix: make([]byte, 3*width*height), VOI: p.VOI}
		for y := range height {
			stretch(out.Pix[3*y*width:], p.Pix[3*y*p.Width:], p.Width, width, 1)
		}
		return out
	case height != p.Height:
		out := &Picture{Width: width, Height: height, Pix: make([]byte, 3*width*height), VOI: p.VOI}
		for x := range width {
			stretch(out.Pix[3*x:], p.Pix[3*x:], p.Height, height, width)
		}
		return out
	}
	return p
}

// stretch makes n pixels of src into more pixels of dst, the pixels of both step
// apart. Each lies between the two whose centres enclose its own, at the edge
// is the last, and takes the nearest level, halves up.
func stretch(dst, src []byte, n, more, step int) {
	for i := range more {
		at := max((2*i+1)*n-more, 0) // in units of 1/(2*more) pixels of src
		k, rest := at/(2*more), at%(2*more)
		a, b := 3*step*k, 3*step*min(k+1, n-1)
		for c := range 3 {
			v := int(src[a+c])*(2*more-rest) + int(src[b+c])*rest
			dst[3*step*i+c] = byte((v + more) / (2 * more))
		}
	}
}
