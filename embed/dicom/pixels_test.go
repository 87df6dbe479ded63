package dicom

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in docs/dicom.md")

// reference is what other programs make of a file; testdata/pixels.py wrote it.
type reference struct {
	File, Syntax, Photometric string
	Error                     string // "" where the file has an image
	Shape                     [4]int // frames, rows, columns, samples
	Size                      [2]int // of the pictures: width, height
	Stored                    string // SHA-256 of all frames' stored values
	Mean                      float64
	Sample                    []int  // values at even distances, of lossy files
	Window, Full, Percentile  string // SHA-256 of all frames' pictures
}

func references(t testing.TB) []reference {
	t.Helper()
	data, err := os.ReadFile("testdata/pixels.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []reference
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// shared returns a file of the shared test data, and skips where there is none.
func shared(t testing.TB, name string) []byte {
	t.Helper()
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is unset: no shared test data")
	}
	data, err := os.ReadFile(filepath.Join(root, "dicom", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(data, Limits{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return f
}

// outcome is how a file fared.
type outcome struct {
	reference
	exact bool
	worst int // the largest difference of the sampled values
}

// Every shared file gives the stored values that other programs read from it,
// and the pictures that the standard makes of them.
func TestSharedFilesAreReadAsElsewhere(t *testing.T) {
	shared(t, "dcm_qa_ts/In/1.dcm")
	var outcomes []outcome
	for _, r := range references(t) {
		t.Run(r.File, func(t *testing.T) {
			f, err := Open(shared(t, r.File), Limits{})
			if r.Error != "" {
				checkBroken(t, r, f, err)
				return
			}
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			o := checkStored(t, r, f)
			outcomes = append(outcomes, o)
			if !o.exact {
				t.Logf("stored values differ by up to %d from the reference's: pictures are not compared", o.worst)
				return
			}
			for levels, want := range map[string]string{Window: r.Window, Full: r.Full, Percentile: r.Percentile} {
				checkPictures(t, r, f, levels, want)
			}
		})
	}
	if !t.Failed() {
		checkTable(t, outcomes)
	}
}

func checkBroken(t *testing.T, r reference, f *File, err error) {
	t.Helper()
	want := map[string]error{"no image": ErrNoImage, "corrupt": ErrCorrupt, "not dicom": ErrNotDICOM}[r.Error]
	if err == nil {
		_, err = f.Render(0, View{})
		if errors.Is(want, ErrNoImage) && f.Frames() != 0 {
			t.Errorf("Frames() = %d of a file without an image, want 0", f.Frames())
		}
	}
	if !errors.Is(err, want) {
		t.Errorf("Open and Render: %v, want %v", err, want)
	}
}

// checkStored compares all frames' stored values: exactly, or where the file is
// lossy within 1, or within 2 where it has more than 8 bits.
func checkStored(t *testing.T, r reference, f *File) outcome {
	t.Helper()
	if f.Frames() != r.Shape[0] {
		t.Fatalf("Frames() = %d, want %d", f.Frames(), r.Shape[0])
	}
	sum, seen, o := sha256.New(), sampler{want: r.Sample, step: product(r.Shape)/64 + 1}, outcome{reference: r}
	within := 1
	for i := range f.Frames() {
		s, err := f.Stored(i)
		if errors.Is(err, ErrLibrary) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := [4]int{f.Frames(), s.Height, s.Width, s.Samples}
		if got != r.Shape || s.Photometric != r.Photometric {
			t.Fatalf("Stored(%d): %v in %s, want %v in %s", i, got, s.Photometric, r.Shape, r.Photometric)
		}
		if s.Bits > 8 {
			within = 2
		}
		digest(sum, s.Values)
		seen.take(s.Values)
	}
	o.exact, o.worst = hex.EncodeToString(sum.Sum(nil)) == r.Stored, seen.worst
	if !o.exact && (r.Sample == nil || o.worst > within) {
		t.Errorf("stored values differ from the reference's, by up to %d of those sampled, want at most %d", o.worst, within)
	}
	return o
}

func product(v [4]int) int { return v[0] * v[1] * v[2] * v[3] }

// digest adds values as little endian to a sum.
func digest(sum hash.Hash, values []int32) {
	buf := make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(buf[4*i:], uint32(v))
	}
	sum.Write(buf)
}

// sampler compares every step-th of all values.
type sampler struct {
	want        []int
	step        int
	seen, worst int
}

func (s *sampler) take(values []int32) {
	for i, v := range values {
		if at := s.seen + i; at%s.step == 0 && at/s.step < len(s.want) {
			d := int(v) - s.want[at/s.step]
			s.worst = max(s.worst, d, -d)
		}
	}
	s.seen += len(values)
}

func checkPictures(t *testing.T, r reference, f *File, levels, want string) {
	t.Helper()
	sum := sha256.New()
	for i := range f.Frames() {
		p, err := f.Render(i, View{Levels: levels})
		if err != nil {
			t.Fatalf("Render(%d, %s): %v", i, levels, err)
		}
		if got := [2]int{p.Width, p.Height}; got != r.Size || got != [2]int{f.Width(), f.Height()} {
			t.Fatalf("Render(%d, %s): %v, File %d x %d, want %v", i, levels, got, f.Width(), f.Height(), r.Size)
		}
		sum.Write(p.Pix)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("Render(%s): pictures %.8s, want %.8s", levels, got, want)
	}
}

// The same slice in eight transfer syntaxes, nine files, is the same picture in
// every view. One file's codestream has 16 bits where the others have 12.
func TestOneSliceInEverySyntaxIsOnePicture(t *testing.T) {
	for _, v := range []View{{}, {Levels: Full}, {Levels: Percentile}} {
		want, err := open(t, shared(t, "dcm_qa_ts/In/1.dcm")).Render(0, v)
		if err != nil {
			t.Fatal(err)
		}
		for i := 2; i <= 9; i++ {
			got, err := open(t, shared(t, fmt.Sprintf("dcm_qa_ts/In/%d.dcm", i))).Render(0, v)
			switch {
			case errors.Is(err, ErrLibrary):
				t.Logf("%d.dcm: %v", i, err)
			case err != nil:
				t.Errorf("%d.dcm: %v", i, err)
			case !bytes.Equal(got.Pix, want.Pix):
				t.Errorf("%d.dcm in %+v: not the picture of 1.dcm", i, v)
			}
		}
	}
}

// checkTable compares the table of transfer syntaxes in the documentation with
// what the files gave, where none was left out.
func checkTable(t *testing.T, outcomes []outcome) {
	const doc, begin, end = "../../docs/dicom.md", "<!-- syntaxes -->\n", "<!-- end -->\n"
	images := 0
	for _, r := range references(t) {
		if r.Error == "" {
			images++
		}
	}
	if len(outcomes) != images {
		t.Logf("%d of %d images were read: the table is not checked", len(outcomes), images)
		return
	}
	data, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", doc)
	}
	want := head + begin + table(outcomes) + end + tail
	if *update {
		if err := os.WriteFile(doc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(data) {
		t.Errorf("%s is not what the files gave: run go test ./embed/dicom -update", doc)
	}
}

// table returns a row of Markdown for each transfer syntax.
func table(outcomes []outcome) string {
	var syntaxes []string
	for _, o := range outcomes {
		if !slices.Contains(syntaxes, o.Syntax) {
			syntaxes = append(syntaxes, o.Syntax)
		}
	}
	slices.Sort(syntaxes)
	out := "| transfer syntax | | files | frames | equal | within | decoded by |\n| --- | --- | --: | --: | --: | --- | --- |\n"
	for _, syntax := range syntaxes {
		var files, frames, exact, worst int
		for _, o := range outcomes {
			if o.Syntax != syntax {
				continue
			}
			files, frames, worst = files+1, frames+o.Shape[0], max(worst, o.worst)
			if o.exact {
				exact++
			}
		}
		within := ""
		if exact < files {
			within = fmt.Sprintf("%d", worst)
		}
		name, by := syntaxName(syntax)
		out += fmt.Sprintf("| %s | %s | %d | %d | %d | %s | %s |\n", syntax, name, files, frames, exact, within, by)
	}
	return out
}

func syntaxName(syntax string) (name, by string) {
	const own = "nearcase"
	switch strings.TrimPrefix(syntax, "1.2.840.10008.1.2") {
	case "":
		return "implicit little endian", own
	case ".1":
		return "explicit little endian", own
	case ".1.99":
		return "deflated", own
	case ".2":
		return "explicit big endian", own
	case ".5":
		return "RLE", own
	case ".4.50":
		return "JPEG baseline", own
	case ".4.51":
		return "JPEG extended, 12 bits", own
	case ".4.57":
		return "JPEG lossless", own
	case ".4.70":
		return "JPEG lossless, first-order prediction", own
	case ".4.80":
		return "JPEG-LS lossless", "CharLS"
	case ".4.81":
		return "JPEG-LS near-lossless", "CharLS"
	case ".4.90":
		return "JPEG 2000 lossless", "OpenJPEG"
	case ".4.91":
		return "JPEG 2000", "OpenJPEG"
	}
	return "", ""
}
