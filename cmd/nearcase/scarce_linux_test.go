package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/store"
)

// noise is image n, which does not compress.
func noise(n, side int) api.Image {
	rng := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	picture := image.NewGray(image.Rect(0, 0, side, side))
	_, _ = rng.Read(picture.Pix) // never fails
	var b bytes.Buffer
	err := png.Encode(&b, picture)
	return api.Image{ID: fmt.Sprint("n", n), Name: fmt.Sprint(n), Patient: fmt.Sprint("p", n), Read: func() ([]byte, error) { return b.Bytes(), err }}
}

// A server whose disk runs full answers that it is, goes on answering and deleting,
// and stores again as soon as there is room. All that was acknowledged is there.
func TestAServerOutlivesAFullDisk(t *testing.T) {
	onnxtest.Require(t)
	place := t.TempDir()
	if err := unix.Mount("tmpfs", place, "tmpfs", 0, "size=192m"); err != nil {
		if !errors.Is(err, unix.EPERM) {
			t.Fatal(err)
		}
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(place, unix.MNT_DETACH) })
	for key, value := range map[string]string{"STORE_MEMORY_BYTES": "16777216", "STORE_BALLAST_BYTES": "8388608", "LIMITS_DISK_FREE_BYTES": "0"} {
		t.Setenv("NEARCASE_"+key, value)
	}
	data, filler := filepath.Join(place, "data"), filepath.Join(place, "filler")
	succeed(t, "--data", data, "collections", "create", "cxr")
	writeFile(t, filler, 80<<20)
	url, kill := startServer(t.Context(), t, data)
	c, err := client.New(url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	acknowledged, n := map[string]bool{}, 0
	fill := func(most int) error {
		for end := n + most; n < end; n++ {
			i, _, err := c.Put(t.Context(), "cxr", noise(n, 1024), api.IngestOptions{})
			if err != nil {
				return err
			}
			acknowledged[i.ID] = true
		}
		return nil
	}
	if err := fill(200); !errors.Is(err, store.ErrFull) {
		t.Fatalf("after %d images: got %v, want that the disk is full", n, err)
	}
	for id := range acknowledged {
		if err := c.Delete(t.Context(), "cxr", id); err != nil {
			t.Errorf("delete on a full disk: %v", err)
		}
		delete(acknowledged, id)
		break
	}
	query, err := noise(n, 64).Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Similar(t.Context(), "cxr", api.Query{Image: query, K: 3}); err != nil {
		t.Errorf("similar on a full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := fill(20); err != nil {
		t.Errorf("with room again: %v", err)
	}
	kill()
	checkIngested(t, data, "cxr", acknowledged)
}

// checkIngested checks that all that was acknowledged is there, after a start.
func checkIngested(t *testing.T, data, collection string, acknowledged map[string]bool) {
	t.Helper()
	url, kill := startServer(t.Context(), t, data)
	defer kill()
	c, err := client.New(url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for id := range acknowledged {
		if _, err := c.Instance(t.Context(), collection, id); err != nil {
			t.Errorf("acknowledged and lost: %v", err)
		}
	}
}

func writeFile(t *testing.T, path string, bytes int) {
	t.Helper()
	if err := os.WriteFile(path, make([]byte, bytes), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A server that may have few files open and is asked by many refuses clearly, loses
// nothing that it has acknowledged, and goes on when they are gone.
func TestAServerOutlivesTheEndOfItsDescriptors(t *testing.T) {
	t.Parallel() // its server is a process of its own
	onnxtest.Require(t)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "collections", "create", "cxr")
	url, kill := startLimited(t, data, 120)
	acknowledged, mu := map[string]bool{}, sync.Mutex{}
	var active sync.WaitGroup
	for worker := range 40 {
		active.Go(func() {
			c, err := client.New(url, client.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			for k := range 3 {
				i, _, err := c.Put(t.Context(), "cxr", noise(3*worker+k, 64), api.IngestOptions{})
				if err != nil && !errors.Is(err, store.ErrFiles) {
					t.Errorf("refused: got %v, want ErrFiles", err)
				}
				if err == nil {
					mu.Lock()
					acknowledged[i.ID] = true
					mu.Unlock()
				}
			}
		})
	}
	active.Wait()
	if len(acknowledged) == 0 {
		t.Error("nothing was stored")
	}
	kill()
	checkIngested(t, data, "cxr", acknowledged)
}

// startLimited is startServer of a process that may have n files open.
func startLimited(t *testing.T, data string, n int) (url string, kill func()) {
	t.Helper()
	p := program(t.Context(), t, "--data", data, "serve", "--listen", "127.0.0.1:0")
	shell := []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, n)}
	p.Path, p.Args = "/bin/sh", append(append(shell, p.Path), p.Args[1:]...)
	return started(t, p)
}

// The listener accepts as many connections as it has places for, and the next once
// one ends.
func TestConnectionsAreLimited(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limitListener(inner, 1)
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := dial(), dial()
	defer a.Close()
	defer b.Close()
	one := <-accepted
	select {
	case <-accepted:
		t.Error("a second connection was accepted beside the first")
	default:
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	two := <-accepted
	if err := errors.Join(two.Close(), two.Close()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing twice: got %v, want what the connection says", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-accepted
}

func TestTheStoreHasItsShareOfDescriptors(t *testing.T) {
	for n, want := range map[uint64]int{0: 4, 100: 4, 396: 100, 1 << 20: mostConnections} {
		if got := connectionsOf(n); got != want {
			t.Errorf("connectionsOf(%d): got %d, want %d", n, got, want)
		}
	}
}
