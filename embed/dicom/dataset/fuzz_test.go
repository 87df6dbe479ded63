package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Law: what parses can be walked, written, read again the same, de-identified
// and then written and read too; what does not is one of the package's errors.
func FuzzParse(f *testing.F) {
	data, err := small().Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[preamble+len(magic):])
	f.Add([]byte("\x00\x08\x00\x60CS\x00\x02CT\x00\x28\x00\x10US\x00\x02\x00\x07"))
	f.Add(raw(explicitLittle, bytesOf(0x0009, 0x1001, "UN", 0, uint32(undefined), 0xFFFE, 0xE000, uint32(undefined),
		0x0028, 0x0010, uint32(2), 7, 0xFFFE, 0xE00D, uint32(0), 0xFFFE, 0xE0DD, uint32(0))))
	f.Add(raw(deflated, squeezed(f, bytesOf(0x0028, 0x0010, "US", 2, 7))))
	f.Add(raw(implicitLittle, bytesOf(0x0028, 0x3010, uint32(undefined), 0xFFFE, 0xE0DD, uint32(0))))
	for _, data := range seeds() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkParse(t, data) })
}

// seeds returns small files of the shared test data, if there are any.
func seeds() [][]byte {
	names, _ := filepath.Glob(filepath.Join(os.Getenv("NEARCASE_TESTDATA"), "dicom/pydicom/src/pydicom/data/*_files/*.dcm"))
	var out [][]byte
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && len(data) < 4096 {
			out = append(out, data)
		}
	}
	return out
}

func checkParse(t *testing.T, data []byte) {
	limits := Limits{Inflated: 1 << 20}
	f, err := Parse(data, limits)
	if err != nil {
		known := []error{ErrNotDICOM, ErrCorrupt, ErrTooLarge, ErrUnsupported}
		if !slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) {
			t.Fatalf("Parse: %v", err)
		}
		return
	}
	visit(f.Set, func(s *Set, e Element) {
		s.Texts(e.Tag)
		s.Ints(e.Tag)
		s.Floats(e.Tag)
	})
	d, err := f.Deidentified(Profile{})
	if err != nil {
		t.Fatalf("Deidentified: %v", err)
	}
	for _, f := range []*File{f, d} {
		data := written(t, f)
		again, err := Parse(data, Limits{Elements: 1 << 20, Items: 1 << 20})
		if err != nil {
			t.Fatalf("Parse of Bytes: %v", err)
		}
		if !equal(f.Set, again.Set) {
			t.Fatalf("%v changed to %v by writing", f.Set.Elements, again.Set.Elements)
		}
	}
}
