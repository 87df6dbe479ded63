package dicom

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// What a file is decoded to looks the same and has the same values, in whatever
// syntax it was.
func TestExplicitFilesHaveTheSamePixels(t *testing.T) {
	for _, r := range references(t) {
		f, err := Open(shared(t, r.File), Limits{})
		if err != nil || f.Frames() == 0 {
			continue
		}
		want, err := f.Stored(f.Frames() - 1)
		if err != nil {
			continue // for want of a library
		}
		t.Run(r.File, func(t *testing.T) {
			data, err := f.Explicit(1 << 30)
			if err != nil {
				t.Fatalf("Explicit: %v", err)
			}
			e := open(t, data)
			got, err := e.Stored(f.Frames() - 1)
			if err != nil || e.Frames() != f.Frames() || e.Syntax() != ExplicitLittle {
				t.Fatalf("Explicit: %d frames in %s, %v, want %d", e.Frames(), e.Syntax(), err, f.Frames())
			}
			if !slices.Equal(got.Values, want.Values) || got.Signed != want.Signed || got.Photometric != want.Photometric {
				t.Errorf("Explicit: values of %d bits, %s, want those of %d bits, %s", got.Bits, got.Photometric, want.Bits, want.Photometric)
			}
			for _, v := range []View{{}, {Levels: Full}} {
				a, errA := f.Render(0, v)
				b, errB := e.Render(0, v)
				if errA != nil || errB != nil || !bytes.Equal(a.Pix, b.Pix) {
					t.Errorf("Render: %v, and of the explicit file %v, want the same picture", errA, errB)
				}
			}
			checkFrame(t, f, e)
		})
	}
}

// checkFrame compares a frame alone with that of the explicit file.
func checkFrame(t *testing.T, f, explicit *File) {
	t.Helper()
	last := f.Frames() - 1
	want, err := explicit.Encoded(last)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Native(last)
	if !f.IsEncapsulated() {
		got, err = f.Encoded(last)
	}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("frame %d: %d bytes, %v, want the %d of the explicit file", last, len(got), err, len(want))
	}
}

func TestEncapsulatedFramesAreReturnedAsTheyAre(t *testing.T) {
	a, b := []byte{1, 2, 3, 4}, []byte{5, 6, 7, 8}
	f := open(t, encode(t, encapsulated, append(module(2, 2, str(tagFrames, "IS", "2")), fragments(nil, a, b))...))
	got, err := f.Encoded(1)
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("Encoded = % x, %v, want % x", got, err, b)
	}
	if _, err := f.Explicit(7); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Explicit of 8 bytes where 7 may be: %v, want %v", err, ErrTooLarge)
	}
	for _, frame := range []int{-1, 2} {
		if _, err := f.Encoded(frame); !errors.Is(err, ErrCorrupt) {
			t.Errorf("Encoded(%d): %v, want %v", frame, err, ErrCorrupt)
		}
	}
	none := open(t, encode(t, explicitLittle, str(tagClass, "UI", "1.2")))
	if _, err := none.Encoded(0); !errors.Is(err, ErrNoImage) {
		t.Errorf("Encoded without pixels: %v, want %v", err, ErrNoImage)
	}
}
