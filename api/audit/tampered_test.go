package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearcase/store/disk"
)

// Whatever is done to a record without its key is found, however little it is.
func TestTamperingIsFound(t *testing.T) {
	dir := written(t, 6, Options{})
	whole := read(t, newest(t, dir))
	parts := bytes.SplitAfter(whole, []byte("\n"))[:6]
	other, err := NewSeal(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := other.encode(Line{N: 7, Entry: entry(7), Previous: digest(bytes.TrimSuffix(parts[5], []byte("\n")))})
	if err != nil {
		t.Fatal(err)
	}
	longer := read(t, newest(t, written(t, 9, Options{})))
	join := func(p ...[]byte) []byte { return bytes.Join(p, nil) }
	for fact, b := range map[string][]byte{
		"the first line removed":         join(parts[1:]...),
		"a line removed":                 join(parts[0], parts[1], parts[3], parts[4], parts[5]),
		"the last line removed":          join(parts[:5]...),
		"all lines removed":              nil,
		"two lines exchanged":            join(parts[0], parts[2], parts[1], parts[3], parts[4], parts[5]),
		"the last lines exchanged":       join(parts[0], parts[1], parts[2], parts[3], parts[5], parts[4]),
		"a line twice":                   join(parts[0], parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]),
		"the last line twice":            join(whole, parts[5]),
		"a forged line at the end":       join(whole, forged, []byte("\n")),
		"an empty line":                  join(parts[0], []byte("\n"), join(parts[1:]...)),
		"a line of another record":       join(parts[0], parts[1], bytes.SplitAfter(longer, []byte("\n"))[2], parts[3]),
		"no line feed at the end":        whole[:len(whole)-1],
		"a carriage return":              bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")),
		"a line that never ends":         bytes.Repeat([]byte("x"), 10*maxLine),
		"a key more in a line":           bytes.Replace(whole, []byte(`{"n":1`), []byte(`{"x":0,"n":1`), 1),
		"a line of another record's key": join(join(parts[:5]...), forged, []byte("\n")),
	} {
		tampered := copied(t, dir)
		write(t, newest(t, tampered), b)
		if r, err := seal(t).Verify(tampered, 1); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: Verify: got %+v, %v, want %v", fact, r, err, ErrTampered)
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	dir := written(t, 3, Options{})
	for _, name := range []string{filepath.Base(newest(t, dir)), headName} {
		whole := read(t, filepath.Join(dir, name))
		for at := range whole {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << (at % 8)
			write(t, filepath.Join(dir, name), flipped)
			if _, err := seal(t).Verify(dir, 1); !errors.Is(err, ErrTampered) {
				t.Errorf("byte %d of %s flipped: Verify: got %v, want %v", at, name, err, ErrTampered)
			}
		}
		write(t, filepath.Join(dir, name), whole)
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	dir := written(t, 3, Options{})
	path := newest(t, dir)
	whole := read(t, path)
	for end := range whole {
		write(t, path, whole[:end])
		if _, err := seal(t).Verify(dir, 1); !errors.Is(err, ErrTampered) {
			t.Errorf("cut to %d bytes: Verify: got %v, want %v", end, err, ErrTampered)
		}
		if l, err := Open(dir, seal(t), Options{}); !errors.Is(err, ErrTampered) {
			t.Errorf("cut to %d bytes: Open: got %v, %v, want %v", end, l, err, ErrTampered)
		}
	}
}

func TestFilesThatAreMissingOrElsewhereAreFound(t *testing.T) {
	dir := written(t, 20, Options{MaxFile: 1000})
	all, err := files(disk.System{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	name := func(i int) string { return filepath.Base(all[i].path) }
	for fact, tamper := range map[string]func(dir string) error{
		"the first file":    func(dir string) error { return os.Remove(filepath.Join(dir, name(0))) },
		"one in the middle": func(dir string) error { return os.Remove(filepath.Join(dir, name(2))) },
		"the last":          func(dir string) error { return os.Remove(filepath.Join(dir, name(len(all)-1))) },
		"the head":          func(dir string) error { return os.Remove(filepath.Join(dir, headName)) },
		"the name of one": func(dir string) error {
			return os.Rename(filepath.Join(dir, name(1)), filepath.Join(dir, fileName(99)))
		},
		"two under each other": func(dir string) error { return os.Rename(filepath.Join(dir, name(2)), filepath.Join(dir, name(1))) },
	} {
		tampered := copied(t, dir)
		if err := tamper(tampered); err != nil {
			t.Fatal(err)
		}
		if _, err := seal(t).Verify(tampered, 1); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: Verify: got %v, want %v", fact, err, ErrTampered)
		}
	}
	other, err := NewSeal(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Verify(dir, 1); !errors.Is(err, ErrTampered) {
		t.Errorf("Verify by another key: got %v, want %v", err, ErrTampered)
	}
}

// No bytes in place of a record's last file are accepted but those written, and
// none cost more than they are worth.
func FuzzLines(f *testing.F) {
	dir := written(f, 4, Options{})
	path := newest(f, dir)
	whole := read(f, path)
	f.Add(whole)
	f.Add(bytes.Repeat([]byte("{"), 100))
	f.Add(slices.Concat(whole, []byte(`{"n":5}`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		write(t, path, b)
		_, err := seal(t).Verify(dir, 1)
		if same := bytes.HasPrefix(b, whole) && !bytes.Contains(b[len(whole):], []byte("\n")); (err == nil) != same || err != nil && !errors.Is(err, ErrTampered) {
			t.Errorf("Verify of %q: got %v", b, err)
		}
		for _, err := range Lines(dir) {
			if err != nil && !errors.Is(err, ErrTampered) {
				t.Errorf("Lines of %q: got %v", b, err)
			}
		}
	})
}

func FuzzHead(f *testing.F) {
	s := seal(f)
	f.Add(s.encodeHead(head{12, digest(nil)}))
	f.Add([]byte("0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := s.decodeHead(b); err == nil && !bytes.Equal(s.encodeHead(h), b) {
			t.Errorf("decodeHead(%q): got %+v, which is written otherwise", b, h)
		}
	})
}
