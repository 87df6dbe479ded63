package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nearcase/embed/dicom/dataset"
)

// copyOf opens the de-identified copy of a file.
func copyOf(t testing.TB, f *File) *File {
	t.Helper()
	out, err := f.Deidentified(dataset.Profile{Patient: "X", KeepUIDs: true, KeepCharacteristics: true})
	if err != nil {
		t.Fatalf("Deidentified: %v", err)
	}
	g, err := Open(out, f.limits)
	if err != nil {
		t.Fatalf("Open of the copy: %v", err)
	}
	return g
}

// checkCopy compares a frame of a file, in views in which it can be rendered,
// with the copy's.
func checkCopy(t testing.TB, f, g *File, frame int) {
	t.Helper()
	for _, v := range []View{{}, {Levels: Percentile}, {Window: 1}} {
		want, err := f.Render(frame, v)
		if err != nil {
			continue
		}
		got, err := g.Render(frame, v)
		if err != nil || got.Width != want.Width || got.Height != want.Height || !bytes.Equal(got.Pix, want.Pix) {
			t.Fatalf("frame %d in %+v: the copy differs, %v", frame, v, err)
		}
	}
}

func TestCopiesOfSharedFilesLookTheSame(t *testing.T) {
	shared(t, "dcm_qa_ts/In/1.dcm")
	for _, r := range references(t) {
		if r.Error != "" {
			continue
		}
		t.Run(r.File, func(t *testing.T) {
			f := open(t, shared(t, r.File))
			if _, err := f.Stored(0); errors.Is(err, ErrLibrary) {
				t.Skip(err)
			}
			g := copyOf(t, f)
			if g.Frames() != f.Frames() || g.Declared() != f.Declared() || g.Width() != f.Width() || g.Height() != f.Height() {
				t.Fatalf("%d frames of %d x %d, want %d of %d x %d", g.Frames(), g.Width(), g.Height(), f.Frames(), f.Width(), f.Height())
			}
			checkCopy(t, f, g, 0)
			checkCopy(t, f, g, f.Frames()-1)
		})
	}
}

