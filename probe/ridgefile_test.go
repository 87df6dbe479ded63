package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func bytesOf(t interface{ Fatalf(string, ...any) }, r *Ridge) []byte {
	b, err := r.MarshalBinary()
	if err != nil {
		t.Fatalf("MarshalBinary = %v, want nil", err)
	}
	return b
}

// Law: what is read back is, to the bit, what was written, and goes on as it
// would have.
func TestARidgeIsReadBackToTheBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(0, 5).Draw(t, "d")
		kind := Balance(rapid.IntRange(0, 2).Draw(t, "balance"))
		r := NewRidge(d, kind)
		var held []labelled
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			held = drawChange(t, r, held, d, 1, kind)
		}
		b := bytesOf(t, r)
		var got Ridge
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatalf("UnmarshalBinary = %v, want nil", err)
		}
		if diff := difference(&got, r); diff != "" || got.balance != r.balance || got.dimension != r.dimension {
			t.Fatalf("read back: %s", diff)
		}
		drawChange(t, &got, held, d, 1, kind)
	})
}

func TestDamagedStatisticsAreRefused(t *testing.T) {
	r := NewRidge(2, ByFinding)
	if err := r.Add([]float32{1, 2}, Target{Classes: []string{"a"}}); err != nil {
		t.Fatalf("Add = %v, want nil", err)
	}
	whole := bytesOf(t, r)
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 4
		for _, b := range [][]byte{damaged, whole[:i]} {
			got := NewRidge(1, Unbalanced)
			if err := got.UnmarshalBinary(b); !errors.Is(err, ErrFormat) || got.Dimension() != 1 {
				t.Fatalf("UnmarshalBinary damaged at %d = %v, want ErrFormat and nothing changed", i, err)
			}
		}
	}
}

func mustBeFinite(t *testing.T, call string, l *Linear) {
	t.Helper()
	for c, name := range l.Classes {
		for _, v := range append(slices.Clone(l.Weights[c]), l.Intercept[c]) {
			if v-v != 0 {
				t.Fatalf("%s: class %q has weights %v and intercept %v, want finite ones", call, name, l.Weights[c], l.Intercept[c])
			}
		}
	}
}

// What was removed but never added leaves counts that may be and weights that
// may not.
func TestAProbeOfNoExamplesIsRefused(t *testing.T) {
	for name, removed := range map[string]float64{"a class of negative weight": 3, "no weight at all": 2} {
		r := NewRidge(2, Unbalanced)
		for i, class := range []string{"a", "a", "b"} {
			if err := r.Add([]float32{1, float32(i)}, Target{Classes: []string{class}, Weight: 0.5 + 0.5*float64(i%2)}); err != nil {
				t.Fatalf("Add = %v, want nil", err)
			}
		}
		never := Target{Classes: []string{"a"}, Weight: removed}
		if l, err := r.FitWithout(1e-3, [][]float32{{1, 0}}, []Target{never}); !errors.Is(err, ErrInconsistent) {
			t.Errorf("%s: FitWithout = %+v, %v, want ErrInconsistent", name, l, err)
		}
		if err := r.Remove([]float32{1, 0}, never); err != nil {
			t.Fatalf("Remove = %v, want nil", err)
		}
		if l, err := r.Fit(1e-3); !errors.Is(err, ErrInconsistent) {
			t.Errorf("%s: Fit = %+v, %v, want ErrInconsistent", name, l, err)
		}
	}
}

func FuzzUnmarshalRidge(f *testing.F) {
	for _, kind := range []Balance{Unbalanced, ByClass, ByFinding} {
		r := NewRidge(3, kind)
		_ = r.Add([]float32{1, 2, 3}, Target{Classes: []string{"a"}})
		_ = r.Add([]float32{1, 2, 0}, Target{Classes: []string{"b"}, Weight: 0.3})
		b, _ := r.MarshalBinary()
		f.Add(b[:len(b)-4])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
		var r Ridge
		if err := r.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("UnmarshalBinary = %v, want ErrFormat", err)
			}
			return
		}
		if again := bytesOf(t, &r); !bytes.Equal(again, b) {
			t.Fatalf("written again: %d bytes, want the %d that were read", len(again), len(b))
		}
		if l, err := r.Fit(1e-3); err == nil {
			mustBeFinite(t, "Fit", l)
		}
	})
}
