package api_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/embed"
)

// images of one round, enough for the pipeline to be full most of the time.
const benchImages = 1152

// BenchmarkIngest compares, round by round in one process, the images per
// second of the bare network session fed ready tensors with those of ingest
// from JPEG files into a durable store, with the same number of callers, and
// reports the median ratio.
func BenchmarkIngest(b *testing.B) {
	for _, m := range []embed.Manifest{resnet, mobilenet} {
		b.Run(m.Name, func(b *testing.B) { benchmarkIngest(b, m) })
	}
}

func benchmarkIngest(b *testing.B, m embed.Manifest) {
	source, err := api.OpenSource(every(b, testdata(b, "cxr/labels.csv"), 5856/benchImages), 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	session, _ := openReal(b, m)
	defer session.Close()
	s, _ := newService(b, true)
	var bare, whole, ratios []float64
	for b.Loop() {
		for range 3 {
			bare = append(bare, sessionRate(b, session))
			whole = append(whole, ingestRate(b, s, m.Name, source, len(ratios)))
			ratios = append(ratios, whole[len(whole)-1]/bare[len(bare)-1])
		}
	}
	b.ReportMetric(median(bare), "session-images/s")
	b.ReportMetric(median(whole), "ingest-images/s")
	b.ReportMetric(median(ratios), "ratio")
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// sessionRate is the bare session's, with a caller for each processor.
func sessionRate(b *testing.B, session embed.Network) float64 {
	b.Helper()
	const batch = 8
	started := time.Now()
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			tensor := make([]float32, batch*resnet.InputLen())
			for i := range tensor {
				tensor[i] = float32(i%255)/64 - 2
			}
			for range benchImages / batch / runtime.GOMAXPROCS(0) {
				if _, _, err := session.Run(b.Context(), tensor, batch); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	return benchImages / time.Since(started).Seconds()
}

// ingestRate is that of ingest into a new collection.
func ingestRate(b *testing.B, s *api.Service, model string, source api.Source, round int) float64 {
	b.Helper()
	name := fmt.Sprint("round", round)
	if _, err := s.Create(b.Context(), api.NewCollection{Name: name, Model: model, Tasks: source.Tasks}); err != nil {
		b.Fatal(err)
	}
	n, started := 0, time.Now()
	for item, err := range s.Ingest(b.Context(), name, source.Images, api.IngestOptions{Repeats: true}) {
		if err := errors.Join(err, item.Err); err != nil {
			b.Fatal(err)
		}
		n++
	}
	return float64(n) / time.Since(started).Seconds()
}
