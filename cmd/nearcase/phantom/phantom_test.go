package phantom

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

func decoded(t *testing.T, m Image) image.Image {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(m.PNG))
	if err != nil {
		t.Fatalf("png.Decode(%s) = %v", m.Name, err)
	}
	return picture
}

func TestPhantoms(t *testing.T) {
	images := slices.Collect(All(7, 6))
	t.Run("are 8-bit RGB of 256 by 256 pixels", func(t *testing.T) { haveFormat(t, images) })
	t.Run("say what they are in a tinted band", func(t *testing.T) { haveBand(t, images) })
	t.Run("are grey inside the band", func(t *testing.T) { areGrey(t, images) })
	t.Run("differ from each other", func(t *testing.T) { areDistinct(t, images) })
	t.Run("belong to one study of one patient", func(t *testing.T) { areGrouped(t, images) })
	t.Run("have labels of the declared classes", func(t *testing.T) { areLabelled(t, images) })
}

func haveFormat(t *testing.T, images []Image) {
	for _, m := range images {
		if got := decoded(t, m).Bounds(); got != image.Rect(0, 0, 256, 256) {
			t.Errorf("bounds of %s = %v, want 256 by 256", m.Name, got)
		}
		// Bit depth and colour type are the bytes 24 and 25: PNG, 11.2.1 IHDR.
		if got := m.PNG[24:26]; !bytes.Equal(got, []byte{8, 2}) {
			t.Errorf("bit depth and colour type of %s = %v, want [8 2]", m.Name, got)
		}
	}
}

// The band as a person would draw it, with two pixels for each dot.
const word = `
####..#...#..###..#...#.#####..###..#...#
#...#.#...#.#...#.##..#...#...#...#.##.##
#...#.#...#.#...#.#.#.#...#...#...#.#.#.#
####..#####.#####.#..##...#...#...#.#.#.#
#.....#...#.#...#.#...#...#...#...#.#...#
#.....#...#.#...#.#...#...#...#...#.#...#
#.....#...#.#...#.#...#...#....###..#...#
`

func haveBand(t *testing.T, images []Image) {
	for _, m := range images {
		picture := decoded(t, m)
		for _, top := range []int{2, 240} {
			if got := read(picture, 87, top); got != strings.TrimSpace(word) {
				t.Errorf("band of %s at row %d reads\n%s\nwant\n%s", m.Name, top, got, word)
			}
		}
		for _, at := range []image.Point{{0, 0}, {255, 255}, {17, 128}, {238, 128}, {128, 0}, {128, 255}} {
			if got, want := picture.At(at.X, at.Y), color.Color(color.RGBA{0, 118, 128, 255}); got != want {
				t.Errorf("%s at %v = %v, want the band's %v", m.Name, at, got, want)
			}
		}
	}
}

// read returns the dots of a word whose colour is more red than blue.
func read(picture image.Image, left, top int) string {
	var dots strings.Builder
	for y := 0; y < 14; y += 2 {
		for x := 0; x < 82; x += 2 {
			red, _, blue, _ := picture.At(left+x, top+y).RGBA()
			dots.WriteByte(map[bool]byte{true: '#', false: '.'}[red > blue])
		}
		dots.WriteByte('\n')
	}
	return strings.TrimSpace(dots.String())
}

func areGrey(t *testing.T, images []Image) {
	for _, m := range images {
		picture, levels := decoded(t, m), map[uint32]bool{}
		for y := 18; y < 238; y++ {
			for x := 18; x < 238; x++ {
				r, g, b, _ := picture.At(x, y).RGBA()
				if r != g || g != b {
					t.Fatalf("%s at %d,%d = %d %d %d, want grey", m.Name, x, y, r>>8, g>>8, b>>8)
				}
				levels[r] = true
			}
		}
		if len(levels) < 100 {
			t.Errorf("%s has %d grey levels, want at least 100", m.Name, len(levels))
		}
	}
}

func areDistinct(t *testing.T, images []Image) {
	names, contents := map[string]bool{}, map[[32]byte]string{}
	for _, m := range images {
		if names[m.Name] {
			t.Errorf("the name %s is there twice", m.Name)
		}
		digest := sha256.Sum256(m.PNG)
		if other, ok := contents[digest]; ok {
			t.Errorf("%s and %s are the same image", m.Name, other)
		}
		names[m.Name], contents[digest] = true, m.Name
	}
}

func areGrouped(t *testing.T, images []Image) {
	patients, studies, owner := map[string]int{}, map[string]int{}, map[string]string{}
	for _, m := range images {
		patients[m.Patient]++
		studies[m.Study]++
		if p, ok := owner[m.Study]; ok && p != m.Patient {
			t.Errorf("study %s is of patients %s and %s", m.Study, p, m.Patient)
		}
		owner[m.Study] = m.Patient
	}
	if len(patients) != 6 {
		t.Errorf("%d patients, want 6", len(patients))
	}
	for patient, n := range patients {
		if n < 4 || n > 8 {
			t.Errorf("patient %s has %d images, want 4 to 8", patient, n)
		}
	}
	for study, n := range studies {
		if n > 2 {
			t.Errorf("study %s has %d images, want 1 or 2", study, n)
		}
	}
}

