package simd

import (
	"testing"
)

// reached is the reference of Reach.
func reached(w Weights, b Bounds) (word uint64) {
	for i, dot := range b.Dots {
		sum := w.Base + b.Bias[i]
		for _, product := range []float32{
			float32(w.Scale*b.Scale[i]) * float32(dot), w.Lost * b.Lost[i], w.Length * b.Length[i], w.Rest * b.Rest[i],
		} {
			sum += product
		}
		if sum >= 0 {
			word |= 1 << i
		}
	}
	return word
}

// boundsOf cuts n rows and the weights out of numbers, of which there are 6n+5.
func boundsOf(numbers []float32, dots []int32) (Weights, Bounds) {
	n := len(dots)
	column := func(i int) []float32 { return numbers[5+i*n:][:n:n] }
	return Weights{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]},
		Bounds{dots, column(0), column(1), column(2), column(3), column(4)}
}

func FuzzReach(f *testing.F) {
	f.Add(bits(specials))
	for n := range 70 {
		f.Add(bits(sequence(uint64(n), 5+6*n)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		numbers := floats(data)
		if len(numbers) < 5 {
			return
		}
		n := min(64, (len(numbers)-5)/6)
		dots := make([]int32, n)
		for i := range dots {
			dots[i] = int32(1e4 * min(1e4, max(-1e4, numbers[5+5*n+i])))
		}
		w, b := boundsOf(numbers, dots)
		for k := range kernels() {
			if got, want := w.Reach(&b), reached(w, b); got != want {
				t.Errorf("%v: Reach(%v, %v) = %b, want %b", k, w, b, got, want)
			}
		}
	})
}

func TestReachRefusesWrongColumns(t *testing.T) {
	for name, b := range map[string]Bounds{
		"a short column": {Dots: make([]int32, 2), Bias: make([]float32, 1)},
		"65 rows":        {Dots: make([]int32, 65)},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Reach of %s did not panic", name)
				}
			}()
			new(Weights).Reach(&b)
		}()
	}
}
