package vault_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nearcase/store"
	"nearcase/store/disk"
	"nearcase/store/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key returns one of as many keys as bytes have values.
func key(n byte) vault.Key {
	k, err := vault.ParseKey(strings.Repeat(hex.EncodeToString([]byte{n}), 32))
	if err != nil {
		panic(err)
	}
	return k
}

var folders = []string{"a", "b"}

// world is an encrypted directory.
type world struct {
	*testing.T
	dir string
	v   *vault.Vault
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir()}
	for _, f := range append(folders, "plain") {
		if err := os.Mkdir(filepath.Join(w.dir, f), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.v = w.created(vault.Encrypted)
	return w
}

func (w *world) created(as vault.State) *vault.Vault {
	v, err := vault.Create(disk.System{}, w.dir, folders, key(1), as)
	if err != nil {
		w.Fatal(err)
	}
	return v
}

func (w *world) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *world) write(name string, data []byte) {
	w.Helper()
	if err := disk.WriteAtomic(w.v.Files(), w.path(name), data); err != nil {
		w.Fatalf("write %s: %v", name, err)
	}
}

func (w *world) read(name string) ([]byte, error) { return disk.ReadFile(w.v.Files(), w.path(name)) }

// raw is a file as it is on the disk.
func (w *world) raw(name string) []byte {
	w.Helper()
	b, err := os.ReadFile(w.path(name))
	if err != nil {
		w.Fatal(err)
	}
	return b
}

func (w *world) setRaw(name string, b []byte) {
	w.Helper()
	if err := os.WriteFile(w.path(name), b, 0o600); err != nil {
		w.Fatal(err)
	}
}

// sizes are about where packages of 64 KiB begin and end.
var sizes = []int{0, 1, 100, 65534, 65535, 65536, 65537, 131070, 131071, 131072, 131073, 300000}

func data(size int) []byte {
	r := rand.NewChaCha8([32]byte{byte(size)})
	b := make([]byte, size)
	_, _ = r.Read(b)
	return b
}

// What is read is what was written, and its size too, whatever the size.
func TestFilesReadAsTheyWereWritten(t *testing.T) {
	w := newWorld(t)
	for _, size := range sizes {
		name, want := fmt.Sprint("a/", size), data(size)
		w.write(name, want)
		if got, err := w.read(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read of %d bytes = %d bytes, %v, want them", size, len(got), err)
		}
		info, err := w.v.Files().Stat(w.path(name))
		if err != nil || info.Size() != int64(size) {
			t.Errorf("Stat of %d bytes = %v, %v", size, info, err)
		}
		if raw := w.raw(name); size > 16 && bytes.Contains(raw, want[:16]) {
			t.Errorf("the file of %d bytes has some of them in it", size)
		}
		w.mustReadAt(name, want)
	}
}

// mustReadAt reads parts of a file.
func (w *world) mustReadAt(name string, want []byte) {
	w.Helper()
	f, err := disk.Open(w.v.Files(), w.path(name))
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != int64(len(want)) {
		w.Errorf("Stat of the open file = %v, %v, want %d bytes", info, err, len(want))
	}
	for _, at := range []int{0, 1, 4096, 65534, 65535, 65536, len(want) - 1} {
		for _, n := range []int{1, 10, 70000} {
			if at < 0 || at > len(want) {
				continue
			}
			b := make([]byte, n)
			got, err := f.ReadAt(b, int64(at))
			if expected := want[at:min(len(want), at+n)]; !bytes.Equal(b[:got], expected) || (got < n) != errors.Is(err, io.EOF) {
				w.Errorf("%s: ReadAt(%d bytes at %d) = %d, %v, want %d", name, n, at, got, err, len(expected))
			}
		}
	}
	if at, err := f.Seek(-1, io.SeekEnd); len(want) > 0 {
		b, _ := io.ReadAll(f)
		if err != nil || at != int64(len(want)-1) || !bytes.Equal(b, want[len(want)-1:]) {
			w.Errorf("%s: after Seek to %d: %x, %v, want %x", name, at, b, err, want[len(want)-1:])
		}
	}
	if _, err := f.Write([]byte{1}); !errors.Is(err, errors.ErrUnsupported) {
		w.Errorf("Write to a file that is read = %v, want that it cannot be", err)
	}
}

