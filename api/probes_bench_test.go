package api_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// BenchmarkProbes measures a label followed by an answer, and answers alone, of
// labelled vectors of 768 components: go test -bench Probes -benchtime 200x.
func BenchmarkProbes(b *testing.B) {
	const n, d = 10_000, 768
	catalog, err := local.Open(b.TempDir(), local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	wide := small
	wide.Dimension = d
	s := api.New(api.Options{Catalog: catalog, Refit: api.Refit{When: api.Never}, OpenModel: func(string) (*embed.Model, error) {
		return embed.NewModel(wide, fmt.Sprintf("%064x", d), means{})
	}})
	defer func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			b.Error(err)
		}
	}()
	fingerprint := emptied(b, s, finding)
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(class int) []float32 {
		v := make([]float64, d)
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		v[class] += 8
		return unit(v...)
	}
	var records []store.Record
	for i := range n {
		class := i % 3
		records = append(records, store.Record{Vector: random(class), Fingerprint: fingerprint,
			Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i/2)},
			Labels:   []store.Label{{Task: "finding", Classes: []string{finding.Classes[class]}}}})
	}
	put(b, catalog, records...)
	query := api.Query{Vector: random(0), Fingerprint: fingerprint}
	ask := func(b *testing.B, q api.Query) {
		b.Helper()
		if _, err := s.Classify(b.Context(), "c", q); err != nil {
			b.Fatal(err)
		}
	}
	tell := func(b *testing.B, i int) {
		b.Helper()
		r := api.LabelRequest{Instance: fmt.Sprint("i", i%n), Task: "finding", Classes: []string{finding.Classes[(i/n+i+1)%3]}}
		if _, err := s.Label(b.Context(), "c", []api.LabelRequest{r}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("read", func(b *testing.B) {
		for range b.N {
			fresh := api.New(s.Options)
			if _, err := fresh.Probes(b.Context(), "c"); err != nil {
				b.Fatal(err)
			}
		}
	})
	began := time.Now()
	retrain(b, s)
	b.Logf("a version of %d labels: %s", n, time.Since(began).Round(time.Second))
	ask(b, query)
	b.Run("answer", func(b *testing.B) {
		for range b.N {
			ask(b, query)
		}
	})
	b.Run("answer to a stored instance", func(b *testing.B) {
		for range b.N {
			ask(b, api.Query{Instance: "i5"})
		}
	})
	said := 0
	b.Run("label", func(b *testing.B) {
		for range b.N {
			tell(b, said)
			said++
		}
	})
	ask(b, query)
	b.Run("label and answer", func(b *testing.B) {
		for range b.N {
			tell(b, said)
			said++
			ask(b, query)
		}
	})
}
