package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearcase/index/peers/plot"
)

// aim is the recall at which engines are compared.
const aim = 0.99

// report writes index.md and its plots from the file of results, with the
// remarks of index.remarks.md and the growth of index-scaling.json where the
// folder has them.
func report(o options, stderr io.Writer) error {
	r, err := load(o.json)
	if err != nil {
		return err
	}
	if len(r.Runs) == 0 {
		return fmt.Errorf("%s holds no results", o.json)
	}
	scaling, err := load(filepath.Join(o.out, "index-scaling.json"))
	if err != nil {
		return err
	}
	remarks, err := os.ReadFile(filepath.Join(o.out, "index.remarks.md"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	files := render(r, scaling, string(remarks))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(o.out, name)
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return err
		}
		fmt.Fprintln(stderr, "wrote", path)
	}
	return nil
}

// render returns the files of the report by their names.
func render(r, scaling result, remarks string) map[string][]byte {
	files := map[string][]byte{}
	var b bytes.Buffer
	fmt.Fprintf(&b, intro, r.Settings.K)
	if remarks != "" {
		fmt.Fprintf(&b, "%s\n\n", strings.TrimSpace(remarks))
	}
	writeMethod(&b, r)
	for _, s := range sections(r) {
		name := "index-" + s.slug + ".svg"
		files[name] = s.chart(r.Settings).SVG()
		s.write(&b, r.Settings, name)
	}
	if len(scaling.Runs) > 0 {
		files["index-scaling.svg"] = growth(scaling).SVG()
		writeGrowth(&b, scaling)
	}
	files["index.md"] = b.Bytes()
	return files
}

const intro = `# Index engines beside their peers

Written by ` + "`make bench-index`" + ` from what it measured; the next run overwrites this
file, but not the remarks, which are kept in ` + "`index.remarks.md`" + `. Recall is
recall@%d against the exact answer.

`

// section is what was measured on one data set.
type section struct {
	dataset, slug string
	vectors, dim  int
	runs          []run
}

// sections groups the runs by data set, in the order in which they were made.
func sections(r result) []section {
	var all []section
	for _, x := range r.Runs {
		i := slices.IndexFunc(all, func(s section) bool {
			return s.dataset == x.Dataset && s.vectors == x.Vectors && s.dim == x.Dimension
		})
		if i < 0 {
			i = len(all)
			all = append(all, section{dataset: x.Dataset, slug: x.Dataset, vectors: x.Vectors, dim: x.Dimension})
		}
		all[i].runs = append(all[i].runs, x)
	}
	for i, s := range all {
		if slices.ContainsFunc(all[:i], func(t section) bool { return t.dataset == s.dataset }) {
			all[i].slug = fmt.Sprintf("%s-%d", s.dataset, s.vectors)
		}
	}
	return all
}

func (s section) title() string {
	return fmt.Sprintf("%s: %s vectors of %d numbers", s.dataset, plot.Number(float64(s.vectors)), s.dim)
}

// chart plots recall against queries a second on one core. Scans lie at 1.
func (s section) chart(set settings) plot.Chart {
	c := plot.Chart{
		Title: s.title() + ", 1 core",
		X:     fmt.Sprintf("recall@%d", set.K), Y: "queries/s",
	}
	lowest, slowest, fastest := 0.99, 1e9, 1.0
	for _, r := range s.runs {
		line := plot.Series{Name: r.Engine, Colour: colour(r.Engine), Strong: r.Ours && !r.Scan}
		for _, p := range frontier(r.on(1)) {
			rate := r.rate(p)
			line.Points = append(line.Points, plot.Point{X: p.Recall, Y: rate})
			lowest, slowest, fastest = min(lowest, p.Recall), min(slowest, rate), max(fastest, rate)
		}
		c.Series = append(c.Series, line)
	}
	c.XScale, c.YScale = plot.Recall(lowest), plot.Log(max(1, min(slowest, fastest)), max(10, fastest))
	return c
}

// colour gives an engine the same colour in every plot.
func colour(engine string) int {
	all := engines("")
	for i, e := range all {
		if e.label == engine {
			return i
		}
	}
	return len(all)
}

// rate is the queries a second that a point counts for: scans are compared one
// query at a time, since one call for many is a product of matrices.
func (r run) rate(p point) float64 {
	if r.Scan {
		return p.Single
	}
	return p.rate()
}

func (s section) write(b *bytes.Buffer, set settings, picture string) {
	fmt.Fprintf(b, "## %s\n\n![%s: recall against queries a second](%s)\n\n", s.title(), s.dataset, picture)
	s.writeAim(b, set)
	s.writeScans(b, set)
	s.writeBuilds(b, set)
	s.writeAll(b, set)
}

// graphs and scans are the runs of either kind that did not fail, the fastest
// first.
func (s section) graphs() []run { return s.kind(false) }
func (s section) scans() []run  { return s.kind(true) }

func (s section) kind(scan bool) []run {
	runs := slices.DeleteFunc(slices.Clone(s.runs), func(r run) bool { return r.Scan != scan || r.Failure != "" })
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(b.atAim(), a.atAim()) })
	return runs
}