// An index writes its header last.
func TestTheBeginningCanBeWrittenLast(t *testing.T) {
	w := newWorld(t)
	for _, size := range []int{5000, 65535, 65536, 200000} {
		want, path := data(size), w.path(fmt.Sprint("b/", size))
		err := disk.Replace(w.v.Files(), path, func(f disk.File) error {
			for at := 4096; at < size; at += 1000 {
				if _, err := f.WriteAt(want[at:min(size, at+1000)], int64(at)); err != nil {
					return err
				}
			}
			_, err := f.WriteAt(want[:4096], 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := disk.ReadFile(w.v.Files(), path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read of %d bytes whose beginning was written last = %d bytes, %v", size, len(got), err)
		}
	}
}

// A key and nonce are used for one plaintext only, so that nothing is written twice.
func TestWhatIsWrittenCannotBeWrittenAgain(t *testing.T) {
	w := newWorld(t)
	f, err := w.v.Files().CreateTemp(w.path("a"), disk.HalfWritten+"*")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(data(150000)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1}, 70000); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("WriteAt of what has been encrypted = %v, want that it cannot be", err)
	}
	for _, flag := range []int{os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_CREATE} {
		w.write("a/there", data(10))
		if _, err := w.v.Files().OpenFile(w.path("a/there"), flag, 0o600); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("OpenFile with flags %#x = %v, want that it cannot be", flag, err)
		}
	}
	if err := w.v.Files().Rename(w.path("a/there"), w.path("a/elsewhere")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Rename of a file that has its name = %v, want that it cannot be", err)
	}
}

// Cut off anywhere, longer by anything, or with any byte changed, a file is damaged:
// that is known when it is opened or when the part is read, and nothing else is read.
func TestDamageIsFound(t *testing.T) {
	w := newWorld(t)
	for _, size := range []int{0, 1, 1000, 65535, 65536, 140000} {
		name := fmt.Sprint("a/", size)
		w.write(name, data(size))
		whole := w.raw(name)
		for _, c := range damages(whole) {
			w.setRaw(name, c.bytes)
			if got, err := w.read(name); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("file of %d bytes, %s: read = %d bytes, %v, want ErrDamaged", size, c.name, len(got), err)
			}
		}
	}
}

type damage struct {
	name  string
	bytes []byte
}

func damages(whole []byte) (all []damage) {
	step := max(1, len(whole)/61)
	for n := 0; n < len(whole); n += step {
		all = append(all, damage{fmt.Sprint("cut off at ", n), whole[:n]})
		changed := bytes.Clone(whole)
		changed[n] ^= 1 << (n % 8)
		all = append(all, damage{fmt.Sprint("changed at ", n), changed})
	}
	for _, n := range []int{64, 64 + 65568, len(whole) - 1} { // whole packages
		if n < len(whole) {
			all = append(all, damage{fmt.Sprint("cut off at ", n), whole[:n]})
		}
	}
	all = append(all, damage{"one byte longer", append(bytes.Clone(whole), 0)}, damage{"twice", append(bytes.Clone(whole), whole...)})
	if first := 64 + 65568; len(whole) > 2*first {
		swapped := bytes.Clone(whole)
		copy(swapped[64:], whole[first:first+65568])
		copy(swapped[first:], whole[64:first])
		all = append(all, damage{"with packages exchanged", swapped})
	}
	return all
}

func TestAFileInAnothersPlaceDoesNotOpen(t *testing.T) {
	w := newWorld(t)
	w.write("a/one", data(100))
	w.write("a/two", data(200))
	w.setRaw("a/two", w.raw("a/one"))
	if _, err := w.read("a/two"); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "another's") {
		t.Errorf("read of a file in another's place = %v, want ErrDamaged", err)
	}
	w.setRaw("a/three", data(100))
	if _, err := w.read("a/three"); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("read of a plain file = %v, want ErrDamaged", err)
	}
}

func TestOtherFoldersAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.write("plain/x", []byte("for all to see"))
	if got := w.raw("plain/x"); string(got) != "for all to see" {
		t.Errorf("a file outside of the folders is %q, want it as it was written", got)
	}
}

func (w *world) reopened(k *vault.Key) (*vault.Vault, error) {
	return vault.Open(disk.System{}, w.dir, folders, k)
}

func TestAKeyIsNeededAndMustBeTheRightOne(t *testing.T) {
	w := newWorld(t)
	one, two := key(1), key(2)
	if _, err := w.reopened(nil); !errors.Is(err, store.ErrKey) || !strings.Contains(err.Error(), "encryption.key_file") {
		t.Errorf("Open without a key = %v, want ErrKey that says what to do", err)
	}
	if _, err := w.reopened(&two); !errors.Is(err, store.ErrKey) || !strings.Contains(err.Error(), two.ID()) {
		t.Errorf("Open with another key = %v, want ErrKey with its ID", err)
	}
	if _, err := w.reopened(&one); err != nil {
		t.Errorf("Open = %v, want no error", err)
	}
	if _, err := vault.Open(disk.System{}, t.TempDir(), folders, &one); !errors.Is(err, store.ErrKey) || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("Open of a plain directory with a key = %v, want ErrKey", err)
	}
	if v, err := vault.Open(disk.System{}, t.TempDir(), folders, nil); err != nil || v.State() != vault.Plain {
		t.Errorf("Open of a plain directory = %v, want it plain", err)
	}
}

