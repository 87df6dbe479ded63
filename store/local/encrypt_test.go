package local_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"nearcase/store"
	"nearcase/store/disk/faulty"
	"nearcase/store/local"
	"nearcase/store/storetest"
	"nearcase/store/vault"
)

// master returns one of several keys.
func master(t testing.TB, n int) *vault.Key {
	t.Helper()
	k, err := vault.ParseKey(strings.Repeat(fmt.Sprintf("%02x", n), 32))
	must(t, err)
	return &k
}

// openWith opens a data directory with a key, which may be nil.
func openWith(t testing.TB, place string, k *vault.Key) *local.Catalog {
	t.Helper()
	l, err := local.Open(place, local.Options{Key: k, Memory: littleMemory})
	must(t, err)
	return l
}

func TestAnEncryptedDirectoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	k := master(t, 1)
	storetest.Run(t, func(t *testing.T, place string) store.Catalog { return openWith(t, place, k) })
}

// secretive are records with originals, patients and texts that cannot be there by
// chance.
func secretive(from, to int) []store.Record {
	all := storetest.Records(from, to)
	for i := range all {
		all[i].Instance.Patient = fmt.Sprintf("pseudonym-of-%d", (from+i)/2)
		all[i].Instance.Name = fmt.Sprintf("radiograph-%d.png", from+i)
		all[i].Original = append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), all[i].Original...)
		digest := sha256.Sum256(all[i].Original)
		all[i].Instance.Digest = hex.EncodeToString(digest[:])
	}
	return all
}

// kept fills a catalog with everything of which there are files, and saves them.
func kept(t *testing.T, l *local.Catalog) {
	t.Helper()
	worn(t, l)
	must(t, l.Create(t.Context(), storetest.Collection("few")))
	putAll(t, l, "few", secretive(0, 12))
	many := storetest.Collection("many") // enough for an index to be saved
	many.DiscardOriginals = true
	must(t, l.Create(t.Context(), many))
	putAll(t, l, "many", secretive(1000, 2010))
	must(t, l.SaveDerived(t.Context(), "many", "sums", []byte("what was derived of them")))
	cases, err := l.List(t.Context(), "few", 0, 10)
	must(t, err)
	for _, c := range cases {
		must(t, l.SaveThumbnail(t.Context(), "few", c.Key, []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR, and small")))
	}
	must(t, l.SaveDocument(t.Context(), "note", "many", []byte("the note of a job")))
	l.UpkeepWhenQuiet()
}

// tellsAll is all that a catalog tells after kept.
func tellsAll(t *testing.T, l *local.Catalog) []string {
	t.Helper()
	told := append(everything(t, l), answers(t, l, "many", true)...)
	cases, err := l.List(t.Context(), "few", 0, 10)
	must(t, err)
	for _, c := range cases {
		small, err := l.Thumbnail(t.Context(), "few", c.Key)
		must(t, err)
		told = append(told, fmt.Sprintf("%+v %x %s", c.Instance, originalOf(t, l, c.Instance.ID), small))
	}
	sums, err := l.Derived(t.Context(), "many", "sums")
	must(t, err)
	note, err := l.Document(t.Context(), "note", "many")
	must(t, err)
	return append(told, string(sums), string(note))
}

func originalOf(t *testing.T, l store.Catalog, id string) []byte {
	t.Helper()
	r, err := l.Original(t.Context(), "few", id)
	must(t, err)
	b, err := io.ReadAll(r)
	must(t, errors.Join(err, r.Close()))
	return b
}

// shows returns the files in which something of what kept has stored is to be read:
// words long enough not to be met by chance among millions of encrypted bytes.
func shows(t *testing.T, place string) (in []string) {
	t.Helper()
	secrets := [][]byte{
		[]byte("pseudonym-of-"), []byte("radiograph-"), []byte("\x00\x00\x00\rIHDR"), []byte("image 1"), []byte("pneumonia"), []byte("pacemaker"),
		[]byte("what was derived"), []byte("the note of"), []byte("a note that is kept"), []byte("sha256"),
	}
	for _, r := range secretive(1000, 1040) {
		var v []byte
		for _, x := range r.Vector {
			v = binary.LittleEndian.AppendUint32(v, math.Float32bits(x))
		}
		secrets = append(secrets, v[:8], v[24:32], v[56:], []byte(r.Instance.Digest))
	}
	must(t, filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, s := range secrets {
			if bytes.Contains(b, s) {
				in = append(in, fmt.Sprintf("%s has %q", path[len(place):], s))
				break
			}
		}
		return err
	}))
	return in
}

