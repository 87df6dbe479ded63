package jpeg

import "encoding/binary"

// stream reads the bits of entropy-coded data, most significant first. acc holds
// the next n bits at its top; those below are of no meaning or the right ones.
//
// Past a marker or the end it reads zeros and counts them in pad, so that the
// decoding loops need no checks: who has read more bits than there are sees
// overrun.
type stream struct {
	data []byte
	at   int // the next byte to load
	acc  uint64
	n    int
	pad  int
	done bool // at is a marker or the end
}

// refill makes n at least 56.
func (b *stream) refill() {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	if b.at+8 <= len(b.data) {
		x := binary.BigEndian.Uint64(b.data[b.at:])
		if (^x-ones)&x&tops == 0 { // no byte is 0xff
			b.acc |= x >> (b.n & 63)
			b.at += (63 - b.n) >> 3
			b.n |= 56
			return
		}
	}
	b.refillSlowly()
}

func (b *stream) refillSlowly() {
	b.acc &^= ^uint64(0) >> b.n
	for ; b.n < 56; b.n += 8 {
		b.acc |= uint64(b.load()) << (56 - b.n)
	}
}

// load returns the next byte without its stuffing (T.81, B.1.1.5).
func (b *stream) load() byte {
	if b.done || b.at >= len(b.data) {
		b.done = true
		b.pad += 8
		return 0
	}
	v := b.data[b.at]
	if v != 0xff {
		b.at++
		return v
	}
	next := b.at + 1
	for next < len(b.data) && b.data[next] == 0xff {
		next++
	}
	if next < len(b.data) && b.data[next] == 0 {
		b.at = next + 1
		return v
	}
	b.done = true
	b.pad += 8
	return 0
}

// overrun reports whether bits were read that are not there.
func (b *stream) overrun() bool { return b.n < b.pad }

// drop passes k bits that are in acc.
func (b *stream) drop(k int) {
	b.acc <<= k & 63
	b.n -= k
}

// take returns the next k bits, 1 to 16.
func (b *stream) take(k int) uint32 {
	if b.n < 16 {
		b.refill()
	}
	v := uint32(b.acc >> ((64 - k) & 63))
	b.drop(k)
	return v
}

// bit returns whether the next bit is set.
func (b *stream) bit() bool {
	if b.n == 0 {
		b.refill()
	}
	v := int64(b.acc) < 0
	b.acc <<= 1
	b.n--
	return v
}

// end passes what is left of the data and returns the position of the marker
// that follows. More than maxPadding bytes left are not ok.
func (b *stream) end() (at int, ok bool) {
	for left := (b.n - b.pad) / 8; left <= maxPadding; left++ {
		if b.load(); b.done {
			return b.at, true
		}
	}
	return 0, false
}
