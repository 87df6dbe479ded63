package local_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearcase/store"
	"nearcase/store/storetest"
)

// ofTen gives instances 0 to 9 to one patient, and the others in tens to
// others.
func ofTen(all []store.Record) []store.Record {
	for i := range all {
		r := &all[i].Instance
		r.Patient = fmt.Sprintf("pseudonym-%c", 'a'+i/10%20)
		r.ID = "1.2.840.99999." + r.ID[1:]
	}
	return all
}

// secrets are what must not be found of instances: any 16 bytes in a row of their
// vectors, and what they are called.
type secrets struct {
	runs  map[[16]byte]bool
	begin [1 << 16]bool // by what runs begin with: few do so
	texts [][]byte
}

func secretsOf(t *testing.T, all []store.Record) *secrets {
	t.Helper()
	s := &secrets{runs: map[[16]byte]bool{}}
	for _, r := range all {
		var v []byte
		for _, x := range r.Vector {
			v = binary.LittleEndian.AppendUint32(v, math.Float32bits(x))
		}
		for i := range len(v) - 15 {
			s.runs[[16]byte(v[i:])] = true
			s.begin[binary.LittleEndian.Uint16(v[i:])] = true
		}
		raw, err := hex.DecodeString(r.Instance.Digest)
		must(t, err)
		s.texts = append(s.texts, []byte(`"`+r.Instance.ID+`"`), []byte(r.Instance.Patient), []byte(r.Instance.Digest), raw)
	}
	return s
}

// in returns what of it is in the files of a folder, whose names count.
func (s *secrets) in(t *testing.T, dir string) (found []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		runs := 0
		for i := 0; i+16 <= len(b); i++ {
			if s.begin[binary.LittleEndian.Uint16(b[i:])] && s.runs[[16]byte(b[i:])] {
				runs++
			}
		}
		texts := 0
		for _, text := range s.texts {
			texts += bytes.Count([]byte(path), text) + bytes.Count(b, text)
		}
		if runs+texts > 0 {
			found = append(found, fmt.Sprintf("%s: %d runs, %d texts", filepath.Base(path), runs, texts))
		}
		return err
	}))
	return found
}

// Once the log is compacted, no file has any 16 bytes of a vector of an erased
// patient, nor a name or digest, whatever had become of the instances before. The
// search is another than that of Seek, which must agree.
func TestNoByteOfAnErasedPatientStays(t *testing.T) {
	for fact, c := range map[string]struct {
		engine string
		size   int
	}{"exact": {"exact", 1300}, "a graph that is built anew": {"graph", 1300}, "a graph that is mended": {"graph", 1600}} {
		t.Run(fact, func(t *testing.T) {
			t.Parallel()
			engine, size := c.engine, c.size
			place := t.TempDir()
			l := open(t, place)
			c := storetest.Collection("c")
			c.Index.Engine = engine
			must(t, l.Create(t.Context(), c))
			all := ofTen(storetest.Records(0, size))
			gone := slices.DeleteFunc(slices.Clone(all), func(r store.Record) bool { return r.Instance.Patient != "pseudonym-a" })
			for i := range all[200:] { // those beyond have no original: there are enough
				all[200+i].Original = nil
			}
			putAll(t, l, "c", all)
			must(t, l.Delete(t.Context(), "c", gone[1].Instance.ID))
			n, err := l.DeleteAll(t.Context(), "c", []string{gone[2].Instance.ID, gone[203%len(gone)].Instance.ID}, nil)
			must(t, err)
			must(t, l.Close()) // saves the index
			secret := secretsOf(t, gone)
			if found := secret.in(t, place); len(found) < 3 {
				t.Errorf("before Erase: found in %v, want the log, the index and originals", found)
			}
			l = open(t, place)
			e, err := l.Erase(t.Context(), "c", "pseudonym-a")
			must(t, err)
			if e.Instances != len(gone)-1-n || e.Indexed != size-len(gone) {
				t.Errorf("Erase: got %+v, want %d instances", e, len(gone)-1-n)
			}
			_, err = l.Compact(t.Context(), nil)
			must(t, err)
			s, err := l.Seek(t.Context(), e.Traces)
			must(t, err)
			if s.Matches != 0 {
				t.Errorf("Seek: got %+v, want nothing", s)
			}
			if stats, err := l.Status(t.Context(), "c"); err != nil || stats.Index.Snapshot == 0 || stats.Engine != engine {
				t.Errorf("Status after Erase: got %+v, %v, want a saved index of engine %s", stats, err, engine)
			}
			must(t, l.Close())
			if found := secret.in(t, place); len(found) != 0 {
				t.Errorf("after Erase and Compact: found in %v, want nothing", found)
			}
			l = open(t, place)
			if got, err := l.List(t.Context(), "c", 0, 3000); err != nil || len(got) != size-len(gone) {
				t.Errorf("List after reopening: got %d, %v, want %d", len(got), err, size-len(gone))
			}
			must(t, l.Close())
		})
	}
}

