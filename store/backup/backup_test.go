package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"

	"nearcase/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var made = time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC)

// sample writes a small full backup.
func sample(t testing.TB, recipients ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	header := store.Backup{ID: store.NewBackupID(made), Created: made, Program: "test"}
	w, err := NewWriter(&out, recipients, header)
	if err != nil {
		t.Fatal(err)
	}
	m := header
	m.Format, m.Originals = store.BackupFormat, 1
	image := bytes.Repeat([]byte("image"), 5000)
	sum := sha256.Sum256(image)
	digest := hex.EncodeToString(sum[:])
	log := AppendPair(AppendPair(nil, []byte("a"), []byte("1")), []byte("b"), nil)
	logged := sha256.Sum256(log)
	m.Pairs, m.Log = 2, hex.EncodeToString(logged[:])
	for name, data := range map[string][]byte{
		"log/00000001": log, "originals/" + digest[:2] + "/" + digest: image, "documents/job/" + strings.Repeat("61", 120): []byte("{}"),
	} {
		if _, err := w.Put(name, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(&m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func identity(t testing.TB) (recipient string, ids Identities) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	ids, err = ParseIdentities(strings.NewReader("# a comment\n" + key.String() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return key.Recipient().String(), ids
}

func TestABackupIsReadAsItWasWritten(t *testing.T) {
	recipient, ids := identity(t)
	for what, data := range map[string][]byte{"plain": sample(t), "encrypted": sample(t, recipient)} {
		m, err := Verify(bytes.NewReader(data), ids)
		if err != nil || m.Parts != 4 || m.Originals != 1 || m.Program != "test" {
			t.Errorf("%s: Verify = %+v, %v", what, m, err)
		}
	}
}

func TestABackupNeedsTheIdentityItIsEncryptedFor(t *testing.T) {
	recipient, _ := identity(t)
	_, other := identity(t)
	data := sample(t, recipient)
	for what, ids := range map[string]Identities{"no identity": {}, "another": other} {
		if _, err := Verify(bytes.NewReader(data), ids); !errors.Is(err, store.ErrKey) {
			t.Errorf("%s: Verify = %v, want ErrKey", what, err)
		}
	}
}

func TestRecipientsThatAreNoneAreRefused(t *testing.T) {
	_, err := NewWriter(io.Discard, []string{"age1nonsense"}, store.Backup{})
	if !errors.Is(err, store.ErrKey) {
		t.Errorf("NewWriter = %v, want ErrKey", err)
	}
}

// Law: a backup that is cut short anywhere, or has one other byte anywhere, is
// refused.
func TestADamagedBackupIsRefused(t *testing.T) {
	recipient, ids := identity(t)
	random := rand.New(rand.NewPCG(1, 2))
	for what, data := range map[string][]byte{"plain": sample(t), "encrypted": sample(t, recipient)} {
		for i := range 400 {
			bad := bytes.Clone(data[:random.IntN(len(data))])
			if i%2 == 0 {
				bad = bytes.Clone(data)
				bad[random.IntN(len(bad))] ^= 1 << random.IntN(8)
			}
			if _, err := Verify(bytes.NewReader(bad), ids); !errors.Is(err, store.ErrBackup) && !errors.Is(err, store.ErrKey) {
				t.Fatalf("%s, case %d: Verify = %v, want ErrBackup", what, i, err)
			}
		}
		if _, err := Verify(bytes.NewReader(append(bytes.Clone(data), 0)), ids); !errors.Is(err, store.ErrBackup) {
			t.Errorf("%s with one byte more: Verify = %v, want ErrBackup", what, err)
		}
	}
}

// Every byte of a small one, one after the other.
func TestEveryFlippedByteIsFound(t *testing.T) {
	data := sample(t)
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0x20
		if _, err := Verify(bytes.NewReader(bad), Identities{}); err == nil {
			t.Fatalf("byte %d of %d is another, and nothing is noticed", i, len(data))
		}
	}
}

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	for _, name := range []string{
		"../log", "files/../x", "files/a/../../b", "/etc/passwd", "files/.hidden", "originals/ab/short", "documents/job/..", "documents/JOB/61",
		"derived/1/../x", "derived/0/d-x", "log/1", "manifest.json", "files/a/b/c", "",
	} {
		w, err := NewWriter(io.Discard, nil, store.Backup{ID: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Put(name, nil); !errors.Is(err, store.ErrBackup) {
			t.Errorf("Put(%q) = %v, want ErrBackup", name, err)
		}
		w.Abandon()
	}
}

func TestAPartThatIsShorterThanSaidIsAnError(t *testing.T) {
	w, err := NewWriter(io.Discard, nil, store.Backup{ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abandon()
	if _, err := w.Part("files/a", 10, strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Part = %v, want io.ErrUnexpectedEOF", err)
	}
}

// kept puts a backup of nothing into a folder.
func kept(t *testing.T, f Folder, id, base string) Kept {
	t.Helper()
	k, err := f.Write(func(w io.Writer) (store.Backup, bool, error) {
		_, err := io.WriteString(w, id)
		return store.Backup{Format: store.BackupFormat, ID: id, Base: base}, false, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAFolderKeepsTheNewestChains(t *testing.T) {
	f := Folder{t.TempDir() + "/backups"}
	if all, err := f.List(); err != nil || len(all) != 0 {
		t.Fatalf("List of no folder = %v, %v", all, err)
	}
	for _, one := range [][2]string{{"a", ""}, {"b", "a"}, {"c", "b"}, {"d", ""}, {"e", "d"}, {"f", ""}} {
		kept(t, f, one[0], one[1])
	}
	all, err := f.List()
	if chain, bad := Chain(all, "c"); err != nil || bad != nil || fmt.Sprint(names(chain)) != "[a b c]" {
		t.Errorf("Chain(c) = %v, %v, %v", names(chain), err, bad)
	}
	gone, err := f.Prune(2)
	if err != nil || fmt.Sprint(names(gone)) != "[c b a]" {
		t.Errorf("Prune(2) = %v, %v", names(gone), err)
	}
	if all, err = f.List(); err != nil || fmt.Sprint(names(all)) != "[d e f]" {
		t.Errorf("List = %v, %v", names(all), err)
	}
	if gone, err := f.Prune(0); err != nil || len(gone) != 0 {
		t.Errorf("Prune(0) = %v, %v", names(gone), err)
	}
	if _, err := Chain(all, "c"); !errors.Is(err, store.ErrBackup) {
		t.Errorf("Chain of what is gone = %v, want ErrBackup", err)
	}
}

// An image that is damaged by now may be in an older backup alone.
func TestTheNewestBackupWithoutDamageStays(t *testing.T) {
	f := Folder{t.TempDir()}
	kept(t, f, "a", "")
	kept(t, f, "b", "")
	kept(t, f, "c", "b")
	for _, id := range []string{"d", "e"} {
		_, err := f.Write(func(io.Writer) (store.Backup, bool, error) {
			return store.Backup{Format: store.BackupFormat, ID: id, Damaged: 1}, false, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if gone, err := f.Prune(1); err != nil || fmt.Sprint(names(gone)) != "[d a]" {
		t.Errorf("Prune(1) = %v, %v, want all but e, b, and c, which is on b", names(gone), err)
	}
	kept(t, f, "f", "")
	if gone, err := f.Prune(1); err != nil || fmt.Sprint(names(gone)) != "[e c b]" {
		t.Errorf("Prune(1) = %v, %v, want all but f", names(gone), err)
	}
}

func TestAFileWithoutItsManifestIsAStray(t *testing.T) {
	f := Folder{t.TempDir()}
	kept(t, f, "a", "")
	b := kept(t, f, "b", "a")
	if strays, err := f.Strays(); err != nil || len(strays) != 0 {
		t.Errorf("Strays = %q, %v, want none", strays, err)
	}
	if err := os.Remove(filepath.Join(f.Path, manifestOf(b.File))); err != nil {
		t.Fatal(err)
	}
	if strays, err := f.Strays(); err != nil || !slices.Equal(strays, []string{b.File}) {
		t.Errorf("Strays = %q, %v, want %s", strays, err, b.File)
	}
}

func names(all []Kept) (ids []string) {
	for _, k := range all {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestAFailedBackupLeavesNoFile(t *testing.T) {
	f := Folder{t.TempDir()}
	failed := errors.New("failed")
	if _, err := f.Write(func(io.Writer) (store.Backup, bool, error) { return store.Backup{}, false, failed }); !errors.Is(err, failed) {
		t.Fatalf("Write = %v", err)
	}
	if all, err := f.List(); err != nil || len(all) != 0 {
		t.Errorf("List = %v, %v", all, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add(sample(f)[:100])
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := NewReader(bytes.NewReader(data), Identities{})
		if err != nil {
			return
		}
		defer b.Close()
		for read := int64(0); read < 1<<24; { // what a small stream may unpack to is for whoever writes it
			p, err := b.Next()
			if err != nil {
				return
			}
			n, _ := io.Copy(io.Discard, io.LimitReader(p, 1<<20))
			read += n
		}
	})
}

func FuzzPairs(f *testing.F) {
	f.Add(AppendPair(AppendPair(nil, []byte("key"), []byte("value")), []byte("k"), nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var again []byte
		if err := Pairs(data, func(key, value []byte) error { again = AppendPair(again, key, value); return nil }); err != nil {
			return
		}
		if len(again) > len(data) {
			t.Errorf("%x has the pairs %x", data, again)
		}
	})
}
