package probe

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// drawBatch draws finite vectors of any bits, so that sums round in every way,
// and of any sign and size; and now and then one that Add refuses.
func drawBatch(t *rapid.T, d, most int) (xs [][]float32, targets []Target) {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	exponents := rapid.IntRange(1, 254).Draw(t, "exponents")
	for range rapid.IntRange(0, most).Draw(t, "examples") {
		x := make([]float32, d)
		for i := range x {
			exponent := uint32(127 - exponents/2 + r.IntN(exponents))
			x[i] = math.Float32frombits(r.Uint32()&^(0xff<<23) | exponent<<23)
			if r.IntN(8) == 0 {
				x[i] *= 0 // of either sign
			}
		}
		xs = append(xs, x)
		targets = append(targets, drawTarget(r))
	}
	if len(xs) > 0 && rapid.IntRange(0, 3).Draw(t, "spoil") == 0 {
		spoil(t, xs)
	}
	return xs, targets
}

// spoil makes one or two of xs such that Add refuses them.
func spoil(t *rapid.T, xs [][]float32) {
	for range 2 {
		i := rapid.IntRange(0, len(xs)-1).Draw(t, "spoilt")
		bad := rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0}).Draw(t, "with")
		if bad == 0 || len(xs[i]) == 0 {
			xs[i] = append(xs[i], 1)
			continue
		}
		xs[i][rapid.IntRange(0, len(xs[i])-1).Draw(t, "component")] = float32(bad)
	}
}

// addEach is what AddAll has to equal: Add for each in order, or for none if
// one is refused.
func addEach(r *Ridge, xs [][]float32, targets []Target) (*Ridge, error) {
	c := r.Clone()
	for i, x := range xs {
		if err := c.Add(x, targets[i]); err != nil {
			return r.Clone(), err
		}
	}
	return c, nil
}

func sameError(got, want error) bool {
	for _, sentinel := range []error{ErrDimension, ErrNotFinite} {
		if errors.Is(got, sentinel) != errors.Is(want, sentinel) {
			return false
		}
	}
	return (got == nil) == (want == nil)
}

// difference returns the first difference of two statistics down to the bits
// of their sums, or "".
func difference(got, want *Ridge) string {
	if got.bare != want.bare || len(got.classes) != len(want.classes) {
		return fmt.Sprintf("%d bare of %d classes, want %d of %d", got.bare, len(got.classes), want.bare, len(want.classes))
	}
	diff := differentMoments("all", &got.all, &want.all)
	for name, w := range want.classes {
		g := got.classes[name]
		if g == nil || g.whole != w.whole || (g.missing == nil) != (w.missing == nil) {
			return fmt.Sprintf("class %q is %+v, want %+v", name, g, w)
		}
		diff = cmp.Or(diff, differentMoments(name, &g.moments, &w.moments))
		if w.missing != nil {
			diff = cmp.Or(diff, differentMoments(name+" ignored", g.missing, w.missing))
		}
	}
	return diff
}

func differentMoments(name string, got, want *moments) string {
	weights := func(m *moments) sums { return sums{[]float64{m.weight.hi}, []float64{m.weight.lo}} }
	if got.count != want.count {
		return fmt.Sprintf("%d examples of %s, want %d", got.count, name, want.count)
	}
	for what, p := range map[string][2]sums{"weight": {weights(got), weights(want)}, "total": {got.total, want.total}, "products": {got.products, want.products}} {
		if len(p[0].hi) != len(p[1].hi) {
			return fmt.Sprintf("%d %s of %s, want %d", len(p[0].hi), what, name, len(p[1].hi))
		}
		for i := range p[1].hi {
			g, w := double{p[0].hi[i], p[0].lo[i]}, double{p[1].hi[i], p[1].lo[i]}
			if math.Float64bits(g.hi) != math.Float64bits(w.hi) || math.Float64bits(g.lo) != math.Float64bits(w.lo) {
				return fmt.Sprintf("%s of %s[%d] = %v, want %v", what, name, i, g, w)
			}
		}
	}
	return ""
}

