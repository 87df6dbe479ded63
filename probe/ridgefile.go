package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
)

// ErrFormat says that bytes are not the statistics of a Ridge, or damaged.
var ErrFormat = errors.New("probe: not a ridge's statistics")

// The format: magic and version, then in little-endian order the dimension, the
// balance and the number of bare examples, the moments over all, the number of
// classes and, by name, each with its moments and those of the examples that
// ignore it; and the CRC-32C of all that. Moments are a count, a weight, the
// total and, unless left out, the products: all high parts, then all low parts.
const ridgeMagic = "nearcase ridge 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary returns the statistics, to the bit. It returns no error.
func (r *Ridge) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, r.size())
	b = append(b, ridgeMagic...)
	b = appendInts(b, r.dimension, int(r.balance), r.bare)
	b = r.all.append(b)
	names := slices.Sorted(maps.Keys(r.classes))
	b = appendInts(b, len(names))
	for _, name := range names {
		c := r.classes[name]
		b = appendInts(b, len(name))
		b = append(b, name...)
		b = appendInts(b, c.whole)
		b = c.moments.append(b)
		if c.missing == nil {
			b = append(b, 0)
		} else {
			b = c.missing.append(append(b, 1))
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// size is about how many bytes the statistics take.
func (r *Ridge) size() int {
	n := len(ridgeMagic) + 64 + 16*(len(r.all.total.hi)+len(r.all.products.hi))
	for name, c := range r.classes {
		n += len(name) + 64 + 16*(len(c.total.hi)+len(c.products.hi))
		if c.missing != nil {
			n += 64 + 16*(len(c.missing.total.hi)+len(c.missing.products.hi))
		}
	}
	return n
}

func appendInts(b []byte, ints ...int) []byte {
	for _, i := range ints {
		b = binary.LittleEndian.AppendUint64(b, uint64(i))
	}
	return b
}

func (m *moments) append(b []byte) []byte {
	b = appendInts(b, m.count)
	for _, s := range []sums{{[]float64{m.weight.hi}, []float64{m.weight.lo}}, m.total, m.products} {
		for _, v := range s.hi {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		for _, v := range s.lo {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b
}

// UnmarshalBinary sets r to statistics that MarshalBinary returned. It returns
// ErrFormat where the bytes are others, damaged or cut short, and then leaves r
// as it was. It takes no more memory than a small multiple of the bytes.
func (r *Ridge) UnmarshalBinary(data []byte) error {
	body := len(data) - 4
	if body < len(ridgeMagic) || string(data[:len(ridgeMagic)]) != ridgeMagic {
		return fmt.Errorf("reading %d bytes, want them to begin with %q: %w", len(data), ridgeMagic, ErrFormat)
	}
	if got, want := crc32.Checksum(data[:body], castagnoli), binary.LittleEndian.Uint32(data[body:]); got != want {
		return fmt.Errorf("reading %d bytes: checksum %08x, want %08x: %w", len(data), got, want, ErrFormat)
	}
	s := &source{rest: data[len(ridgeMagic):body]}
	read := s.ridge()
	if len(s.rest) > 0 {
		s.bad = true
	}
	if s.bad {
		return fmt.Errorf("reading %d bytes: %w", len(data), ErrFormat)
	}
	*r = *read
	return nil
}

// source is bytes yet to be read. It is bad once they were not as expected, and
// then gives zeros.
type source struct {
	rest []byte
	bad  bool
}

func (s *source) take(n int) []byte {
	if s.bad || n < 0 || n > len(s.rest) {
		s.bad = true
		return nil
	}
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	return taken
}

// int returns a number of at most 2^31.
func (s *source) int() int {
	b := s.take(8)
	if s.bad {
		return 0
	}
	v := binary.LittleEndian.Uint64(b)
	if s.bad = v > 1<<31; s.bad {
		return 0
	}
	return int(v)
}

func (s *source) floats(n int) []float64 {
	if s.bad || n > len(s.rest)/8 {
		s.bad = true
		return nil
	}
	b := s.take(8 * n)
	f := make([]float64, n)
	for i := range f {
		if s.bad {
			return nil
		}
		f[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		s.bad = f[i]-f[i] != 0
	}
	return f
}

func (s *source) sums(n int) sums { return sums{s.floats(n), s.floats(n)} }

func (s *source) moments(d int, products bool) moments {
	m := moments{count: s.int()}
	if w := s.sums(1); !s.bad {
		m.weight = double{w.hi[0], w.lo[0]}
	}
	m.total = s.sums(d)
	if products && !s.bad {
		m.products = s.sums(d * (d + 1) / 2)
	}
	return m
}

func (s *source) ridge() *Ridge {
	r := &Ridge{dimension: s.int(), balance: Balance(s.int()), bare: s.int(), classes: map[string]*class{}}
	if r.balance > ByFinding || r.dimension > 1<<20 {
		s.bad = true
		return r
	}
	r.all = s.moments(r.dimension, true)
	last := ""
	for i, n := 0, s.int(); i < n && !s.bad; i++ {
		name := string(s.take(s.int()))
		c := &class{whole: s.int(), moments: s.moments(r.dimension, r.balance != Unbalanced)}
		if missing := s.take(1); len(missing) == 1 && missing[0] == 1 {
			m := s.moments(r.dimension, true)
			c.missing = &m
		} else if len(missing) == 1 && missing[0] != 0 {
			s.bad = true
		}
		s.bad = s.bad || i > 0 && name <= last || !r.consistent(c)
		r.classes[name], last = c, name
	}
	s.bad = s.bad || r.bare > r.all.count
	return r
}

// consistent reports whether the counts of a class may be.
func (r *Ridge) consistent(c *class) bool {
	missing := 0
	if c.missing != nil {
		missing = c.missing.count
	}
	return c.whole <= c.count && c.count+missing <= r.all.count && c.count+missing > 0 && (c.missing == nil || missing > 0)
}
