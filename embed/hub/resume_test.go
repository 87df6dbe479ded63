package hub

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// A pull that was broken off asks for the rest, and for nothing that is there.
func TestABrokenPullGoesOn(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	o := f.options()
	f.fault = on("text_model.onnx", func(w http.ResponseWriter, r *http.Request, b []byte) { breakAfter(w, r, b, 300_000) })
	o.Attempts = 1
	if _, err := pull(t, models, repo, o); !errors.Is(err, ErrNetwork) {
		t.Fatalf("pull = %v, want ErrNetwork", err)
	}
	f.asked()
	f.fault = nil
	if _, err := pull(t, models, repo, o); err != nil {
		t.Fatal(err)
	}
	var blobs []ask
	for _, a := range f.asked() {
		if !strings.HasPrefix(a.path, "/api/") && a.host == f.host(f.cdn) {
			blobs = append(blobs, a)
		}
	}
	if len(blobs) != 1 || blobs[0].rang != "bytes=300000-" {
		t.Errorf("the second pull asked %+v, want the rest of the text model alone", blobs)
	}
	if got := content(t, filepath.Join(models, "model")); !same(got, f.chosen()) {
		t.Errorf("pulled %s, want %s", names(got), names(f.chosen()))
	}
}

// What is left of a pull of one commit is not mixed with another.
func TestAnotherCommitStartsAnew(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	o := f.options()
	o.Attempts = 1
	f.fault = on(graphName, func(w http.ResponseWriter, r *http.Request, b []byte) { breakAfter(w, r, b, 1000) })
	if _, err := pull(t, models, repo, o); err == nil {
		t.Fatal("pull succeeded")
	}
	f.fault = nil
	f.files[graphName] = append(pattern(1<<20), 1, 2)
	if _, err := pull(t, models, repo, o); err != nil {
		t.Fatal(err)
	}
	for _, a := range f.asked() {
		if a.rang != "" {
			t.Errorf("asked for %s of %s", a.rang, a.path)
		}
	}
	if got := content(t, filepath.Join(models, "model")); !same(got, f.chosen()) {
		t.Errorf("pulled %s, want %s", names(got), names(f.chosen()))
	}
}

// Law: whatever befalls a pull, the model is the whole new one afterwards if the
// pull succeeds, and what it was before if not; and once faults end, a pull succeeds.
func TestAModelIsOldOrNewWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f, models := newFake(t), t.TempDir()
		o := f.options()
		o.Force, o.Attempts = true, 2
		folder := filepath.Join(models, "model")
		var before map[string]string
		if rapid.Bool().Draw(rt, "there") {
			before = map[string]string{"model.onnx": "the old", "golden.json": "{}"}
			write(t, folder, before)
		}
		for range rapid.IntRange(1, 4).Draw(rt, "pulls") {
			f.fault = misfortune(rapid.SliceOfN(rapid.IntRange(0, 7), 1, 12).Draw(rt, "faults"))
			want := before
			_, err := pull(t, models, repo, o)
			if err == nil {
				want = f.chosen()
			}
			if got := content(t, folder); !same(got, want) {
				rt.Fatalf("after %v: %s, want %s", err, names(got), names(want))
			}
			before = want
		}
		f.fault = nil
		if _, err := pull(t, models, repo, o); err != nil || !same(content(t, folder), f.chosen()) {
			rt.Fatalf("at last: %v, %s", err, names(content(t, folder)))
		}
	})
}

// misfortune befalls the requests one after the other; most go well.
func misfortune(kinds []int) func(http.ResponseWriter, *http.Request, []byte) bool {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		i := int(n.Add(1)) - 1
		if i >= len(kinds) || body == nil {
			return false
		}
		switch kinds[i] {
		case 0:
			breakAfter(w, r, body, len(body)/3)
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			_, _ = w.Write(make([]byte, len(body)))
		case 3:
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		case 4:
			w.WriteHeader(http.StatusForbidden)
		default:
			return false
		}
		return true
	}
}

func TestAnExistingModelIsKeptWithoutForce(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	if _, err := pull(t, models, repo, f.options()); err != nil {
		t.Fatal(err)
	}
	f.asked()
	if _, err := pull(t, models, repo, f.options()); !errors.Is(err, ErrExists) {
		t.Errorf("a second pull = %v, want ErrExists", err)
	}
	if asks := f.asked(); len(asks) != 1 {
		t.Errorf("a second pull asked %+v, want the list alone", asks)
	}
}

func TestTwoPullsOfOneModelDoNotCollide(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	started, goOn := make(chan struct{}), make(chan struct{})
	f.fault = once(1, func(http.ResponseWriter, *http.Request, []byte) bool {
		close(started)
		<-goOn
		return false
	})
	first := make(chan error)
	go func() {
		_, err := pull(t, models, repo, f.options())
		first <- err
	}()
	select {
	case <-started:
	case err := <-first:
		t.Fatalf("the first pull = %v", err)
	}
	if _, err := pull(t, models, repo, f.options()); !errors.Is(err, ErrBusy) {
		t.Errorf("a pull beside another = %v, want ErrBusy", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Errorf("the first pull = %v", err)
	}
}

func TestACancelledPullStopsAtOnce(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	f.fault = on(graphName, func(_ http.ResponseWriter, r *http.Request, _ []byte) { cancel(); <-r.Context().Done() })
	p, err := Resolve(ctx, repo, f.options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pull(ctx, p, models, "m", f.options()); !errors.Is(err, context.Canceled) {
		t.Errorf("Pull = %v, want context.Canceled", err)
	}
}

// A model that was refused is not fetched again to be tried with another manifest,
// and the first one's is gone.
func TestARefusedModelIsTriedAgain(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	o := f.options()
	o.Extra = map[string][]byte{"manifest.yaml": []byte("wrong"), "more.txt": nil}
	o.Check = func(folder string) error {
		if got := content(t, folder)["manifest.yaml"]; got != "right" {
			return errRefused
		}
		return nil
	}
	if _, err := pull(t, models, repo, o); !errors.Is(err, errRefused) {
		t.Fatalf("pull = %v, want it refused", err)
	}
	f.asked()
	o.Extra = map[string][]byte{"manifest.yaml": []byte("right")}
	if _, err := pull(t, models, repo, o); err != nil {
		t.Fatal(err)
	}
	if asks := f.asked(); len(asks) != 1 {
		t.Errorf("asked %+v, want the list alone", asks)
	}
	want := f.chosen()
	want["manifest.yaml"] = "right"
	if got := content(t, filepath.Join(models, "model")); !same(got, want) {
		t.Errorf("pulled %s, want %s", names(got), names(want))
	}
}
