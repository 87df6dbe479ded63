package jpeg

import "fmt"

// lookBits is the length of code that one look into a table resolves.
const lookBits = 10

// huffman is a table of codes. A decoding looks lookBits ahead and finds an
// entry; for most codes that is all, with the coefficient's own bits included.
type huffman struct {
	counts [16]byte // codes of each length from 1
	values [256]byte
	built  bool

	look [1 << lookBits]entry
	// Longer codes are found by comparison (T.81, F.2.2.3): limit[l] is the
	// first code longer than l bits, as the top of 16 bits.
	limit  [17]uint32
	offset [17]int32
}

// entry is what a code means. Its parts are the bits to pass, 0 where the code
// is longer than lookBits or none; the value coded, run<<4 | size; and the
// coefficient, 0 where its bits reach beyond lookBits or it has none, when only
// the code is passed.
type entry uint32

func (e entry) bits() int          { return int(e & 63) }
func (e entry) value() byte        { return byte(e >> 8) }
func (e entry) run() int           { return int(e>>12) & 15 }
func (e entry) coefficient() int32 { return int32(e) >> 16 }

// define reads the lengths and values of a DHT segment and returns their size.
func (h *huffman) define(body []byte) (int, error) {
	h.built = false
	n, code := 0, 0
	for i, count := range body[:16] {
		h.counts[i] = count
		n += int(count)
		// No code is all ones (T.81, C.2).
		if code = 2*code + int(count); code >= 2<<i {
			return 0, fmt.Errorf("%w: a Huffman table with too many codes of %d bits", ErrFormat, i+1)
		}
	}
	if n > 256 || len(body) < 16+n {
		return 0, fmt.Errorf("%w: a Huffman table of %d values in %d bytes", ErrFormat, n, len(body)-16)
	}
	copy(h.values[:], body[16:16+n])
	return 16 + n, nil
}

// build makes the table ready, once after each define.
func (h *huffman) build() {
	if h.built {
		return
	}
	h.built = true
	clear(h.look[:])
	code, index := uint32(0), int32(0)
	for length := 1; length <= 16; length++ {
		code <<= 1
		h.offset[length] = index - int32(code)
		for range h.counts[length-1] {
			if length <= lookBits {
				h.fill(code, length, h.values[index])
			}
			code++
			index++
		}
		h.limit[length] = code << (16 - length)
	}
}

// fill enters a code under all that can follow it.
func (h *huffman) fill(code uint32, length int, value byte) {
	rest := lookBits - length
	size := int(value & 15)
	for tail := range uint32(1) << rest {
		e := entry(length) | entry(value)<<8
		if size > 0 && size <= rest {
			v := extend(tail>>(rest-size), size)
			e = entry(length+size) | entry(value)<<8 | entry(v)<<16
		}
		h.look[code<<rest|tail] = e
	}
}

// find returns the length and the value of the code of more than lookBits bits
// at the top of acc, and a length of 0 for none.
func (h *huffman) find(acc uint64) (length int, value byte) {
	top := uint32(acc >> 48)
	for l := lookBits + 1; l <= 16; l++ {
		if top < h.limit[l] {
			return l, h.values[byte(int32(top>>(16-l))+h.offset[l])]
		}
	}
	return 0, 0
}

// extend returns the number that size bits code (T.81, F.2.2.1).
func extend(v uint32, size int) int32 {
	if v < 1<<(size-1) {
		return int32(v) - 1<<size + 1
	}
	return int32(v)
}
