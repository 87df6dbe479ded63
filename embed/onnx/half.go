package onnx

import (
	"encoding/binary"
	"math"
)

// halves returns the values in a format of two bytes, in the machine's order.
func halves(values []float32, convert func(float32) uint16) []byte {
	out := make([]byte, 2*len(values))
	for i, v := range values {
		binary.NativeEndian.PutUint16(out[2*i:], convert(v))
	}
	return out
}

// float16 returns the nearest binary16 (IEEE 754-2019, 3.6), the even one of
// two that are as near. What rounds beyond 65,504 is infinite.
func float16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 // not a number
	case b >= 0x477ff000: // 65,520
		return sign | 0x7c00
	case b < 0x38800000: // 2^-14, below which steps are of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(b))*(1<<24)))
	}
	b += 0xfff + b>>13&1
	return sign | uint16((b-0x38000000)>>13)
}

// bfloat16 returns the nearest value of the upper half of a float32, the even
// one of two that are as near.
func bfloat16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40 // stays not a number
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// octets returns the nearest integers between 0 and 255, the even one of two
// that are as near, and 0 for what is not a number.
func octets(values []float32) []uint8 {
	out := make([]uint8, len(values))
	for i, v := range values {
		if v > 0 { // false for what is not a number
			out[i] = uint8(math.RoundToEven(min(float64(v), 255)))
		}
	}
	return out
}
