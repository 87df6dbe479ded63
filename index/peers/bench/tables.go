package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nearcase/index/peers/plot"
)

// row writes a row of a table.
func row(b *bytes.Buffer, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// header writes the first two rows of a table; all columns but the first are
// of numbers.
func header(b *bytes.Buffer, cells ...string) {
	row(b, cells...)
	rules := []string{"---"}
	for range cells[1:] {
		rules = append(rules, "---:")
	}
	row(b, rules...)
}

// threads are the numbers of cores that were used.
func (s settings) threads() []int {
	if s.Threads == 1 {
		return []int{1}
	}
	return []int{1, s.Threads}
}

// writeAim compares the engines where each reaches the aim, and tells which
// failed.
func (s section) writeAim(b *bytes.Buffer, set settings) {
	for _, r := range s.runs {
		if r.Failure != "" {
			fmt.Fprintf(b, "%s failed: %s\n\n", r.Engine, r.Failure)
		}
	}
	runs := s.graphs()
	if len(runs) == 0 {
		return
	}
	titles := []string{"engine"}
	for _, t := range set.threads() {
		titles = append(titles, "queries/s, "+cores(t))
	}
	fmt.Fprintf(b, "At recall %g; latencies and recall of the first width that reaches it:\n\n", aim)
	header(b, append(titles, "ef", "recall", "p50", "p99")...)
	for _, r := range runs {
		cells := []string{r.Engine}
		for _, t := range set.threads() {
			cells = append(cells, r.rateAtAim(t))
		}
		_, first, _ := reaching(r.on(1), aim)
		row(b, append(cells, width(first.Ef), share(first.Recall), duration(first.P50), duration(first.P99))...)
	}
	b.WriteString("\n")
}

func (r run) rateAtAim(threads int) string {
	points := r.on(threads)
	if rate, _, ok := reaching(points, aim); ok {
		return plot.Number(rate)
	}
	var best float64
	for _, p := range points {
		best = max(best, p.Recall)
	}
	return fmt.Sprintf("– (recall %s at most)", share(best))
}

// writeScans compares the engines that look at every vector.
func (s section) writeScans(b *bytes.Buffer, set settings) {
	runs := s.scans()
	if len(runs) == 0 {
		return
	}
	titles := []string{"exact scan"}
	for _, t := range set.threads() {
		titles = append(titles, "queries/s, "+cores(t), "in one call")
	}
	header(b, append(titles, "recall", "p50", "p99")...)
	for _, r := range runs {
		cells := []string{r.Engine}
		var last point
		for _, t := range set.threads() {
			for _, p := range r.on(t) {
				cells = append(cells, figure(p.Single), figure(p.Batch))
			}
		}
		for _, p := range r.on(1) {
			last = p
		}
		row(b, append(cells, share(last.Recall), duration(last.P50), duration(last.P99))...)
	}
	b.WriteString("\n")
}

// writeBuilds compares what an index takes.
func (s section) writeBuilds(b *bytes.Buffer, set settings) {
	runs := append(s.graphs(), s.scans()...)
	if len(runs) == 0 {
		return
	}
	titles := []string{"building"}
	for _, t := range set.threads() {
		titles = append(titles, cores(t))
	}
	header(b, append(titles, "resident bytes a vector", "mapped from files")...)
	for _, r := range runs {
		cells := []string{r.Engine}
		for _, t := range set.threads() {
			cells = append(cells, duration(r.seconds(t)))
		}
		n := float64(r.Vectors)
		row(b, append(cells, plot.Number(float64(r.Anonymous)/n), plot.Number(max(0, float64(r.Mapped)/n)))...)
	}
	fmt.Fprintf(b, "\nThe vectors themselves are %s bytes each.\n\n", plot.Number(float64(4*s.dim)))
}

// writeAll tells every width's recall and rate on one core.
func (s section) writeAll(b *bytes.Buffer, set settings) {
	runs := slices.DeleteFunc(s.graphs(), func(r run) bool { return len(r.on(1)) < 2 })
	if len(runs) == 0 {
		return
	}
	titles := []string{"ef"}
	for _, r := range runs {
		titles = append(titles, r.Engine)
	}
	b.WriteString("<details><summary>Every width: recall and queries/s on 1 core</summary>\n\n")
	header(b, titles...)
	for _, ef := range set.Ef {
		cells := []string{fmt.Sprint(ef)}
		for _, r := range runs {
			cell := "–"
			for _, p := range r.on(1) {
				if p.Ef == ef {
					cell = fmt.Sprintf("%s, %s", share(p.Recall), plot.Number(p.rate()))
				}
			}
			cells = append(cells, cell)
		}
		row(b, cells...)
	}
	b.WriteString("\n</details>\n\n")
}

func writeMethod(b *bytes.Buffer, r result) {
	s := r.Settings
	fmt.Fprintf(b, method, s.K, s.M, s.EfConstruction, s.Repetitions, cores(s.Threads))
	writeMachine(b, r)
	writeDisturbed(b, r)
	if len(r.Missing) > 0 {
		fmt.Fprintf(b, "Left out, since they could not be run: %s.\n\n", strings.Join(r.Missing, ", "))
	}
}

// writeDisturbed names what was measured beside other work.
func writeDisturbed(b *bytes.Buffer, r result) {
	var all []string
	for _, x := range r.Runs {
		if x.disturbed() {
			all = append(all, x.Dataset+" by "+x.Engine)
		}
	}
	if len(all) > 0 {
		fmt.Fprintf(b, "**Other work on the machine disturbed these, whose rates are not to be relied on:** %s.\n\n", strings.Join(all, ", "))
	}
}

func writeMachine(b *bytes.Buffer, r result) {
	m := r.Machine
	row(b, "measured on", fmt.Sprintf("%s, %d cores (%s)", m.Processor, m.Cores, m.Features))
	row(b, "---", "---")
	row(b, "memory", m.Memory)
	row(b, "system", m.System)
	row(b, "date", fmt.Sprintf("%s, load average before %s", m.Date, m.Load))
	row(b, "kernel of nearcase", m.Kernel)
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		row(b, name, m.Versions[name])
	}
	row(b, "command", "`"+r.Command+"`")
	b.WriteString("\n")
}

