package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/store"
	"nearcase/store/local"
)

const (
	// stockIn makes the benchmark store more in the data directory that it names,
	// say so, and wait to be killed.
	stockIn      = "NEARCASE_STOCK"
	rowsVariable = "NEARCASE_ROWS"
	// unsaved is how many instances that is: just too few for an index to be saved
	// anew while it is busy.
	unsaved         = 3900
	startDimension  = 768
	startRounds     = 5
	startRoundsTail = 3
)

// BenchmarkStart measures how long it takes from the start of the program until
// /readyz answers 200, with a graph of NEARCASE_ROWS vectors of 768 numbers (10,000
// unless it says), a label for each, and probes trained: after a clean end, after
// SIGKILL of a server that was asked and stored nothing, and after SIGKILL of a process
// that had stored 3,900 more instances. Medians, and the longest of all. The files are
// in the system's cache, as after any end of a program.
func BenchmarkStart(b *testing.B) {
	if dir := os.Getenv(stockIn); dir != "" {
		stockAndWait(b, dir)
	}
	rows, err := strconv.Atoi(os.Getenv(rowsVariable))
	if err != nil {
		rows = 10_000
	}
	dir := filepath.Join(b.TempDir(), "data")
	stock(b, dir, rows)
	all := map[string][]float64{}
	for b.Loop() {
		for range startRounds {
			all["clean"] = append(all["clean"], startAndEnd(b, dir, syscall.SIGKILL)) // after SIGTERM
			all["killed"] = append(all["killed"], startAndEnd(b, dir, syscall.SIGTERM))
		}
		for range startRoundsTail {
			stockAndKill(b, dir)
			all["killed-storing"] = append(all["killed-storing"], startAndEnd(b, dir, syscall.SIGTERM))
		}
	}
	longest := 0.0
	for after, took := range all {
		slices.Sort(took)
		longest = max(longest, took[len(took)-1])
		b.ReportMetric(took[len(took)/2], after+"-ready-s")
	}
	b.ReportMetric(longest, "longest-s")
}

// stock makes a data directory and trains its probes.
func stock(b *testing.B, dir string, rows int) {
	b.Helper()
	l, err := local.Open(dir, local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	err = l.Create(b.Context(), store.Collection{
		Name: "cxr", Model: "vit", Fingerprint: "f", Dimension: startDimension, DiscardOriginals: true, Index: store.Index{Engine: "graph"},
		Tasks: []store.Task{{Name: "finding", Classes: []string{"normal", "pneumonia"}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	putMore(b, l, 0, rows)
	s := api.New(api.Options{Catalog: l})
	if _, err := s.Retrain(b.Context(), "cxr", "finding", nil); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// putMore stores instances, of three to a patient, near to some of 200 centres.
func putMore(b *testing.B, l *local.Catalog, from, to int) {
	b.Helper()
	fixed := rand.New(rand.NewPCG(1, 1))
	centres := make([][]float32, 200)
	for i := range centres {
		centres[i] = near(fixed, nil)
	}
	r := rand.New(rand.NewPCG(2, uint64(from)))
	for ; from < to; from += 1000 {
		var records []store.Record
		for n := from; n < min(to, from+1000); n++ {
			of := r.IntN(len(centres))
			records = append(records, store.Record{
				Instance: store.Instance{
					ID: fmt.Sprintf("1.2.826.0.1.%020d", n), Patient: fmt.Sprintf("P%08d", n/3), Study: fmt.Sprintf("1.2.826.0.1.%d", n/2),
					Series: fmt.Sprintf("1.2.826.0.1.%d.1", n/2), Digest: fmt.Sprintf("%064x", n), Kept: store.NotKept, MediaType: "application/dicom",
					Width: 1024, Height: 1024, Size: 2 << 20, Metadata: map[string]string{"Modality": "CR", "PatientAge": "063Y"},
				},
				Vector: near(r, centres[of]), Fingerprint: "f",
				Labels: []store.Label{{Task: "finding", Classes: []string{[]string{"normal", "pneumonia"}[of%2]}, Source: "report"}},
			})
		}
		outcomes, err := l.Put(b.Context(), "cxr", records)
		if err == nil {
			err = outcomes[0].Err
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// near is a unit vector at random, near to a centre if there is one.
func near(r *rand.Rand, centre []float32) []float32 {
	v, square := make([]float32, startDimension), 0.0
	for i := range v {
		v[i] = float32(r.NormFloat64())
		if centre != nil {
			v[i] = centre[i] + 0.8*v[i]/float32(math.Sqrt(startDimension))
		}
		square += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(square))
	}
	return v
}

// stockAndWait stores more and goes on until it is killed.
func stockAndWait(b *testing.B, dir string) {
	l, err := local.Open(dir, local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := l.Status(b.Context(), "cxr")
	if err != nil {
		b.Fatal(err)
	}
	putMore(b, l, s.Instances, s.Instances+unsaved)
	fmt.Println("stocked")
	select {}
}

// stockAndKill lets a process store more, and kills it then.
func stockAndKill(b *testing.B, dir string) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	c := exec.CommandContext(b.Context(), self, "-test.run", "^$", "-test.bench", "^BenchmarkStart$", "-test.benchtime", "1x")
	c.Env = append(os.Environ(), stockIn+"="+dir)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	for s := bufio.NewScanner(out); s.Scan() && !strings.Contains(s.Text(), "stocked"); {
	}
	_ = c.Process.Kill()
	_ = c.Wait()
}

// startAndEnd returns how many seconds it takes until the server is ready, and sends
// it a signal then.
func startAndEnd(b *testing.B, dir string, how os.Signal) float64 {
	b.Helper()
	p := program(b.Context(), b, "--data", dir, "serve", "--listen", "127.0.0.1:0")
	p.Env = slices.DeleteFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, rowsVariable+"=") }) // which is no setting
	stderr, err := p.StderrPipe()
	began := time.Now()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	url, last := "", ""
	for s := bufio.NewScanner(stderr); url == "" && s.Scan(); {
		last = s.Text()
		if _, after, ok := strings.Cut(last, "msg=listening address="); ok {
			url = "http://" + strings.Fields(after)[0]
		}
	}
	if url == "" {
		b.Fatalf("the program ended: %s", last)
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	awaitReady(b, url)
	took := time.Since(began).Seconds()
	if err := p.Process.Signal(how); err != nil {
		b.Fatal(err)
	}
	_ = p.Wait()
	return took
}

func awaitReady(b *testing.B, url string) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), time.Minute)
	defer stop()
	for every := time.NewTicker(5 * time.Millisecond); ; <-every.C {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			b.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
}
