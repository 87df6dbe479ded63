package simd

import "math"

// Quantise sets dst[i] to 128 + the integer nearest to src[i] · inverse, ties to
// even, cut to [-127, 127]; the product is rounded to float32 first. The rest of
// a longer dst becomes 128, which stands for zero. NaN counts as -127. It panics
// where dst is shorter than src.
func Quantise(dst []uint8, src []float32, inverse float32) {
	pad := dst[len(src):]
	for i := range pad {
		pad[i] = 128
	}
	quantise(dst[:len(src)], src, inverse)
}

func quantisePortable(dst []uint8, src []float32, inverse float32) {
	dst = dst[:len(src)]
	for i, x := range src {
		dst[i] = uint8(128 + int32(math.RoundToEven(float64(clamp(x*inverse)))))
	}
}

// clamp cuts before the rounding, which is the same as after because the limits
// are integers. Its comparisons are written so that NaN becomes -127.
func clamp(x float32) float32 {
	if !(x > -127) {
		return -127
	}
	return min(x, 127)
}

// MaxAbs returns the largest magnitude in v, 0 for none. It passes over NaN.
func MaxAbs(v []float32) float32 { return maxAbs(v) }

func maxAbsPortable(v []float32) (largest float32) {
	for _, x := range v {
		if x = math.Float32frombits(math.Float32bits(x) &^ (1 << 31)); x > largest {
			largest = x
		}
	}
	return largest
}
