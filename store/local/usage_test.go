package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"nearcase/store"
)

// stages counts what a hook is told.
type stages struct {
	mu    sync.Mutex
	began map[string]int
	ended map[string]int
}

func (s *stages) begin(ctx context.Context, stage string) (context.Context, func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began[stage]++
	return ctx, func(error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended[stage]++
	}
}

func describedBy(t *testing.T, l *Catalog) {
	t.Helper()
	err := l.Create(t.Context(), store.Collection{Name: "c", Model: "m", Fingerprint: "f", Dimension: 2,
		Tasks: []store.Task{{Name: "finding", Classes: []string{"a", "b"}}}})
	if err != nil {
		t.Fatal(err)
	}
}

func putOne(t *testing.T, l *Catalog, id string) {
	t.Helper()
	outcomes, err := l.Put(t.Context(), "c", []store.Record{{Instance: store.Instance{ID: id}, Vector: []float32{1, 0}, Fingerprint: "f"}})
	if err = errors.Join(err, outcomes[0].Err); err != nil {
		t.Fatal(err)
	}
}

// A commit with vectors has both stages, one of labels alone is not indexed.
func TestCommitsTellTheirStages(t *testing.T) {
	s := &stages{began: map[string]int{}, ended: map[string]int{}}
	l, err := Open(t.TempDir(), Options{Begin: s.begin})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	describedBy(t, l)
	putOne(t, l, "x")
	if _, err := l.Label(t.Context(), "c", []store.Label{{Instance: "x", Task: "finding", Classes: []string{"a"}}}); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for stage, want := range map[string]int{"commit": 2, "index": 1} {
		if s.began[stage] != want || s.ended[stage] != want {
			t.Errorf("stage %s: got %d begun and %d ended, want %d", stage, s.began[stage], s.ended[stage], want)
		}
	}
}

func TestUsageCountsEveryPart(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir+"/", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	describedBy(t, l)
	putOne(t, l, "x")
	if err := l.SaveDerived(t.Context(), "c", "d", make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	for path, size := range map[string]int{"originals/ab/abc": 2 << 20, "index/other": 3 << 20, "audit": 4 << 20} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	u, err := l.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for part, got := range map[string][2]int64{"derived": {u.Derived, 1 << 20}, "originals": {u.Originals, 2 << 20}, "index": {u.Index, 3 << 20}, "other": {u.Other, 4 << 20}} {
		if got[0] < got[1] || got[0] > got[1]+64<<10 {
			t.Errorf("Usage: got %s %d bytes, want about %d", part, got[0], got[1])
		}
	}
	if u.Log <= 0 || u.Log > 64<<20 {
		t.Errorf("Usage: got %d bytes of log, want what the blocks of its sparse files take", u.Log)
	}
}

// A long open ends with its context, and leaves the directory free.
func TestOpenEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	describedBy(t, l)
	var records []store.Record
	for i := range 1500 {
		records = append(records, store.Record{Instance: store.Instance{ID: string(rune('a'+i%26)) + string(rune('A'+i/26))}, Vector: []float32{0, 1}, Fingerprint: "f"})
	}
	if _, err := l.Put(t.Context(), "c", records); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(dir, Options{Context: ended}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with a context that has ended: got %v, want context.Canceled", err)
	}
	if l, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
