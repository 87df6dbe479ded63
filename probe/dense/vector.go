package dense

import "math"

// lanes is how many sums an inner product is cut into: lane l takes the elements
// l, l+lanes and so on, each multiplied and added with one rounding.
const lanes = 16

func dotPortable(sums *[lanes]float64, x, y []float64) {
	y = y[:len(x)]
	for j, v := range x {
		sums[j%lanes] = math.FMA(v, y[j], sums[j%lanes])
	}
}

func addPortable(y []float64, f float64, x []float64) {
	y = y[:len(x)]
	for j, v := range x {
		y[j] = math.FMA(f, v, y[j])
	}
}

func dotAddPortable(sums *[lanes]float64, y []float64, f float64, row, x []float64) {
	dotPortable(sums, row, x)
	addPortable(y, f, row)
}

// join returns the sum of the lanes, by halves.
func join(sums *[lanes]float64) float64 {
	for n := lanes / 2; n > 0; n /= 2 {
		for l := range n {
			sums[l] += sums[l+n]
		}
	}
	return sums[0]
}

// Dot returns the inner product of x and y, which are of one length.
func Dot(x, y []float64) float64 {
	var sums [lanes]float64
	dotSums(&sums, x, y)
	return join(&sums)
}

// Add adds f*x to y, which are of one length.
func Add(y []float64, f float64, x []float64) { add(y, f, x) }

// MulSymmetric returns a*x for a symmetric a that is stored by rows, of which it
// reads the upper triangle.
func MulSymmetric(a Matrix, x []float64) []float64 {
	product := make([]float64, a.Rows)
	for i, v := range x {
		row := a.Row(i)
		var sums [lanes]float64
		dotAdd(&sums, product[i+1:], v, row[i+1:], x[i+1:])
		product[i] += join(&sums) + row[i]*v
	}
	return product
}

// AddSquare adds f*x*xT to the upper triangle of a, which is stored by rows.
func AddSquare(a Matrix, f float64, x []float64) {
	for i, v := range x {
		add(a.Row(i)[i:], f*v, x[i:])
	}
}
