package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/rest"
	"nearcase/embed"
	"nearcase/index"
	"nearcase/store"
	"nearcase/store/local"
)

const (
	benchDimension = 512
	benchK         = 20
	benchCallers   = 16 // over HTTP, each with a connection of its own
)

// BenchmarkSimilarByVector compares, round by round in one process, the bare index
// with similar by vector over HTTP and the two layers between: searches a second on
// all processors, which server and clients share, and the processor time of each.
// NEARCASE_ROWS says among how many vectors; 10,000 unless it does.
func BenchmarkSimilarByVector(b *testing.B) {
	rows, err := strconv.Atoi(os.Getenv("NEARCASE_ROWS"))
	if err != nil {
		rows = 10_000
	}
	w := newVectors(b, rows)
	layers := []struct {
		name string
		ask  func(n int) error
		each int // callers
	}{
		{"index", w.index, 2},
		{"store", w.store, 2},
		{"service", w.service, 2},
		{"http", w.http, benchCallers},
	}
	rates, costs := map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for range 5 {
			for _, l := range layers {
				rate, cost := answered(b, l.ask, l.each)
				rates[l.name], costs[l.name] = append(rates[l.name], rate), append(costs[l.name], cost)
			}
		}
	}
	for _, l := range layers {
		b.ReportMetric(median(rates[l.name]), l.name+"/s")
		b.ReportMetric(median(costs[l.name]), l.name+"-cpu-µs")
	}
}

// answered is how many questions a second are answered, asked by a few at a time,
// and how many microseconds of a processor each takes, asking included.
func answered(b *testing.B, ask func(n int) error, callers int) (rate, cost float64) {
	b.Helper()
	used := processorTime(b)
	var next atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	const long = 2 * time.Second
	for range callers {
		group.Go(func() {
			for time.Since(began) < long {
				if err := ask(int(next.Add(1))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	n := float64(next.Load())
	return n / time.Since(began).Seconds(), float64((processorTime(b) - used).Microseconds()) / n
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// vectors are the same questions for each of the layers.
type vectors struct {
	queries [][]float32
	bodies  [][]byte
	bare    index.Index
	catalog *local.Catalog
	asked   *api.Service
	client  *http.Client
	url     string

	fingerprint string
}

func newVectors(b *testing.B, rows int) *vectors {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	centres := make([][]float32, 200)
	for i := range centres {
		centres[i] = around(r, nil)
	}
	w := &vectors{}
	var err error
	if w.catalog, err = local.Open(b.TempDir(), local.Options{}); err != nil {
		b.Fatal(err)
	}
	w.asked = api.New(api.Options{Catalog: w.catalog, OpenModel: openWide})
	b.Cleanup(func() {
		if err := w.asked.Close(); err != nil {
			b.Error(err)
		}
		if err := w.catalog.Close(); err != nil {
			b.Error(err)
		}
	})
	made, err := w.asked.Create(b.Context(), api.NewCollection{Name: "wide", Model: "wide"})
	if err != nil {
		b.Fatal(err)
	}
	w.fingerprint = made.Fingerprint
	for range 1000 {
		v := around(r, centres[r.IntN(len(centres))])
		body, err := json.Marshal(api.Query{Vector: v, Fingerprint: w.fingerprint, K: benchK})
		if err != nil {
			b.Fatal(err)
		}
		w.queries, w.bodies = append(w.queries, v), append(w.bodies, body)
	}
	w.fill(b, r, centres, rows)
	w.serve(b)
	return w
}

// around is a unit vector at random, near another if there is one.
func around(r *rand.Rand, centre []float32) []float32 {
	v, square := make([]float32, benchDimension), 0.0
	for i := range v {
		v[i] = float32(r.NormFloat64())
		if centre != nil {
			v[i] = centre[i] + v[i]/float32(math.Sqrt(benchDimension))
		}
		square += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(square))
	}
	return v
}

// fill stores the vectors and builds the same graph of them within the store and
// beside it.
func (w *vectors) fill(b *testing.B, r *rand.Rand, centres [][]float32, rows int) {
	b.Helper()
	var err error
	if w.bare, err = index.New(index.Spec{Engine: "graph"}, benchDimension); err != nil {
		b.Fatal(err)
	}
	for from := 0; from < rows; from += 1000 {
		records := make([]store.Record, min(1000, rows-from))
		keys, vs := make([]uint64, len(records)), make([][]float32, len(records))
		for i := range records {
			n := from + i
			vs[i], keys[i] = around(r, centres[r.IntN(len(centres))]), uint64(n+1)
			records[i] = store.Record{Vector: vs[i], Fingerprint: w.fingerprint, Instance: store.Instance{
				ID: fmt.Sprint("i", n), Patient: fmt.Sprint("p", n/2), Study: fmt.Sprint("s", n/2), Name: fmt.Sprint("film ", n),
			}}
		}
		if _, err := w.catalog.Put(b.Context(), "wide", records); err != nil {
			b.Fatal(err)
		}
		if err := w.bare.AddAll(keys, vs); err != nil {
			b.Fatal(err)
		}
	}
	done, err := w.asked.Reindex(b.Context(), "wide", store.Reindexing{Index: store.Index{Engine: "graph"}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d vectors of %d numbers; index: %+v; recall at 10: %.4f", rows, benchDimension, w.bare.Stats(), done.Recall10)
}

func (w *vectors) serve(b *testing.B) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- rest.New(w.asked, rest.Options{}).Serve(ctx, listener) }()
	transport := &http.Transport{MaxIdleConnsPerHost: benchCallers}
	w.client, w.url = &http.Client{Transport: transport}, "http://"+listener.Addr().String()+"/v1/collections/wide/similar"
	b.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
}

func (w *vectors) index(n int) error {
	_, err := w.bare.Search(w.queries[n%len(w.queries)], benchK, index.Filter{})
	return err
}

func (w *vectors) store(n int) error {
	_, err := w.catalog.Search(context.Background(), "wide", store.Query{Vector: w.queries[n%len(w.queries)], K: benchK})
	return err
}

func (w *vectors) service(n int) error {
	_, err := w.asked.Similar(context.Background(), "wide", api.Query{Vector: w.queries[n%len(w.queries)], Fingerprint: w.fingerprint, K: benchK})
	return err
}

func (w *vectors) http(n int) error {
	answer, err := w.client.Post(w.url, "application/json", bytes.NewReader(w.bodies[n%len(w.bodies)]))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, %w", answer.Status, err)
	}
	return nil
}

// wide is a network that nothing asks.
type wide struct{}

func (wide) Run(context.Context, []float32, int) ([]float32, []int, error) {
	return nil, nil, embed.ErrNotVector
}
func (wide) Close() error { return nil }

func openWide(string) (*embed.Model, error) {
	return embed.NewModel(embed.Manifest{
		Name: "wide", Input: "in", Output: "out", Dimension: benchDimension,
		Resize: embed.Resize{Mode: embed.Fixed, Size: 8, Interpolation: embed.Bilinear}, Std: [3]float64{1, 1, 1},
	}, strings.Repeat("0", 64), wide{})
}
