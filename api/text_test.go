package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// words is a text tower whose vectors are told by the first letter of a text.
// It counts the texts, and how many runs there were at the same time.
type words struct{ texts, running, most atomic.Int64 }

func (*words) Close() error { return nil }

func (*words) Encode(text string, length int) (ids, mask []int64, err error) {
	ids, mask = make([]int64, length), make([]int64, length)
	ids[0], mask[0] = int64(text[0]), 1
	return ids, mask, nil
}

func (w *words) RunText(_ context.Context, ids, _ []int64, n, length int) ([]float32, []int, error) {
	w.texts.Add(int64(n))
	now := w.running.Add(1)
	defer w.running.Add(-1)
	for old := w.most.Load(); now > old && !w.most.CompareAndSwap(old, now); old = w.most.Load() {
	}
	out := make([]float32, 0, 4*n)
	for i := range n {
		v := [4]float32{0, 0, 0, 0.5}
		v[(ids[i*length]-'a'+3)%3] = 1
		out = append(out, v[:]...)
	}
	return out, []int{n, 4}, nil
}

// worded is a service on the small network with that tower, and a collection "c"
// of a labelled instance "i". opens says what opening answers instead.
func worded(t *testing.T, workers int, opens *error) (*api.Service, *words) {
	t.Helper()
	catalog, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tower, manifest := &words{}, small
	manifest.Text = &embed.Text{File: "text.onnx", Tokenizer: "tokenizer.json", Length: 4, IDs: "ids", Output: "out", Prompts: []string{"{}", "{} seen"}}
	open := func(string) (*embed.Model, error) {
		if *opens != nil {
			return nil, *opens
		}
		m, err := embed.NewModel(manifest, fmt.Sprintf("%064x", 4), means{})
		if err == nil {
			err = m.SetText(fmt.Sprintf("%064x", 5), fmt.Sprintf("%064x", 6), tower, tower)
		}
		return m, err
	}
	s := api.New(api.Options{Catalog: catalog, OpenModel: open, Workers: workers})
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			t.Error(err)
		}
	})
	task := store.Task{Name: "finding", Classes: []string{"a", "b", "c"}}
	c, err := s.Create(t.Context(), api.NewCollection{Name: "c", Model: "means", Tasks: []store.Task{task}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, catalog, store.Record{Instance: store.Instance{ID: "i"}, Vector: unit(0, 1, 0, .5), Fingerprint: c.Fingerprint,
		Labels: []store.Label{{Task: "finding", Classes: []string{"b"}}}})
	return s, tower
}

func zeroShotOf(t *testing.T, s *api.Service, prompts ...string) *api.ZeroShot {
	t.Helper()
	a, err := s.Classify(t.Context(), "c", api.Query{Instance: "i", Prompts: prompts})
	if err != nil {
		t.Fatal(err)
	}
	return a.Tasks[0].ZeroShot
}

// The classes in the model's own prompts are embedded once, those in a query's
// prompts for each query.
func TestZeroShotTextsOfTheModelAreKept(t *testing.T) {
	var opens error
	s, tower := worded(t, 2, &opens)
	for range 3 {
		if z := zeroShotOf(t, s); z == nil || !slices.Equal(z.Prediction, []string{"b"}) || len(z.Prompts) != 2 {
			t.Fatalf("zero-shot: got %+v, want b by two prompts", z)
		}
	}
	if n := tower.texts.Load(); n != 6 {
		t.Errorf("%d texts were embedded for three answers, want two prompts of three classes once", n)
	}
	for range 2 {
		if z := zeroShotOf(t, s, "{} here"); z == nil || !slices.Equal(z.Prompts, []string{"{} here"}) || z.Prediction[0] != "b" {
			t.Fatalf("zero-shot by a prompt: got %+v, want b by it", z)
		}
	}
	if n := tower.texts.Load(); n != 12 {
		t.Errorf("%d texts were embedded, want three more for each of two answers by a prompt", n-6)
	}
}

// Texts take turns to use the processor, as images do.
func TestZeroShotTextsTakeTurns(t *testing.T) {
	var opens error
	s, tower := worded(t, 1, &opens)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { zeroShotOf(t, s, "{} here") })
	}
	group.Wait()
	if most := tower.most.Load(); most != 1 {
		t.Errorf("%d runs at the same time with one worker", most)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Classify(ended, "c", api.Query{Instance: "i", Prompts: []string{"{} there"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Classify with a context that has ended = %v, want its error", err)
	}
}

// What makes zero-shot scores impossible is left out of an answer that needs no
// model only where the model cannot be here.
func TestZeroShotOfStoredInstances(t *testing.T) {
	var opens error
	s, _ := worded(t, 1, &opens)
	if err := s.Close(); err != nil { // it opens models again
		t.Fatal(err)
	}
	for _, c := range []struct {
		fact    string
		err     error
		prompts []string
		want    error
	}{
		{"no model", api.ErrModel, nil, nil},
		{"no runtime", api.ErrRuntime, nil, nil},
		{"no model for prompts", api.ErrModel, []string{"{}"}, api.ErrModel},
		{"a damaged model", embed.ErrManifest, nil, embed.ErrManifest},
		{"a model that cannot be run", errors.New("no such operator"), nil, api.ErrUnusable},
		{"a changed model", store.ErrFingerprint, nil, store.ErrFingerprint},
		{"all well", nil, nil, nil},
	} {
		opens = c.err
		a, err := s.Classify(t.Context(), "c", api.Query{Instance: "i", Prompts: c.prompts})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: Classify a stored instance: got %v, want %v", c.fact, err, c.want)
		}
		if err == nil && (a.Tasks[0].ZeroShot != nil) != (c.err == nil) {
			t.Errorf("%s: zero-shot %+v", c.fact, a.Tasks[0].ZeroShot)
		}
	}
}

// A query's prompts for a task of very many classes are refused before any is
// embedded.
func TestZeroShotTextsOfAQueryAreBounded(t *testing.T) {
	var opens error
	s, tower := worded(t, 1, &opens)
	classes := make([]string, 200)
	for i := range classes {
		classes[i] = fmt.Sprint("a", i)
	}
	if _, err := s.Declare(t.Context(), "c", []store.Task{{Name: "finding", Classes: classes}}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Classify(t.Context(), "c", api.Query{Instance: "i", Prompts: slices.Repeat([]string{"{}"}, 100)})
	if !errors.Is(err, api.ErrQuery) || !strings.Contains(err.Error(), "10000") || tower.texts.Load() > 0 {
		t.Errorf("100 prompts for 203 classes: got %v after %d texts, want ErrQuery before any", err, tower.texts.Load())
	}
}
