package index

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// saved saves an index with some meta and returns the path.
func saved(t testing.TB, x Index, meta []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snapshot")
	mustSave(t, x, path, meta)
	return path
}

// saveTo saves a snapshot as who owns a folder does, in the place of another file.
func saveTo(s *Snapshot, path string, meta []byte) error {
	defer s.Discard()
	f, err := os.CreateTemp(filepath.Dir(path), "new")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.Write(f, meta); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return s.Adopt(f)
}

// loadFrom loads the snapshot in a file, and closes that.
func loadFrom(path string, spec Spec, dimension int) (Index, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return Load(f, spec, dimension)
}

func mustSave(t testing.TB, x Index, path string, meta []byte) {
	t.Helper()
	if err := saveTo(Freeze(x), path, meta); err != nil {
		t.Fatalf("Save(%s) = %v, want no error", path, err)
	}
}

func mustLoad(t testing.TB, path string, spec Spec, dimension int) (Index, []byte) {
	t.Helper()
	x, meta, err := loadFrom(path, spec, dimension)
	if err != nil {
		t.Fatalf("Load(%s, %+v, %d) = %v, want no error", path, spec, dimension, err)
	}
	return x, meta
}

// snapshotSpecs are the indexes that are saved.
var snapshotSpecs = []struct {
	name string
	spec Spec
}{
	{"exact", Spec{}},
	{"graph", Spec{Engine: EngineGraph, EfConstruction: 60}},
	{"small graph", Spec{Engine: EngineGraph, M: 3, EfConstruction: 10, EfSearch: 5}},
	{"coder", Spec{Engine: EngineCoder, M: 8}},
}

// lived returns an index that has seen everything, and its oracle: removals that
// are mended and others that are not, rows used again, and Tune.
func lived(t fataler, spec Spec, vectors [][]float32) (Index, *oracle) {
	t.Helper()
	n := uint64(len(vectors))
	x, o := filledWith(t, spec, vectors), oracleOf(vectors)
	remove := func(from, to, step uint64) {
		for key := from; key < to; key += step {
			x.Remove(key)
			o.remove(key)
		}
	}
	remove(1, n, 3)
	for i, v := range vectors[:n/5] {
		mustAdd(t, x, n+uint64(i), v)
		o.add(n+uint64(i), v)
	}
	mustTune(t, x)
	remove(0, 30, 3)
	return x, o
}

func TestASnapshotIsTheIndex(t *testing.T) {
	const d = 256
	vectors := clustered(1300, d)
	for _, c := range snapshotSpecs {
		t.Run(c.name, func(t *testing.T) {
			x, o := lived(t, c.spec, vectors)
			path := saved(t, x, []byte("meta"))
			y, meta := mustLoad(t, path, c.spec, d)
			if string(meta) != "meta" {
				t.Errorf("Load = meta %q, want what was saved", meta)
			}
			if y.Stats().Head == 0 {
				t.Errorf("Stats() after Load = %+v, want heads", y.Stats())
			}
			mustBeAlike(t, y, x, o, vectors[:25])
			mustLiveOn(t, y, x, o, vectors)
		})
	}
}

// mustBeAlike checks that a loaded index is what was saved.
func mustBeAlike(t *testing.T, y, x Index, o *oracle, queries [][]float32) {
	t.Helper()
	got, want := y.Stats(), x.Stats()
	got.Bytes, got.Mapped, want.Bytes, want.Mapped = 0, 0, 0, 0
	if got != want {
		t.Errorf("Stats() after Load = %+v, want %+v", got, want)
	}
	last, _ := x.LastKey()
	if again, ok := y.LastKey(); again != last || !ok {
		t.Errorf("LastKey() after Load = %d, %t, want %d", again, ok, last)
	}
	for key := uint64(0); key <= last+1; key++ {
		if v, ok := y.Vector(key); !slices.Equal(v, o.vectors[key]) || ok != (v != nil) {
			t.Fatalf("Vector(%d) after Load = %v, %t, want %v", key, v, ok, o.vectors[key])
		}
	}
	for _, q := range queries {
		mustAnswer(t, y, o, q, 10, Filter{})
		if _, isCoder := x.(*Coder); isCoder {
			continue // two graphs of the library differ
		}
		if got, want := search(t, y, q, 10, Filter{}), search(t, x, q, 10, Filter{}); !slices.Equal(got, want) {
			t.Errorf("Search after Load = %v, want %v", got, want)
		}
		if g, ok := y.(*Graph); ok {
			if got, want := g.walked(q, 10, 20, Filter{}), x.(*Graph).walked(q, 10, 20, Filter{}); !slices.Equal(got, want) {
				t.Errorf("a walk after Load = %v, want %v", got, want)
			}
		}
	}
}

