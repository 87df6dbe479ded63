package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"nearcase/index/peers/dataset"
)

// source makes a data set when its turn comes.
type source struct {
	name string
	make func() (dataset.Set, error)
}

func (o options) sources() []source {
	var all []source
	for _, name := range o.datasets {
		for _, n := range o.vectors {
			all = append(all, source{name, func() (dataset.Set, error) { return dataset.Generate(name, n, o.queries, o.dim) }})
		}
	}
	for _, r := range o.real {
		all = append(all, source{r.name, func() (dataset.Set, error) { return dataset.Real(r.name, r.path, r.dim, o.queries) }})
	}
	return all
}

// harness is one run of the comparison.
type harness struct {
	options
	result result
	chosen []engine
	folder string
	began  time.Time
	stderr io.Writer
}

// tell prints progress.
func (h *harness) tell(format string, args ...any) {
	fmt.Fprintf(h.stderr, "%7.0f s  %s\n", time.Since(h.began).Seconds(), fmt.Sprintf(format, args...))
}

// measure runs every engine on every data set and keeps the results in the
// file after each. An engine that fails does not keep others from being
// measured; the error tells of it in the end.
func measure(ctx context.Context, o options, stderr io.Writer) error {
	h := &harness{options: o, began: time.Now(), stderr: stderr}
	if err := h.prepare(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(h.folder)
	var failed []error
	for i, s := range o.sources() {
		single := o.singleBuild == "all" || o.singleBuild == "first" && i == 0
		failed = append(failed, h.measureSet(ctx, s, single))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(failed...)
}

func (h *harness) prepare(ctx context.Context) (err error) {
	if h.resume {
		if h.result, err = load(h.json); err != nil {
			return err
		}
		if len(h.result.Runs) > 0 && !reflect.DeepEqual(h.result.Settings, h.settings) {
			return fmt.Errorf("%s was measured with other settings: %+v", h.json, h.result.Settings)
		}
		h.result.Missing = nil
		h.result.Runs = slices.DeleteFunc(h.result.Runs, func(r run) bool { return r.Failure != "" })
	}
	h.result.Command, h.result.Settings, h.result.Machine = h.command, h.settings, describe(ctx, h.peers)
	if err := h.choose(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(h.json), 0o755); err != nil {
		return err
	}
	h.folder, err = os.MkdirTemp("", "bench-index-")
	return err
}

// choose keeps the engines that are wanted and can be run.
func (h *harness) choose() error {
	all := engines(h.peers)
	for _, e := range all {
		wanted := len(h.engines) == 0 || slices.Contains(h.engines, e.label)
		switch {
		case wanted && e.present():
			h.chosen = append(h.chosen, e)
		case wanted:
			h.result.Missing = append(h.result.Missing, e.label)
			h.tell("%s cannot be run here and is left out", e.label)
		}
	}
	for _, name := range h.engines {
		if !slices.ContainsFunc(all, func(e engine) bool { return e.label == name }) {
			return fmt.Errorf("-engines: no engine %q", name)
		}
	}
	return nil
}

// prepared is a data set with its truth, and its files for the drivers.
type prepared struct {
	dataset.Set
	truth                []float32
	base, queries, fewer string
	few                  int
}

func (h *harness) measureSet(ctx context.Context, s source, single bool) error {
	p, err := h.prepareSet(s)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.base)
	var failed []error
	for _, e := range h.chosen {
		if h.result.holds(p.Name, p.Base.Len(), p.Base.Dim, e.label) {
			h.tell("%s, %s: kept", p.Name, e.label)
			continue
		}
		r, err := h.measureEngine(ctx, p, e, single)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			h.tell("%s, %s: %v", p.Name, e.label, err)
			r.Failure = err.Error()
			failed = append(failed, err)
		}
		h.result.Runs = append(h.result.Runs, r)
		if err := h.result.save(h.json); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func (h *harness) prepareSet(s source) (prepared, error) {
	set, err := s.make()
	if err != nil {
		return prepared{}, err
	}
	n := set.Base.Len()
	p := prepared{
		Set: set, few: min(set.Queries.Len(), max(50, 20_000_000/n)),
		base: filepath.Join(h.folder, "base.f32"), queries: filepath.Join(h.folder, "queries.f32"),
		fewer: filepath.Join(h.folder, "fewer.f32"),
	}
	h.tell("%s: %d vectors and %d queries of %d numbers", s.name, n, set.Queries.Len(), set.Base.Dim)
	p.truth = truth(set, h.settings.K)
	h.tell("%s: the exact answers are known", s.name)
	return p, errors.Join(set.Base.WriteFile(p.base), set.Queries.WriteFile(p.queries), p.cut().Queries.WriteFile(p.fewer))
}

// cut is the set with the few queries that scans are asked.
func (p prepared) cut() dataset.Set {
	q := p.Queries
	q.Values = q.Values[:p.few*q.Dim]
	return dataset.Set{Name: p.Name, Base: p.Base, Queries: q}
}

// measureEngine builds on all cores and searches on one and on all; with
// single it then builds once more on one core.
func (h *harness) measureEngine(ctx context.Context, p prepared, e engine, single bool) (run, error) {
	r := run{Dataset: p.Name, Vectors: p.Base.Len(), Dimension: p.Base.Dim, Engine: e.label, Scan: e.scan, Ours: e.ours}
	t, asked := h.task(p, e)
	defer os.Remove(t.out)
	tell := func(v event) { h.tellEvent(p.Name, e.label, v) }
	events, ids, err := e.run(ctx, t, tell)
	if err != nil {
		return r, err
	}
	for _, v := range events {
		if v.Event == "build" {
			r.Builds = append(r.Builds, build{v.Threads, v.Seconds, v.CPU})
			r.Anonymous, r.Mapped = v.After-v.Before, v.FileAfter-v.FileBefore
			r.Saved, r.Opened = v.Saved, v.Opened
			continue
		}
		r.Points = append(r.Points, point{
			Threads: v.Threads, Ef: v.Ef, Queries: v.Queries, Single: v.Single, Batch: v.Batch,
			P50: v.P50, P99: v.P99, CPU: v.CPU, Recall: recall(asked, p.truth, ids[len(r.Points)], h.settings.K),
		})
	}
	if single && !e.scan && t.threads > 1 {
		err = h.buildAlone(ctx, e, t, &r, tell)
	}
	return r, err
}

func (h *harness) task(p prepared, e engine) (task, dataset.Set) {
	s := h.settings
	t := task{
		vectors: p.base, queries: p.queries, out: filepath.Join(h.folder, "found"),
		dim: p.Base.Dim, threads: s.Threads, searchThreads: []int{1, s.Threads}, ef: s.Ef,
		k: s.K, m: s.M, efConstruction: s.EfConstruction, reps: s.Repetitions,
	}
	if s.Threads == 1 {
		t.searchThreads = []int{1}
	}
	if !e.widths {
		t.ef = []int{0}
	}
	if e.scan {
		t.queries, t.reps = p.fewer, min(3, t.reps)
		return t, p.cut()
	}
	return t, p.Set
}

// buildAlone times the build on one core. The driver must search something: it
// is the fewer queries, once.
func (h *harness) buildAlone(ctx context.Context, e engine, t task, r *run, tell func(event)) error {
	t.queries, t.threads, t.searchThreads, t.ef, t.reps = filepath.Join(h.folder, "fewer.f32"), 1, []int{1}, t.ef[:1], 0
	events, _, err := e.run(ctx, t, tell)
	for _, v := range events {
		if v.Event == "build" {
			r.Builds = append(r.Builds, build{v.Threads, v.Seconds, v.CPU})
		}
	}
	return err
}

func (h *harness) tellEvent(set, label string, v event) {
	if v.Event == "build" {
		h.tell("%s, %s: built on %s in %.1f s, %.0f%% of the processor", set, label, cores(v.Threads), v.Seconds, 100*v.CPU)
		return
	}
	how := fmt.Sprintf("%.0f queries/s", v.Single)
	if v.Batch > 0 {
		how = strings.TrimPrefix(fmt.Sprintf("%s, in one call %.0f", how, v.Batch), "0 queries/s, ")
	}
	h.tell("%s, %s: ef %d on %s: %s, %.0f%% of the processor", set, label, v.Ef, cores(v.Threads), how, 100*v.CPU)
}

func cores(n int) string {
	if n == 1 {
		return "1 core"
	}
	return fmt.Sprintf("%d cores", n)
}