// Law: after a patient is erased a catalog answers as one that never had them: to
// the last bit where answers are exact, and as well where they are approximate.
func TestAnErasedPatientChangesNoAnswer(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		for _, engine := range []string{"exact", "graph"} {
			rng := rand.New(rand.NewPCG(seed, 7))
			if engine == "graph" && seed > 0 {
				continue // it takes long
			}
			all := ofTen(records(0, 1700))
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			patient := all[0].Instance.Patient
			erased, never := filledWith(t, engine, all), filledWith(t, engine, slices.DeleteFunc(slices.Clone(all), func(r store.Record) bool { return r.Instance.Patient == patient }))
			_, err := erased.Erase(t.Context(), "c", patient)
			must(t, err)
			for range 2 {
				if got, want := ranked(t, erased, true), ranked(t, never, true); !slices.Equal(got, want) {
					t.Errorf("seed %d, %s: exact answers %v, want %v", seed, engine, got, want)
				}
				got, want := share(ranked(t, erased, false), ranked(t, erased, true)), share(ranked(t, never, false), ranked(t, never, true))
				if got < want-0.02 {
					t.Errorf("seed %d, %s: recall %g, want %g as without the patient", seed, engine, got, want)
				}
				_, err = erased.Compact(t.Context(), nil)
				must(t, err)
			}
			must(t, errors.Join(erased.Close(), never.Close()))
		}
	}
}

func filledWith(t *testing.T, engine string, all []store.Record) store.Catalog {
	t.Helper()
	l := open(t, t.TempDir())
	c := storetest.Collection("c")
	c.Index.Engine = engine
	must(t, l.Create(t.Context(), c))
	for some := range slices.Chunk(all, 500) {
		putAll(t, l, "c", some)
	}
	return l
}

// ranked is answers without the keys, which differ, of all levels.
func ranked(t *testing.T, l store.Catalog, exact bool) (all []string) {
	t.Helper()
	for n := range 20 {
		q := store.Query{Vector: storetest.Record(10_000 + n).Vector, K: 10, Exact: exact, Labelled: []string{"", "finding"}[n%2]}
		if exact && n%4 == 0 {
			q.Level = store.Level{Of: store.Studies}
		}
		found, err := l.Search(t.Context(), "c", q)
		must(t, err)
		for _, f := range found {
			all = append(all, fmt.Sprint(n, f.Instance.ID, f.Score, f.Members))
		}
	}
	return all
}

