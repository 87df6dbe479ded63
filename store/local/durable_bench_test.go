package local_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/api/rest"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

const (
	// benchDimension is that of the vectors that are stored: a ViT-B/16 has as many.
	benchDimension = 768
	benchRounds    = 3

	ofBatch       = 512
	batchesOfTurn = 10
	singleWriters = 32
	singlesOfTurn = 1500
)

// BenchmarkDurableIngest stores ready vectors of 768 numbers, each with a label, in
// batches of 512 and from 32 writers that store one at a time: in a catalog and over
// HTTP, and each beside the same load in a catalog in which nothing waits for the
// disk, by turns. It reports records a second, their ratio, and how long one of the
// single writers waits until its record is durable and can be searched: medians over
// the rounds.
func BenchmarkDurableIngest(b *testing.B) {
	for _, way := range []struct {
		name  string
		stock func(*stocking) putter
	}{{"catalog", (*stocking).direct}, {"http", (*stocking).overHTTP}} {
		b.Run(way.name, func(b *testing.B) {
			synced, unsynced := newStocking(b, local.Open), newStocking(b, local.OpenUnsynced)
			puts, free := way.stock(synced), way.stock(unsynced)
			f := figures{}
			for b.Loop() {
				for range benchRounds {
					f.turn("batches", synced.batches(puts), unsynced.batches(free))
					rate, waits := synced.singles(puts)
					unhindered, _ := unsynced.singles(free)
					f.turn("singles", rate, unhindered)
					f.note("commit-p50-ms", quantile(waits, 0.5))
					f.note("commit-p99-ms", quantile(waits, 0.99))
				}
			}
			f.report(b)
		})
	}
}

// figures are those of the rounds, by unit.
type figures map[string][]float64

func (f figures) note(unit string, v float64) { f[unit] = append(f[unit], v) }

func (f figures) turn(what string, synced, unsynced float64) {
	f.note(what+"/s", synced)
	f.note(what+"-unsynced/s", unsynced)
	f.note(what+"-ratio", synced/unsynced)
}

func (f figures) report(b *testing.B) {
	for unit, all := range f {
		b.ReportMetric(quantile(all, 0.5), unit)
	}
}

func quantile(v []float64, q float64) float64 {
	return slices.Sorted(slices.Values(v))[int(q*float64(len(v)-1))]
}

// putter stores images that come as vectors.
type putter func(images []api.Image) error

// stocking is a catalog that vectors are stored in.
type stocking struct {
	b           *testing.B
	catalog     *local.Catalog
	service     *api.Service
	fingerprint string
	vectors     [][]float32
	next        atomic.Int64
}

func newStocking(b *testing.B, open func(string, local.Options) (*local.Catalog, error)) *stocking {
	b.Helper()
	l, err := open(b.TempDir(), local.Options{})
	must(b, err)
	s := &stocking{b: b, catalog: l, vectors: unitVectors(4096)}
	s.service = api.New(api.Options{Catalog: l, OpenModel: openIdle})
	b.Cleanup(func() {
		must(b, s.service.Close())
		must(b, l.Close())
	})
	made, err := s.service.Create(b.Context(), api.NewCollection{Name: "cxr", Model: "idle",
		Tasks: []store.Task{{Name: "finding", Classes: []string{"normal", "pneumonia"}}}})
	must(b, err)
	s.fingerprint = made.Fingerprint
	return s
}

// idle is a network that nobody asks.
type idle struct{}

func (idle) Run(context.Context, []float32, int) ([]float32, []int, error) {
	return nil, nil, embed.ErrNotVector
}
func (idle) Close() error { return nil }

func openIdle(string) (*embed.Model, error) {
	return embed.NewModel(embed.Manifest{
		Name: "idle", Input: "in", Output: "out", Dimension: benchDimension,
		Resize: embed.Resize{Mode: embed.Fixed, Size: 8, Interpolation: embed.Bilinear}, Std: [3]float64{1, 1, 1},
	}, strings.Repeat("0", 64), idle{})
}

func unitVectors(n int) [][]float32 {
	r := rand.New(rand.NewPCG(1, 1))
	all := make([][]float32, n)
	for i := range all {
		v, square := make([]float32, benchDimension), 0.0
		for j := range v {
			v[j] = float32(r.NormFloat64())
			square += float64(v[j]) * float64(v[j])
		}
		for j := range v {
			v[j] /= float32(math.Sqrt(square))
		}
		all[i] = v
	}
	return all
}

// images are the next n.
func (s *stocking) images(n int) []api.Image {
	all := make([]api.Image, n)
	from := int(s.next.Add(int64(n))) - n
	for i := range all {
		at := from + i
		all[i] = api.Image{
			ID: fmt.Sprintf("1.2.826.0.1.%020d", at), Patient: fmt.Sprintf("P%08d", at/3), Study: fmt.Sprintf("1.2.826.0.1.%d", at/2),
			Labels: map[string][]string{"finding": {"normal"}}, Vector: s.vectors[at%len(s.vectors)], Fingerprint: s.fingerprint,
		}
	}
	return all
}

// direct stores in the catalog.
func (s *stocking) direct() putter {
	return func(images []api.Image) error {
		records := make([]store.Record, len(images))
		for i, im := range images {
			records[i] = store.Record{
				Instance: store.Instance{ID: im.ID, Patient: im.Patient, Study: im.Study, Kept: store.NotKept},
				Vector:   im.Vector, Fingerprint: im.Fingerprint, Labels: []store.Label{{Task: "finding", Classes: im.Labels["finding"]}},
			}
		}
		outcomes, err := s.catalog.Put(s.b.Context(), "cxr", records)
		for _, o := range outcomes {
			if err == nil {
				err = o.Err
			}
		}
		return err
	}
}

// overHTTP stores by a client of a server on the loopback.
func (s *stocking) overHTTP() putter {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.b, err)
	c, err := client.New("http://"+listener.Addr().String(), client.Options{})
	must(s.b, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- rest.New(s.service, rest.Options{}).Serve(ctx, listener) }()
	s.b.Cleanup(func() {
		must(s.b, c.Close())
		stop()
		must(s.b, <-served)
	})
	return func(images []api.Image) error {
		for item, err := range c.Ingest(s.b.Context(), "cxr", slices.Values(images), api.IngestOptions{}) {
			if err != nil || item.Err != nil {
				return fmt.Errorf("image %d: %w, %w", item.Index, err, item.Err)
			}
		}
		return nil
	}
}

// batches returns how many records a second one stores who sends many at a time.
func (s *stocking) batches(put putter) float64 {
	images := s.images(ofBatch * batchesOfTurn)
	began := time.Now()
	for some := range slices.Chunk(images, 2*ofBatch) { // a client sends two requests at a time
		must(s.b, put(some))
	}
	return float64(len(images)) / time.Since(began).Seconds()
}

// singles returns how many records a second many store who send one at a time, and
// how many milliseconds each of them waits.
func (s *stocking) singles(put putter) (rate float64, waits []float64) {
	var group sync.WaitGroup
	var mu sync.Mutex
	images := s.images(singlesOfTurn)
	var next atomic.Int64
	began := time.Now()
	for range singleWriters {
		group.Go(func() {
			for i := next.Add(1); i <= singlesOfTurn; i = next.Add(1) {
				from := time.Now()
				if err := put(images[i-1 : i]); err != nil {
					s.b.Error(err)
				}
				took := float64(time.Since(from).Microseconds()) / 1000
				mu.Lock()
				waits = append(waits, took)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return singlesOfTurn / time.Since(began).Seconds(), waits
}
