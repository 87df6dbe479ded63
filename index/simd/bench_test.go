package simd

import (
	"fmt"
	"testing"
)

// benchEachKernel runs f under every kernel.
func benchEachKernel(b *testing.B, name string, f func(b *testing.B)) {
	for k := range kernels() {
		b.Run(fmt.Sprint(name, "/", k), f)
	}
}

func BenchmarkDot(b *testing.B) {
	for _, n := range []int{256, 512, 768, 1000} {
		x, y := sequence(1, n), sequence(2, n)
		benchEachKernel(b, fmt.Sprint(n), func(b *testing.B) {
			var sum float32
			for b.Loop() {
				sum += Dot(x, y)
			}
			if sum != sum {
				b.Fatal("Dot is not a number")
			}
		})
	}
}

// BenchmarkMany reads batches of random rows: from a table that the first cache
// holds, and from one larger than the caches of most machines.
func BenchmarkMany(b *testing.B) {
	for _, at := range []struct {
		name string
		rows int
	}{{"hot", 32}, {"cold", 100_000}} {
		for _, n := range []int{512, 768} {
			x := newTable(1, n, at.rows)
			for _, batch := range []int{8, 32} {
				benchEachKernel(b, fmt.Sprintf("%s/%d/%d", at.name, n, batch), func(b *testing.B) {
					benchmarkMany(b, x, batch)
				})
			}
		}
	}
}

func benchmarkMany(b *testing.B, x tableOf, batch int) {
	out := make([]int32, batch)
	x.query.Set(x.codes)
	i := 0
	for b.Loop() {
		if i += batch; i+batch > len(x.ids) {
			i = 0
		}
		x.query.Many(x.rows, x.ids[i:i+batch], out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/row")
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{512, 768} {
		x := newTable(1, n, 50<<20/n)
		out := make([]int32, len(x.ids))
		benchEachKernel(b, fmt.Sprint(n), func(b *testing.B) {
			x.query.Set(x.codes)
			b.SetBytes(int64(len(x.rows)))
			for b.Loop() {
				x.query.Scan(x.rows, out)
			}
		})
	}
}

func BenchmarkPrepare(b *testing.B) {
	v, codes := sequence(1, 512), make([]uint8, 512)
	x := newTable(1, 512, 1)
	benchEachKernel(b, "MaxAbs", func(b *testing.B) {
		for b.Loop() {
			MaxAbs(v)
		}
	})
	benchEachKernel(b, "Quantise", func(b *testing.B) {
		for b.Loop() {
			Quantise(codes, v, 127)
		}
	})
	benchEachKernel(b, "Set", func(b *testing.B) {
		for b.Loop() {
			x.query.Set(x.codes)
		}
	})
	benchEachKernel(b, "Dot8", func(b *testing.B) {
		for b.Loop() {
			Dot8(x.rows, x.codes)
		}
	})
}
