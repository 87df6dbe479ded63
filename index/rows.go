package index

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"nearcase/index/simd"
)

// rows is what every engine keeps of its vectors: in flat arrays by row the key,
// the codes and their scale and loss, and the vector itself in blocks. A removed
// row is dead until no search can meet it any more; then it is used again.
//
// One goroutine at a time writes, holding write. Readers hold no lock: they
// enter the epoch, load the number of rows and then the arrays.
type rows struct {
	dimension, stride int
	partSize          int // only tests change it

	write  sync.Mutex
	epochs epochs
	n      atomic.Int64 // rows in use, dead ones included; only grows
	live   atomic.Int64
	arrays atomic.Pointer[arrays]
	keys   *keyMap
	next   int    // the first row never used; n follows when rows are shown
	last   uint64 // the largest key ever added, when used
	used   bool

	trained atomic.Int64 // how many there were when heads were last considered
	encoder encoder      // of the writer

	graves []grave  // unlinked rows that a search may still look at
	free   []uint32 // rows to use again
}

// grave is a row that nothing leads to since an epoch.
type grave struct {
	row   uint32
	since uint64
}

// arrays hold the rows. When they are full they are copied into longer ones;
// readers of the old ones then see no later change.
type arrays struct {
	keys   []uint64
	alive  []uint64 // a bit a row; atomic
	blocks []*block
	coded
	links // of the graph engine only
}

// blockRows is the number of vectors of a block.
const blockRows = 1024

// block holds blockRows vectors, one after another. It may lie in a mapped
// snapshot, whose pages are copied by the system when they are written.
type block struct {
	vectors []float32
	file    *mapping     // what vectors lie in; nil is Go's memory
	writes  atomic.Int64 // tells a snapshot that the block changed meanwhile
}

func newRows(dimension int) *rows {
	r := &rows{dimension: dimension, stride: stride(dimension), partSize: partSize, keys: newKeyMap()}
	r.arrays.Store(&arrays{coded: coded{frame: new(frame)}})
	return r
}

// view is the rows as one reader sees them.
type view struct {
	*arrays
	n                 int
	dimension, stride int
}

func (r *rows) view() view {
	n := int(r.n.Load()) // before arrays, which are never shorter
	return view{r.arrays.Load(), n, r.dimension, r.stride}
}

func (a *arrays) isAlive(row uint32) bool {
	return atomic.LoadUint64(&a.alive[row/64])>>(row%64)&1 != 0
}

// holds says whether the view has the vector of a row that it leads to.
func (v *view) holds(row uint32) bool { return int(row/blockRows) < len(v.blocks) }

func (v *view) vector(row uint32) []float32 {
	from := int(row) % blockRows * v.dimension
	return v.blocks[row/blockRows].vectors[from : from+v.dimension : from+v.dimension]
}

func (v *view) code(row uint32) []uint8 {
	from := int(row) * v.stride
	return v.codes[from : from+v.stride : from+v.stride]
}

// score is the score of a row: always simd.Dot of the query and the vector.
func (v *view) score(q *query, row uint32) Neighbour {
	n := Neighbour{Key: v.keys[row], Score: simd.Dot(q.vector, v.vector(row))}
	runtime.KeepAlive(v.arrays) // and so the file that the vector may lie in
	return n
}

// check returns why a vector cannot be stored under a key. The caller holds
// write.
func (r *rows) check(key uint64, vector []float32) error {
	if err := checkUnit(vector, r.dimension); err != nil {
		return fmt.Errorf("index: add key %d: %w", key, err)
	}
	if r.used && key <= r.last {
		return fmt.Errorf("index: add key %d after %d: %w", key, r.last, ErrKey)
	}
	if !r.hasRoom(1) {
		return fmt.Errorf("index: add key %d: %w", key, ErrFull)
	}
	return nil
}

// hasRoom says whether n more rows can be placed.
func (r *rows) hasRoom(n int) bool { return n <= len(r.free)+maxRows-r.next }

// checkAll returns why not all of the vectors can be stored. The caller holds
// write.
func (r *rows) checkAll(keys []uint64, vectors [][]float32) error {
	if len(keys) != len(vectors) {
		return fmt.Errorf("index: add: %w: %d keys for %d vectors", ErrKey, len(keys), len(vectors))
	}
	if !r.hasRoom(len(keys)) {
		return fmt.Errorf("index: add %d keys: %w", len(keys), ErrFull)
	}
	for i, key := range keys {
		if err := r.check(key, vectors[i]); err != nil {
			return err
		}
		if i > 0 && key <= keys[i-1] {
			return fmt.Errorf("index: add key %d after %d: %w", key, keys[i-1], ErrKey)
		}
	}
	return nil
}