func TestNothingThatIsStoredShowsInAnEncryptedDirectory(t *testing.T) {
	plain, sealed := t.TempDir(), t.TempDir()
	for _, place := range []string{plain, sealed} {
		l := openWith(t, place, map[string]*vault.Key{sealed: master(t, 1)}[place])
		kept(t, l)
		if in := shows(t, place); (len(in) > 0) != (place == plain) {
			t.Errorf("while it is open, encrypted %v: something shows in %v", place == sealed, in)
		}
		_, err := l.Try(t.Context(), "many", []store.Index{{Engine: "exact"}}, local.TrialOptions{Queries: 5})
		must(t, err)
		_, err = l.Compact(t.Context(), nil)
		must(t, errors.Join(err, l.Close()))
	}
	if in := shows(t, sealed); len(in) > 0 {
		t.Errorf("something shows of what was encrypted: %v", in)
	}
	for _, folder := range []string{"log", "originals", "index", "derived", "documents"} {
		if in := shows(t, filepath.Join(plain, folder)); len(in) == 0 {
			t.Errorf("nothing shows in %s of what was not encrypted: the test looks for the wrong things", folder)
		}
	}
	a, b := openWith(t, plain, nil), openWith(t, sealed, master(t, 1))
	if got, want := answers(t, b, "many", true), answers(t, a, "many", true); !slices.Equal(got, want) {
		t.Errorf("an encrypted directory answers otherwise than a plain one: %s", firstDifference(got, want))
	}
	must(t, errors.Join(a.Close(), b.Close()))
}

func TestAnEncryptedDirectoryOpensWithItsKeyAlone(t *testing.T) {
	plain, sealed := t.TempDir(), t.TempDir()
	must(t, openWith(t, plain, nil).Close())
	must(t, openWith(t, sealed, master(t, 1)).Close())
	for _, c := range []struct {
		name, place string
		key         *vault.Key
		says        string
	}{
		{"no key", sealed, nil, "encryption.key_file"},
		{"another key", sealed, master(t, 2), "another key"},
		{"a key of a plain directory", plain, master(t, 1), "nearcase encryption enable"},
	} {
		_, err := local.Open(c.place, local.Options{Key: c.key})
		_, examined := local.Examine(c.place, c.key)
		for _, err := range []error{err, examined} {
			if !errors.Is(err, store.ErrKey) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: got %v, want ErrKey that says %q", c.name, err, c.says)
			}
		}
	}
	if e, err := local.Examine(sealed, master(t, 1)); err != nil {
		t.Errorf("Examine with the key = %v, %v, want no error", e, err)
	}
	must(t, openWith(t, sealed, master(t, 1)).Close())
	must(t, openWith(t, plain, nil).Close())
}

func TestAnEncryptedLogWithoutItsKeysIsDamaged(t *testing.T) {
	place := t.TempDir()
	must(t, openWith(t, place, master(t, 1)).Close())
	must(t, errors.Join(os.Remove(filepath.Join(place, "keys")), os.Remove(filepath.Join(place, "keys.copy"))))
	if _, err := local.Open(place, local.Options{}); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "keys") {
		t.Errorf("Open = %v, want ErrDamaged that names the file", err)
	}
}

