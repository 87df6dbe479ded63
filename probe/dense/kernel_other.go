//go:build !amd64

package dense

func tile(k int, a, b, c []float64, stride int) { tilePortable(k, a, b, c, stride) }

func dotSums(sums *[lanes]float64, x, y []float64) { dotPortable(sums, x, y) }

func add(y []float64, f float64, x []float64) { addPortable(y, f, x) }

func dotAdd(sums *[lanes]float64, y []float64, f float64, row, x []float64) {
	dotAddPortable(sums, y, f, row, x)
}
