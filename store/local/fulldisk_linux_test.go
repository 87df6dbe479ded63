package local_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// smallDisk mounts a file system in memory of some bytes.
func smallDisk(t *testing.T, bytes int64) (place string) {
	t.Helper()
	place = t.TempDir()
	if err := unix.Mount("tmpfs", place, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		if !errors.Is(err, unix.EPERM) {
			t.Fatal(err)
		}
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(place, unix.MNT_DETACH)) })
	return place
}

// smallMachine is a catalog of a small machine.
func smallMachine(t *testing.T, place string) *local.Catalog {
	t.Helper()
	l, err := local.OpenAgain(filepath.Join(place, "data"), local.Options{Memory: 16 << 20, Space: local.Space{Ballast: 16 << 20}})
	must(t, err)
	return l
}

// heavy is a record with an original of its own.
func heavy(t *testing.T, n, bytes int) store.Record {
	t.Helper()
	r := storetest.Record(n)
	r.Original = make([]byte, bytes)
	_, _ = rand.Read(r.Original) // never fails
	sum := sha256.Sum256(r.Original)
	r.Instance.Digest, r.Instance.Kept, r.Instance.Size = hex.EncodeToString(sum[:]), "", int64(bytes)
	return r
}

// fillDisk writes until nothing can be written, as another program would.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else {
			must(t, err)
		}
	}
}

// allThere checks that all that was acknowledged is there with its original.
func allThere(t *testing.T, l *local.Catalog, acknowledged map[string]int) {
	t.Helper()
	for id, size := range acknowledged {
		if t.Failed() {
			return
		}
		if _, err := l.Vector(t.Context(), "c", id); err != nil {
			t.Errorf("acknowledged and lost: %v", err)
		}
		if size == 0 {
			continue
		}
		r, err := l.Original(t.Context(), "c", id)
		must(t, err)
		n, err := io.Copy(io.Discard, r)
		if must(t, errors.Join(err, r.Close())); n != int64(size) {
			t.Errorf("original of %s: got %d bytes, want %d", id, n, size)
		}
	}
}

// Law: a disk that runs full while records come, down to its last byte, makes them
// be refused, ends nothing and loses nothing that was acknowledged; deleting, erasing
// and opening go on; and with room again so does storing.
func TestAFullDiskEndsNothing(t *testing.T) {
	for fact, original := range map[string]int{"by originals": 300 << 10, "by the log": 0} {
		t.Run(fact, func(t *testing.T) {
			t.Parallel()
			place := smallDisk(t, 136<<20)
			l := smallMachine(t, place)
			must(t, l.Create(t.Context(), wide("c")))
			acknowledged, n := map[string]int{}, 0
			fill := func() error {
				for ; ; n++ {
					out, err := l.Put(t.Context(), "c", []store.Record{wideRecord(t, n, original)})
					if err == nil {
						err = out[0].Err
					}
					if err != nil {
						return err
					}
					acknowledged[out[0].ID] = original
				}
			}
			if err := fill(); !errors.Is(err, store.ErrFull) {
				t.Fatalf("Put on a disk that is full: got %v, want ErrFull", err)
			}
			must(t, l.Close()) // and tables are merged no more
			l = smallMachine(t, place)
			filler := filepath.Join(place, "filler")
			fillDisk(t, filler)
			for round := range 3 {
				remove := fmt.Sprint("i", round)
				must(t, l.Delete(t.Context(), "c", remove))
				delete(acknowledged, remove)
				_, err := l.Search(t.Context(), "c", store.Query{Vector: wideRecord(t, 9, 0).Vector, K: 3})
				must(t, err)
				must(t, l.Close())
				l = smallMachine(t, place)
			}
			erased, err := l.Erase(t.Context(), "c", storetest.Record(7).Instance.Patient)
			must(t, err)
			if erased.Instances == 0 {
				t.Error("Erase on a full disk: got nothing erased")
			}
			dropErased(t, l, acknowledged)
			must(t, l.Close())
			l = smallMachine(t, place)
			fillDisk(t, filler+"2")
			if err := fill(); !errors.Is(err, store.ErrFull) {
				t.Errorf("Put on a full disk: got %v, want ErrFull", err)
			}
			must(t, errors.Join(os.Remove(filler), os.Remove(filler+"2")))
			for range 100 {
				id := firstOf(acknowledged)
				must(t, l.Delete(t.Context(), "c", id))
				delete(acknowledged, id)
			}
			before := n
			if err := fill(); !errors.Is(err, store.ErrFull) || n == before && original > 0 {
				t.Errorf("Put with room again: got %v after %d records, want some to be stored", err, n-before)
			}
			allThere(t, l, acknowledged)
			must(t, l.Close())
			l = smallMachine(t, place)
			allThere(t, l, acknowledged)
			must(t, l.Close())
		})
	}
}

// wideDimension makes a vector take as much as an image: few fill the log.
const wideDimension = 16384

func wide(name string) store.Collection {
	c := storetest.Collection(name)
	c.Dimension = wideDimension
	return c
}

// wideRecord is record n with a long vector, and an original if that has any bytes.
func wideRecord(t *testing.T, n, bytes int) store.Record {
	t.Helper()
	r := storetest.Record(n)
	if r.Original = nil; bytes > 0 {
		r = heavy(t, n, bytes)
	}
	rng := mathrand.New(mathrand.NewPCG(3, uint64(n)))
	r.Vector = make([]float32, wideDimension)
	var square float64
	for i := range r.Vector {
		x := rng.NormFloat64()
		r.Vector[i] = float32(x)
		square += x * x
	}
	for i := range r.Vector {
		r.Vector[i] /= float32(math.Sqrt(square))
	}
	return r
}

// dropErased forgets what is not there any more.
func dropErased(t *testing.T, l *local.Catalog, acknowledged map[string]int) {
	t.Helper()
	for n := range 2 {
		id := fmt.Sprint("i", 6+n) // of one patient
		if _, err := l.Instance(t.Context(), "c", id); !errors.Is(err, store.ErrInstance) {
			t.Errorf("%s: got %v, want that it is erased", id, err)
		}
		delete(acknowledged, id)
	}
}

// firstOf is one of what was acknowledged.
func firstOf(acknowledged map[string]int) string {
	return slices.Min(slices.Collect(maps.Keys(acknowledged)))
}
