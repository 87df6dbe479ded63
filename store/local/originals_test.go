package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"nearcase/store"
	"nearcase/store/disk/faulty"
)

// An image whose folder could not be synced is there, and is written again for the
// next who needs it, not taken for stored.
func TestAnImageThatMayNotStayIsWrittenAgain(t *testing.T) {
	for seed := range uint64(30) {
		root := t.TempDir()
		in := faulty.New(root, seed)
		f := filesOf(Options{Files: in})
		o := originals{files: f, dir: filepath.Join(root, "originals"), refs: map[string]int{}, unsure: map[string]bool{}}
		sum := sha256.Sum256([]byte("image"))
		r := store.Record{Instance: store.Instance{Digest: hex.EncodeToString(sum[:])}, Original: []byte("image")}
		digest := r.Instance.Original()
		if err := f.makeDirs(o.dir); err != nil {
			t.Fatal(err)
		}
		o.keep(digest) // for both
		o.keep(digest)
		in.Fail(faulty.SyncDir, 2, syscall.EIO)
		if err := o.write([]store.Record{r}); !errors.Is(err, syscall.EIO) {
			t.Fatalf("write = %v, want %v", err, syscall.EIO)
		}
		if err := errors.Join(o.release(digest), o.write([]store.Record{r}), in.Cut()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(o.path(digest)); err != nil || string(got) != "image" {
			t.Fatalf("seed %d: the image that was stored is %q after power loss, %v", seed, got, err)
		}
	}
}