// mustLiveOn checks that the loaded and the saved index go on as the oracle does.
func mustLiveOn(t *testing.T, y, x Index, o *oracle, vectors [][]float32) {
	t.Helper()
	last, _ := x.LastKey()
	for i, v := range vectors[:sized(400)] {
		key := last + 1 + uint64(i)
		for _, z := range []Index{x, y} {
			mustAdd(t, z, key, v)
			if got, want := z.Remove(uint64(2*i)), slices.Contains(o.keys, uint64(2*i)); got != want {
				t.Fatalf("Remove(%d) = %t, want %t", 2*i, got, want)
			}
		}
		o.add(key, v)
		o.remove(uint64(2 * i))
	}
	for _, q := range vectors[:20] {
		mustAnswer(t, x, o, q, 10, Filter{})
		mustAnswer(t, y, o, q, 10, Filter{In: multiples(3, 3000)})
	}
	if g, ok := y.(*Graph); ok {
		mustBeSound(t, g)
		mustBeSound(t, x.(*Graph))
		mustReach(t, g, 0.97, "after Load and changes") // of the small graph
	}
}

func TestSnapshotsOfLittle(t *testing.T) {
	for _, c := range snapshotSpecs {
		for _, n := range []int{0, 1, 2, 63, 64, 65} {
			x := mustNew(t, c.spec, 4)
			for key := range uint64(n) {
				mustAdd(t, x, key, axis(int(key%4)))
			}
			y, meta := mustLoad(t, saved(t, x, nil), c.spec, 4)
			if y.Len() != n || len(meta) != 0 {
				t.Errorf("%s: Load = %d vectors, meta %q, want %d and none", c.name, y.Len(), meta, n)
			}
			for key := range uint64(n) {
				y.Remove(key)
			}
			z, _ := mustLoad(t, saved(t, y, nil), c.spec, 4)
			if last, ok := z.LastKey(); z.Len() != 0 || ok != (n > 0) || n > 0 && last != uint64(n-1) {
				t.Errorf("%s: Load of an emptied index = %d vectors, last key %d, %t, want none and %d", c.name, z.Len(), last, ok, n-1)
			}
			mustAdd(t, z, 100, axis(1))
			if got := search(t, z, axis(1), 5, Filter{}); !slices.Equal(got, []Neighbour{{100, 1}}) {
				t.Errorf("%s: Search after refilling = %v, want key 100", c.name, got)
			}
		}
	}
}

func TestMetaIsKept(t *testing.T) {
	x := filledWith(t, Spec{}, clustered(10, 8))
	for _, n := range []int{0, 1, pageSize - 1, pageSize, pageSize + 1, pieceSize - 1, pieceSize, 2*pieceSize + 5} {
		meta := bytes.Repeat([]byte("meta"), n/4+1)[:n]
		if _, got := mustLoad(t, saved(t, x, meta), Spec{}, 8); !bytes.Equal(got, meta) {
			t.Errorf("Load = meta of %d bytes, want the %d saved", len(got), n)
		}
	}
}

