package index

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"unsafe"

	"nearcase/index/simd"
)

// Codes are a vector in eight bits a dimension: w ≈ scale · code with code from
// -127 to 127 and a scale of each vector's own. What rounding lost is known: the
// Euclidean length of w - scale·code, so that by Cauchy and Schwarz
//
//	|q·w - q̂·ŵ| = |q̂·(w-ŵ) + (q-q̂)·w| ≤ |q̂||w-ŵ| + |q-q̂||w|
//
// bounds every score from both sides without touching w.

// stride is the number of codes of a row: the dimension rounded up to what the
// kernels take. Codes beyond the dimension are zero.
func stride(dimension int) int { return (dimension + simd.Block - 1) / simd.Block * simd.Block }

// unitSlack bounds the length of a stored vector or query: 1 within 1e-3.
const unitSlack = 1.001

// encode writes the codes of w, offset by 128, and returns their scale and an
// upper bound of the length of what rounding lost.
func encode(codes []uint8, w []float32) (scale, lost float32) {
	scale = max(simd.MaxAbs(w)/127, math.SmallestNonzeroFloat32*(1<<30)) // w may be 0
	simd.Quantise(codes, w, 1/scale)
	var square float64
	for i, x := range w {
		d := float64(x) - float64(scale)*float64(int(codes[i])-128)
		square += d * d
	}
	return scale, upward(math.Sqrt(square))
}

// upward is x as a float32 that is not less.
func upward(x float64) float32 { return float32(x*(1+1e-6)) + 1e-12 }

// query is a unit vector ready to be scored against rows of a frame.
type query struct {
	vector []float32
	codes  simd.Query8
	// A row with codes c, scale s, bias b, loss e and length l scores within
	// length·e + lost·l + slack of base + b + scale·s·(codes·c).
	base, scale         float32
	length, lost, slack float32

	// The same of heads, where there are some, and the length of the rest; base,
	// bias and slack are the same.
	head                                      []float32
	headCodes                                 simd.Query8
	headScale, headLength, headLost, headRest float32

	difference []float32 // scratch
	bytes      []uint8
	signs      []int8
}

// set prepares q for a vector, which must stay as it is while q is used.
func (q *query) set(vector []float32, f *frame) {
	q.vector = vector
	q.difference = f.difference(q.difference[:0], vector)
	w := q.difference
	q.bytes = slices.Grow(q.bytes[:0], stride(len(w)))[:stride(len(w))]
	scale, lost := encode(q.bytes, w)
	length := math.Sqrt(exactDot(w, w))
	q.setCodes(q.bytes, scale, float32(f.square+f.bias(w)))
	q.lost = lost
	q.length = upward(length) + lost // |q̂| ≤ |q| + |q-q̂|
	// simd.Dot's own rounding, as its comment states it, and that of these sums.
	q.slack = (float32(len(w))/16+8)*unitSlack*unitSlack/(1<<24) + 3e-6
	q.setHead(f, length)
}

func (q *query) setHead(f *frame, length float64) {
	if f.size == 0 {
		return
	}
	q.head = slices.Grow(q.head[:0], f.size)[:f.size]
	q.headRest = f.head(q.head, q.difference, length)
	q.bytes = slices.Grow(q.bytes[:0], f.size)[:f.size]
	scale, lost := encode(q.bytes, q.head)
	q.headCodes.Set(q.signed(q.bytes))
	q.headScale = scale
	q.headLength = upward(length*(1+f.delta)) + lost
	q.headLost = lost + upward((2*f.rounding(len(q.difference))+2*f.delta)*length)
}

// setCodes prepares q for approximate scores only.
func (q *query) setCodes(codes []uint8, scale, base float32) {
	q.codes.Set(q.signed(codes))
	q.scale, q.base = scale, base
}

// setRow prepares q for approximate scores of a row.
func (q *query) setRow(v *view, row uint32) {
	q.setCodes(v.code(row), v.scales[row], v.bias[row])
}

// signed returns codes without their offset, until the next call.
func (q *query) signed(codes []uint8) []int8 {
	q.signs = slices.Grow(q.signs[:0], len(codes))[:len(codes)]
	signed(q.signs, codes)
	return q.signs
}

// signed takes the offset off codes, eight at a time: there is a multiple of 64.
func signed(signs []int8, codes []uint8) {
	bytes := unsafe.Slice((*uint8)(unsafe.Pointer(unsafe.SliceData(signs))), len(codes))
	for i := 0; i < len(codes); i += 8 {
		binary.LittleEndian.PutUint64(bytes[i:], binary.LittleEndian.Uint64(codes[i:])^0x8080808080808080)
	}
}

var queries = sync.Pool{New: func() any { return new(query) }}
