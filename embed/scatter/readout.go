package scatter

import "math"

// What the averages are compared with, for luminance from 0 to 1. The power
// spectrum of mammograms falls about as the cube of the frequency (Burgess,
// Jacobson and Judy, Medical Physics 28(4), 2001), so the response of wavelets
// an octave wide grows by √2 per octave; radiographs and smears are not far from
// it. The level was chosen on both; halving or doubling it matters little, as
// most rows compare averages with each other.
const (
	contrast = 0.002    // first order at the finest octave
	ratio    = 1.0 / 16 // of second to first order

	faintFirst  = 5e-4 // added before the logarithm: weaker responses are noise
	faintSecond = 5e-5
)

// The weights of the rows whose many parts would otherwise outweigh the rest.
const (
	arrangement = 0.35 // the mean of the second order
	turns       = 0.5  // its orientations
)

// The readout turns the logarithms of a cell's averages, its paths, into rows
// that a cosine can compare. There are three kinds, in this order.
const (
	levelRows = octaves             // tempered over the picture
	cellRows  = 2*octaves + 2*pairs // kept in every cell
	quadRows  = 4*pairs + 2*octaves // averaged over 2 × 2 cells
	rows      = levelRows + cellRows + quadRows

	pairs = octaves * (octaves - 1) / 2 // of a finer and a coarser octave
	paths = angles * (3*octaves + angles*pairs)
)

// channels is how many maps meet the wavelets at an octave: luminance, two of
// colour, and those that finer octaves made of luminance.
func channels(octave int) int { return 3 + angles*octave }

// path returns the place of one channel's response at an octave, by orientation.
func path(octave, channel, angle int) int {
	finer := angles * (3*octave + angles*octave*(octave-1)/2)
	return finer + channel*angles + angle
}

// again returns the channel of luminance that went through the wavelets of a
// finer octave.
func again(finer, angle int) int { return 3 + finer*angles + angle }

// references returns what is added to every path before its logarithm, and the
// logarithm of a usual picture. Usual is no colour.
func references() (faint, centre [paths]float64) {
	for j := range octaves {
		for i := range angles * channels(j) {
			added, usual := reference(j, i/angles)
			at := path(j, i/angles, i%angles)
			faint[at], centre[at] = added, math.Log(added+usual)
		}
	}
	return faint, centre
}

// reference returns what is added to a channel's average at an octave, and its
// average in a usual picture.
func reference(octave, channel int) (added, usual float64) {
	level := func(octave int) float64 { return contrast * math.Pow(2, float64(octave)/2) }
	switch {
	case channel == 0:
		return faintFirst, level(octave)
	case channel < 3:
		return faintFirst, 0
	}
	return faintSecond, ratio * level((channel-3)/angles)
}

// A row weighs paths.
type row [paths]float64

// firstOrder weighs one channel at one octave by orientation.
func firstOrder(octave, channel int, weight func(angle int) float64) row {
	var r row
	for a := range angles {
		r[path(octave, channel, a)] = weight(a)
	}
	return r
}

// secondOrder weighs a pair of octaves by the orientations of both wavelets,
// each second order relative to the first order that it comes from.
func secondOrder(finer, coarser int, weight func(first, second int) float64) row {
	var r row
	for a := range angles {
		for b := range angles {
			r[path(coarser, again(finer, a), b)] = weight(a, b)
			r[path(finer, 0, a)] -= weight(a, b)
		}
	}
	return r
}

// cosine and sine are the lowest harmonic over the orientations: twice the
// angle, as an orientation repeats after half a turn.
func cosine(angle int) float64 { return math.Cos(2 * math.Pi * float64(angle) / angles) }
func sine(angle int) float64   { return math.Sin(2 * math.Pi * float64(angle) / angles) }

// A readout is an affine map from paths to rows: weights[row·paths+path].
type readout struct {
	weights, bias []float32
	centre        [paths]float64 // of the logarithms
}

// newReadout returns the map. Over the orientations it takes the lowest
// harmonics, which hold nearly all there is: the mean, and the cosine and sine
// of twice the angle. The weights of a row have length one before the weighting
// of its kind, which keeps the geometry of the logarithms.
func newReadout() *readout {
	r := new(readout)
	_, r.centre = references()
	r.levels()
	r.cells()
	r.quads()
	return r
}

func (r *readout) add(w row) {
	var bias float64
	for i, v := range w {
		v = round(v)
		r.weights = append(r.weights, float32(v))
		bias -= v * r.centre[i]
	}
	r.bias = append(r.bias, float32(round(bias)))
}

// levels adds the mean over the orientations of every octave.
func (r *readout) levels() {
	for j := range octaves {
		r.add(firstOrder(j, 0, evenly))
	}
}

func evenly(int) float64 { return 1 / math.Sqrt(angles) }

// cells adds the orientation of every octave; then, for every pair of octaves,
// the mean of the second order, and how much of it lies along the first order's
// own orientation rather than across.
func (r *readout) cells() {
	for j := range octaves {
		r.add(firstOrder(j, 0, func(a int) float64 { return cosine(a) / 2 }))
		r.add(firstOrder(j, 0, func(a int) float64 { return sine(a) / 2 }))
	}
	r.eachPair(func(int, int) float64 { return arrangement / angles })
	r.eachPair(func(a, b int) float64 { return math.Sqrt2 / angles * cosine(a-b) })
}

// quads adds the orientations of the second order, by the finer and by the
// coarser wavelet, and the colour at every octave.
func (r *readout) quads() {
	const w = turns * math.Sqrt2 / angles
	r.eachPair(func(a, _ int) float64 { return w * cosine(a) })
	r.eachPair(func(a, _ int) float64 { return w * sine(a) })
	r.eachPair(func(_, b int) float64 { return w * cosine(b) })
	r.eachPair(func(_, b int) float64 { return w * sine(b) })
	for j := range octaves {
		r.add(firstOrder(j, 1, evenly))
		r.add(firstOrder(j, 2, evenly))
	}
}

// eachPair adds a row for every pair of octaves, by the coarser, then the finer.
func (r *readout) eachPair(weight func(first, second int) float64) {
	for coarser := 1; coarser < octaves; coarser++ {
		for finer := range coarser {
			r.add(secondOrder(finer, coarser, weight))
		}
	}
}
