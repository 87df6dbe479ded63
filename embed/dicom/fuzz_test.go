package dicom

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Law: whatever the bytes, the reader ends in time, with an error of its own or
// with pictures of the size that it states, which the de-identified copy shows
// too.
func FuzzOpen(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		file, err := Open(data, Limits{Bytes: 1 << 20, Pixels: 1 << 16})
		if err != nil {
			checkError(t, err)
			return
		}
		file.Identity()
		file.Metadata(DefaultMetadata())
		if file.Frames() > 0 {
			checkFuzzedCopy(t, file)
		}
		for i := range min(file.Frames(), 20) {
			for _, v := range []View{{}, {Levels: Percentile}, {Window: 1}} {
				p, err := file.Render(i, v)
				if err != nil {
					checkError(t, err)
				} else if len(p.Pix) != 3*p.Width*p.Height || p.Width < 1 || p.Width*p.Height > 1<<16 {
					t.Fatalf("Render(%d): %d bytes for %d x %d", i, len(p.Pix), p.Width, p.Height)
				}
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("%v", took)
		}
	})
}

// checkFuzzedCopy compares a file's first frame with its copy's, if it can be
// rendered. The copy may be longer.
func checkFuzzedCopy(t *testing.T, f *File) {
	t.Helper()
	if _, err := f.Render(0, View{}); err != nil {
		return
	}
	f.limits.Bytes *= 2
	checkCopy(t, f, copyOf(t, f), 0)
}

func checkError(t *testing.T, err error) {
	t.Helper()
	for _, known := range []error{ErrNotDICOM, ErrCorrupt, ErrTooLarge, ErrUnsupported, ErrLibrary, ErrNoImage} {
		if errors.Is(err, known) {
			return
		}
	}
	t.Fatalf("an error of no kind: %v", err)
}

// seeds adds a file of each kind, and the small ones of the shared test data.
func seeds(f *testing.F) {
	pixels := ow(tagPixels, 1, 2, 3, 4)
	f.Add(encode(f, explicitLittle, module(2, 2, pixels)...))
	f.Add(encode(f, implicitLittle, module(2, 2, pixels, ds(tagCentre, "40"), ds(tagWidth, "80"), cs(tagFunction, "SIGMOID"))...))
	f.Add(encode(f, rle, append(module(1, 2, str(tagFrames, "IS", "2")), fragments(offsets(0, 76), encodeRLE([]byte{1, 2}), encodeRLE([]byte{1, 2})))...))
	f.Add(encode(f, encapsulated, append(module(2, 2), fragments(nil, pixels.Value))...))
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		return
	}
	for _, r := range references(f) {
		data, err := os.ReadFile(filepath.Join(root, "dicom", r.File))
		if err == nil && len(data) < 3<<10 {
			f.Add(data)
		}
	}
}

// Law: RLE gives as many values as asked for, or ErrCorrupt.
func FuzzRLE(f *testing.F) {
	f.Add(encodeRLE([]byte{1, 1, 1, 2}), uint8(4), uint8(1), false)
	f.Add(encodeRLE([]byte{1, 2}, []byte{3, 4}), uint8(2), uint8(2), false)
	f.Add(encodeRLE([]byte{1}, []byte{3}, []byte{5}), uint8(1), uint8(1), true)
	f.Fuzz(func(t *testing.T, data []byte, columns, size uint8, colour bool) {
		depth := []int{8, 16, 32}[size%3]
		m := format{rows: 1, columns: int(columns) + 1, samples: 1, allocated: depth, stored: depth, high: depth - 1}
		if colour {
			m.samples = 3
		}
		s, err := decodeRLE(&m, slices.Clone(data))
		switch {
		case err != nil && !errors.Is(err, ErrCorrupt):
			t.Fatalf("decodeRLE: %v, want %v", err, ErrCorrupt)
		case err == nil && len(s.Values) != m.values():
			t.Fatalf("decodeRLE: %d values, want %d", len(s.Values), m.values())
		}
	})
}

// Law: a segmented palette has as many entries as its descriptor says, or is
// ErrCorrupt.
func FuzzPalette(f *testing.F) {
	f.Add(words(discrete, 2, 0, 256, straight, 2, 768, indirect, 1, 0, 0), uint16(5), false)
	f.Add([]byte{discrete, 1, 0, straight, 3, 30, indirect, 1, 3, 0, 0, 0}, uint16(5), true)
	f.Fuzz(func(t *testing.T, data []byte, entries uint16, small bool) {
		d := descriptor{entries: int(entries) + 1, bits: 16}
		if small {
			d.bits = 8
		}
		r := segments{d: d, data: data, order: byteOrder(setOf(nil))}
		table, err := r.expand()
		switch {
		case err != nil && !errors.Is(err, ErrCorrupt):
			t.Fatalf("expand: %v, want %v", err, ErrCorrupt)
		case err == nil && len(table.entries) != d.entries:
			t.Fatalf("expand: %d entries, want %d", len(table.entries), d.entries)
		}
		if cap(r.out) > 4*(len(data)+math.MaxUint16+1)+math.MaxUint16 {
			t.Fatalf("expand: room for %d entries", cap(r.out))
		}
	})
}
