package native

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLibrariesSayWhatTheyAre(t *testing.T) {
	all := Libraries()
	if len(all) != 2 || all[0].Name != "CharLS" || all[1].Name != "OpenJPEG" {
		t.Fatalf("Libraries() = %+v", all)
	}
	for _, l := range all {
		switch {
		case l.Err == nil && (l.Path == "" || l.Version == "" || l.Package == ""):
			t.Errorf("%+v, want its path and version", l)
		case l.Err != nil && (!errors.Is(l.Err, ErrLibrary) || l.Path != ""):
			t.Errorf("%+v, want %v", l, ErrLibrary)
		}
	}
}

// missing returns a library that is in none of the places where it is looked
// for.
func missing(l *library, places ...string) *library {
	return &library{name: l.name, pkg: l.pkg, env: "NEARCASE_TEST_CODEC", files: places, open: l.open}
}

func TestAMissingLibraryIsNamedWithItsPackage(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere.so")
	for pkg, decode := range map[string]func() (*Image, error){
		"libcharls2": func() (*Image, error) {
			return decodeJPEGLS(missing(&charls, nowhere), named(t, "1 of 8 bits "), Limits{limit})
		},
		"libopenjp2-7": func() (*Image, error) {
			return decodeJPEG2000(missing(&openjpeg, nowhere), named(t, "HT 1"), Limits{limit})
		},
	} {
		img, err := decode()
		if img != nil || !errors.Is(err, ErrLibrary) || !strings.Contains(err.Error(), "install "+pkg) {
			t.Errorf("without its library: %v; want %v naming %s", err, ErrLibrary, pkg)
		}
	}
}

// A header's faults are found without a library.
func TestDamageIsFoundWithoutALibrary(t *testing.T) {
	if _, err := decodeJPEGLS(missing(&charls), []byte("none"), Limits{limit}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("DecodeJPEGLS: %v, want %v", err, ErrCorrupt)
	}
	if _, err := decodeJPEG2000(missing(&openjpeg), []byte("none"), Limits{limit}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("DecodeJPEG2000: %v, want %v", err, ErrCorrupt)
	}
}

// A library that is installed later is found, without a new start.
func TestAMissingLibraryIsLookedForAgain(t *testing.T) {
	needs(t, "JPEG-LS")
	file := filepath.Join(t.TempDir(), "later.so")
	l := missing(&charls, file)
	if _, err := l.load(); !errors.Is(err, ErrLibrary) {
		t.Fatalf("load of no file: %v, want %v", err, ErrLibrary)
	}
	if err := os.Symlink(absolute(t, &charls), file); err != nil {
		t.Fatal(err)
	}
	o, err := l.load()
	if err != nil {
		t.Fatalf("load of a file that is there now: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if again, err := l.load(); err != nil || again != o {
		t.Errorf("load once more = %v, %v; want the same %v", again, err, o)
	}
}

// absolute returns the file of a library.
func absolute(t *testing.T, l *library) string {
	t.Helper()
	o, err := l.load()
	if err != nil {
		t.Fatal(err)
	}
	return o.path
}

// What the environment names is the only file tried, and may change.
func TestTheEnvironmentNamesALibrary(t *testing.T) {
	needs(t, "JPEG-LS")
	file := absolute(t, &charls)
	for _, c := range []struct {
		name, value string
		want        error
		says        string
	}{
		{"nothing", "", nil, ""},
		{"a file that is not there", filepath.Join(t.TempDir(), "libcharls.so.2"), ErrLibrary, "libcharls.so.2"},
		{"a file that is no library", "native.go", ErrLibrary, "NEARCASE_CHARLS"},
		{"the library", file, nil, ""},
	} {
		t.Setenv("NEARCASE_CHARLS", c.value)
		_, err := DecodeJPEGLS(named(t, "1 of 12 bits "), Limits{limit})
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("NEARCASE_CHARLS names %s: %v, want %v saying %q", c.name, err, c.want, c.says)
		}
	}
}

// A library of another kind is none.
func TestAnotherLibraryIsRefused(t *testing.T) {
	needs(t, "JPEG-LS")
	l := missing(&openjpeg, absolute(t, &charls))
	if _, err := l.load(); !errors.Is(err, ErrLibrary) || !strings.Contains(err.Error(), "no function opj_version") {
		t.Errorf("load of CharLS for OpenJPEG: %v, want %v", err, ErrLibrary)
	}
}
