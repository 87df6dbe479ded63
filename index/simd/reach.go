package simd

// Bounds are columns of what bounds the scores of rows, one number for a row in
// each: all of one length, at most 64.
type Bounds struct {
	Dots                            []int32
	Bias, Scale, Lost, Length, Rest []float32
}

// Weights are what a query multiplies the columns of Bounds with.
type Weights struct{ Base, Scale, Lost, Length, Rest float32 }

// Reach returns a word whose bit i says that
//
//	Base + Bias[i] + Scale·Scale[i]·Dots[i] + Lost·Lost[i] + Length·Length[i] + Rest·Rest[i] ≥ 0
//
// added from left to right, with every product and sum rounded to float32; it is
// not set for NaN. It panics where a column is shorter than Dots or Dots longer
// than 64.
func (w *Weights) Reach(b *Bounds) uint64 {
	n := len(b.Dots)
	if n > 64 {
		panic("simd: more than 64 rows")
	}
	b.Bias, b.Scale, b.Lost = b.Bias[:n:n], b.Scale[:n:n], b.Lost[:n:n]
	b.Length, b.Rest = b.Length[:n:n], b.Rest[:n:n]
	return reach(w, b)
}

// reachPortable looks at the rows from one on. The conversions forbid the
// compiler to fuse a product with its sum.
func reachPortable(w *Weights, b *Bounds, from int) (word uint64) {
	for i := from; i < len(b.Dots); i++ {
		sum := w.Base + b.Bias[i]
		sum += float32(float32(w.Scale*b.Scale[i]) * float32(b.Dots[i]))
		sum += float32(w.Lost * b.Lost[i])
		sum += float32(w.Length * b.Length[i])
		sum += float32(w.Rest * b.Rest[i])
		if sum >= 0 {
			word |= 1 << i
		}
	}
	return word
}
