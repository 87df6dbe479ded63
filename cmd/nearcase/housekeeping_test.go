package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/store"
	"nearcase/store/local"
)

// tidings are the lines of a log, as they come.
type tidings chan string

func (c tidings) Write(line []byte) (int, error) {
	c <- string(line)
	return len(line), nil
}

// until returns the first line from here on that has a text.
func (c tidings) until(t *testing.T, text string) string {
	t.Helper()
	for {
		select {
		case line := <-c:
			if strings.Contains(line, text) {
				return line
			}
		case <-t.Context().Done():
			t.Fatalf("the log has no %q", text)
		}
	}
}

// house is a store that is looked after, every millisecond and whenever it is quiet.
func house(t *testing.T) (h *housekeeping, place string, told tidings) {
	t.Helper()
	place = t.TempDir()
	l, err := local.Open(place, local.Options{Memory: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Options{Catalog: l})
	t.Cleanup(func() { _, _ = s.Close(), l.Close() })
	err = l.Create(t.Context(), store.Collection{Name: "c", Model: "m", Fingerprint: "f", Dimension: wideVector, Index: store.Index{Engine: "exact"}})
	if err != nil {
		t.Fatal(err)
	}
	told = make(tidings, 1000)
	return &housekeeping{
		catalog: l, service: s, share: 0.5, at: -1, logger: slog.New(slog.NewTextHandler(told, nil)),
		every: time.Millisecond, collects: time.Millisecond,
	}, place, told
}

// wideVector is so long a vector that few make a log worth compacting.
const wideVector = 16384

// wear stores what makes the log large, and deletes it.
func (h *housekeeping) wear(t *testing.T) {
	t.Helper()
	var records []store.Record
	var ids []string
	for n := range 400 {
		v := make([]float32, wideVector)
		v[n] = 1
		ids = append(ids, fmt.Sprint("i", n))
		records = append(records, store.Record{Instance: store.Instance{ID: ids[n], Digest: fmt.Sprintf("%064x", n)}, Vector: v, Fingerprint: "f"})
	}
	outcomes, err := h.catalog.Put(t.Context(), "c", records)
	for _, o := range outcomes {
		if err == nil {
			err = o.Err
		}
	}
	if err == nil {
		_, err = h.catalog.DeleteAll(t.Context(), "c", ids[1:], nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What is deleted is compacted, and originals that nothing needs are removed, without
// anybody asking for it.
func TestTheHouseIsKeptByItself(t *testing.T) {
	h, place, told := house(t)
	h.wear(t)
	before, err := h.catalog.Waste(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	orphan := filepath.Join(place, "originals", "ff", strings.Repeat("f", 64))
	if err := os.MkdirAll(filepath.Dir(orphan), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan, []byte("left behind"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var kept sync.WaitGroup
	kept.Go(func() { h.keep(ctx) })
	told.until(t, "originals that nothing needed are removed")
	_, job, _ := strings.Cut(told.until(t, "much of the log is deleted"), "job=")
	job, _, _ = strings.Cut(job, " ")
	j, err := h.service.Await(t.Context(), job)
	stop()
	kept.Wait()
	if err != nil || j.State != api.JobDone || h.catalog.Compactions() != 1 {
		t.Errorf("the compaction: job %+v, %v, %d compactions; want one that is done", j, err, h.catalog.Compactions())
	}
	after, err := h.catalog.Waste(t.Context())
	if err != nil || after.Log > before.Log/2 {
		t.Errorf("the log: %d bytes, before it %d, %v; want less than half", after.Log, before.Log, err)
	}
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Errorf("the original that nothing needs: %v, want it gone", err)
	}
}

// The house is left alone while something is being stored, outside its time of the
// day, where little is deleted and where nobody wants it kept.
func TestTheHouseIsLeftAloneUntilItIsTime(t *testing.T) {
	h, _, _ := house(t)
	h.wear(t)
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.Local)
	for _, c := range []struct {
		fact      string
		quiet, at time.Duration
		share     float64
		last, now time.Time
		want      bool
	}{
		{"while something is stored", time.Hour, -1, 0.5, noon, time.Now(), false},
		{"before its time of the day", 0, 13 * time.Hour, 0.5, noon, noon.Add(time.Minute), false},
		{"after its time of the day", 0, 11 * time.Hour, 0.5, noon, noon.Add(time.Minute), false},
		{"where too little is deleted", 0, -1, 1, noon, time.Now(), false},
		{"where nobody wants it", 0, -1, 0, noon, time.Now(), false},
		{"at its time of the day", time.Hour, 12*time.Hour + 30*time.Second, 0.5, noon, noon.Add(time.Minute), true},
	} {
		one, told := *h, make(tidings, 10)
		one.quiet, one.at, one.share, one.last, one.collects = c.quiet, c.at, c.share, c.last, 1<<62
		one.logger = slog.New(slog.NewTextHandler(told, nil))
		one.look(t.Context(), c.now)
		if got := len(told) > 0; got != c.want {
			t.Errorf("%s: compacted %v, want %v", c.fact, got, c.want)
		}
	}
}

func TestHousekeepingSettingsThatAreNoneAreRefusedByName(t *testing.T) {
	for text, want := range map[string]string{
		`maintenance: {compact_at: "25:00"}`:    `maintenance.compact_at is "25:00"`,
		`maintenance: {compact_at: noon}`:       `maintenance.compact_at is "noon"`,
		`maintenance: {verify_every: 59s}`:      `maintenance.verify_every is 59s`,
		"maintenance: {compact_deleted: 1.5}":   "maintenance.compact_deleted",
		"maintenance: {compact_deleted: -0.1}":  "maintenance.compact_deleted",
		"maintenance: {compact_every: 1h}":      "compact_every",
		"maintenance: {compact_deleted: often}": "often",
	} {
		code, _, stderr := nearcase(t, "--config", file(t, "config.yaml", []byte(text)), "config", "check")
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit status %d: %s, want a refusal that says %s", text, code, stderr, want)
		}
	}
}
