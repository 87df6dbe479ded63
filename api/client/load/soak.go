package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// soak is what a soak needs to know.
type soak struct {
	admin, data, out string
	every            time.Duration
}

// soaking are the actions of a soak. Images that are deleted come back when they are
// ingested the next time, so that there are about as many at any time.
func soaking() []action {
	return []action{
		{"ingest", 25, ingest},
		{"delete", 8, remove},
		{"similar", 25, similar},
		{"classify", 22, classify},
		{"labels", 20, labels},
	}
}

func remove(w *workload, r *rand.Rand) request {
	return request{method: http.MethodDelete, path: fmt.Sprintf("/instances/i%d", r.IntN(w.images))}
}

// between is the time between what the operator of a soak has done.
const between = 45 * time.Second

// keepOn works, with an operator who reindexes and compacts, while all that may leak is
// sampled; compacts at last, and fails where something has grown.
func (w *workload) keepOn(ctx context.Context, out io.Writer) error {
	s := &samples{soak: w.soak, began: time.Now()}
	working, stop := context.WithTimeout(ctx, w.duration)
	defer stop()
	var group sync.WaitGroup
	var operated, watched error
	group.Go(func() { operated = w.operate(working) })
	group.Go(func() { watched = s.watch(working) })
	w.work(working, w.duration)
	group.Wait()
	w.print(out, w.duration)
	ratio, compacted := w.compacted(ctx, s)
	s.print(out)
	fmt.Fprintf(out, "\non the disk after the last compaction: %.2f times what is live\n", ratio)
	return errors.Join(ctx.Err(), w.verdict(), operated, watched, compacted, s.verdict(), s.write())
}

// operate has the collection reindexed and the store compacted by turns.
func (w *workload) operate(ctx context.Context) error {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(between):
		}
		path, body := "/v1/collections/"+w.collection+"/reindex", `{"engine":"graph"}`
		switch n % 4 {
		case 1, 3:
			path, body = "/v1/compactions", ""
		case 2:
			body = `{"engine":"exact"}`
		}
		if err := w.job(ctx, path, body); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// job posts what becomes a job, or is done at once, and waits until that has ended.
func (w *workload) job(ctx context.Context, path, body string) error {
	mediaType := ""
	if body != "" {
		mediaType = "application/json"
	}
	var job struct{ ID, State string }
	if err := w.fetch(ctx, http.MethodPost, path, mediaType, body, &job); err != nil || job.ID == "" {
		return err
	}
	for job.State == "" || job.State == "queued" || job.State == "running" {
		if err := w.fetch(ctx, http.MethodGet, "/v1/jobs/"+job.ID+"?wait=5s", "", "", &job); err != nil {
			return err
		}
	}
	if job.State != "done" {
		return fmt.Errorf("POST %s: its job is %s", path, job.State)
	}
	return nil
}

// fetch is send for who wants the answer.
func (w *workload) fetch(ctx context.Context, method, path, mediaType, body string, into any) error {
	text, _, err := w.answer(ctx, method, path, mediaType, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// mostOfLive is how much the disk may have after a compaction, as a multiple of what
// is live.
const mostOfLive = 1.3

// compacted compacts and returns what the disk has as a multiple of what is live.
func (w *workload) compacted(ctx context.Context, s *samples) (float64, error) {
	if err := w.job(ctx, "/v1/compactions", ""); err != nil {
		return 0, err
	}
	var c struct {
		Disk struct{ Log, Originals, Index, Derived int64 } `json:"disk_bytes"`
	}
	if err := w.fetch(ctx, http.MethodGet, "/v1/collections/"+w.collection+"/statistics", "", "", &c); err != nil {
		return 0, err
	}
	if err := s.take(ctx); err != nil {
		return 0, err
	}
	live := c.Disk.Log + c.Disk.Originals + c.Disk.Index + c.Disk.Derived
	ratio := float64(s.all[len(s.all)-1].disk) / float64(live)
	if s.data != "" && ratio > mostOfLive {
		return ratio, fmt.Errorf("the disk has %.2f times what is live after a compaction, at most %.1f: %v of %+v", ratio, mostOfLive, parts(s.data), c.Disk)
	}
	return ratio, nil
}

// write keeps the samples and their plot.
func (s *samples) write() error {
	if s.out == "" {
		return nil
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(s.out, "soak.csv"), s.csv(), 0o644),
		os.WriteFile(filepath.Join(s.out, "soak.svg"), s.chart().SVG(), 0o644))
}
