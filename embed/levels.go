package embed

import (
	"encoding/binary"
	"math"
)

// deep is a grey picture of 16 bits per sample, row-major.
type deep struct {
	width, height int
	samples       []uint16
}

// deepOf reads big-endian samples, one in size bytes.
func deepOf(width, height int, pix []byte, size int) deep {
	d := deep{width, height, make([]uint16, width*height)}
	for i := range d.samples {
		d.samples[i] = binary.BigEndian.Uint16(pix[size*i:])
	}
	return d
}

// picture returns d at the view's levels.
func (d deep) picture(v View) *Picture {
	p, table := newPicture(d.width, d.height), d.table(v)
	for i, s := range d.samples {
		o, l := p.Pix[3*i:3*i+3:3*i+3], table[s]
		o[0], o[1], o[2] = l, l, l
	}
	return p
}

// table returns the level of every sample.
func (d deep) table(v View) *[1 << 16]byte {
	var table [1 << 16]byte
	switch v.Levels {
	case LevelsClip:
		for i := range table {
			table[i] = byte(min(i, 255))
		}
	case LevelsPercentile:
		low, high := d.percentiles(v.Low, v.High)
		for i := range table {
			table[i] = stretched(float64(i), low, high)
		}
	default:
		for i := range table {
			table[i] = byte(i >> 8)
		}
	}
	return &table
}

// stretched spreads low to high over 0 to 255, rounded to nearest. Where they
// are equal, only what is above is light.
func stretched(v, low, high float64) byte {
	switch {
	case v <= low:
		return 0
	case v >= high:
		return 255
	}
	return byte(math.Floor((v-low)/(high-low)*255 + 0.5))
}

// percentiles returns two percentiles of the samples, interpolated linearly
// between the two samples around them (Hyndman and Fan, "Sample quantiles in
// statistical packages", The American Statistician 50(4), 1996, definition 7).
func (d deep) percentiles(low, high float64) (float64, float64) {
	var count [1 << 16]int
	for _, s := range d.samples {
		count[s]++
	}
	percentile := func(p float64) float64 {
		rank := float64(len(d.samples)-1) * p / 100
		whole := math.Floor(rank)
		a := ranked(&count, int(whole))
		if rank == whole {
			return a
		}
		return a + (rank-whole)*(ranked(&count, int(whole)+1)-a)
	}
	return percentile(low), percentile(high)
}

// ranked returns sample i in ascending order.
func ranked(count *[1 << 16]int, i int) float64 {
	for v, n := range count {
		if i -= n; i < 0 {
			return float64(v)
		}
	}
	return math.MaxUint16
}
