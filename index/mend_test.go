package index

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// Law: after Mend a snapshot has no byte of a vector that was removed, nor where it
// was; what it leads to is sound, and found as well as before.
func TestMendLeavesNothingOfWhatWasRemoved(t *testing.T) {
	n := sized(3000)
	vectors := clustered(n+50, 32)
	vectors, queries := vectors[:n], vectors[n:]
	for _, c := range snapshotSpecs {
		if c.spec.Engine == EngineCoder {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			x, o := filledWith(t, c.spec, vectors), oracleOf(vectors)
			if err := Tune(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			for key := uint64(1); key <= 20; key++ {
				x.Remove(key * 7)
				o.remove(key * 7)
			}
			Mend(x)
			path := saved(t, x, []byte("meta"))
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for key := 7; key <= 140; key += 7 {
				v := raw(vectors[key])
				for i := 0; i+16 <= len(v); i += 4 {
					if bytes.Contains(whole, v[i:i+16]) {
						t.Fatalf("snapshot after Mend: has bytes %d to %d of vector %d, want none", i, i+16, key)
					}
				}
			}
			loaded, _ := mustLoad(t, path, c.spec, 32)
			for _, y := range []Index{x, loaded} {
				checkAnswers(t, y, o, queries)
			}
			s := Freeze(x)
			defer s.Discard()
			if len(s.waiting) != 0 {
				t.Errorf("snapshot after Mend: %d rows wait, want none", len(s.waiting))
			}
		})
	}
}

// checkAnswers compares exact answers with the oracle's, and a graph's by recall.
func checkAnswers(t *testing.T, x Index, o *oracle, queries [][]float32) {
	t.Helper()
	for i, q := range queries {
		got, err := x.SearchExact(q, 10, Filter{})
		if want := o.nearest(q, 10, Filter{}); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("SearchExact(%d): got %v, %v, want %v", i, got, err, want)
		}
	}
	if g, ok := x.(*Graph); ok {
		mustBeSound(t, g)
	}
}