// Save moves vectors into the file; replaced ones are changed in memory only.
func TestSavedVectorsLieInTheFile(t *testing.T) {
	vectors := clustered(3*blockRows, 16)
	for _, engine := range []string{EngineExact, EngineGraph} {
		spec := Spec{Engine: engine, M: 4, EfConstruction: 8}
		x, o := filledWith(t, spec, vectors), oracleOf(vectors)
		before := x.Stats()
		path := saved(t, x, nil)
		file := mustRead(t, path)
		after := x.Stats()
		if after.Mapped != 3*blockRows*16*4 || after.Bytes != before.Bytes-after.Mapped {
			t.Errorf("%s: Stats() before Save = %+v, after %+v, want all vectors mapped", engine, before, after)
		}
		loaded, _ := mustLoad(t, path, spec, 16)
		for i := range uint64(blockRows) { // rows in all blocks are used again
			for _, z := range []Index{x, loaded} {
				z.Remove(3 * i)
				mustAdd(t, z, 3*blockRows+i, vectors[i])
			}
			o.remove(3 * i)
			o.add(3*blockRows+i, vectors[i])
		}
		for _, q := range vectors[:10] {
			mustAnswer(t, x, o, q, 10, Filter{})
			mustAnswer(t, loaded, o, q, 10, Filter{})
		}
		if !bytes.Equal(mustRead(t, path), file) {
			t.Errorf("%s: changes after Save have changed the file", engine)
		}
	}
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A file that is replaced or removed stays readable for who has it mapped.
func TestTheFileMayBeReplacedOrRemoved(t *testing.T) {
	vectors := clustered(2*blockRows, 16)
	x, o := filledWith(t, Spec{}, vectors), oracleOf(vectors)
	path := saved(t, x, nil)
	first, _ := mustLoad(t, path, Spec{}, 16)
	mustSave(t, first, path, nil) // over the file that it reads
	second, _ := mustLoad(t, path, Spec{}, 16)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		runtime.GC() // unmaps what nothing refers to
		for _, z := range []Index{x, first, second} {
			mustAnswer(t, z, o, vectors[9], 2*blockRows, Filter{})
		}
		mustSave(t, first, path, nil)
	}
}

// Of two snapshots the older may be saved last; it must not undo what changed.
func TestAnOlderSnapshotUndoesNothing(t *testing.T) {
	vectors := clustered(2*blockRows, 16)
	x, o := filledWith(t, Spec{}, vectors), oracleOf(vectors)
	folder := t.TempDir()
	older, newer := Freeze(x), Freeze(x)
	save := func(s *Snapshot, name string) {
		t.Helper()
		if err := saveTo(s, filepath.Join(folder, name), nil); err != nil {
			t.Fatalf("Save(%s) = %v, want no error", name, err)
		}
		mustAnswer(t, x, o, vectors[3], 2*blockRows, Filter{})
	}
	save(newer, "newer")
	for key := range uint64(100) {
		x.Remove(key)
		o.remove(key)
		mustAdd(t, x, 2*blockRows+key, vectors[key+1])
		o.add(2*blockRows+key, vectors[key+1])
	}
	save(older, "older")
	for key := range uint64(100) { // in the rows of the first
		mustAdd(t, x, 3*blockRows+key, vectors[key+2])
		o.add(3*blockRows+key, vectors[key+2])
	}
	save(Freeze(x), "last")
}

// full is a file that takes some bytes.
type full struct{ bytes int64 }

