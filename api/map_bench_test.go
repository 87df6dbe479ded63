package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// BenchmarkMap makes maps of 100,000 vectors of 512 components, of which every tenth
// is labelled or all are, and answers with one that is kept:
//
//	go test ./api -run '^$' -bench Map -benchtime 1x
//
// Storing them is not counted, nor is learning the labels. json-MB is the answer's
// size, and peak-MB the largest resident memory of the process while it is made.
func BenchmarkMap(b *testing.B) {
	const wide = 512
	for _, every := range []int{10, 1} {
		b.Run(fmt.Sprintf("%d-labelled", 100_000/every), func(b *testing.B) {
			s := mapped(b, wide, every)
			if _, err := s.Probes(b.Context(), "c"); err != nil { // labels are learnt
				b.Fatal(err)
			}
			b.Run("made", func(b *testing.B) { benchmarkMap(b, s) })
			b.Run("kept", func(b *testing.B) {
				for b.Loop() {
					mapOf(b, s, api.MapOptions{})
				}
			})
		})
	}
}

func benchmarkMap(b *testing.B, s *api.Service) {
	for n := range b.N {
		peak, used := peakMemory(b), processorTime()
		m := mapOf(b, s, api.MapOptions{Limit: 100_000 - n%2}) // not the one before
		b.ReportMetric(peak(), "peak-MB")
		b.ReportMetric(processorTime()-used, "cpu-s")
		text, err := json.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(text))/1e6, "json-MB")
	}
}

// mapped is a service with 100,000 vectors in 30 clusters, of which every so many is
// labelled by its cluster.
func mapped(b *testing.B, wide, every int) *api.Service {
	b.Helper()
	catalog, err := local.Open(b.TempDir(), local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	m := small
	m.Dimension = wide
	s := api.New(api.Options{Catalog: catalog, Refit: api.Refit{When: api.Never}, OpenModel: func(string) (*embed.Model, error) {
		return embed.NewModel(m, fmt.Sprintf("%064x", wide), means{})
	}})
	b.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			b.Error(err)
		}
	})
	fingerprint := emptied(b, s, finding)
	rng := rand.New(rand.NewPCG(1, 2))
	centres := normals(rng, 30)
	for n := 0; n < 100_000; n += 2000 {
		records := make([]store.Record, 2000)
		for i := range records {
			at, v := rng.IntN(len(centres)), make([]float64, wide)
			for k := range v {
				v[k] = centres[at][k] + rng.NormFloat64()
			}
			records[i] = store.Record{Vector: unit(v...), Fingerprint: fingerprint,
				Instance: store.Instance{ID: fmt.Sprintf("%064d", n+i), Patient: fmt.Sprint("p", (n+i)/2)}}
			if i%every == 0 {
				records[i].Labels = []store.Label{{Task: finding.Name, Classes: []string{finding.Classes[at%3]}}}
			}
		}
		put(b, catalog, records...)
	}
	return s
}