// maxRows leaves one bit of a row's number for the search to mark it with.
const maxRows = 1<<31 - 1

// place stores a checked vector in a row that nothing leads to yet and nobody
// sees, and returns the row. The caller holds write.
func (r *rows) place(key uint64, vector []float32) uint32 {
	r.last, r.used = key, true
	row := r.vacant()
	v := r.view()
	v.keys[row] = key
	v.set(&r.encoder, row, vector)
	b := v.blocks[row/blockRows]
	copy(v.vector(row), vector)
	b.writes.Add(1)
	return row
}

// show makes a placed row part of every search that begins from now on.
func (r *rows) show(row uint32) {
	a := r.arrays.Load()
	r.keys.set(a.keys[row], row)
	atomic.OrUint64(&a.alive[row/64], 1<<(row%64))
	if int64(row) >= r.n.Load() {
		r.n.Store(int64(row) + 1)
	}
	r.live.Add(1)
}

// vacant returns a row to use: one that is free, or the next.
func (r *rows) vacant() uint32 {
	r.exhume()
	if n := len(r.free); n > 0 {
		row := r.free[n-1]
		r.free = r.free[:n-1]
		return row
	}
	r.next++
	r.reserve(r.next)
	r.reserveBlocks(r.next)
	return uint32(r.next - 1)
}

// hide takes a key out of every search that begins from now on and returns the
// row that it had. The caller holds write.
func (r *rows) hide(key uint64) (row uint32, ok bool) {
	row, ok = r.keys.row(key)
	if !ok {
		return 0, false
	}
	r.keys.remove(key)
	a := r.arrays.Load()
	atomic.AndUint64(&a.alive[row/64], ^uint64(1<<(row%64)))
	r.live.Add(-1)
	return row, true
}

// bury makes hidden rows that nothing leads to free once all searches that may
// know them have ended.
func (r *rows) bury(dead ...uint32) {
	now := r.epochs.advance()
	for _, row := range dead {
		r.graves = append(r.graves, grave{row, now})
	}
}

// buryFree makes free rows wait for all searches that are under way.
func (r *rows) buryFree() {
	r.bury(r.free...)
	r.free = nil
	for i := range r.graves {
		r.graves[i].since = r.graves[len(r.graves)-1].since
	}
}

// exhume frees the rows whose graves nobody can be looking into.
func (r *rows) exhume() {
	if len(r.graves) == 0 {
		return
	}
	r.epochs.advance()
	now := r.epochs.advance() // two epochs, if no search is under way
	done := 0
	for done < len(r.graves) && r.graves[done].since+2 <= now {
		r.free = append(r.free, r.graves[done].row)
		done++
	}
	r.graves = slices.Delete(r.graves, 0, done)
}

// reserve makes the arrays hold n rows, an eighth more when they grow.
func (r *rows) reserve(n int) {
	old := r.arrays.Load()
	if n <= len(old.keys) {
		return
	}
	size := (max(n, len(old.keys)*9/8, 64) + 63) / 64 * 64
	r.arrays.Store(&arrays{
		keys:   grown(old.keys, size),
		alive:  grown(old.alive, size/64),
		links:  old.links.grown(size),
		coded:  old.coded.grown(size, r.stride),
		blocks: old.blocks,
	})
}

// reserveFor makes room for n more rows.
func (r *rows) reserveFor(n int) {
	r.exhume()
	r.reserve(r.next + max(0, n-len(r.free)))
}

// reserveBlocks makes the blocks hold n vectors.
func (r *rows) reserveBlocks(n int) {
	a := r.arrays.Load()
	if n <= len(a.blocks)*blockRows {
		return
	}
	b := *a
	b.blocks = append(slices.Clone(a.blocks), newBlock(r.dimension))
	r.arrays.Store(&b)
}

func newBlock(dimension int) *block {
	return &block{vectors: make([]float32, blockRows*dimension)}
}

// grown returns a copy of s of length n.
func grown[T any](s []T, n int) []T {
	g := make([]T, n)
	huge(g)
	copy(g, s)
	return g
}

// Len is the number of live rows.
func (r *rows) Len() int { return int(r.live.Load()) }

// Vector implements Index.
func (r *rows) Vector(key uint64) ([]float32, bool) {
	defer r.epochs.leave(r.epochs.enter())
	v := r.view() // before the row, which may be removed and saved as zeros
	row, ok := r.keys.row(key)
	if !ok || int(row) >= v.n {
		return nil, false
	}
	vector := slices.Clone(v.vector(row))
	runtime.KeepAlive(v.arrays) // and so the file that the vector may lie in
	return vector, true
}

// liveIn returns the rows from a multiple of 64 on that are alive, as bits.
func (a *arrays) liveIn(row int) uint64 { return atomic.LoadUint64(&a.alive[row/64]) }
