package onnx_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

// attempt names the library that a child process of a test tries to load. A
// process loads one library in its life, so each attempt has its own.
const attempt = "TRY_TO_LOAD_LIBRARY"

// tryToLoad is what such a child does; 0 means that the library was refused.
func tryToLoad(path string) (code int) {
	err := onnx.Load(path)
	if !errors.Is(err, onnx.ErrLibrary) || onnx.RuntimeVersion() != "" {
		fmt.Printf("Load(%q) = %v with version %q, want ErrLibrary", path, err, onnx.RuntimeVersion())
		return 1
	}
	fmt.Println("refused:", err)
	if _, err = onnx.OpenSession([]byte("any"), small()); !errors.Is(err, onnx.ErrLibrary) {
		fmt.Printf("OpenSession() without a library = %v, want ErrLibrary", err)
		return 1
	}
	return 0
}

func TestLoadRefusesWhatIsNoLibrary(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct{ path, want string }{
		"no path":                    {"", "no path was given"},
		"an absent file":             {filepath.Join(folder, "absent.so"), "no such file"},
		"a folder":                   {folder, folder},
		"a text":                     {file("text.so", strings.Repeat("no library\n", 1000)), "text.so"},
		"an empty file":              {file("empty.so", ""), "empty.so"},
		"a library of other content": {compile(t, folder, "other.so", "int other(void) { return 1; }"), "OrtGetApiBase"},
		"an older release":           {compile(t, folder, "older.so", older), "older than ONNX Runtime 1.24"},
	} {
		t.Run(name, func(t *testing.T) {
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), attempt+"="+c.path)
			output, err := child.CombinedOutput()
			if err != nil || !strings.Contains(string(output), "refused:") || !strings.Contains(string(output), c.want) {
				t.Errorf("Load(%q) in a child = %v, %s, want ErrLibrary with %q", c.path, err, output, c.want)
			}
			if !strings.Contains(string(output), "make setup") {
				t.Errorf("Load(%q) in a child = %s, want it to say what to do", c.path, output)
			}
		})
	}
}

// older is what the entry point of a release before 1.24 does when it is asked
// for version 24 of the interface: it answers null.
const older = `
typedef struct { const void *(*api)(unsigned); const char *(*version)(void); } base;
static const void *api(unsigned version) { return version > 23 ? 0 : "23"; }
static const char *version(void) { return "1.23.2"; }
static const base entry = { api, version };
const base *OrtGetApiBase(void) { return &entry; }
`

// compile makes a shared library of C, and returns its path.
func compile(t *testing.T, folder, name, source string) string {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to make a library with")
	}
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path+".c", []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command(compiler, "-shared", "-fPIC", "-o", path, path+".c").CombinedOutput(); err != nil {
		t.Fatalf("cc %s = %v, %s", name, err, output)
	}
	return path
}

// The dynamic linker maps a library without looking at its length and touches
// what is not there, so a download that broke off would kill the process.
func TestABrokenLibraryDoesNotEndTheProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("its linker checks the length itself")
	}
	folder := t.TempDir()
	content := read(t, compile(t, folder, "whole.so", "int table[100000] = {1};"))
	headers := content[40:48] // e_shoff: where the section headers begin
	other := slices.Clone(content)
	other[18] ^= 0xff // e_machine
	for name, c := range map[string][]byte{
		"a library for another processor":  other,
		"a half":                           content[:len(content)/2],
		"all but the section headers":      content[:binary.LittleEndian.Uint64(headers)],
		"a half that has no sections left": sectionless(content)[:len(content)/2],
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "truncated.so")
			if err := os.WriteFile(path, c, 0o644); err != nil {
				t.Fatal(err)
			}
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), attempt+"="+path)
			if output, err := child.CombinedOutput(); err != nil || !strings.Contains(string(output), "refused:") {
				t.Errorf("Load(a broken library) in a child = %v, %s, want ErrLibrary", err, output)
			}
		})
	}
}

// sectionless is a 64-bit ELF file that declares no section headers: the
// linker needs none.
func sectionless(content []byte) []byte {
	c := slices.Clone(content)
	for _, field := range [][2]int{{40, 48}, {60, 64}} { // e_shoff; e_shnum, e_shstrndx
		clear(c[field[0]:field[1]])
	}
	return c
}

func TestLoadingTwiceIsLoadingOnce(t *testing.T) {
	onnxtest.Require(t)
	path, err := onnx.Find("")
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.so")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, same := range []string{path, link} {
		if err := onnx.Load(same); err != nil {
			t.Errorf("Load(%q) again = %v, want success", same, err)
		}
	}
	if v := onnx.RuntimeVersion(); !strings.HasPrefix(v, "1.") {
		t.Errorf("RuntimeVersion() = %q, want a release", v)
	}
	other := filepath.Join(t.TempDir(), "other.so")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := onnx.Load(other); !errors.Is(err, onnx.ErrLibrary) || !strings.Contains(err.Error(), other) {
		t.Errorf("Load(another library) = %v, want ErrLibrary that names it", err)
	}
}