// Law: on statistics of any history and on any number of processors, AddAll
// leaves the bits and returns the error that Add for each in order does, except
// that a refusal leaves nothing changed.
func TestAddAllEqualsAddOfEach(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(0, 40).Draw(t, "d")
		got := statisticsOf(t, d, drawExamples(t, d, 3))
		xs, targets := drawBatch(t, d, 2*block+9)
		want, wantErr := addEach(got, xs, targets)
		runtime.GOMAXPROCS(rapid.IntRange(1, 5).Draw(t, "processors"))
		err := got.AddAll(xs, targets)
		if !sameError(err, wantErr) {
			t.Fatalf("AddAll of %d examples = %v, want as Add: %v", len(xs), err, wantErr)
		}
		if d := difference(got, want); d != "" {
			t.Fatalf("AddAll of %d examples (%v) left %s", len(xs), err, d)
		}
	})
}

// Law: shares end at d, are never empty, number at most n, and no share has
// more elements than its part by more than the length of a row.
func TestSharesAreAboutEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, n := rapid.IntRange(1, 2000).Draw(t, "d"), rapid.IntRange(1, 200).Draw(t, "n")
		ends := shares(d, n)
		if len(ends) > n || ends[len(ends)-1] != d {
			t.Fatalf("shares(%d, %d) = %v, want at most %d that end at %d", d, n, ends, n, d)
		}
		first := 0
		for _, end := range ends {
			got, most := rowStart(d, end)-rowStart(d, first), rowStart(d, d)/n+d+1
			if end <= first || got > most {
				t.Fatalf("shares(%d, %d) = %v: %d elements from row %d to %d, want 1 to %d", d, n, ends, got, first, end, most)
			}
			first = end
		}
	})
}

// The batch of each benchmark is added once by AddAll and once by Add of each.
func BenchmarkAddAll(b *testing.B) {
	for _, d := range []int{256, 808} {
		var xs [][]float32
		var targets []Target
		for _, e := range randomExamples(2000, d, []string{"a", "b"}) {
			xs, targets = append(xs, e.x), append(targets, Target{Classes: e.classes})
		}
		r := NewRidge(d, Unbalanced)
		b.Run(fmt.Sprintf("d=%d/AddAll", d), func(b *testing.B) {
			for b.Loop() {
				_ = r.AddAll(xs, targets)
			}
		})
		b.Run(fmt.Sprintf("d=%d/Add", d), func(b *testing.B) {
			for b.Loop() {
				for i, x := range xs {
					_ = r.Add(x, targets[i])
				}
			}
		})
	}
}

func drawTarget(r *rand.Rand) Target {
	nan := math.NaN()
	return []Target{
		{}, {Classes: []string{"a"}}, {Classes: []string{"b", "b"}}, {Classes: []string{"c", "a"}},
		{Classes: []string{"a", "b"}, Degrees: []float64{0.3, 0.7}, Weight: 0.1},
		{Classes: []string{"a", "c"}, Degrees: []float64{nan, 1}},
		{Classes: []string{"a", "c"}, Degrees: []float64{nan, nan}, Weight: 3},
	}[r.IntN(7)]
}

func BenchmarkMerge768(b *testing.B) {
	r, shard := NewRidge(768, Unbalanced), NewRidge(768, Unbalanced)
	for b.Loop() {
		_ = r.Merge(shard)
	}
}

// Two thousand vectors are counted fifty times, as a hundred thousand would be.
func BenchmarkLoad100000x768(b *testing.B) {
	few, of := randomTargets(2000, 768, []string{"a", "b", "c"})
	var xs [][]float32
	var targets []Target
	for range 50 {
		xs, targets = append(xs, few...), append(targets, of...)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := NewRidge(768, Unbalanced).AddAll(xs, targets); err != nil {
			b.Fatal(err)
		}
	}
}
