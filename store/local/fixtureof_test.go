package local_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"nearcase/store"
	"nearcase/store/backup"
	"nearcase/store/local"
	"nearcase/store/vault"
)

// unpackedEncrypted is a data directory that was encrypted, with its key.
func unpackedEncrypted(t *testing.T, file string) (dir string, k *vault.Key) {
	t.Helper()
	place := unpacked(t, file)
	key, err := vault.ReadKey(filepath.Join(place, "key"))
	must(t, err)
	return filepath.Join(place, "data"), &key
}

func TestEncryptedDirectoriesOfAllVersionsOpenAndHaveWhatWasStored(t *testing.T) {
	for _, file := range fixtures(t, "encrypted") {
		t.Run(file, func(t *testing.T) {
			dir, k := unpackedEncrypted(t, file)
			for range 2 {
				l := openWith(t, dir, k)
				checkFixture(t, l)
				checkThumbnail(t, l)
				must(t, l.Close())
			}
			if e, err := local.EncryptionOf(dir, local.Options{Key: k}); err != nil || e.State != vault.Encrypted || e.Files[0] > 0 || e.Damaged > 0 {
				t.Errorf("EncryptionOf = %+v, %v, want all of it encrypted", e, err)
			}
		})
	}
}

func TestAnEncryptedDirectoryOfANewerFormatIsRefusedByName(t *testing.T) {
	dir, k := unpackedEncrypted(t, "encrypted-2.txt")
	l := openWith(t, dir, k)
	must(t, l.SetFormat(3))
	must(t, l.Close())
	refused := func(says string) {
		t.Helper()
		before := contents(t, filepath.Join(dir, "documents"))
		if _, err := local.Open(dir, local.Options{Key: k}); !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("Open: got %v, want %v that says %q", err, store.ErrFormat, says)
		}
		if after := contents(t, filepath.Join(dir, "documents")); len(after) == 0 || !equalFiles(before, after) {
			t.Error("what was refused was not left as it was")
		}
	}
	refused("format 3, this program reads up to 2")
	for _, name := range []string{"keys", "keys.copy"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		must(t, err)
		data[7] = 2
		must(t, os.WriteFile(path, data, 0o600))
	}
	refused("version 2, this program reads 1")
}

func equalFiles(a, b map[string][]byte) bool {
	for path, data := range a {
		if !bytes.Equal(b[path], data) {
			return false
		}
	}
	return len(a) == len(b)
}

// unpackedBackups are a full backup and an incremental one after it, with what opens
// those that are encrypted.
func unpackedBackups(t *testing.T, file, end string) (chain [][]byte, ids backup.Identities) {
	t.Helper()
	place := unpacked(t, file)
	for _, name := range []string{"full", "incremental"} {
		data, err := os.ReadFile(filepath.Join(place, name+end))
		must(t, err)
		chain = append(chain, data)
	}
	r, err := os.Open(filepath.Join(place, "identity.txt"))
	must(t, err)
	defer r.Close()
	ids, err = backup.ParseIdentities(r)
	must(t, err)
	return chain, ids
}

func TestBackupsOfAllVersionsAreRestored(t *testing.T) {
	for _, file := range fixtures(t, "backups") {
		for _, end := range []string{".tar.zst", ".tar.zst.age"} {
			t.Run(file+end, func(t *testing.T) {
				chain, ids := unpackedBackups(t, file, end)
				o := beside
				o.Identities = ids
				dir := t.TempDir()
				_, err := local.Restore(t.Context(), dir, sources(chain...), o)
				must(t, err)
				l := open(t, dir)
				checkFixture(t, l)
				must(t, l.Close())
				checkAudit(t, dir, "line 1\nline 2\n")

				dir = t.TempDir()
				_, err = local.Restore(t.Context(), dir, sources(chain[0]), o)
				must(t, err)
				l = open(t, dir)
				checkFixtureBefore(t, l)
				must(t, l.Close())
				checkAudit(t, dir, "line 1\n")
				if _, err := local.Restore(t.Context(), t.TempDir(), sources(chain[1]), o); !errors.Is(err, store.ErrBackup) {
					t.Errorf("Restore of the incremental one alone: got %v, want ErrBackup", err)
				}
			})
		}
	}
}

func checkAudit(t *testing.T, dir, want string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(dir, "audit", "0001.jsonl")); err != nil || string(got) != want {
		t.Errorf("audit log = %q, %v, want %q", got, err, want)
	}
}

// checkFixtureBefore compares a catalog with what there was at the full backup.
func checkFixtureBefore(t *testing.T, l store.Catalog) {
	t.Helper()
	cases, err := l.List(t.Context(), "kept", 0, 100)
	must(t, err)
	var ids []string
	for _, c := range cases {
		ids = append(ids, c.Instance.ID)
		checkFixtureCase(t, l, c)
		if len(c.Labels) > 0 {
			t.Errorf("labels of %s: got %v, want none yet", c.Instance.ID, c.Labels)
		}
	}
	if want := []string{"i1", "i2", "i3", "i4", "i5", "i6"}; !slices.Equal(ids, want) {
		t.Errorf("instances: got %v, want %v", ids, want)
	}
}

func TestABackupOfANewerFormatIsRefusedByName(t *testing.T) {
	chain, _ := unpackedBackups(t, "backups-1.txt", ".tar.zst")
	for what, c := range map[string]struct{ before, after, says string }{
		"the backup":         {`"format":1`, `"format":2`, "backup of format 2, this program reads up to 1"},
		"its data directory": {`"directory_format": 2`, `"directory_format": 3`, "data directory of format 3, this program reads up to 2"},
	} {
		newer := resealed(t, chain[0], c.before, c.after)
		dir := t.TempDir()
		if _, err := local.Restore(t.Context(), dir, sources(newer), beside); !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s of a newer format: Restore = %v, want ErrFormat that says %q", what, err, c.says)
		}
		if _, err := local.Open(dir, local.Options{MustExist: true}); !errors.Is(err, store.ErrUnfinished) {
			t.Errorf("%s of a newer format: Open = %v, want ErrUnfinished", what, err)
		}
	}
}

// resealed is a backup in which the first of some bytes are others, sealed as
// docs/backup.md has it: a program that writes another format would.
func resealed(t *testing.T, data []byte, before, after string) []byte {
	t.Helper()
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	must(t, err)
	defer r.Close()
	plain, err := r.DecodeAll(data, nil)
	must(t, err)
	if !bytes.Contains(plain, []byte(before)) || len(before) != len(after) {
		t.Fatalf("the backup has no %s", before)
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	must(t, err)
	sealed := w.EncodeAll(bytes.Replace(plain, []byte(before), []byte(after), 1), nil)
	sum := sha256.Sum256(sealed)
	sealed = binary.LittleEndian.AppendUint32(sealed, 0x184D2A5E)
	sealed = binary.LittleEndian.AppendUint32(sealed, uint32(len("NCBACKUP")+len(sum)))
	return append(append(sealed, "NCBACKUP"...), sum[:]...)
}
