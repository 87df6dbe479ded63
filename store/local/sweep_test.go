package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"nearcase/store"
	"nearcase/store/disk"
)

// slowly is a file system that tells before the first file gets its name.
type slowly struct {
	disk.System
	placing func()
}

func (s slowly) Rename(from, to string) error {
	s.placing()
	return s.System.Rename(from, to)
}

// Law: whatever is written while a sweep is under way stays, and so does what is
// needed; what a crash left goes.
func TestASweepLeavesWhatIsBeingWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "originals")
	half, swept := make(chan struct{}), make(chan error, 1)
	in := slowly{placing: sync.OnceFunc(func() { close(half) })}
	o := originals{files: filesOf(Options{Files: in}), dir: dir, refs: map[string]int{}, pins: map[string]int{}, unsure: map[string]bool{}}
	if err := o.begin(); err != nil {
		t.Fatal(err)
	}
	var records []store.Record
	for n := range 40 {
		image := fmt.Appendf(nil, "image %d", n)
		sum := sha256.Sum256(image)
		r := store.Record{Original: image, Instance: store.Instance{Digest: hex.EncodeToString(sum[:])}}
		records = append(records, r)
		o.keep(r.Instance.Original())
	}
	orphan := filepath.Join(dir, "ab", hex.EncodeToString(make([]byte, 32)))
	left := filepath.Join(dir, "ab", halfWritten+"1")
	for _, path := range []string{orphan, left} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		<-half // now one is half written
		swept <- o.sweep(t.Context(), false)
	}()
	if err := errors.Join(o.write(records), <-swept); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if !o.isWhole(r.Instance.Original()) {
			t.Errorf("original %.12s is gone", r.Instance.Original())
		}
	}
	for _, path := range []string{orphan, left} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s, which a crash left, is still there (%v)", filepath.Base(path), err)
		}
	}
}