func TestKeysDoNotShowThemselves(t *testing.T) {
	k := key(7)
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), fmt.Sprint(&k)} {
		if strings.Contains(text, "0707") || !strings.Contains(text, k.ID()) {
			t.Errorf("a key prints as %q, want its ID alone", text)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	good := strings.Repeat("0f", 32)
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		bad        string
	}{
		{"good", good + "\n", 0o600, ""},
		{"read only", "  " + good, 0o400, ""},
		{"open to a group", good, 0o640, "chmod 600"},
		{"open to the world", good, 0o604, "chmod 600"},
		{"short", good[:62], 0o600, "32 bytes in hex"},
		{"long", good + "00", 0o600, "32 bytes in hex"},
		{"empty", "", 0o600, "32 bytes in hex"},
		{"huge", strings.Repeat("00", 1<<20), 0o600, "32 bytes in hex"},
		{"no hex", strings.Repeat("xy", 32), 0o600, "32 bytes in hex"},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := errors.Join(os.WriteFile(path, []byte(c.text), 0o600), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		_, err := vault.ReadKey(path)
		if (c.bad == "") != (err == nil) || c.bad != "" && (!errors.Is(err, store.ErrKey) || !strings.Contains(err.Error(), c.bad)) {
			t.Errorf("%s: ReadKey = %v, want %q", c.name, err, c.bad)
		}
	}
	if _, err := vault.ReadKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, store.ErrKey) {
		t.Errorf("ReadKey of no file = %v, want ErrKey and fs.ErrNotExist", err)
	}
}

// One of the registry's files is enough, and the other is written anew from it.
func TestTheRegistryOutlivesDamageOfEitherFile(t *testing.T) {
	one := key(1)
	for _, name := range []string{vault.Registry, vault.RegistryCopy} {
		w := newWorld(t)
		w.write("a/x", data(10))
		whole := w.raw(name)
		for _, b := range [][]byte{nil, whole[:len(whole)/2], append(bytes.Clone(whole), 1), make([]byte, len(whole))} {
			w.setRaw(name, b)
			v, err := w.reopened(&one)
			if err != nil {
				t.Fatalf("%s damaged: Open = %v, want no error", name, err)
			}
			if got, err := disk.ReadFile(v.Files(), w.path("a/x")); err != nil || !bytes.Equal(got, data(10)) {
				t.Errorf("%s damaged: read = %v, want what was written", name, err)
			}
			if !bytes.Equal(w.raw(name), whole) {
				t.Errorf("%s damaged: it was not written anew", name)
			}
		}
		if err := os.Remove(w.path(name)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reopened(&one); err != nil || !bytes.Equal(w.raw(name), whole) {
			t.Errorf("%s missing: Open = %v, want it written anew", name, err)
		}
	}
	w := newWorld(t)
	w.setRaw(vault.Registry, nil)
	w.setRaw(vault.RegistryCopy, nil)
	if _, err := w.reopened(&one); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Open with both files damaged = %v, want ErrDamaged", err)
	}
}

func TestANewerRegistryIsRefusedByVersion(t *testing.T) {
	w := newWorld(t)
	b := w.raw(vault.Registry)
	b[7] = 9
	w.setRaw(vault.Registry, b)
	one := key(1)
	if _, err := w.reopened(&one); !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("Open = %v, want ErrFormat with the version", err)
	}
}

func TestAnotherMasterKeyOpensWhatWasWritten(t *testing.T) {
	w := newWorld(t)
	w.write("a/x", data(10))
	raw := w.raw("a/x")
	one, two := key(1), key(2)
	if err := w.v.Rotate(two); err != nil {
		t.Fatal(err)
	}
	if _, err := w.reopened(&one); !errors.Is(err, store.ErrKey) {
		t.Errorf("Open with the former key = %v, want ErrKey", err)
	}
	v, err := w.reopened(&two)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := disk.ReadFile(v.Files(), w.path("a/x")); err != nil || !bytes.Equal(got, data(10)) || !bytes.Equal(raw, w.raw("a/x")) {
		t.Errorf("read = %v, want what was written, with the file as it was", err)
	}
}