func areLabelled(t *testing.T, images []Image) {
	for _, m := range images {
		for _, task := range Tasks() {
			classes, ok := m.Labels[task.Name]
			if !ok || classes == nil || !slices.IsSorted(classes) || !task.Multi && len(classes) != 1 {
				t.Errorf("%s: classes for %s = %#v, want sorted ones, and one if the task is single-label", m.Name, task.Name, classes)
			}
			for _, class := range classes {
				if !slices.Contains(task.Classes, class) {
					t.Errorf("%s: class %q for %s, want one of %q", m.Name, class, task.Name, task.Classes)
				}
			}
		}
		if len(m.Labels) != len(Tasks()) {
			t.Errorf("%s has labels %v, want one for each task", m.Name, m.Labels)
		}
	}
}

// Law: what All yields is a function of the seed, also for two at once.
func TestTheSameSeedGivesTheSamePhantoms(t *testing.T) {
	for _, seed := range []uint64{0, 1, math.MaxUint64} {
		var runs [2][]Image
		var wait sync.WaitGroup
		sequence := All(seed, 1)
		for i := range runs {
			wait.Go(func() { runs[i] = slices.Collect(sequence) })
		}
		wait.Wait()
		if !reflect.DeepEqual(runs[0], runs[1]) {
			t.Errorf("All(%d, 1) gave two different sequences", seed)
		}
	}
}

func TestAnotherSeedGivesOtherPhantoms(t *testing.T) {
	one, two := slices.Collect(All(1, 1)), slices.Collect(All(2, 1))
	for i := range min(len(one), len(two)) {
		if bytes.Equal(one[i].PNG, two[i].PNG) {
			t.Errorf("image %d of All(1, 1) and All(2, 1) are the same", i)
		}
	}
}

// Law: All(seed, n) begins as All(seed, m) does for every m < n.
func TestMorePatientsOnlyAdd(t *testing.T) {
	few := slices.Collect(All(3, 2))
	i := 0
	for m := range All(3, 5) {
		if i == len(few) {
			if m.Patient == few[i-1].Patient {
				t.Errorf("All(3, 5) gives patient %s more images than All(3, 2)", m.Patient)
			}
			return // and the sequence can be left before its end
		}
		if !reflect.DeepEqual(m, few[i]) {
			t.Errorf("All(3, 5) at %d = %s with labels %v, want the %s with %v of All(3, 2)", i, m.Name, m.Labels, few[i].Name, few[i].Labels)
		}
		i++
	}
	t.Errorf("All(3, 5) ended after %d images, want more", i)
}

func TestNoPatientsGiveNoPhantoms(t *testing.T) {
	for _, patients := range []int{0, -1} {
		if got := slices.Collect(All(1, patients)); len(got) != 0 {
			t.Errorf("All(1, %d) gave %d images, want none", patients, len(got))
		}
	}
}

// A caller may change the labels that it was given.
func TestLabelsAreTheCallers(t *testing.T) {
	sequence := All(1, 1)
	for m := range sequence {
		m.Labels[Finding][0] = "changed"
	}
	for m := range sequence {
		if m.Labels[Finding][0] == "changed" {
			t.Fatalf("labels of %s = %v after another caller changed theirs", m.Name, m.Labels)
		}
	}
}

// The golden holds names and labels exactly, and the mean grey levels of
// blocks of 32 by 32 pixels to within two levels, so that it catches a change
// of the drawing but not another architecture's rounding.
func TestFirstPhantomsAreAsTheyWere(t *testing.T) {
	path := filepath.Join("testdata", "first.golden")
	lines := describe(t, slices.Collect(All(1, 3)))
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(golden)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("All(1, 3) is described in %d lines, want %d", len(lines), len(want))
	}
	for i := range lines {
		if !alike(lines[i], want[i]) {
			t.Errorf("line %d = %s, want %s", i+1, lines[i], want[i])
		}
	}
}

// describe gives each image a line of labels and eight lines of grey levels.
func describe(t *testing.T, images []Image) []string {
	var lines []string
	for _, m := range images {
		lines = append(lines, fmt.Sprint(m.Name, " ", m.Patient, " ", m.Study, " ", m.Labels))
		picture := decoded(t, m)
		for y := 0; y < Size; y += 32 {
			row := make([]string, 8)
			for x := range row {
				row[x] = fmt.Sprint(blockMean(picture, 32*x, y))
			}
			lines = append(lines, strings.Join(row, " "))
		}
	}
	return lines
}

func blockMean(picture image.Image, left, top int) int {
	sum := 0
	for y := range 32 {
		for x := range 32 {
			_, green, _, _ := picture.At(left+x, top+y).RGBA()
			sum += int(green >> 8)
		}
	}
	return sum / (32 * 32)
}

// alike compares lines that may be rows of grey levels.
func alike(got, want string) bool {
	var g, w [8]int
	if _, err := fmt.Sscan(want, &w[0], &w[1], &w[2], &w[3], &w[4], &w[5], &w[6], &w[7]); err != nil {
		return got == want
	}
	if _, err := fmt.Sscan(got, &g[0], &g[1], &g[2], &g[3], &g[4], &g[5], &g[6], &g[7]); err != nil {
		return false
	}
	for i := range w {
		if d := g[i] - w[i]; d < -2 || d > 2 {
			return false
		}
	}
	return true
}

// One operation is the default demonstration: 48 patients.
func BenchmarkAll(b *testing.B) {
	for b.Loop() {
		n := 0
		for range All(1, 48) {
			n++
		}
		b.ReportMetric(float64(n), "images/op")
	}
}
