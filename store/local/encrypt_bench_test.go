package local_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
	"nearcase/store/vault"
)

// costDimension is that of the vectors that encryption is measured with.
const costDimension = 512

// costRecord is a record with an original of some bytes, or none.
func costRecord(n, original int) store.Record {
	b := make([]byte, max(8, original))
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	digest := sha256.Sum256(b)
	r := store.Record{Instance: store.Instance{ID: fmt.Sprint("i", n), Digest: hex.EncodeToString(digest[:])}, Vector: costVector(n), Fingerprint: storetest.Fingerprint}
	if original > 0 {
		r.Original = b
	}
	return r
}

func costVector(n int) []float32 {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	v := make([]float32, costDimension)
	var square float64
	for i := range v {
		v[i] = float32(rng.NormFloat64())
		square += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(square))
	}
	return v
}

// What encryption costs: putting 100 vectors, putting an image of 1 MiB, opening
// 20,000 instances, and asking one of them.
func BenchmarkEncryption(b *testing.B) {
	for _, c := range []struct {
		name string
		key  *vault.Key
	}{{"plain", nil}, {"encrypted", master(b, 1)}} {
		b.Run(c.name, func(b *testing.B) { costOf(b, c.key) })
	}
}

func costOf(b *testing.B, k *vault.Key) {
	place := b.TempDir()
	l := costCatalog(b, place, k)
	n := 0
	for ; n < 20_000; n += 1000 {
		costPut(b, l, n, 1000, 0)
	}
	b.Run("put100vectors", func(b *testing.B) {
		for b.Loop() {
			costPut(b, l, n, 100, 0)
			n += 100
		}
	})
	b.Run("put1MiB", func(b *testing.B) {
		b.SetBytes(1 << 20)
		for b.Loop() {
			costPut(b, l, n, 1, 1<<20)
			n++
		}
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			_, err := l.Search(b.Context(), "c", store.Query{Vector: costVector(1), K: 10})
			must(b, err)
		}
	})
	must(b, l.Close())
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			must(b, openWith(b, place, k).Close())
		}
	})
}

func costCatalog(b *testing.B, place string, k *vault.Key) *local.Catalog {
	l := openWith(b, place, k)
	c := storetest.Collection("c")
	c.Dimension = costDimension
	must(b, l.Create(b.Context(), c))
	return l
}

func costPut(b *testing.B, l *local.Catalog, from, count, original int) {
	var records []store.Record
	for n := range count {
		records = append(records, costRecord(from+n, original))
	}
	outcomes, err := l.Put(b.Context(), "c", records)
	must(b, err)
	for _, o := range outcomes {
		must(b, o.Err)
	}
}