// The log's own registry of keys, without which it cannot be read, has a copy.
func TestALogOutlivesDamageOfItsKeys(t *testing.T) {
	place := t.TempDir()
	k := master(t, 1)
	l := openWith(t, place, k)
	worn(t, l)
	want := everything(t, l)
	must(t, l.Close())
	for _, name := range []string{"KEYREGISTRY", "KEYREGISTRY.copy"} {
		path := filepath.Join(place, "log", name)
		whole, err := os.ReadFile(path)
		must(t, err)
		for at := -1; at < len(whole); at += 5 {
			damaged := bytes.Clone(whole)
			if at < 0 {
				must(t, os.Remove(path))
			} else {
				damaged[at] ^= 0x40
				must(t, os.WriteFile(path, damaged[:len(damaged)-at%2], 0o600))
			}
			l := openWith(t, place, k)
			if got := everything(t, l); !slices.Equal(got, want) {
				t.Errorf("%s damaged at %d: got %v, want %v", name, at, got, want)
			}
			must(t, l.Close())
			if is, err := os.ReadFile(path); err != nil || !bytes.Equal(is, whole) {
				t.Errorf("%s damaged at %d: it was not written anew", name, at)
			}
		}
	}
}

// What was put in another's place, cut off or left unencrypted is damaged.
func TestEncryptedFilesAreAuthentic(t *testing.T) {
	place := t.TempDir()
	l := openWith(t, place, master(t, 1))
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("many")))
	putAll(t, l, "many", secretive(0, 8))
	must(t, errors.Join(l.SaveDocument(t.Context(), "note", "a", []byte("A")), l.SaveDocument(t.Context(), "note", "b", []byte("B"))))
	paths := originalPaths(t, place)
	one, err := os.ReadFile(paths[0])
	must(t, err)
	for _, c := range []struct {
		name  string
		bytes []byte
	}{{"of another", one}, {"cut off", nil}, {"plain", []byte("\x89PNG\r\n\x1a\n")}} {
		was, err := os.ReadFile(paths[1])
		must(t, err)
		if c.bytes == nil {
			c.bytes = was[:len(was)-1]
		}
		must(t, os.WriteFile(paths[1], c.bytes, 0o600))
		bad := 0
		for i := range 8 {
			if _, err := l.Original(t.Context(), "many", fmt.Sprint("i", i)); errors.Is(err, store.ErrDamaged) {
				bad++
			}
		}
		if bad != 1 {
			t.Errorf("an original %s: %d are damaged, want 1", c.name, bad)
		}
		must(t, os.WriteFile(paths[1], was, 0o600))
	}
	from, to := filepath.Join(place, "documents", "note", "61"), filepath.Join(place, "documents", "note", "62")
	must(t, errors.Join(os.Rename(from, to)))
	if got, err := l.Document(t.Context(), "note", "b"); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Document in another's place = %q, %v, want ErrDamaged", got, err)
	}
}

func originalPaths(t *testing.T, place string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(place, "originals", "*", "*"))
	must(t, err)
	if len(paths) == 0 {
		t.Fatal("there are no originals")
	}
	return paths
}

// Traces are found in every kind of file, and in what the log still has of what was
// deleted, until it is compacted.
func TestTracesAreSoughtInWhatIsEncrypted(t *testing.T) {
	place := t.TempDir()
	l := openWith(t, place, master(t, 1))
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("many")))
	records := secretive(0, 4)
	putAll(t, l, "many", records)
	must(t, l.SaveDocument(t.Context(), "note", "a", []byte("of pseudonym-of-0 only")))
	must(t, l.SaveDerived(t.Context(), "many", "sums", []byte("of pseudonym-of-0")))
	for _, id := range []string{"i0", "i1"} {
		must(t, l.Delete(t.Context(), "many", id))
	}
	seek := func() store.Sought {
		s, err := l.Seek(t.Context(), store.Traces{Texts: []string{"pseudonym-of-0"}, Vectors: [][]float32{records[0].Vector}})
		must(t, err)
		return s
	}
	s := seek()
	for _, in := range []string{"log", "documents/note/61", "derived/1/d-sums"} {
		if !slices.Contains(s.In, in) {
			t.Errorf("Seek found something in %v, want %s too", s.In, in)
		}
	}
	must(t, errors.Join(l.DropDocument(t.Context(), "note", "a"), l.DropDerived(t.Context(), "many", "sums")))
	_, err := l.Compact(t.Context(), nil)
	must(t, err)
	if s := seek(); s.Matches != 0 || s.Bytes == 0 {
		t.Errorf("Seek once it is compacted = %+v, want nothing found", s)
	}
}