// An erasure that ends before the index is built anew leaves nothing to be saved;
// the maintenance builds it.
func TestAnErasureThatIsInterruptedLeavesNoSnapshot(t *testing.T) {
	t.Parallel()
	place := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	l := openReaching(t, place, func(step string) error {
		if step == "erased" {
			stop()
		}
		return nil
	})
	c := storetest.Collection("c")
	c.Index.Engine = "graph"
	must(t, l.Create(t.Context(), c))
	all := ofTen(records(0, 1300))
	putAll(t, l, "c", all)
	l.UpkeepWhenQuiet()
	if _, err := os.Stat(snapshot(place, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Erase(ctx, "c", "pseudonym-a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Erase that is cancelled: got %v, want context.Canceled", err)
	}
	if _, err := os.Stat(snapshot(place, 1)); err == nil {
		t.Errorf("a snapshot is left of an index with what was erased")
	}
	if _, err := l.List(t.Context(), "c", 0, 1); err != nil {
		t.Error(err)
	}
	l.UpkeepWhenQuiet()
	if _, err := os.Stat(snapshot(place, 1)); err != nil {
		t.Errorf("snapshot after the maintenance: %v", err)
	}
	_, err := l.Compact(t.Context(), nil)
	must(t, errors.Join(err, l.Close()))
	gone := slices.DeleteFunc(all, func(r store.Record) bool { return r.Instance.Patient != "pseudonym-a" })
	if found := secretsOf(t, gone).in(t, place); len(found) != 0 {
		t.Errorf("found in %v, want nothing", found)
	}
}

// Seek finds what lies across the parts in which files are read, and words alone.
func TestSeekFindsWhatIsThere(t *testing.T) {
	place := t.TempDir()
	l := open(t, place)
	defer func() { must(t, l.Close()) }()
	v := storetest.Record(1).Vector
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	digest := storetest.Record(1).Instance.Digest
	binaryDigest, err := hex.DecodeString(digest)
	must(t, err)
	traces := store.Traces{Texts: []string{"1.2.840.99999.1", "Müller & <Söhne>"}, Digests: []string{digest}, Vectors: [][]float32{v}}
	at := func(n int, b []byte) []byte { return append(bytes.Repeat([]byte("x"), n), b...) }
	for fact, c := range map[string]struct {
		content []byte
		matches int
	}{
		"a run of 16 bytes":         {at(5, raw[7:23]), 1},
		"a run of 15":               {at(5, raw[8:23]), 0},
		"a vector and one more":     {append(at(3, raw), raw[20:40]...), 2},
		"a run between two reads":   {at(1<<20-8, raw[8:24]), 1},
		"a run at the next read":    {at(1<<20, raw[8:24]), 1},
		"a run before the next one": {at(1<<20-80, raw[8:24]), 1},
		"a text":                    {[]byte(`{"id":"1.2.840.99999.1"}`), 1},
		"a text as JSON has it":     {[]byte(`{"patient":"Müller \u0026 \u003cSöhne\u003e"}`), 1},
		"the text of a frame":       {[]byte(`{"id":"1.2.840.99999.1:7"}`), 1},
		"a longer text":             {[]byte(`{"id":"1.2.840.99999.12"} 1.2.840.99999.1.3 11.2.840.99999.1`), 0},
		"a text between two reads":  {append(at(1<<20-7, nil), "\x001.2.840.99999.1\x00"...), 1},
		"a digest":                  {[]byte("-" + digest + "-"), 1},
		"a digest in bytes":         {at(1, binaryDigest), 1},
		"zeros":                     {make([]byte, 3<<20), 0},
		"a run after zeros":         {append(make([]byte, 2<<20+5), raw[4:30]...), 1},
	} {
		must(t, os.WriteFile(filepath.Join(place, "other"), c.content, 0o600))
		s, err := l.Seek(t.Context(), traces)
		must(t, err)
		if s.Matches != c.matches || (len(s.In) > 0) != (c.matches > 0) || s.Files == 0 || s.Bytes < int64(len(c.content)) {
			t.Errorf("Seek for %s: got %+v, want %d matches", fact, s, c.matches)
		}
	}
	must(t, os.Rename(filepath.Join(place, "other"), filepath.Join(place, digest)))
	if s, err := l.Seek(t.Context(), traces); err != nil || s.Matches < 1 {
		t.Errorf("Seek for a file's name: got %+v, %v, want it found", s, err)
	}
	must(t, os.Rename(filepath.Join(place, digest), filepath.Join(place, hex.EncodeToString([]byte("of 1.2.840.99999.1")))))
	if s, err := l.Seek(t.Context(), traces); err != nil || s.Matches < 1 {
		t.Errorf("Seek for a document's name: got %+v, %v, want it found", s, err)
	}
}

// What another stores between an erasure and the search for what is left of it is
// theirs, and no trace.
func TestWhatOthersStoreAgainIsNoTrace(t *testing.T) {
	l := open(t, t.TempDir())
	defer func() { must(t, l.Close()) }()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	putAll(t, l, "c", storetest.Records(0, 4))
	erased, err := l.Erase(t.Context(), "c", "p1")
	must(t, err)
	same := storetest.Record(2)
	same.Instance.ID, same.Instance.Patient, same.Instance.Study = "another", "other", "other"
	putAll(t, l, "c", []store.Record{same})
	_, err = l.Compact(t.Context(), nil)
	must(t, err)
	left, err := l.Unshared(t.Context(), erased.Traces)
	must(t, err)
	if erased.Traces.Len()-left.Len() != 2 || len(left.Digests) != 1 || len(left.Vectors) != 1 {
		t.Errorf("Unshared: got %d of %d traces, want all but a digest and a vector", left.Len(), erased.Traces.Len())
	}
	if s, err := l.Seek(t.Context(), left); err != nil || s.Matches != 0 {
		t.Errorf("Seek: got %+v, %v, want no match", s, err)
	}
}
