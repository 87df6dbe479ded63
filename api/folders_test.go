package api

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearcase/embed"
)

// allowing is a service that may read a folder, which has files beside it.
func allowing(t *testing.T) (s *Service, dir string) {
	t.Helper()
	dir = place(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret.png"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"out": outside, "out.png": filepath.Join(outside, "secret.png"), "in": "sub", "in.png": "a.png", "sub/up.png": "../a.png",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return &Service{Options: Options{Folders: map[string]string{"incoming": dir}, Limits: embed.Limits{Bytes: 100}}}, dir
}

func TestAnAllowedFolderYieldsWhatIsBelowIt(t *testing.T) {
	s, _ := allowing(t)
	for _, c := range []struct {
		request ImportRequest
		want    []string
	}{
		{ImportRequest{}, []string{"a.png", "b.png"}},
		{ImportRequest{Recursive: true}, []string{"a.png", "b.png", "sub/c.JPG"}},
		{ImportRequest{Path: "sub"}, []string{"sub/c.JPG"}},
		{ImportRequest{Path: "b.png"}, []string{"b.png"}},
		{ImportRequest{Path: ".hidden/d.png"}, []string{".hidden/d.png"}},
	} {
		c.request.Folder, c.request.Patient = "incoming", "p"
		source, err := s.OpenFolder(c.request)
		if err != nil {
			t.Errorf("OpenFolder(%+v): %v", c.request, err)
			continue
		}
		var names []string
		for i := range source.Images {
			names = append(names, i.Name)
			if data, err := i.Read(); err != nil || string(data) != i.Name || i.Patient != "p" {
				t.Errorf("Read of %s: got %q of patient %q, %v", i.Name, data, i.Patient, err)
			}
		}
		if source.Count != len(c.want) || !slices.Equal(names, c.want) {
			t.Errorf("OpenFolder(%+v): got %d, %q, want %q", c.request, source.Count, names, c.want)
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingBesideAnAllowedFolderIsReached(t *testing.T) {
	s, dir := allowing(t)
	for folder, paths := range map[string][]string{
		"incoming": {
			"..", "../" + filepath.Base(dir), "sub/../../x", "sub/..", "./a.png", "/etc/passwd", dir, "a.png/", "/", "a//b", "sub\\c.JPG",
			"a.png\x00.txt", "out", "out/secret.png", "out.png", "in", "in/c.JPG", "in.png", "sub/up.png",
		},
		"": {"a.png"}, dir: {"a.png"}, "other": {""}, "incoming/sub": {"c.JPG"}, "..": {""},
	} {
		for _, path := range paths {
			if source, err := s.OpenFolder(ImportRequest{Folder: folder, Path: path, Recursive: true}); !errors.Is(err, ErrFolder) {
				t.Errorf("OpenFolder(%q, %q): got %d images, %v, want ErrFolder", folder, path, source.Count, err)
				_ = source.Close()
			}
			if data, err := s.FolderImage(folder, path).Read(); !errors.Is(err, ErrFolder) && !errors.Is(err, ErrSource) {
				t.Errorf("FolderImage(%q, %q): got %q, %v", folder, path, data, err)
			}
		}
	}
	for _, path := range []string{"none.png", "sub/none/x.png"} {
		if _, err := s.OpenFolder(ImportRequest{Folder: "incoming", Path: path}); !errors.Is(err, ErrSource) {
			t.Errorf("OpenFolder(%q): got %v, want ErrSource", path, err)
		}
	}
}

// What is a folder when it is looked at may be a link when it is read.
func TestAFileThatBecomesALinkIsNotRead(t *testing.T) {
	s, dir := allowing(t)
	source, err := s.OpenFolder(ImportRequest{Folder: "incoming"})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for i := range source.Images {
		path := filepath.Join(dir, i.Name)
		if err := errors.Join(os.Remove(path), os.Symlink("sub/c.JPG", path)); err != nil {
			t.Fatal(err)
		}
		if data, err := i.Read(); !errors.Is(err, ErrFolder) {
			t.Errorf("Read of %s: got %q, %v, want ErrFolder", i.Name, data, err)
		}
	}
}

func TestAFileBeyondTheLimitIsNotRead(t *testing.T) {
	s, dir := allowing(t)
	if err := os.WriteFile(filepath.Join(dir, "large.png"), make([]byte, 101), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := s.FolderImage("incoming", "large.png").Read(); !errors.Is(err, embed.ErrTooLarge) {
		t.Errorf("Read: got %d bytes, %v, want ErrTooLarge", len(data), err)
	}
}