// number returns numbers of a VR in little endian.
func numberOf(tag dataset.Tag, vr string, values ...float64) dataset.Element {
	e := dataset.Element{Tag: tag, VR: vr, Value: []byte{}}
	var texts []string
	for _, v := range values {
		switch vr {
		case "FD":
			e.Value = binary.LittleEndian.AppendUint64(e.Value, math.Float64bits(v))
		case "FL":
			e.Value = binary.LittleEndian.AppendUint32(e.Value, math.Float32bits(float32(v)))
		case "UL", "SL":
			e.Value = binary.LittleEndian.AppendUint32(e.Value, uint32(int64(v)))
		case "UV", "SV":
			e.Value = binary.LittleEndian.AppendUint64(e.Value, uint64(int64(v)))
		case "US", "SS", "OW", "UN", "OB":
			e.Value = binary.LittleEndian.AppendUint16(e.Value, uint16(int64(v)))
		default:
			texts = append(texts, strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
	if texts != nil {
		return str(tag, vr, strings.Join(texts, `\`))
	}
	return e
}

// Law: an attribute in whatever VR looks the same in the copy, if at all.
func TestCopiesOfOddVRsLookTheSame(t *testing.T) {
	numeric := []string{"DS", "IS", "FD", "FL", "US", "SS", "UL", "SL", "UV", "SV", "OW", "OB", "UN", "LO", "AT"}
	textual := []string{"CS", "LO", "SH", "ST", "LT", "UT", "UC", "UN", "PN", "UI", "AE", "OB"}
	window := []dataset.Element{ds(tagCentre, "60"), ds(tagWidth, "90")}
	lut := func(e ...dataset.Element) dataset.Element { return sq(tagVOILUTs, e) }
	table := ow(tagLUTData, words(0, 1000, 4095, 7)...)
	for _, c := range []struct {
		name string
		vrs  []string
		make func(vr string) []dataset.Element
	}{
		{"window", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{numberOf(tagCentre, vr, 60), numberOf(tagWidth, vr, 90)}
		}},
		{"windows", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{numberOf(tagCentre, vr, 0, 33), numberOf(tagWidth, vr, 200, 44)}
		}},
		{"window with a fraction", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{numberOf(tagCentre, vr, 60.1), numberOf(tagWidth, vr, 91.7)}
		}},
		{"rescale", numeric, func(vr string) []dataset.Element {
			return append(window, numberOf(tagSlope, vr, 2), numberOf(tagIntercept, vr, 10))
		}},
		{"padding", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{numberOf(tagPaddingValue, vr, 100), numberOf(tagPaddingLimit, vr, 103)}
		}},
		{"negative padding", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{numberOf(tagRepresentation, "US", 1), numberOf(tagPaddingValue, vr, -2)}
		}},
		{"rows and columns", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{numberOf(tagRows, vr, 1), numberOf(tagColumns, vr, 4)}
		}},
		{"frames", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{numberOf(tagRows, "US", 1), numberOf(tagColumns, "US", 2), numberOf(tagFrames, vr, 3)}
		}},
		{"layout", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{numberOf(tagAllocated, vr, 16), numberOf(tagBitsStored, vr, 6), numberOf(tagHighBit, vr, 6), numberOf(tagRepresentation, vr, 1)}
		}},
		{"colours by plane", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{cs(tagPhotometric, rgb), numberOf(tagSamples, vr, 3), numberOf(tagPlanar, vr, 1), us(tagRows, 1), us(tagColumns, 2)}
		}},
		{"aspect", numeric, func(vr string) []dataset.Element { return []dataset.Element{numberOf(tagAspect, vr, 2, 1)} }},
		{"spacing", numeric, func(vr string) []dataset.Element { return []dataset.Element{numberOf(tagSpacing, vr, 0.1, 0.3)} }},
		{"a scanner's spacing", numeric, func(vr string) []dataset.Element { return []dataset.Element{numberOf(tagNominalSpacing, vr, 1, 3)} }},
		{"descriptor", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{lut(numberOf(tagDescriptor, vr, 4, 100, 12), table)}
		}},
		{"a descriptor of a negative input", numeric, func(vr string) []dataset.Element {
			return []dataset.Element{ds(tagIntercept, "-100"), lut(numberOf(tagDescriptor, vr, 4, -2, 12), table)}
		}},
		{"table", append(numeric, "OL", "OV", "UT"), func(vr string) []dataset.Element {
			return []dataset.Element{lut(us(tagDescriptor, 4, 100, 12), dataset.Element{Tag: tagLUTData, VR: vr, Value: table.Value})}
		}},
		{"pixels", append(numeric, "OL", "OV", "UT"), func(vr string) []dataset.Element {
			return []dataset.Element{{Tag: tagPixels, VR: vr, Value: words(1, 2, 3, 4)}}
		}},
		{"shape", textual, func(vr string) []dataset.Element { return []dataset.Element{str(tagLUTShape, vr, "INVERSE")} }},
		{"two shapes", textual, func(vr string) []dataset.Element { return []dataset.Element{str(tagLUTShape, vr, `INVERSE\Doe, Jane`)} }},
		{"a shape in small letters", textual, func(vr string) []dataset.Element { return []dataset.Element{str(tagLUTShape, vr, "inverse")} }},
		{"photometric", textual, func(vr string) []dataset.Element { return []dataset.Element{str(tagPhotometric, vr, monochrome1)} }},
		{"function", textual, func(vr string) []dataset.Element { return append(window, str(tagFunction, vr, "SIGMOID")) }},
	} {
		rendered := 0
		for _, vr := range c.vrs {
			pixels := ow(tagPixels, words(100, 101, 102, 103, 70, 65534)...)
			elements := append(module(2, 3, append(bits(16, 16, 15, 0), pixels)...), c.make(vr)...)
			f, err := Open(encode(t, explicitLittle, elements...), Limits{})
			if err != nil {
				continue
			}
			t.Run(c.name+" in "+vr, func(t *testing.T) {
				g := copyOf(t, f)
				if g.Frames() != f.Frames() || g.Declared() != f.Declared() {
					t.Fatalf("%d frames of %d, want %d of %d", g.Frames(), g.Declared(), f.Frames(), f.Declared())
				}
				for i := range f.Frames() {
					checkCopy(t, f, g, i)
				}
			})
			rendered++
		}
		if rendered < 3 {
			t.Errorf("%s: %d VRs can be opened", c.name, rendered)
		}
	}
}

// tagsOf returns the tags that the package's source names, by name.
func tagsOf(t *testing.T) map[string]dataset.Tag {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]dataset.Tag{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "tag") {
				v, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 0, 32)
				if err != nil {
					t.Fatal(err)
				}
				tags[spec.Names[0].Name] = dataset.Tag(v)
			}
			return true
		})
	}
	return tags
}

// Every tag that the package reads is in the dictionary, so that implicit files
// have it, and in the copy, but those of the file's meta information.
func TestEveryTagThatIsReadIsKnownAndKept(t *testing.T) {
	tags := tagsOf(t)
	if len(tags) < 45 {
		t.Fatalf("%d tags found in the source: %v", len(tags), tags)
	}
	for name, tag := range tags {
		colours := dataset.Tag(1)
		if strings.HasPrefix(dataset.Keyword(tag), "Red") || strings.HasPrefix(dataset.Keyword(tag), "SegmentedRed") {
			colours = 3
		}
		for c := range colours {
			vr := dataset.VR(tag + c)
			if dataset.Keyword(tag+c) == "" {
				t.Errorf("%s: %v is not in the dictionary", name, tag+c)
				continue
			}
			value := map[string]dataset.Element{
				"DS": ds(tag+c, "1"), "IS": str(tag+c, "IS", "1"), "CS": cs(tag+c, "M"), "UI": str(tag+c, "UI", "1.2.3\x00"), "LO": str(tag+c, "LO", "X"),
				"SQ": sq(tag+c, nil), "US": us(tag+c, 1, 2, 3), "XS": us(tag+c, 1),
			}
			e, ok := value[vr]
			if !ok {
				e = dataset.Element{Tag: tag + c, VR: vr, Value: make([]byte, 8)}
			}
			f := dataset.File{Set: setOf([]dataset.Element{e})}
			d, err := f.Deidentified(dataset.Profile{Patient: "X", KeepUIDs: true, KeepCharacteristics: true})
			if err != nil {
				t.Fatal(err)
			}
			if found := d.Set.Find(tag + c); name != "tagMetaClass" && (found == nil || len(found.Value)+len(found.Items) == 0) {
				t.Errorf("%s: %s is not kept", name, dataset.Keyword(tag+c))
			}
		}
	}
}