// keyChange is what is done to a data directory that nobody has open, with how it is
// opened before and after.
type keyChange struct {
	name          string
	before, after *vault.Key
	meanwhile     *vault.Key
	do            func(place string, o local.Options) (local.Recoded, error)
	state         vault.State // then
	plain         bool        // something shows then
}

func keyChanges(t *testing.T) []keyChange {
	one := master(t, 1)
	return []keyChange{
		{"enabling", nil, one, one, func(place string, o local.Options) (local.Recoded, error) {
			return local.Encrypt(t.Context(), place, o, nil)
		}, vault.Encrypted, false},
		{"rotating the data key", one, one, one, func(place string, o local.Options) (local.Recoded, error) {
			return local.RotateData(t.Context(), place, o, nil)
		}, vault.Encrypted, false},
		{"disabling", one, nil, one, func(place string, o local.Options) (local.Recoded, error) {
			return local.Decrypt(t.Context(), place, o, nil)
		}, vault.Plain, true},
	}
}

// stored makes a data directory as kept does.
func stored(t *testing.T, k *vault.Key) (place string, tells []string) {
	t.Helper()
	place = t.TempDir()
	l := openWith(t, place, k)
	kept(t, l)
	tells = tellsAll(t, l)
	must(t, l.Close())
	return place, tells
}

// tells checks that a data directory opens and tells everything.
func (c keyChange) tells(t *testing.T, when, place string, k *vault.Key, want []string) {
	t.Helper()
	l, err := local.Open(place, local.Options{Key: k, MustExist: true, Memory: littleMemory})
	if err != nil {
		t.Fatalf("%s, %s: Open = %v", c.name, when, err)
	}
	if got := tellsAll(t, l); !slices.Equal(got, want) {
		t.Errorf("%s, %s: it tells %d things, want %d: %s", c.name, when, len(got), len(want), firstDifference(got, want))
	}
	must(t, l.Close())
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%.200s instead of %.200s", got[i], want[i])
		}
	}
	return "one is longer"
}

func (c keyChange) settled(t *testing.T, place string, want []string) {
	t.Helper()
	e, err := local.EncryptionOf(place, local.Options{Key: c.after})
	must(t, err)
	if e.State != c.state || len(e.Keys) > 1 || len(e.Keys) == 1 && e.Files[e.Keys[0].ID] == 0 || e.Files[0] > 0 && !c.plain {
		t.Errorf("%s: EncryptionOf = %+v, want it %q and all files of one key", c.name, e, c.state)
	}
	if in := shows(t, place); (len(in) > 0) != c.plain {
		t.Errorf("%s: something shows in %v", c.name, in)
	}
	c.tells(t, "at the end", place, c.after, want)
}

// Law: whenever a crash comes, everything is told with the key, and what was begun
// ends when it is called again.
func TestACrashWhileKeysAreChangedLosesNothing(t *testing.T) {
	for _, c := range keyChanges(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			place, want := stored(t, c.before)
			for _, at := range []string{"begun", "checked", "log.old", "log", "file 3", "written", "settled", "no crash"} {
				c.crashes(t, place, at, want)
			}
		})
	}
}

// crashes ends the change at a step, in a copy of a data directory, and ends it.
func (c keyChange) crashes(t *testing.T, place, at string, want []string) {
	t.Helper()
	crash, image := errors.New("crash"), filepath.Join(t.TempDir(), "x")
	var files atomic.Int32 // they are written by several goroutines
	must(t, local.CopyDir(image, place))
	_, err := c.do(image, local.Reaching(c.options(), func(step string) error {
		if step == "file" {
			step = fmt.Sprint("file ", files.Add(1))
		}
		if step == at {
			return crash
		}
		return nil
	}))
	if !errors.Is(err, crash) != (at == "no crash") {
		t.Fatalf("%s: got %v at %s, want a crash", c.name, err, at)
	}
	if at != "settled" && at != "no crash" {
		c.tells(t, "after a crash at "+at, image, c.meanwhile, want)
		_, err := c.do(image, c.options())
		must(t, err)
	}
	c.settled(t, image, want)
}

