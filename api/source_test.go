package api

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nearcase/store"
)

// place makes a folder with files a.png, b.png and sub/c.JPG and returns it.
func place(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"a.png", "b.png", "sub/c.JPG", "sub/notes.txt", ".hidden/d.png"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(name), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t testing.TB, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "labels.csv")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFolderYieldsItsImagesInOrder(t *testing.T) {
	s, err := OpenSource(place(t), 100)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var names []string
		for im := range s.Images {
			names = append(names, im.Name)
			if b, err := im.Read(); err != nil || string(b) != im.Name {
				t.Errorf("Read %s: got %q, %v", im.Name, b, err)
			}
		}
		if want := []string{"a.png", "b.png", "sub/c.JPG"}; s.Count != 3 || !slices.Equal(names, want) {
			t.Errorf("folder: got %d, %q, want %q", s.Count, names, want)
		}
	}
}

func TestCSVBecomesImagesAndTasks(t *testing.T) {
	dir := place(t)
	s, err := OpenSource(write(t, dir, "\ufefffile,patient_id,finding,devices,instance_id\n"+
		"a.png,P1,normal,line|pacemaker,\nb.png,P2,,|,x1\nsub/c.JPG,P2,nodule, line ,\n"), 100)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Task{
		{Name: "finding", Classes: []string{"nodule", "normal"}},
		{Name: "devices", Multi: true, Classes: []string{"line", "pacemaker"}},
	}
	if diff := cmp.Diff(want, s.Tasks); diff != "" || !s.Rows || s.Count != 3 {
		t.Errorf("tasks (-want +got), rows %v, count %d:\n%s", s.Rows, s.Count, diff)
	}
	images := slices.Collect(s.Images)
	if im := images[1]; im.ID != "x1" || im.Patient != "P2" || len(im.Labels) != 1 || im.Labels["devices"] != nil || im.Name != "b.png" {
		t.Errorf("row 3: got %+v", im)
	}
	if got := images[0].Labels["devices"]; !slices.Equal(got, []string{"line", "pacemaker"}) {
		t.Errorf("devices of row 2: got %q", got)
	}
}

func TestSourcesAreRefusedWithARow(t *testing.T) {
	for _, c := range []struct{ fact, csv, want string }{
		{"no file column", "path,finding\na.png,x\n", "no column named file"},
		{"a column twice", "file,x,x\na.png,1,2\n", "twice"},
		{"no rows", "file,x\n", "no rows"},
		{"an empty file", "", "header"},
		{"a short row", "file,x\na.png,1\nb.png\n", "line 3"},
		{"a missing file", "file,x\na.png,1\nz.png,2\n", "row 3"},
		{"a folder as a file", "file,x\nsub,1\n", "row 2"},
		{"a control character in a patient", "file,patient_id\na.png,P\x01\n", "row 2"},
		{"a bar in an instance", "file,instance_id\na.png,x|y\n", "row 2"},
	} {
		_, err := OpenSource(write(t, place(t), c.csv), 100)
		if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("OpenSource with %s: got %v, want ErrSource with %q", c.fact, err, c.want)
		}
	}
	empty := t.TempDir()
	for _, path := range []string{filepath.Join(empty, "none"), empty} {
		if _, err := OpenSource(path, 100); !errors.Is(err, ErrSource) {
			t.Errorf("OpenSource %s: got %v, want ErrSource", path, err)
		}
	}
	if _, err := ReadFile(filepath.Join(place(t), "a.png"), 2); !errors.Is(err, ErrSource) {
		t.Errorf("ReadFile over the limit: got %v, want ErrSource", err)
	}
}

func TestUnreadableFolderIsRefused(t *testing.T) {
	dir := place(t)
	sub := filepath.Join(dir, "sub")
	if err := os.Chmod(sub, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(sub, 0o755)
	if _, err := os.ReadDir(sub); err == nil {
		// A superuser reads everything; a path that is no folder stands in.
		dir = filepath.Join(dir, "a.png", "x")
		sub = dir
	}
	if _, err := OpenSource(dir, 100); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), sub) {
		t.Errorf("OpenSource: got %v, want ErrSource that names %s", err, sub)
	}
}

func TestClassesMustBeKnownUnlessAllowed(t *testing.T) {
	s, err := OpenSource(write(t, place(t), "file,finding,view\na.png,normal,pa\nb.png,odd,pa\n"), 100)
	if err != nil {
		t.Fatal(err)
	}
	have := []store.Task{{Name: "finding", Classes: []string{"normal"}}}
	_, err = s.Declare(have, false)
	if !errors.Is(err, store.ErrClass) || !strings.Contains(err.Error(), `row 3: class "odd"`) {
		t.Errorf("Declare: got %v, want ErrClass at row 3", err)
	}
	declared, err := s.Declare(have, true)
	if err != nil || len(declared) != 2 {
		t.Errorf("Declare with new classes: got %v, %v", declared, err)
	}
	several, err := OpenSource(write(t, place(t), "file,finding\na.png,normal\nb.png,normal|odd\n"), 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := several.Declare(have, true); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "row 3") {
		t.Errorf("Declare several labels for a single-label task: got %v, want ErrSource at row 3", err)
	}
}

func FuzzDataset(f *testing.F) {
	f.Add("file,patient_id,finding\na.png,P1,normal|odd\n")
	f.Add("file\n\"")
	f.Add("\ufefffile,x\r\na,b\r\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		d, err := readDataset(strings.NewReader(text), dir)
		if err != nil {
			return
		}
		_ = d.check()
		for _, row := range d.rows {
			d.image(row, 100)
		}
		for _, task := range d.declared() {
			if len(task.Classes) > len(d.rows)*strings.Count(text, "|")+len(d.rows) {
				t.Errorf("task %s has more classes than cells", task.Name)
			}
		}
	})
}
