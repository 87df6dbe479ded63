package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearcase/index/peers/plot"
)

// samples are what a server has of all that may leak, over time.
type samples struct {
	soak
	began time.Time
	all   []state
}

// state is what it has at a time.
type state struct {
	at                                      time.Duration
	resident, heap, goroutines, files, disk int64
}

// sampled is one of what is sampled, with how much more there may be at the end of the
// time than after the warm-up: a share of it, and a number beside that.
type sampled struct {
	name  string
	unit  int64
	of    func(state) int64
	share float64
	more  float64
}

var series = []sampled{
	{"resident memory, MB", 1e6, func(s state) int64 { return s.resident }, 0.1, 8e6},
	{"heap in use, MB", 1e6, func(s state) int64 { return s.heap }, 0.15, 8e6},
	{"goroutines", 1, func(s state) int64 { return s.goroutines }, 0.1, 8},
	{"descriptors", 1, func(s state) int64 { return s.files }, 0.1, 8},
}

// watch samples until the time is over.
func (s *samples) watch(ctx context.Context) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		if err := s.take(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// take takes a sample.
func (s *samples) take(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.admin+"/metrics", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	now := state{at: time.Since(s.began)}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name {
		case "process_resident_memory_bytes":
			now.resident = int64(number)
		case "go_memstats_heap_inuse_bytes":
			now.heap = int64(number)
		case "go_goroutines":
			now.goroutines = int64(number)
		case "process_open_fds":
			now.files = int64(number)
		}
	}
	for _, n := range parts(s.data) {
		now.disk += n
	}
	s.all = append(s.all, now)
	return nil
}

// parts is what each folder and file of a data directory takes of the disk, but for
// the audit log, of which nothing is ever deleted, and the ballast, which is given
// back when the disk is full.
func parts(dir string) map[string]int64 {
	all := map[string]int64{}
	if dir == "" {
		return all
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil { // it may be gone meanwhile
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		part, _, _ := strings.Cut(filepath.ToSlash(name), "/")
		if info, err := d.Info(); err == nil && part != "audit" && part != "ballast" {
			all[part] += blocks(info)
		}
		return nil
	})
	return all
}

// settled are the samples after the warm-up, which is the first third of the time.
func (s *samples) settled() []state { return s.all[len(s.all)/3:] }

// values returns one of the series, after the warm-up.
func (s *samples) values(of func(state) int64) (at, values []float64) {
	for _, p := range s.settled() {
		at, values = append(at, p.at.Seconds()), append(values, float64(of(p)))
	}
	return at, values
}

// enough is how many samples after the warm-up say something.
const enough = 10

// verdict is an error if something grows by more than it may.
func (s *samples) verdict() error {
	if len(s.settled()) < enough {
		return nil
	}
	for _, of := range series {
		at, values := s.values(of.of)
		growth := slope(at, values) * (at[len(at)-1] - at[0])
		if most := of.share*median(values) + of.more; growth > most {
			return fmt.Errorf("%s grow: by %.1f after the warm-up, at most %.1f", of.name, growth/float64(of.unit), most/float64(of.unit))
		}
	}
	return nil
}

func (s *samples) print(out io.Writer) {
	if len(s.all) == 0 {
		return
	}
	fmt.Fprintf(out, "\n| %d samples | first | after warm-up | last | growth after warm-up |\n| --- | ---: | ---: | ---: | ---: |\n", len(s.all))
	for _, of := range drawn() {
		at, values := s.values(of.of)
		growth := slope(at, values) * (at[len(at)-1] - at[0])
		fmt.Fprintf(out, "| %s | %d | %d | %d | %+.1f |\n", of.name, of.of(s.all[0])/of.unit, of.of(s.settled()[0])/of.unit,
			of.of(s.all[len(s.all)-1])/of.unit, growth/float64(of.unit))
	}
}

// drawn are all series, with that of the disk, which is judged after the last
// compaction.
func drawn() []sampled {
	return append(slices.Clone(series), sampled{name: "disk, MB", unit: 1e6, of: func(s state) int64 { return s.disk }})
}

func (s *samples) csv() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, "seconds,resident_bytes,heap_bytes,goroutines,descriptors,disk_bytes")
	for _, p := range s.all {
		fmt.Fprintf(&b, "%.0f,%d,%d,%d,%d,%d\n", p.at.Seconds(), p.resident, p.heap, p.goroutines, p.files, p.disk)
	}
	return b.Bytes()
}

// chart draws each series in per cent of its median after the warm-up.
func (s *samples) chart() plot.Chart {
	c := plot.Chart{Title: "A server under constant load", X: "minutes", Y: "per cent of the median"}
	most := 0.0
	for n, of := range drawn() {
		_, values := s.values(of.of)
		middle := max(1, median(values))
		line := plot.Series{Name: strings.TrimSuffix(of.name, ", MB"), Colour: n}
		for _, p := range s.all {
			y := 100 * float64(of.of(p)) / middle
			line.Points, most = append(line.Points, plot.Point{X: p.at.Minutes(), Y: y}), max(most, y)
		}
		c.Series = append(c.Series, line)
	}
	c.XScale, c.YScale = linear(s.all[len(s.all)-1].at.Minutes()), linear(most)
	return c
}

// linear is a scale from 0 to a value, with five to ten ticks.
func linear(high float64) plot.Scale {
	step := math.Pow(10, math.Floor(math.Log10(max(high, 1e-3)/5)))
	for _, times := range []float64{5, 2} {
		if high/(times*step) >= 5 {
			step *= times
			break
		}
	}
	scale := plot.Scale{At: func(v float64) float64 { return v }, High: step * math.Ceil(high/step)}
	for v := 0.0; v <= scale.High+step/2; v += step {
		scale.Ticks = append(scale.Ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 4, 64)})
	}
	return scale
}
