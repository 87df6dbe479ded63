package index

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

var (
	metaSeed  = flag.Uint64("index.seed", 0, "the seed of TestMetamorphic, as it prints it on failure; 0 draws one")
	metaSteps = flag.Int("index.steps", 60, "the number of steps of TestMetamorphic")
)

const metaDimension = 24

// step is one call, the same for every configuration.
type step struct {
	add, remove []uint64
	vectors     [][]float32
	query       []float32   // of a search
	more        [][]float32 // queries to measure recall with
	k           int
	filter      Filter
	tunes       bool
}

// script draws steps: batches of all sizes are added, removed and replaced, in
// between searches of every kind. Vectors come from clusters, clumps and copies.
func script(r *rand.Rand, n int) (steps []step) {
	pool := slices.Concat(clustered(1500, metaDimension), nearDuplicates(400, metaDimension), copies(60, metaDimension))
	next, present := r.Uint64N(1000), []uint64(nil)
	add := func(n int) {
		s := step{add: keysFrom(next, n)}
		for range n {
			s.vectors = append(s.vectors, pool[r.IntN(len(pool))])
		}
		next, present = next+uint64(n), append(present, s.add...)
		steps = append(steps, s)
		next += r.Uint64N(2) * r.Uint64N(700)
	}
	remove := func(n int) {
		r.Shuffle(len(present), func(i, j int) { present[i], present[j] = present[j], present[i] })
		n = min(n, len(present))
		steps = append(steps, step{remove: slices.Clone(present[:n])})
		present = present[n:]
	}
	for add(sized(500 + r.IntN(700))); len(steps) < n; {
		switch size := 1 << r.IntN(8); r.IntN(12) {
		case 0, 1:
			add(size)
		case 2, 3:
			remove(size)
		case 4:
			remove(2 * size)
			add(2 * size)
		case 5:
			remove(len(present) / (2 + r.IntN(8)))
		case 6:
			add(sized(r.IntN(400)))
		case 7:
			steps = append(steps, step{tunes: true})
		default:
			steps = append(steps, drawSearch(r, pool, next))
		}
	}
	return steps
}

// drawSearch draws a search for a new vector or a stored one.
func drawSearch(r *rand.Rand, pool [][]float32, next uint64) step {
	s := step{k: []int{1, 10, 10, 50, 2000}[r.IntN(5)]}
	for range 10 {
		s.more = append(s.more, pool[r.IntN(len(pool))])
		if r.IntN(2) == 0 {
			s.more[len(s.more)-1] = moved(r, s.more[len(s.more)-1], r.Float64())
		}
	}
	s.query = s.more[0]
	some := 1 + r.Uint64N(20)
	switch r.IntN(6) {
	case 0:
		s.filter.In = multiples(some, next)
	case 1:
		s.filter.Accept = func(key uint64) bool { return key%some == 0 }
	case 2:
		s.filter.Group = func(key uint64) uint64 { return key / 2 % (10 * some) }
	}
	return s
}

// setup is how a script is run: whatever is drawn, the answers must be the same.
type setup struct {
	spec     Spec
	procs    int
	batch    int  // the most vectors of one call; 1 is Add
	restarts int  // one step in so many is followed by Save and Load; 0 is never
	loose    bool // what is added is linked later, and in part
	r        *rand.Rand
}

func (s setup) String() string {
	return fmt.Sprintf("%+v, GOMAXPROCS %d, batches of %d, restarts in %d, loose %t", s.spec, s.procs, s.batch, s.restarts, s.loose)
}

// drawSetups draws configurations; each engine has one.
func drawSetups(r *rand.Rand) (setups []setup) {
	for _, spec := range []Spec{
		{}, {}, {Engine: EngineGraph}, {Engine: EngineGraph, M: 8 + r.IntN(24), EfConstruction: 100 + r.IntN(200)},
		{Engine: EngineGraph, M: 1 + r.IntN(6), EfConstruction: 1 + r.IntN(20), EfSearch: 1 + r.IntN(20)},
		{Engine: EngineCoder, M: 4 + r.IntN(30)},
	} {
		setups = append(setups, setup{
			spec: spec, procs: 1 + r.IntN(4), batch: []int{1, 1 + r.IntN(50), 1000}[r.IntN(3)],
			restarts: []int{0, 3, 15}[r.IntN(3)], loose: r.IntN(2) == 0, r: rand.New(rand.NewPCG(r.Uint64(), 0)),
		})
	}
	return setups
}

// Law: what an index answers does not depend on its engine, its tuning, the sizes
// of its batches, the number of processors, or restarts from snapshots — except
// that graphs may miss a neighbour in a hundred.
func TestMetamorphic(t *testing.T) {
	seed := *metaSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: go test ./index -run TestMetamorphic -index.seed=%d -index.steps=%d", seed, *metaSteps)
		}
	})
	r := rand.New(rand.NewPCG(seed, 0))
	steps := script(r, max(20, sized(*metaSteps)))
	for _, s := range drawSetups(r) {
		t.Run(s.spec.engine(), func(t *testing.T) {
			withProcs(s.procs, func() { s.run(t, steps) })
		})
		if t.Failed() {
			t.Logf("with %s", s)
			return
		}
	}
}

func (s setup) run(t *testing.T, steps []step) {
	x, o := mustNew(t, s.spec, metaDimension), newOracle()
	path := filepath.Join(t.TempDir(), "snapshot")
	recall, exams := 0.0, 0
	for _, step := range steps {
		s.do(t, x, o, step)
		if g, ok := x.(*Graph); ok && g.entry.Load() != 0 && step.query != nil { // else all are loose, and no search walks
			recall += g.walkRecall(t, step.more, 120)
			exams++
		}
		if s.restarts > 0 && s.r.IntN(s.restarts) == 0 {
			mustSave(t, x, path, nil)
			if s.r.IntN(3) > 0 { // else the saved one goes on
				x, _ = mustLoad(t, path, s.spec, metaDimension)
			}
		}
	}
	if x.Len() != len(o.keys) {
		t.Errorf("Len() = %d, want %d", x.Len(), len(o.keys))
	}
	if g, ok := x.(*Graph); ok {
		mustBeSound(t, g)
		if recall /= float64(exams); g.m >= defaultM && recall < 0.99 {
			t.Errorf("recall@10 of walks of width 120 = %.4f in %d exams, want at least 0.99", recall, exams)
		}
	}
}

func (s setup) do(t *testing.T, x Index, o *oracle, step step) {
	for from := 0; from < len(step.add); from += s.batch {
		to := min(from+s.batch, len(step.add))
		if s.batch == 1 {
			mustAdd(t, x, step.add[from], step.vectors[from])
			continue
		}
		if !s.loose {
			mustAddAll(t, x, step.add[from:to], step.vectors[from:to])
			continue
		}
		if err := AddLoose(x, step.add[from:to], step.vectors[from:to]); err != nil {
			t.Fatalf("AddLoose(%d keys) = %v, want no error", to-from, err)
		}
		if g, ok := x.(*Graph); ok && s.r.IntN(2) == 0 {
			g.linkSome()
		}
	}
	for i, key := range step.add {
		o.add(key, step.vectors[i])
	}
	for _, key := range step.remove {
		if !x.Remove(key) || !o.remove(key) {
			t.Fatalf("Remove(%d) = false, want true", key)
		}
	}
	if step.tunes {
		mustTune(t, x)
	}
	if step.query != nil {
		mustAnswer(t, x, o, step.query, step.k, step.filter)
	}
}
