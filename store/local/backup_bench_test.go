package local_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
)

// vectors makes records without originals, each with a label.
func vectors(from, to, dimension int) []store.Record {
	records := make([]store.Record, to-from)
	for i := range records {
		rng := rand.New(rand.NewPCG(3, uint64(from+i)))
		v, square := make([]float32, dimension), 0.0
		for j := range v {
			v[j] = float32(rng.NormFloat64())
			square += float64(v[j]) * float64(v[j])
		}
		for j := range v {
			v[j] /= float32(math.Sqrt(square))
		}
		n := from + i
		records[i] = store.Record{
			Instance: store.Instance{ID: fmt.Sprintf("1.2.840.99999.%d", n), Patient: fmt.Sprintf("p%d", n/4), Kept: store.NotKept},
			Vector:   v, Fingerprint: "f", Labels: []store.Label{{Task: "finding", Classes: []string{[]string{"normal", "pneumonia"}[n%2]}}},
		}
	}
	return records
}

// BenchmarkBackup backs up 100,000 instances of 512 numbers with a label each, what
// 1,000 more change, and restores both.
func BenchmarkBackup(b *testing.B) {
	l, err := local.Open(b.TempDir(), local.Options{})
	must(b, err)
	defer l.Close()
	must(b, l.Create(b.Context(), store.Collection{
		Name: "c", Model: "m", Fingerprint: "f", Dimension: 512, Index: store.Index{Engine: "exact"},
		Tasks: []store.Task{{Name: "finding", Classes: []string{"normal", "pneumonia"}}},
	}))
	const n, step = 100_000, 4000
	for from := 0; from < n; from += step {
		put(b, l, "c", vectors(from, from+step, 512))
	}
	var full, more bytes.Buffer
	var base store.Backup
	b.Run("full", func(b *testing.B) {
		for b.Loop() {
			full.Reset()
			base, err = l.Backup(b.Context(), &full, store.BackupOptions{})
			must(b, err)
		}
		b.SetBytes(base.Bytes)
		b.ReportMetric(float64(full.Len()), "stream-bytes")
	})
	b.Run("incremental", func(b *testing.B) {
		put(b, l, "c", vectors(n, n+1000, 512))
		for b.Loop() {
			more.Reset()
			_, err = l.Backup(b.Context(), &more, store.BackupOptions{Base: &base})
			must(b, err)
		}
		b.ReportMetric(float64(more.Len()), "stream-bytes")
	})
	b.Run("verify and restore", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			from := sources(full.Bytes(), more.Bytes())
			_, err = local.Restore(b.Context(), filepath.Join(b.TempDir(), fmt.Sprint(i)), from, local.RestoreOptions{})
			must(b, err)
		}
		b.SetBytes(base.Bytes)
	})
}