func (f full) WriteAt(b []byte, at int64) (int, error) {
	if at+int64(len(b)) > f.bytes {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestAFailedWriteChangesNothing(t *testing.T) {
	vectors := clustered(2*blockRows, 8)
	x := filledWith(t, Spec{}, vectors).(*Exact)
	for _, size := range []int64{0, pageSize, 64 << 10} {
		s := Freeze(x)
		if err := s.Write(full{size}, nil); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("Write into %d bytes = %v, want %v", size, err, io.ErrShortWrite)
		}
		s.Discard()
	}
	if got := x.Stats().Mapped; got != 0 {
		t.Errorf("Mapped = %d after failed writes, want 0", got)
	}
	mustUseRowsAgain(t, x, vectors[0])
}

// inMemory is a file that cannot be mapped, as one that is encrypted.
type inMemory struct{ *os.File }

func (inMemory) Fd() {}

// What cannot be mapped is read, and answers as what can be.
func TestASnapshotThatCannotBeMappedIsRead(t *testing.T) {
	vectors := clustered(2*blockRows, 16)
	x, o := filledWith(t, Spec{}, vectors), oracleOf(vectors)
	path := saved(t, x, []byte("meta"))
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	y, meta, err := Load(inMemory{f}, Spec{}, 16)
	if err != nil || string(meta) != "meta" {
		t.Fatalf("Load = %q, %v, want the meta and no error", meta, err)
	}
	s := Freeze(x)
	defer s.Discard()
	if err := errors.Join(s.Write(full{1 << 40}, []byte("meta")), s.Adopt(inMemory{f}), f.Close()); err != nil {
		t.Fatalf("Write, Adopt = %v, want no error", err)
	}
	for range 2 {
		runtime.GC() // unmaps what nothing refers to
		for _, z := range []Index{x, y} {
			mustAnswer(t, z, o, vectors[9], 2*blockRows, Filter{})
		}
	}
}

func TestDiscardLetsRowsBeUsedAgain(t *testing.T) {
	vectors := clustered(100, 8)
	x := filledWith(t, Spec{}, vectors).(*Exact)
	s := Freeze(x)
	for key := uint64(0); key < 50; key++ {
		x.Remove(key)
		mustAdd(t, x, 100+key, vectors[0])
	}
	if got := x.Stats().Rows; got != 150 {
		t.Errorf("Rows = %d while a snapshot may read them, want 150", got)
	}
	s.Discard()
	s.Discard()
	mustUseRowsAgain(t, x, vectors[0])
}

// mustUseRowsAgain checks that no snapshot is in the way of rows being used again.
func mustUseRowsAgain(t *testing.T, x *Exact, vector []float32) {
	t.Helper()
	rows := x.Stats().Rows
	last, _ := x.LastKey()
	for key := last + 1; key < last+500; key++ {
		mustAdd(t, x, key, vector)
		x.Remove(key)
	}
	if got := x.Stats().Rows; got > rows+3 {
		t.Errorf("Rows = %d after adding and removing one at a time, want about %d", got, rows)
	}
}

// What the spec says of a search is taken from it, what it leaves open from the
// snapshot, unless less recall was reached than is wanted.
func TestLoadTakesOverWhatWasTuned(t *testing.T) {
	vectors := clustered(1100, 32)
	for _, c := range []struct {
		name    string
		spec    Spec
		reached float64
		ef      int
		isTuned bool
	}{
		{"nothing is asked for", Spec{}, 0.99, 77, true},
		{"another construction", Spec{EfConstruction: 50}, 0.99, 77, true},
		{"less recall", Spec{Recall: 0.5}, 0.9, 77, true},
		{"more recall than was reached", Spec{Recall: 0.995}, 0.99, defaultEf, false},
		{"nothing, where less than the default was reached", Spec{}, 0.9, defaultEf, false},
		{"a beam", Spec{EfSearch: 33}, 0.99, 33, true},
	} {
		x := graphOf(t, Spec{EfConstruction: 20}, vectors)
		mustTune(t, x)
		x.SetEf(77)
		x.recall.Store(math.Float64bits(c.reached))
		c.spec.Engine = EngineGraph
		y, _ := mustLoad(t, saved(t, x, nil), c.spec, 32)
		if got := y.Stats().Ef; got != c.ef {
			t.Errorf("%s: Ef after Load = %d, want %d", c.name, got, c.ef)
		}
		if got := NeedsTuning(y); got == c.isTuned {
			t.Errorf("%s: NeedsTuning after Load = %t, want %t", c.name, got, !c.isTuned)
		}
	}
}
