package client_test

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/api/rest"
	"nearcase/store/local"

	"nearcase/embed/onnx/onnxtest"
)

const (
	crowd     = 16  // clients at the same time
	questions = 192 // of one round
)

// BenchmarkClients compares, round by round in one process, a server that runs
// the network for one image at a time with one whose concurrent requests share
// runs: the answers a second that 16 clients get, and how long a lone client
// waits for one (the median). Ratios are medians over the rounds.
func BenchmarkClients(b *testing.B) {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		b.Skip("NEARCASE_TESTDATA is not set")
	}
	onnxtest.Require(b)
	var images [][]byte
	for _, image := range radiographs(b, root, questions/2) {
		content, err := image.Read()
		if err != nil {
			b.Fatal(err)
		}
		images = append(images, content)
	}
	single := asking(b, root, api.Options{Workers: 1, Batch: 1})
	shared := asking(b, root, api.Options{Workers: runtime.GOMAXPROCS(0)})
	var alone, together, gain, lone, loneShared, wait []float64
	for b.Loop() {
		for range 5 {
			alone, together = append(alone, rate(b, single, images)), append(together, rate(b, shared, images))
			gain = append(gain, together[len(together)-1]/alone[len(alone)-1])
			lone, loneShared = append(lone, patience(b, single, images)), append(loneShared, patience(b, shared, images))
			wait = append(wait, loneShared[len(loneShared)-1]/lone[len(lone)-1])
		}
	}
	b.ReportMetric(median(alone), "one-at-a-time-answers/s")
	b.ReportMetric(median(together), "shared-answers/s")
	b.ReportMetric(median(gain), "gain")
	b.ReportMetric(median(lone), "one-at-a-time-lone-p50-ms")
	b.ReportMetric(median(loneShared), "shared-lone-p50-ms")
	b.ReportMetric(median(wait), "lone-p50-ratio")
}

func median(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }

// asking is a client of a server with a few cases to find.
func asking(b *testing.B, root string, o api.Options) *client.Client {
	b.Helper()
	catalog, err := local.Open(b.TempDir(), local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	o.Catalog, o.OpenModel = catalog, openResNet(root)
	s := api.New(o)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
		if err := catalog.Close(); err != nil {
			b.Error(err)
		}
	})
	c := serve(b, s, rest.Options{})
	if _, err := c.Create(b.Context(), api.NewCollection{Name: "cxr", Model: "resnet18"}); err != nil {
		b.Fatal(err)
	}
	ingested(b, c.Ingest(b.Context(), "cxr", pictures(b, 20), api.IngestOptions{}))
	return c
}

// rate is the answers a second that a crowd of clients gets.
func rate(b *testing.B, c *client.Client, images [][]byte) float64 {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	started := time.Now()
	for range crowd {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(images); i = int(next.Add(1)) - 1 {
				if _, err := c.Similar(b.Context(), "cxr", api.Query{Image: images[i], K: 5}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	return float64(len(images)) / time.Since(started).Seconds()
}

// patience is the median time in milliseconds that a lone client waits.
func patience(b *testing.B, c *client.Client, images [][]byte) float64 {
	b.Helper()
	var waits []float64
	for _, image := range images[:64] {
		started := time.Now()
		if _, err := c.Similar(b.Context(), "cxr", api.Query{Image: image, K: 5}); err != nil {
			b.Fatal(err)
		}
		waits = append(waits, float64(time.Since(started).Microseconds())/1000)
	}
	return median(waits)
}
