package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nearcase/store"
	"nearcase/store/local"
)

// restored is a restore in a process of its own.
type restored struct {
	t      *testing.T
	backup string // the folder
	dir    string
}

// run restores, and returns how long that took. kill is told of the process and may
// end it.
func (r *restored) run(kill func(p *os.Process, ended <-chan error)) time.Duration {
	r.t.Helper()
	c := program(r.t.Context(), r.t, "restore", r.backup, "--data", r.dir)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	begun := time.Now()
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- c.Wait()
		close(ended)
	}()
	if kill != nil {
		kill(c.Process, ended)
	}
	if err := <-ended; err != nil && kill == nil {
		r.t.Fatalf("restore: %v: %s", err, &out)
	}
	return time.Since(begun)
}

// atOnce kills a restore as soon as it has begun to write.
func (r *restored) atOnce(p *os.Process, ended <-chan error) {
	for len(ended) == 0 {
		if _, err := os.Stat(filepath.Join(r.dir, "restoring")); err == nil {
			break
		}
	}
	_ = p.Kill()
}

// after kills a restore some time after its start, if it has not come to its end.
func after(d time.Duration) func(p *os.Process, ended <-chan error) {
	return func(p *os.Process, ended <-chan error) {
		select {
		case <-time.After(d):
			_ = p.Kill()
		case <-ended:
		}
	}
}

// tells returns the SHA-256 of all that a data directory has, or why it is not opened.
func (r *restored) tells() (string, error) { return contentSum(r.t.Context(), r.dir) }

// littleMemory is what the log takes, which is cleared at each start.
const littleMemory = 32 << 20

func contentSum(ctx context.Context, dir string) (string, error) {
	l, err := local.Open(dir, local.Options{MustExist: true, Memory: littleMemory})
	if err != nil {
		return "", err
	}
	defer l.Close()
	h := sha256.New()
	cases, err := l.List(ctx, "c", 0, 1_000_000)
	for _, c := range cases {
		v, failed := l.Vector(ctx, "c", c.Instance.ID)
		said, unread := l.History(ctx, "c", c.Instance.ID)
		fmt.Fprintf(h, "%d %+v %+v %v\n", c.Key, c.Instance, c.Labels, v)
		for _, e := range said {
			fmt.Fprintf(h, "%d %+v\n", e.Key, *e.Label)
		}
		err = errors.Join(err, failed, unread, writeOriginal(ctx, h, l, c.Instance.ID))
	}
	s, failed := l.Status(ctx, "c")
	fmt.Fprintln(h, s.Head, s.Instances, s.Labelled)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, failed)
}

func writeOriginal(ctx context.Context, w io.Writer, l *local.Catalog, id string) error {
	original, err := l.Original(ctx, "c", id)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, original)
	return errors.Join(err, original.Close())
}

// backedUp makes a data directory, and of it a full backup and an incremental one.
func backedUp(t *testing.T, place string) (data, folder string) {
	t.Helper()
	data, folder = filepath.Join(place, "data"), filepath.Join(place, "backups")
	change := func(f func(l *local.Catalog) error) {
		l, err := local.Open(data, local.Options{Memory: littleMemory})
		if err == nil {
			err = errors.Join(f(l), l.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	change(func(l *local.Catalog) error {
		finding := store.Task{Name: "finding", Classes: []string{"normal", "pneumonia"}}
		err := l.Create(t.Context(), store.Collection{Name: "c", Model: "m", Fingerprint: "f", Dimension: 64, Tasks: []store.Task{finding}})
		return errors.Join(err, putSome(t.Context(), l, 0, 300))
	})
	succeed(t, "--data", data, "backup", "--to", folder)
	change(func(l *local.Catalog) error {
		_, err := l.DeleteAll(t.Context(), "c", []string{"i3", "i100", "i200"}, nil)
		_, said := l.Label(t.Context(), "c", []store.Label{{Instance: "i7", Task: "finding", Classes: []string{"pneumonia"}}})
		return errors.Join(err, said, putSome(t.Context(), l, 300, 330))
	})
	succeed(t, "--data", data, "backup", "--to", folder, "-i")
	return data, folder
}

// putSome stores instances with their images, of which every tenth has a label.
func putSome(ctx context.Context, l *local.Catalog, from, to int) error {
	var all []store.Record
	for n := from; n < to; n++ {
		r := store.Record{Vector: make([]float32, 64), Fingerprint: "f", Original: bytes.Repeat(fmt.Appendln(nil, "image", n), 200)}
		r.Vector[n%64], r.Vector[(n+1)%64] = 0.6, 0.8
		sum := sha256.Sum256(r.Original)
		r.Instance = store.Instance{ID: fmt.Sprint("i", n), Digest: hex.EncodeToString(sum[:]), Size: int64(len(r.Original))}
		if n%10 == 0 {
			r.Labels = []store.Label{{Task: "finding", Classes: []string{"normal"}}}
		}
		all = append(all, r)
	}
	outcomes, err := l.Put(ctx, "c", all)
	for _, o := range outcomes {
		err = errors.Join(err, o.Err)
	}
	return err
}

// Law: whenever a restore is killed, what it leaves is refused or whole, and the next
// restore into it makes it whole.
func TestAKilledRestoreLeavesNothingHalf(t *testing.T) {
	const kills = 5
	t.Setenv("NEARCASE_STORE_MEMORY_BYTES", fmt.Sprint(littleMemory))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng, place := rand.New(rand.NewPCG(seed, 0)), t.TempDir()
	data, folder := backedUp(t, place)
	want, err := contentSum(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	r := &restored{t, folder, filepath.Join(place, "unharmed")}
	whole, refused := r.run(nil), 0
	if got, err := r.tells(); err != nil || got != want {
		t.Fatalf("restored: %v, want what was backed up", err)
	}
	r.dir = filepath.Join(place, "killed")
	r.run(r.atOnce)
	for n := range kills {
		switch got, err := r.tells(); {
		case errors.Is(err, store.ErrUnfinished), errors.Is(err, fs.ErrNotExist):
			refused++
		case err != nil || got != want:
			t.Fatalf("after kill %d: %v, want it refused or whole", n, err)
		default:
			r.dir = filepath.Join(place, fmt.Sprint("killed ", n))
		}
		if n+1 < kills {
			r.run(after(time.Duration(rng.Int64N(int64(whole)))))
		}
	}
	if refused == 0 {
		t.Errorf("none of %d kills came before the end", kills)
	}
	t.Logf("%d kills, %d left what is refused", kills, refused)
	r.run(nil)
	if got, err := r.tells(); err != nil || got != want {
		t.Errorf("restored once more: %v, want what was backed up", err)
	}
}
