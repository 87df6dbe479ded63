package onnx

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// plant makes a file under root, with its folders, and returns its path.
func plant(t *testing.T, root string, parts ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{root}, parts...)...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// bare is a linux-amd64 machine with nothing on it.
func bare(root string) surroundings {
	return surroundings{
		goos: "linux", goarch: "amd64", root: root,
		home: filepath.Join(root, "home"), executable: filepath.Join(root, "app"),
		environment: func(string) string { return "" },
	}
}

func (s surroundings) with(name, value string) surroundings {
	s.environment = func(n string) string {
		if n == name {
			return value
		}
		return ""
	}
	return s
}

const cached = "github.com/yalue/onnxruntime_go@v1.27.0/test_data/"

func TestFindTakesTheFirstPlace(t *testing.T) {
	for name, c := range map[string]struct {
		files  []string // all but the first are decoys of later places
		change func(surroundings) surroundings
	}{
		"beside the executable before the system": {
			[]string{"app/libonnxruntime.so.1.24.1", "usr/lib/libonnxruntime.so.1.24.1"}, nil},
		"the environment before the executable": {
			[]string{"own/lib.so", "app/libonnxruntime.so.1.24.1"},
			func(s surroundings) surroundings { return s.with(Variable, filepath.Join(s.root, "own/lib.so")) }},
		"the pinned release before another in the same folder": {
			[]string{"usr/lib/libonnxruntime.so.1.24.1", "usr/lib/libonnxruntime.so.1", "usr/lib/libonnxruntime.so"}, nil},
		"a local library before the distribution's": {
			[]string{"usr/local/lib/libonnxruntime.so.1", "usr/lib/x86_64-linux-gnu/libonnxruntime.so.1"}, nil},
		"the folder of the processor": {
			[]string{"usr/lib/x86_64-linux-gnu/libonnxruntime.so.1", "usr/lib/aarch64-linux-gnu/libonnxruntime.so.1"}, nil},
		"the system before the module cache": {
			[]string{"usr/lib/aarch64-linux-gnu/libonnxruntime.so", "home/go/pkg/mod/" + cached + "onnxruntime_arm64.so"},
			func(s surroundings) surroundings { s.goarch = "arm64"; return s }},
		"the module cache on linux-arm64": {
			[]string{"home/go/pkg/mod/" + cached + "onnxruntime_arm64.so"},
			func(s surroundings) surroundings { s.goarch = "arm64"; return s }},
		"the module cache of GOPATH": {
			[]string{"path/pkg/mod/" + cached + "onnxruntime_arm64.so", "home/go/pkg/mod/" + cached + "onnxruntime_arm64.so"},
			func(s surroundings) surroundings {
				s.goarch = "arm64"
				return s.with("GOPATH", filepath.Join(s.root, "path")+string(filepath.ListSeparator)+"/other")
			}},
		"GOMODCACHE": {
			[]string{"cache/" + cached + "onnxruntime_arm64.so", "home/go/pkg/mod/" + cached + "onnxruntime_arm64.so"},
			func(s surroundings) surroundings {
				s.goarch = "arm64"
				return s.with("GOMODCACHE", filepath.Join(s.root, "cache"))
			}},
		"the module cache on darwin-arm64": {
			[]string{"home/go/pkg/mod/" + cached + "onnxruntime_arm64.dylib", "usr/lib/libonnxruntime.so"},
			func(s surroundings) surroundings { s.goos, s.goarch = "darwin", "arm64"; return s }},
		"beside the executable on darwin": {
			[]string{"app/libonnxruntime.1.24.1.dylib", "opt/homebrew/lib/libonnxruntime.dylib"},
			func(s surroundings) surroundings { s.goos, s.goarch = "darwin", "arm64"; return s }},
	} {
		t.Run(name, func(t *testing.T) {
			s := bare(t.TempDir())
			for _, file := range c.files {
				plant(t, s.root, file)
			}
			if c.change != nil {
				s = c.change(s)
			}
			want := filepath.Join(s.root, c.files[0])
			if got, err := s.find(""); got != want || err != nil {
				t.Errorf("find() = %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestAConfiguredPathComesFirst(t *testing.T) {
	s := bare(t.TempDir())
	path := plant(t, s.root, "own", "lib.so")
	s = s.with(Variable, plant(t, s.root, "other.so"))
	if got, err := s.find(path); got != path || err != nil {
		t.Errorf("find(%q) = %q, %v, want the path", path, got, err)
	}
}

func TestANamedPathNeverFallsThrough(t *testing.T) {
	s := bare(t.TempDir())
	plant(t, s.root, "app/libonnxruntime.so.1.24.1")
	absent := filepath.Join(s.root, "absent.so")
	old := plant(t, s.root, "libonnxruntime.so.1.23.2")
	for _, path := range []string{absent, s.root, old} {
		_, configured := s.find(path)
		_, environment := s.with(Variable, path).find("")
		for origin, err := range map[string]error{"the configured path": configured, Variable: environment} {
			if !errors.Is(err, ErrLibrary) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), origin) {
				t.Errorf("find with %s %s = %v, want ErrLibrary that names both", origin, path, err)
			}
		}
	}
}

func TestAPathIsMadeAbsolute(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	plant(t, root, "lib.so")
	if got, err := bare(root).find("lib.so"); !filepath.IsAbs(got) || err != nil {
		t.Errorf("find(lib.so) = %q, %v, want an absolute path", got, err)
	}
}

func TestNothingFoundTellsWhatWasTriedAndWhatToDo(t *testing.T) {
	s := bare(t.TempDir())
	plant(t, s.root, "etc/ld.so.conf.d/own.conf")
	_, err := s.find("")
	if !errors.Is(err, ErrLibrary) {
		t.Fatalf("find() = %v, want ErrLibrary", err)
	}
	for _, part := range []string{
		s.executable, filepath.Join(s.root, "usr/lib/x86_64-linux-gnu"), "libonnxruntime.so.1.24.1",
		"make setup", "onnxruntime:", Variable,
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("find() = %v, want it to say %q", err, part)
		}
	}
}

// Debian's own package is such a library: libonnxruntime.so.1.21.
func TestAnOldLibraryIsPassedOver(t *testing.T) {
	s := bare(t.TempDir())
	old := plant(t, s.root, "usr/local/lib/libonnxruntime.so.1.21.0")
	link(t, filepath.Base(old), filepath.Join(s.root, "usr/local/lib/libonnxruntime.so.1"))
	if _, err := s.find(""); !errors.Is(err, ErrLibrary) || !strings.Contains(err.Error(), old) {
		t.Errorf("find() = %v, want ErrLibrary that names %s", err, old)
	}
	plant(t, s.root, "usr/lib/libonnxruntime.so.1.30.0")
	want := filepath.Join(s.root, "usr/lib/libonnxruntime.so")
	link(t, "libonnxruntime.so.1.30.0", want)
	if got, err := s.find(""); got != want || err != nil {
		t.Errorf("find() = %q, %v, want %q", got, err, want)
	}
}

func TestFileNamesTellOldReleases(t *testing.T) {
	for name, want := range map[string]bool{
		"libonnxruntime.so": false, "libonnxruntime.so.1": false, "onnxruntime_arm64.so": false,
		"libonnxruntime.so.1.24.1": false, "libonnxruntime.so.1.30.0": false, "libonnxruntime.so.2.0.0": false,
		"libonnxruntime.so.1.23.2": true, "libonnxruntime.so.1.9": true, "libonnxruntime.so.0.5": true,
		"libonnxruntime.1.24.1.dylib": false, "libonnxruntime.1.23.2.dylib": true,
	} {
		if got := isOld(name); got != want {
			t.Errorf("isOld(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestTheLinkersConfigurationIsFollowed(t *testing.T) {
	s := bare(t.TempDir())
	write := func(name, content string) {
		if err := os.WriteFile(plant(t, s.root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/ld.so.conf", "include ld.so.conf.d/*.conf\n/opt/a # the first\n\nrelative/is/ignored\n")
	write("etc/ld.so.conf.d/x.conf", "# comment\n/opt/b\ninclude /etc/more.conf\n/opt/a\n")
	write("etc/more.conf", "/opt/c\ninclude /etc/ld.so.conf\n") // a circle
	got := s.folders()
	var want []string
	for _, folder := range []string{"opt/b", "opt/c", "opt/a", "usr/local/lib"} {
		want = append(want, filepath.Join(s.root, folder))
	}
	if len(got) < 4 || !slices.Equal(got[:4], want) {
		t.Errorf("folders() = %v, want them to begin with %v", got, want)
	}
}

// The module cache is searched for the wrapper's release, which go.mod states.
func TestTheWrapperIsTheOneThatGoModRequires(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if line := strings.Replace(wrapper, "@", " ", 1); !strings.Contains(string(content), line) {
		t.Errorf("go.mod does not require %q", line)
	}
}
