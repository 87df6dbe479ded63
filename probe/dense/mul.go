package dense

import (
	"runtime"
	"sync"
)

// A tile of the product is high rows of wide columns, whose sums the kernel holds
// in registers.
const (
	high = 4
	wide = 16
)

// deep is how many products are summed up before the next tile's turn: the
// columns' panel of deep*wide numbers then stays in the first-level cache.
const deep = 256

// MulAdd adds f*a*b to c, which is stored by rows and overlaps neither. The
// shapes must fit. Large products use GOMAXPROCS goroutines, which have ended
// when it returns.
func MulAdd(c Matrix, f float64, a, b Matrix) {
	if a.Rows != c.Rows || b.Cols != c.Cols || a.Cols != b.Rows || c.ColStride != 1 {
		panic("dense: shapes do not fit")
	}
	if c.Rows == 0 || c.Cols == 0 {
		return
	}
	for from := 0; from < a.Cols; from += deep {
		k := min(deep, a.Cols-from)
		panels := packColumns(b.Slice(from, from+k, 0, b.Cols))
		spread(c.Rows, 2*c.Rows*c.Cols*k, func(i, end int) {
			mulRows(c.Slice(i, end, 0, c.Cols), f, a.Slice(i, end, from, from+k), panels)
		})
	}
}

// parallel is how many operations are worth another goroutine.
const parallel = 1 << 21

// spread runs do for all rows in about equal shares, multiples of high.
func spread(rows, operations int, do func(from, end int)) {
	n := min(runtime.GOMAXPROCS(0), operations/parallel+1)
	share := (rows/n + high) / high * high
	var workers sync.WaitGroup
	for from := 0; from < rows; from += share {
		end := min(from+share, rows)
		if n == 1 {
			do(from, end)
		} else {
			workers.Go(func() { do(from, end) })
		}
	}
	workers.Wait()
}

// packColumns returns b in panels of wide columns, each row after row, the last
// filled up with zeros.
func packColumns(b Matrix) []float64 {
	count := (b.Cols + wide - 1) / wide
	panels := make([]float64, count*b.Rows*wide)
	for p := range count {
		n := min(wide, b.Cols-p*wide)
		for k := range b.Rows {
			to := panels[(p*b.Rows+k)*wide:][:n]
			from := k*b.RowStride + p*wide*b.ColStride
			if b.ColStride == 1 {
				copy(to, b.Data[from:])
				continue
			}
			for j := range to {
				to[j] = b.Data[from+j*b.ColStride]
			}
		}
	}
	return panels
}

// mulRows adds f*a times the packed columns to c.
func mulRows(c Matrix, f float64, a Matrix, panels []float64) {
	k := a.Cols
	packed := make([]float64, (a.Rows+high-1)/high*high*k)
	packRows(packed, f, a)
	var edge [high * wide]float64
	for j := 0; j < c.Cols; j += wide {
		panel := panels[j*k:][:wide*k]
		for i := 0; i < c.Rows; i += high {
			rows := packed[i*k:][:high*k]
			if i+high <= c.Rows && j+wide <= c.Cols {
				tile(k, rows, panel, c.Data[i*c.RowStride+j:], c.RowStride)
				continue
			}
			edge = [high * wide]float64{}
			tile(k, rows, panel, edge[:], wide)
			for r := range min(high, c.Rows-i) {
				to := c.Data[(i+r)*c.RowStride+j:][:min(wide, c.Cols-j)]
				for s := range to {
					to[s] += edge[r*wide+s]
				}
			}
		}
	}
}

// packRows sets packed to f*a in panels of high rows, each column after column,
// the last filled up with zeros.
func packRows(packed []float64, f float64, a Matrix) {
	for i := range a.Rows {
		to := packed[i/high*high*a.Cols+i%high:]
		from := i * a.RowStride
		for k := range a.Cols {
			to[k*high] = f * a.Data[from]
			from += a.ColStride
		}
	}
}

// tilePortable adds the product of high packed rows and wide packed columns, k
// terms each, to the tile whose rows begin stride apart in c.
func tilePortable(k int, a, b, c []float64, stride int) {
	for r := range high {
		to := c[r*stride:][:wide]
		for j := 0; j < wide; j += 4 {
			var s0, s1, s2, s3 float64
			for l := range k {
				v, w := a[l*high+r], (*[4]float64)(b[l*wide+j:])
				s0 += v * w[0]
				s1 += v * w[1]
				s2 += v * w[2]
				s3 += v * w[3]
			}
			to[j] += s0
			to[j+1] += s1
			to[j+2] += s2
			to[j+3] += s3
		}
	}
}
