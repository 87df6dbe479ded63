package simd

import (
	"fmt"
	"slices"
	"testing"
)

// product is the definition of Dot8.
func product(row []uint8, query []int8) (sum int64) {
	for i := range row {
		sum += (int64(row[i]) - 128) * int64(query[i])
	}
	return sum
}

// tableOf is a table, its query as codes and prepared, and ids of its rows.
type tableOf struct {
	rows  []uint8
	codes []int8
	ids   []uint32
	query *Query8
}

// newTable returns count rows of length n, and as many ids; all are drawn from
// seed, and repeat.
func newTable(seed uint64, n, count int) tableOf {
	draw := func(seed uint64, n int, put func(i int, u uint32)) {
		for i, f := range sequence(seed, n) {
			put(i, uint32(int32(f*(1<<23))+1<<23))
		}
	}
	t := tableOf{make([]uint8, n*count), make([]int8, n), make([]uint32, count), new(Query8)}
	draw(seed, len(t.rows), func(i int, u uint32) { t.rows[i] = uint8(u >> 8) })
	draw(seed+1, len(t.codes), func(i int, u uint32) { t.codes[i] = int8(u >> 8) })
	draw(seed+2, len(t.ids), func(i int, u uint32) { t.ids[i] = u % uint32(count) })
	t.query.Set(t.codes)
	return t
}

func (x tableOf) row(i int) []uint8 { return x.rows[i*len(x.codes):][:len(x.codes)] }

// check compares all that the kernel in use makes of x with the definition. The
// outputs have a place for each id.
func (x tableOf) check(t *testing.T, out []int32) {
	t.Helper()
	x.query.Many(x.rows, x.ids, out)
	for i, id := range x.ids {
		x.want(t, "Many", int(id), out[i])
	}
	count := len(x.ids)
	x.query.Scan(x.rows, out)
	for i := range count {
		x.want(t, "Scan", i, out[i])
		x.want(t, "Dot8", i, Dot8(x.row(i), x.codes))
	}
}

func (x tableOf) want(t *testing.T, of string, row int, got int32) {
	t.Helper()
	if want := product(x.row(row), x.codes); int64(got) != want {
		t.Errorf("%s: %s of row %d of length %d = %d, want %d", Kernel(), of, row, len(x.codes), got, want)
	}
}

// Law: every int8 function returns the exact integer, for any number of rows.
func TestInt8IsExact(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		for _, n := range []int{0, 64, 128, 192, 256, 320, 512, 768, 1024, 4096, 4160} {
			for _, count := range []int{0, 1, 2, 3, 4, 5, 63, 64, 65, 130} {
				newTable(1, n, count).check(t, make([]int32, count))
			}
		}
	})
}

// Law: the extremes neither saturate nor wrap up to the documented length.
func TestInt8IsExactAtTheExtremes(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		for _, n := range []int{64, 512, 65536} {
			for _, r := range []uint8{0, 1, 127, 128, 129, 255} {
				for _, q := range []int8{-128, -127, -1, 0, 1, 127} {
					x := tableOf{slices.Repeat([]uint8{r}, 2*n), slices.Repeat([]int8{q}, n), []uint32{1, 0}, new(Query8)}
					x.query.Set(x.codes)
					x.check(t, make([]int32, 2))
				}
			}
		}
	})
}

// Law: rows and queries may begin at any byte.
func TestInt8TakesUnalignedMemory(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		plain := newTable(5, 192, 7)
		for shift := range 65 {
			x := plain
			x.rows = append(make([]uint8, shift), plain.rows...)[shift:]
			x.codes = append(make([]int8, shift), plain.codes...)[shift:]
			x.query = &Query8{codes: x.codes, bias: bias(x.codes)}
			x.query.prepare()
			x.check(t, make([]int32, 7))
		}
	})
}

func TestManyKeepsTheRestOfALongerOutput(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		x := newTable(1, 64, 5)
		out := slices.Repeat([]int32{-7}, 9)
		x.query.Many(x.rows, x.ids, out)
		if rest := out[5:]; !slices.Equal(rest, []int32{-7, -7, -7, -7}) {
			t.Errorf("Many of 5 rows left %d behind them, want -7s", rest)
		}
	})
}

func TestSetReplacesTheQuery(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		long, short := newTable(1, 512, 3), newTable(2, 128, 3)
		long.query.Set(short.codes)
		if got := long.query.Len(); got != 128 {
			t.Errorf("Len() = %d, want 128", got)
		}
		short.query = long.query
		short.check(t, make([]int32, 3))
	})
}

func TestTheKernelsAllocateNothing(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		x := newTable(1, 512, 70)
		var out [70]int32
		allocs := testing.AllocsPerRun(10, func() {
			var q [512]int8
			x.query.Set(q[:])
			x.query.Many(x.rows, x.ids, out[:])
			x.query.Scan(x.rows, out[:])
			Dot8(x.row(0), q[:])
		})
		if allocs != 0 {
			t.Errorf("%v allocations, want 0", allocs)
		}
	})
}

// Law: what does not fit panics instead of reaching outside.
func TestWhatDoesNotFitPanics(t *testing.T) {
	x := newTable(1, 64, 4)
	out := make([]int32, 4)
	for name, f := range map[string]func(){
		"Dot of a shorter second vector":    func() { Dot(make([]float32, 3), make([]float32, 2, 3)) },
		"Dot8 of two lengths":               func() { Dot8(x.rows[:128], x.codes) },
		"Dot8 of a length of 63":            func() { Dot8(x.rows[:63], x.codes[:63]) },
		"Set of a length of 63":             func() { x.query.Set(x.codes[:63]) },
		"Many with an id outside":           func() { x.query.Many(x.rows, []uint32{0, 4}, out) },
		"Many with the largest id":          func() { x.query.Many(x.rows, []uint32{1<<32 - 1}, out) },
		"Many with a cut last row":          func() { x.query.Many(x.rows[:255], []uint32{3}, out) },
		"Many with a short output":          func() { x.query.Many(x.rows, x.ids, out[:3:4]) },
		"Scan of too many rows":             func() { x.query.Scan(x.rows[:255:256], out) },
		"Quantise into a short destination": func() { Quantise(make([]uint8, 2), make([]float32, 3), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			for k := range kernels() {
				x.query.Set(x.codes)
				if !panics(f) {
					t.Errorf("%v does not panic", k)
				}
			}
		})
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func ExampleQuery8() {
	table := make([]uint8, 3*Block) // three rows
	for i := range table {
		table[i] = uint8(128 + i/Block)
	}
	query := make([]int8, Block)
	query[0], query[1] = 100, -50

	var q Query8
	q.Set(query)
	out := make([]int32, 2)
	q.Many(table, []uint32{2, 1}, out)
	fmt.Println(out)
	// Output: [100 50]
}