// options are those that the change is made with.
func (c keyChange) options() local.Options {
	return local.Options{Key: cmpKey(c.before, c.after), Memory: littleMemory}
}

// cmpKey is the first key that there is.
func cmpKey(keys ...*vault.Key) *vault.Key {
	for _, k := range keys {
		if k != nil {
			return k
		}
	}
	return nil
}

var keyCuts = flag.Int("local.keycuts", 2, "power losses of each change in TestPowerLossWhileKeysAreChangedLosesNothing")

// Law: whenever the power goes, everything is told with the key, and what was begun
// ends when it is called again.
func TestPowerLossWhileKeysAreChangedLosesNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i, c := range keyChanges(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			place, want := stored(t, c.before)
			operations := c.cut(t, place, seed, 0, want)
			for run := range *keyCuts {
				c.cut(t, place, seed+uint64(run), 1+random.IntN(operations), want)
			}
		})
	}
}

// cut makes the change in a copy of a data directory and cuts the power at an
// operation, or after all of them if that is 0. It returns how many there were.
func (c keyChange) cut(t *testing.T, place string, seed uint64, at int, want []string) int {
	t.Helper()
	image := filepath.Join(t.TempDir(), "x")
	must(t, local.CopyDir(image, place))
	f, o := faulty.New(image, seed), c.options()
	if o.Files = f; at > 0 {
		f.CutAt(at)
	}
	_, err := c.do(image, o)
	must(t, f.Cut())
	if at == 0 {
		must(t, err)
		c.settled(t, image, want)
		return f.Count(faulty.Any)
	}
	var k *vault.Key
	if id, err := local.MasterKey(image); err != nil || id != "" {
		k = c.meanwhile
	}
	when := fmt.Sprintf("after power loss at %d, seed %d", at, seed)
	c.tells(t, when, image, k, want)
	_, err = c.do(image, c.options())
	if err != nil && !errors.Is(err, store.ErrInvalid) && !errors.Is(err, store.ErrKey) { // it was done already
		t.Fatalf("%s, %s: %v", c.name, when, err)
	}
	c.settled(t, image, want)
	return f.Count(faulty.Any)
}

func TestAnotherMasterKeyTakesNothingWrittenAnew(t *testing.T) {
	place, want := stored(t, master(t, 1))
	before := contents(t, place)
	must(t, local.RotateKey(place, local.Options{Key: master(t, 1)}, *master(t, 2)))
	for path, b := range contents(t, place) {
		if base := filepath.Base(path); base != "keys" && base != "keys.copy" && !bytes.Equal(b, before[path]) {
			t.Errorf("%s was written anew", path)
		}
	}
	if _, err := local.Open(place, local.Options{Key: master(t, 1)}); !errors.Is(err, store.ErrKey) {
		t.Errorf("Open with the former key = %v, want ErrKey", err)
	}
	keyChange{name: "rotating"}.tells(t, "at the end", place, master(t, 2), want)
}

func contents(t *testing.T, place string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	must(t, filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all[path], err = os.ReadFile(path)
		}
		return err
	}))
	return all
}

// A damaged file does not keep the others from being encrypted, and is named.
func TestDamagedFilesAreLeftAndNamedWhenAllIsEncryptedAnew(t *testing.T) {
	place, _ := stored(t, master(t, 1))
	path := originalPaths(t, place)[0]
	must(t, os.Truncate(path, 200))
	r, err := local.RotateData(t.Context(), place, local.Options{Key: master(t, 1)}, nil)
	must(t, err)
	below, err := filepath.Rel(place, path)
	must(t, err)
	if !slices.Equal(r.Damaged, []string{filepath.ToSlash(below)}) {
		t.Errorf("RotateData = %+v, want %s damaged", r, below)
	}
}
