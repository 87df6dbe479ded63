package dicom

import (
	"math"
	"slices"

	"nearcase/embed/dicom/dataset"
)

// mostLevels is the widest range of stored values for which tables are made.
const mostLevels = 1 << 16

// padding is the range of stored values that are no measurement (PS3.3
// C.7.5.1.1.2). The zero value is none.
type padding struct {
	is        bool
	low, high int64
}

// paddingOf reads the padding range, both ends of which belong to it and may
// come in either order. They are written as pixels are: in two's complement if
// those are, whatever the VR says.
func paddingOf(s *dataset.Set, signed bool) padding {
	low, ok := paddingValue(s, tagPaddingValue, signed)
	if !ok {
		return padding{}
	}
	high, ok := paddingValue(s, tagPaddingLimit, signed)
	if !ok {
		high = low
	}
	return padding{true, min(low, high), max(low, high)}
}

func paddingValue(s *dataset.Set, tag dataset.Tag, signed bool) (int64, bool) {
	v, ok := s.Words(tag, 1)
	switch {
	case !ok:
		return 0, false
	case signed:
		return int64(int16(v[0])), true
	}
	return int64(v[0]), true
}

func (p padding) has(v int64) bool { return p.is && v >= p.low && v <= p.high }

// value returns a stored value as a number.
func (s *Stored) value(v int32) int64 {
	if s.Bits == 32 && !s.Signed {
		return int64(uint32(v))
	}
	return int64(v)
}

// span returns the least and the greatest stored value.
func (s *Stored) span() (low, high int64) {
	if s.Bits == 32 && !s.Signed {
		low, high = math.MaxUint32, 0
		for _, v := range s.Values {
			low, high = min(low, int64(uint32(v))), max(high, int64(uint32(v)))
		}
		return low, high
	}
	least, most := s.Values[0], s.Values[0]
	for _, v := range s.Values {
		least, most = min(least, v), max(most, v)
	}
	return int64(least), int64(most)
}

// ranked is the outputs of the modality LUT in ascending order, padding left
// out. at is defined for 0 <= k < count.
type ranked struct {
	count int
	at    func(k int) float64
}

// rank orders what m makes of s.
func rank(s *Stored, m modality, p padding) ranked {
	low, high := s.span()
	if high-low < mostLevels {
		return rankCounts(counts(s, low, high), m, p, low)
	}
	return rankWide(s, m, p, low)
}

// counts returns how often each value from low to high occurs.
func counts(s *Stored, low, high int64) []int {
	n, base := make([]int, high-low+1), uint32(low)
	for _, v := range s.Values {
		n[uint32(v)-base]++
	}
	return n
}

func rankCounts(n []int, m modality, p padding, low int64) ranked {
	type level struct {
		output float64
		upTo   int // occurrences of it and of what is below
	}
	var levels []level
	for i, count := range n {
		if v := low + int64(i); count > 0 && !p.has(v) {
			levels = append(levels, level{m.of(v), count})
		}
	}
	slices.SortFunc(levels, func(a, b level) int {
		switch {
		case a.output < b.output:
			return -1
		case a.output > b.output:
			return 1
		}
		return 0
	})
	total := 0
	for i := range levels {
		total += levels[i].upTo
		levels[i].upTo = total
	}
	return ranked{total, func(k int) float64 {
		i, _ := slices.BinarySearchFunc(levels, k+1, func(l level, k int) int { return l.upTo - k })
		return levels[i].output
	}}
}

// rankWide is rank for values of up to 32 bits, which m keeps in order or
// turns. Counting their upper halves says in which the k-th is, counting the
// lower halves there says which it is.
func rankWide(s *Stored, m modality, p padding, low int64) ranked {
	base, total := uint32(low), 0
	upper := make([]int, 1<<16)
	for _, v := range s.Values {
		if !p.has(s.value(v)) {
			upper[(uint32(v)-base)>>16]++
			total++
		}
	}
	return ranked{total, func(k int) float64 {
		if m.slope < 0 {
			k = total - 1 - k
		}
		half, k := place(upper, k)
		lower := make([]int, 1<<16)
		for _, v := range s.Values {
			if d := uint32(v) - base; int(d>>16) == half && !p.has(s.value(v)) {
				lower[d&0xffff]++
			}
		}
		rest, _ := place(lower, k)
		return m.of(low + int64(half)<<16 + int64(rest))
	}}
}

// place returns the index at which counts hold the k-th, and which it is there.
func place(counts []int, k int) (index, within int) {
	for k >= counts[index] {
		k -= counts[index]
		index++
	}
	return index, k
}

// percentile returns the p-th percentile, linear between the two values that
// enclose it.
func (r ranked) percentile(p float64) float64 {
	at := p / 100 * float64(r.count-1)
	k := int(at)
	a, b := r.at(k), r.at(min(k+1, r.count-1))
	return a + (at-float64(k))*(b-a)
}
