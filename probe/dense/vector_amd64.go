package dense

// The functions in Go assembly: n is above 0 and a multiple of lanes.

//go:noescape
func dotAVX512(sums *[lanes]float64, x, y *float64, n int)

//go:noescape
func dotAVX2(sums *[lanes]float64, x, y *float64, n int)

//go:noescape
func addAVX512(y *float64, f float64, x *float64, n int)

//go:noescape
func addAVX2(y *float64, f float64, x *float64, n int)

//go:noescape
func dotAddAVX512(sums *[lanes]float64, y *float64, f float64, row, x *float64, n int)

//go:noescape
func dotAddAVX2(sums *[lanes]float64, y *float64, f float64, row, x *float64, n int)

// whole returns how many of n elements the kernel in use takes; the rest are left
// to Go.
func whole(n int) int {
	if chosen == portable {
		return 0
	}
	return n &^ (lanes - 1)
}

func dotSums(sums *[lanes]float64, x, y []float64) {
	n := whole(len(x))
	if y = y[:len(x)]; n > 0 && chosen == avx512 {
		dotAVX512(sums, &x[0], &y[0], n)
	} else if n > 0 {
		dotAVX2(sums, &x[0], &y[0], n)
	}
	dotPortable(sums, x[n:], y[n:])
}

func add(y []float64, f float64, x []float64) {
	n := whole(len(x))
	if y = y[:len(x)]; n > 0 && chosen == avx512 {
		addAVX512(&y[0], f, &x[0], n)
	} else if n > 0 {
		addAVX2(&y[0], f, &x[0], n)
	}
	addPortable(y[n:], f, x[n:])
}

func dotAdd(sums *[lanes]float64, y []float64, f float64, row, x []float64) {
	n := whole(len(row))
	if y, x = y[:len(row)], x[:len(row)]; n > 0 && chosen == avx512 {
		dotAddAVX512(sums, &y[0], f, &row[0], &x[0], n)
	} else if n > 0 {
		dotAddAVX2(sums, &y[0], f, &row[0], &x[0], n)
	}
	dotAddPortable(sums, y[n:], f, row[n:], x[n:])
}