const method = `## How it is measured

- Every engine gets the same unit vectors, the same queries (further draws, not
  in the index), k = %d, M = %d and efConstruction = %d, and runs in a process of
  its own, one after the other on the same machine. "faiss HNSW" is
  IndexHNSWFlat, "faiss flat" IndexFlatIP, both with the inner product;
  "usearch i8" keeps 8 bits a number and does not rank again; "coder/hnsw" is
  github.com/coder/hnsw behind exact ranking, with 200 candidates and M = 64.
- Recall counts a neighbour by its exact score: it is right if it is no farther
  than the k-th nearest (less 1e-6 for rounding), so that of equals any will do.
- Rates are medians of %d passes over all queries, those of one width apart in
  time (usearch's follow each other), after one that is not timed. 1 core means
  one thread; %s means as many threads, each with queries of its own.
  Between widths the rate at a recall is interpolated; where the narrowest width
  exceeds the recall, it is that width's.
- Latencies are of single calls on one core.
- Peers run at their best: hnswlib and the drivers are compiled with -O3
  -march=native; glibc's allocator is told to use huge pages, which makes hnswlib
  about a sixth faster; FAISS and usearch are asked both a query at a time and all in
  one call, and the better counts (for scans both are told); Debian's FAISS has a
  scalar inner product, which the driver replaces by a vectorised one (five to
  ten times as fast); usearch is its npm package under Node.js, whose cost of a
  call is in its latencies but not in its rates.
- The time nearcase takes to build includes adapting to the vectors (heads and the
  width for recall 0.99, of which the widths here make no use). Then it is saved,
  which is not part of that time, and its vectors are mapped from the file.
- Resident bytes are by how much anonymous memory grew from before the index was
  built to after, free memory returned to the system and the input not counted.
- Indexes are built on all cores; the time on one core is of another build.

`

func figure(x float64) string {
	if x == 0 {
		return "–"
	}
	return plot.Number(x)
}

func width(ef int) string {
	if ef == 0 {
		return "–"
	}
	return fmt.Sprint(ef)
}

func share(x float64) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4f", x)
}

// duration writes seconds with three digits in a fitting unit.
func duration(seconds float64) string {
	switch {
	case seconds == 0:
		return "–"
	case seconds < 0.001:
		return fmt.Sprintf("%.3g µs", seconds*1e6)
	case seconds < 1:
		return fmt.Sprintf("%.3g ms", seconds*1e3)
	case seconds < 1000:
		return fmt.Sprintf("%.3g s", seconds)
	}
	return time.Duration(seconds * 1e9).Round(time.Second).String()
}
