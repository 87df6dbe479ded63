package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// size is how many vectors the benchmarks of figures look at: those of
// docs/benchmarks/index.md. They run on all processors; GOMAXPROCS=1 makes it one.
const size, sizeQueries = 100_000, 500

// figured is a tuned graph of clustered vectors of 512, and queries for it.
func figured(b *testing.B) (Index, [][]float32) {
	b.Helper()
	vectors := clustered(size+sizeQueries, 512)
	x := filledWith(b, Spec{Engine: EngineGraph}, vectors[:size])
	if err := Tune(b.Context(), x); err != nil {
		b.Fatal(err)
	}
	return x, vectors[size:]
}

// duel times two ways to answer queries, all of them in one way and then all in
// the other, seven times, and returns the median seconds a query of each.
func duel(queries [][]float32, one, other func(query []float32)) (a, b float64) {
	times := [2][]float64{}
	for range 7 {
		for i, f := range []func([]float32){one, other} {
			start := time.Now()
			for _, q := range queries {
				f(q)
			}
			times[i] = append(times[i], time.Since(start).Seconds()/float64(len(queries)))
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	return times[0][3], times[1][3]
}

// BenchmarkFilters reports of filters that let through a share of the vectors
// how long a search takes and how long an exact scan of what matches, the recall
// of the one against the other, and the least number of neighbours found.
func BenchmarkFilters(b *testing.B) {
	x, queries := figured(b)
	for _, share := range []float64{0.5, 0.2, 0.1, 0.05, 0.01, 0.001, 0.0001} {
		b.Run(fmt.Sprintf("%g%%", 100*share), func(b *testing.B) {
			f := Filter{In: drawn(size, share)}
			var search, scan float64
			for b.Loop() {
				search, scan = duel(queries,
					func(q []float32) { _, _ = x.Search(q, 10, f) },
					func(q []float32) { _, _ = x.SearchExact(q, 10, f) })
			}
			hits, wanted, least := 0, 0, 10
			for _, q := range queries {
				got, _ := x.Search(q, 10, f)
				want, _ := x.SearchExact(q, 10, f)
				hits, wanted, least = hits+shared(got, want), wanted+len(want), min(least, len(got))
			}
			b.ReportMetric(1e6*search, "search-µs")
			b.ReportMetric(1e6*scan, "scan-µs")
			b.ReportMetric(search/scan, "ratio")
			b.ReportMetric(float64(hits)/float64(wanted), "recall@10")
			b.ReportMetric(float64(least), "least-found")
			b.ReportMetric(float64(f.In.Len()), "matching")
		})
	}
}

// drawn is a random share of the keys below n.
func drawn(n int, share float64) *Set {
	r, s := rand.New(rand.NewPCG(7, 7)), new(Set)
	for key := range uint64(n) {
		if r.Float64() < share {
			s.Add(key)
		}
	}
	return s
}

// shared counts those that score no less than the last that is wanted.
func shared(got, want []Neighbour) (n int) {
	for _, g := range got {
		if len(want) > 0 && g.Score >= want[len(want)-1].Score {
			n++
		}
	}
	return n
}

// BenchmarkExclusion reports what it costs to leave out a patient: the query's
// five nearest, who are the ones that a search meets.
func BenchmarkExclusion(b *testing.B) {
	x, queries := figured(b)
	patients := map[*float32]Filter{}
	for _, q := range queries {
		own := map[uint64]bool{}
		for _, n := range search(b, x, q, 5, Filter{}) {
			own[n.Key] = true
		}
		patients[&q[0]] = Filter{Accept: func(key uint64) bool { return !own[key] }}
	}
	var with, without float64
	for b.Loop() {
		with, without = duel(queries,
			func(q []float32) { _, _ = x.Search(q, 10, patients[&q[0]]) },
			func(q []float32) { _, _ = x.Search(q, 10, Filter{}) })
	}
	b.ReportMetric(1e6*with, "with-µs")
	b.ReportMetric(1e6*without, "without-µs")
	b.ReportMetric(with/without, "ratio")
}

// BenchmarkTouched reports what a search for ten at the tuned width reads, and
// how long reading just that takes, row by row at random: the bound that memory
// sets.
func BenchmarkTouched(b *testing.B) {
	x, queries := figured(b)
	g := x.(*Graph)
	v, t := g.view(), new(touched)
	for _, q := range queries {
		t.count(g, &v, q)
	}
	n := float64(len(queries))
	bytes := float64(t.heads*v.frame.size+t.lists*8*g.m+t.codes*v.stride+t.vectors*4*v.dimension) / n
	var whole, reading float64
	for b.Loop() {
		whole, reading = duel(queries, func(q []float32) { _, _ = x.Search(q, 10, Filter{}) }, t.reader(g, &v))
	}
	b.ReportMetric(bytes, "bytes/query")
	b.ReportMetric(float64(t.heads)/n, "heads/query")
	b.ReportMetric(float64(t.lists)/n, "lists/query")
	b.ReportMetric(1e6*whole, "search-µs")
	b.ReportMetric(1e6*reading, "reading-µs")
	b.ReportMetric(reading/whole, "share")
}

// touched counts the rows of each kind that searches read.
type touched struct{ heads, lists, codes, vectors, queries int }

func (t *touched) count(g *Graph, v *view, vector []float32) {
	b, e := new(beam), entry(g.entry.Load())
	b.query.set(vector, v.frame)
	b.skims = v.hasHeads()
	at := e.row()
	for layer := e.level(); layer >= 0; layer-- {
		b.explore(v, at, layer, max(1, g.Ef()*(1-min(1, layer))))
		at = b.best[0].row()
		t.heads += len(b.touched)
		for _, c := range b.best {
			if c.followed() {
				t.lists++
			}
		}
	}
	t.codes += len(b.best)
	_, depth := b.rank(v, 10, &Filter{})
	t.vectors += max(depth, 10)
	t.queries++
}

// reader reads as many random rows of each kind as a search does on average.
func (t *touched) reader(g *Graph, v *view) func([]float32) {
	r := rand.New(rand.NewPCG(3, 3))
	ids, out := make([]uint32, 64), make([]int32, 64)
	q := new(query)
	var sum float32
	return func(vector []float32) {
		q.set(vector, v.frame)
		draw := func(n int, f func(some []uint32)) {
			for n /= t.queries; n > 0; n -= 32 {
				some := ids[:min(n, 32)]
				for i := range some {
					some[i] = r.Uint32N(uint32(v.n))
				}
				f(some)
			}
		}
		draw(t.heads, func(some []uint32) { q.headCodes.Many(v.headCodes, some, out) })
		draw(t.codes, func(some []uint32) { q.codes.Many(v.codes, some, out) })
		draw(t.lists, func(some []uint32) {
			for _, row := range some {
				ids[63] += v.list(row, 0)[0]
			}
		})
		draw(t.vectors, func(some []uint32) {
			for _, row := range some {
				sum += v.score(q, row).Score
			}
		})
	}
}

// BenchmarkSearchWhileInserting reports the latency of searches one after the
// other, while nothing else happens and while vectors are added one by one and
// half of them removed again.
func BenchmarkSearchWhileInserting(b *testing.B) {
	vectors := clustered(size+sizeQueries, 512)
	x := filledWith(b, Spec{Engine: EngineGraph}, vectors[:size])
	if err := Tune(b.Context(), x); err != nil {
		b.Fatal(err)
	}
	queries := vectors[size:]
	var idle, writing []float64
	changed := 0
	for b.Loop() {
		idle = append(idle, latencies(b, x, queries)...)
		stop, done := make(chan struct{}), make(chan int)
		go func() { done <- change(b, x, vectors, stop) }()
		writing = append(writing, latencies(b, x, queries)...)
		close(stop)
		changed += <-done
	}
	slices.Sort(idle)
	slices.Sort(writing)
	for name, l := range map[string][]float64{"idle": idle, "writing": writing} {
		b.ReportMetric(1e6*l[len(l)/2], name+"-p50-µs")
		b.ReportMetric(1e6*l[len(l)*99/100], name+"-p99-µs")
	}
	b.ReportMetric(writing[len(writing)*99/100]/idle[len(idle)*99/100], "p99-ratio")
	b.ReportMetric(float64(changed)/float64(b.N), "changes")
}

// latencies are the seconds that each of twenty rounds of queries took.
func latencies(b *testing.B, x Index, queries [][]float32) (all []float64) {
	for range 20 {
		for _, q := range queries {
			start := time.Now()
			search(b, x, q, 10, Filter{})
			all = append(all, time.Since(start).Seconds())
		}
	}
	return all
}

// change adds vectors and removes every second of them until it is stopped, and
// returns how many changes it made.
func change(b *testing.B, x Index, vectors [][]float32, stop chan struct{}) (n int) {
	last, _ := x.LastKey()
	for key := last + 1; ; key++ {
		select {
		case <-stop:
			return n
		default:
		}
		mustAdd(b, x, key, vectors[key%size])
		if n++; key%2 == 0 {
			x.Remove(key - 1)
			n++
		}
	}
}

// BenchmarkReplaceHalf removes half of the vectors and adds them again, ten
// times over, and reports what is left of a fresh build's recall, throughput and
// memory.
func BenchmarkReplaceHalf(b *testing.B) {
	vectors := clustered(size+sizeQueries, 512)
	queries := vectors[size:]
	for b.Loop() {
		fresh := filledWith(b, Spec{Engine: EngineGraph}, vectors[:size])
		x := filledWith(b, Spec{Engine: EngineGraph}, vectors[:size])
		keys, next := keysFrom(0, size), uint64(size)
		var rows []int
		for round := range uint64(10) {
			next = replaceHalf(b, x, vectors, keys, next, round)
			rows = append(rows, x.Stats().Rows)
		}
		for _, y := range []Index{fresh, x} {
			if err := Tune(b.Context(), y); err != nil {
				b.Fatal(err)
			}
			y.(*Graph).SetEf(48)
		}
		replaced, whole := duel(queries, func(q []float32) { search(b, x, q, 10, Filter{}) }, func(q []float32) { search(b, fresh, q, 10, Filter{}) })
		for name, y := range map[string]Index{"fresh": fresh, "replaced": x} {
			b.ReportMetric(recallOf(b, y, queries), name+"-recall@10")
			b.ReportMetric(float64(y.Stats().Bytes)/size, name+"-bytes/vector")
		}
		b.ReportMetric(whole/replaced, "throughput-ratio")
		b.ReportMetric(float64(rows[0]), "rows-after-1")
		b.ReportMetric(float64(rows[9]), "rows-after-10")
	}
}

// replaceHalf gives the vectors of half of the keys new keys, from next on, and
// returns the next key. keys[i] is the key of vectors[i].
func replaceHalf(b *testing.B, x Index, vectors [][]float32, keys []uint64, next, seed uint64) uint64 {
	some := rand.New(rand.NewPCG(seed, seed)).Perm(size)[:size/2]
	for _, i := range some {
		x.Remove(keys[i])
	}
	var added []uint64
	var again [][]float32
	for _, i := range some {
		keys[i] = next
		added, again = append(added, next), append(again, vectors[i])
		next++
	}
	mustAddAll(b, x, added, again)
	return next
}

// recallOf is the recall@10 of an index on queries.
func recallOf(b testing.TB, x Index, queries [][]float32) float64 {
	hits := 0
	for _, q := range queries {
		want, _ := x.SearchExact(q, 10, Filter{})
		hits += shared(search(b, x, q, 10, Filter{}), want)
	}
	return float64(hits) / float64(10*len(queries))
}

// BenchmarkBuild reports how long adding all vectors at once takes: -cpu 1,2
// compares numbers of processors.
func BenchmarkBuild(b *testing.B) {
	vectors, keys := clustered(size, 512), keysFrom(0, size)
	var seconds []float64
	for b.Loop() {
		x := mustNew(b, Spec{Engine: EngineGraph}, 512)
		start := time.Now()
		mustAddAll(b, x, keys, vectors)
		seconds = append(seconds, time.Since(start).Seconds())
	}
	slices.Sort(seconds)
	b.ReportMetric(seconds[len(seconds)/2], "build-s")
}
