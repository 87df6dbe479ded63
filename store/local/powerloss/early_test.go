//go:build linux

package powerloss

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// No write-ahead log goes before the table made of it has a name that outlives power
// loss: not while the store works, not when it is closed, and not when it opens what
// one that was not closed has left.
func TestNoLogGoesBeforeItsTableHasAName(t *testing.T) {
	disk := t.TempDir()
	// A record has 25 kB, and a table of the log 32 MiB.
	for n, c := range []child{{Fill: 20, Close: true}, {Fill: 20}, {Fill: 1}, {Fill: 1800, Close: true}} {
		at := t.TempDir()
		f, err := Mount(at, disk, Options{Seed: 1})
		if errors.Is(err, ErrUnavailable) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Dir, c.Seed = filepath.Join(at, "data"), uint64(n)
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		p := exec.Command(os.Args[0])
		p.Env = append(os.Environ(), asChild+"="+string(text))
		if said, err := p.CombinedOutput(); err != nil {
			t.Errorf("%+v: %v\n%s", c, err, said)
		}
		if early := f.Early(); len(early) > 0 {
			t.Errorf("%+v: %s gone while the table has no name", c, early)
		}
		f.Cut()
		if err := f.Unmount(); err != nil {
			t.Fatal(err)
		}
		disk = t.TempDir()
		if err := f.Left(disk); err != nil {
			t.Fatal(err)
		}
	}
}
