package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// wrapper is the Go module that carries the library for two platforms, at the
// version that go.mod requires.
const wrapper = "github.com/yalue/onnxruntime_go@v1.27.0"

// Find returns the absolute path of the ONNX Runtime library. It takes the
// first of
//
//  1. configured, unless empty,
//  2. the environment variable NEARCASE_ONNXRUNTIME, unless empty,
//  3. the pinned release beside the running executable, under Filename,
//  4. a library in the system's folders, as System returns it,
//  5. on linux-arm64 and darwin-arm64 the copy in the Go module cache.
//
// What 1 or 2 names must exist: they never fall through to a later place. All
// errors are ErrLibrary and list what was tried. Find loads nothing.
func Find(configured string) (string, error) {
	return here().find(configured)
}

// System returns the absolute path of a library in the folders of the system's
// dynamic linker: the pinned release before others, and none whose file name
// tells that it is older than the wrapper allows. Its errors are ErrLibrary.
func System() (string, error) {
	s := here()
	return first(s.system())
}

// Filename is the file name under which the pinned release lies beside the
// executable, on a platform named as runtime.GOOS is.
func Filename(goos string) string {
	return names(goos)[0]
}

// names lists a platform's file names, the most particular first.
func names(goos string) []string {
	if goos == "darwin" {
		return []string{"libonnxruntime." + Version + ".dylib", "libonnxruntime.1.dylib", "libonnxruntime.dylib"}
	}
	return []string{"libonnxruntime.so." + Version, "libonnxruntime.so.1", "libonnxruntime.so"}
}

// surroundings is what Find reads of the process and the machine.
type surroundings struct {
	goos, goarch string
	environment  func(string) string
	home         string
	executable   string // the folder of the running executable
	root         string // the folder under which the system's folders lie
}

func here() surroundings {
	s := surroundings{goos: runtime.GOOS, goarch: runtime.GOARCH, environment: os.Getenv, root: "/"}
	s.home, _ = os.UserHomeDir() // without one that place is left out
	if file, err := os.Executable(); err == nil {
		s.executable = filepath.Dir(file)
	}
	return s
}

func (s surroundings) find(configured string) (string, error) {
	if configured != "" {
		return named(configured, "the configured path")
	}
	if path := s.environment(Variable); path != "" {
		return named(path, Variable)
	}
	return first(slices.Concat(s.beside(), s.system(), s.module()))
}

// named returns a path that somebody chose, or why it cannot be it.
func named(path, origin string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err == nil {
		err = check(absolute)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w; correct it, or remove it and run `make setup`", ErrLibrary, origin, err)
	}
	return absolute, nil
}

// place is a folder and the file names to look for in it, best first.
type place struct {
	folder string
	names  []string
}

func (s surroundings) beside() []place {
	if s.executable == "" {
		return nil
	}
	return []place{{s.executable, names(s.goos)[:1]}}
}

func (s surroundings) system() []place {
	var places []place
	for _, folder := range s.folders() {
		places = append(places, place{folder, names(s.goos)})
	}
	return places
}

// module returns where the Go command unpacked the wrapper, whose zip carries
// the library for these two platforms.
func (s surroundings) module() []place {
	var file string
	switch s.goos + "-" + s.goarch {
	case "linux-arm64":
		file = "onnxruntime_arm64.so"
	case "darwin-arm64":
		file = "onnxruntime_arm64.dylib"
	default:
		return nil
	}
	cache := s.moduleCache()
	if cache == "" {
		return nil
	}
	return []place{{filepath.Join(cache, filepath.FromSlash(wrapper), "test_data"), []string{file}}}
}

// moduleCache is the folder that `go env GOMODCACHE` names; what `go env -w`
// has set is not read.
func (s surroundings) moduleCache() string {
	if cache := s.environment("GOMODCACHE"); cache != "" {
		return cache
	}
	if paths := filepath.SplitList(s.environment("GOPATH")); len(paths) > 0 && paths[0] != "" {
		return filepath.Join(paths[0], "pkg", "mod")
	}
	if s.home == "" {
		return ""
	}
	return filepath.Join(s.home, "go", "pkg", "mod")
}

// first returns the first usable library of places.
func first(places []place) (string, error) {
	var refused, folders []string
	for _, p := range places {
		for _, name := range p.names {
			path := filepath.Join(p.folder, name)
			err := check(path)
			if err == nil {
				return path, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				refused = append(refused, err.Error())
			}
		}
		folders = append(folders, fmt.Sprintf("%s (%s)", p.folder, strings.Join(p.names, ", ")))
	}
	return "", missing(folders, refused)
}

func missing(folders, refused []string) error {
	text := "looked in " + strings.Join(folders, ", ")
	if len(refused) > 0 {
		text += "; passed over: " + strings.Join(refused, ", ")
	}
	return fmt.Errorf("%w: %s; %s", ErrLibrary, text, remedy)
}

// check tells whether path is a file that may be the library.
func check(path string) error {
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	if isOld(filepath.Base(file)) {
		return fmt.Errorf("%s is older than %s", file, oldest)
	}
	return nil
}

// isOld tells whether a file name, with symbolic links followed, states a
// release before the oldest that works. A name that states none is not old.
func isOld(name string) bool {
	stated := regexp.MustCompile(`^libonnxruntime\.(?:so\.)?(\d+)\.(\d+)`).FindStringSubmatch(name)
	if stated == nil {
		return false
	}
	major, _ := strconv.Atoi(stated[1]) // too long for an int: no release
	minor, _ := strconv.Atoi(stated[2])
	return major < 1 || major == 1 && minor < 24
}