func TestFormerDataKeysGoWhenNothingIsOfThem(t *testing.T) {
	w := newWorld(t)
	w.write("a/x", data(10))
	log := w.v.LogKeys()
	if err := w.v.Begin(vault.Rotating); err != nil {
		t.Fatal(err)
	}
	if asNew, id, err := w.v.Of(w.path("a/x")); asNew || id != 1 || err != nil {
		t.Errorf("Of(former file) = %v, %d, %v, want key 1, not as new", asNew, id, err)
	}
	if keys := w.v.LogKeys(); len(keys) != 2 || !bytes.Equal(keys[1], log[0]) || bytes.Equal(keys[0], log[0]) {
		t.Errorf("LogKeys = %x, want a new one and then %x", keys, log)
	}
	w.write("a/y", data(20))
	one := key(1)
	v, err := w.reopened(&one) // as after a kill
	if err != nil || v.State() != vault.Rotating {
		t.Fatalf("Open = %v, %v, want that it is rotating", v, err)
	}
	if err := errors.Join(v.Begin(vault.Rotating), v.Settle()); err != nil {
		t.Fatal(err)
	}
	if s := v.Status(); s.State != vault.Encrypted || len(s.Keys) != 1 || s.Keys[0].ID != 2 || s.Master != one.ID() {
		t.Errorf("Status = %+v, want data key 2 alone", s)
	}
	if _, err := disk.ReadFile(v.Files(), w.path("a/x")); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "data key 1") {
		t.Errorf("read of what a former key encrypted = %v, want ErrDamaged that names the key", err)
	}
	if got, err := disk.ReadFile(v.Files(), w.path("a/y")); err != nil || !bytes.Equal(got, data(20)) {
		t.Errorf("read of what the new key encrypted = %v, want it", err)
	}
	if err := errors.Join(v.Begin(vault.Rotating)); err != nil {
		t.Fatal(err)
	}
	if err := v.Begin(vault.Disabling); !errors.Is(err, store.ErrKey) {
		t.Errorf("Begin(Disabling) while rotating = %v, want ErrKey", err)
	}
}

func TestPlainFilesAreReadWhileEncryptionIsBeingEnabledOrDisabled(t *testing.T) {
	w := &world{T: t, dir: t.TempDir()}
	if err := os.Mkdir(w.path("a"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.setRaw("a/plain", data(100))
	w.setRaw("a/looks", append([]byte("NCCRYPT\x01"), data(100)...)) // and is not
	w.v = w.created(vault.Enabling)
	w.write("a/new", data(300))
	for name, size := range map[string]int{"a/plain": 100, "a/new": 300, "a/looks": 108} {
		got, err := w.read(name)
		info, failed := w.v.Files().Stat(w.path(name))
		if err != nil || failed != nil || len(got) != size || info.Size() != int64(size) {
			t.Errorf("%s: read = %d bytes, %v, Stat = %v, %v, want %d bytes", name, len(got), err, info, failed, size)
		}
	}
	if bytes.Equal(w.raw("a/new"), data(300)) {
		t.Error("a file written while encryption is being enabled is plain")
	}
	if err := errors.Join(w.v.Settle(), w.v.Begin(vault.Disabling)); err != nil {
		t.Fatal(err)
	}
	w.write("a/newer", data(400))
	if !bytes.Equal(w.raw("a/newer"), data(400)) {
		t.Error("a file written while encryption is being disabled is not plain")
	}
	if got, err := w.read("a/new"); err != nil || !bytes.Equal(got, data(300)) {
		t.Errorf("read of an encrypted file while encryption is being disabled = %v, want it", err)
	}
	if err := w.v.Settle(); err != nil {
		t.Fatal(err)
	}
	if id, err := vault.Master(disk.System{}, w.dir); id != "" || err != nil || w.v.State() != vault.Plain {
		t.Errorf("after Settle there is a registry of key %q, %v", id, err)
	}
}

// A file has its name and is synced after Rename, without a sync of its own before.
func TestAFileIsSyncedOnceItHasItsName(t *testing.T) {
	w := newWorld(t)
	counting := &counting{FS: disk.System{}}
	one := key(1)
	v, err := vault.Open(counting, w.dir, folders, &one)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteAtomic(v.Files(), w.path("a/x"), data(100)); err != nil {
		t.Fatal(err)
	}
	if counting.syncs != 1 {
		t.Errorf("the file was synced %d times, want once", counting.syncs)
	}
}

// counting counts what is synced.
type counting struct {
	disk.FS
	syncs int
}

func (c *counting) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := c.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &countedFile{f, c}, nil
}

func (c *counting) CreateTemp(dir, pattern string) (disk.File, error) {
	f, err := c.FS.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	return &countedFile{f, c}, nil
}

type countedFile struct {
	disk.File
	c *counting
}

func (f *countedFile) Sync() error {
	f.c.syncs++
	return f.File.Sync()
}
