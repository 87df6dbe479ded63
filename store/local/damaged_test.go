package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// damagedWorld is a collection of known keys: i0 to i4 are 1, 3, 5, 7 and 9 with their
// labels after them; 11 and 12 label i0 again, 13 deletes i3, 14 replaces i4.
func damagedWorld(t *testing.T) (place string, l *local.Catalog) {
	t.Helper()
	place = t.TempDir()
	l = open(t, place).(*local.Catalog)
	must(t, l.Create(t.Context(), storetest.Collection("xray")))
	must(t, l.Create(t.Context(), storetest.Collection("other")))
	putAll(t, l, "xray", storetest.Records(0, 5))
	putAll(t, l, "other", storetest.Records(0, 2))
	for _, class := range []string{"pneumonia", "normal"} {
		label(t, l, "i0", class)
	}
	must(t, l.Delete(t.Context(), "xray", "i3"))
	replaced := storetest.Record(40)
	replaced.Instance.ID, replaced.Replace, replaced.Labels = "i4", true, nil
	putAll(t, l, "xray", []store.Record{replaced})
	return place, l
}

func label(t *testing.T, l store.Catalog, id, class string) {
	t.Helper()
	_, err := l.Label(t.Context(), "xray", []store.Label{{Instance: id, Task: "finding", Classes: []string{class}}})
	must(t, err)
}

// said is what the collection has, by instance.
func saidOf(t *testing.T, l store.Catalog) string {
	t.Helper()
	cases, err := l.List(t.Context(), "xray", 0, 100)
	must(t, err)
	var all []string
	for _, c := range cases {
		all = append(all, fmt.Sprint(c.Instance.ID, c.Labels["finding"].Classes))
	}
	return strings.Join(all, " ")
}

func lostOf(t *testing.T, l store.Catalog) string {
	t.Helper()
	lost, err := l.Damages(t.Context())
	must(t, err)
	var all []string
	for _, d := range lost {
		all = append(all, strings.TrimSpace(fmt.Sprint(d.Collection, " ", d.Key, " ", d.What, " ", d.Instance)))
	}
	return strings.Join(all, ", ")
}

const (
	wholeWorld = "i0[normal] i1[pneumonia] i2[normal] i4[normal]"
	worldHead  = 14
)

func TestALostLogEntryIsNamedAndNothingIsAnsweredByWhatItCorrected(t *testing.T) {
	type loss struct {
		key    store.Key
		suffix byte
	}
	for name, test := range map[string]struct {
		lose       []loss
		said, lost string
	}{
		"nothing":                                  {nil, wholeWorld, ""},
		"an instance":                              {[]loss{{3, local.OfEntry}}, "i0[normal] i2[normal] i4[normal]", "xray 3 instance"},
		"a vector":                                 {[]loss{{3, local.OfVector}}, "i0[normal] i2[normal] i4[normal]", "xray 3 instance i1"},
		"an instance with its vector":              {[]loss{{3, local.OfEntry}, {3, local.OfVector}}, "i0[normal] i2[normal] i4[normal]", "xray 3 instance"},
		"a label that is the only one":             {[]loss{{4, local.OfEntry}}, "i0[normal] i1[] i2[normal] i4[normal]", "xray 4 label i1"},
		"a correction":                             {[]loss{{12, local.OfEntry}}, "i0[] i1[pneumonia] i2[normal] i4[normal]", "xray 12 label i0"},
		"a label that was corrected":               {[]loss{{11, local.OfEntry}}, wholeWorld, ""},
		"a label of an instance that was deleted":  {[]loss{{8, local.OfEntry}}, wholeWorld, ""},
		"a label of an instance that was replaced": {[]loss{{10, local.OfEntry}}, "i0[normal] i1[pneumonia] i2[normal] i4[]", "xray 10 label i4"},
		"a deletion":                               {[]loss{{13, local.OfEntry}}, wholeWorld, ""},
		"an instance that replaced another":        {[]loss{{14, local.OfEntry}}, "i0[normal] i1[pneumonia] i2[normal]", "xray 14 instance"},
		"an instance and its label":                {[]loss{{3, local.OfEntry}, {4, local.OfEntry}}, "i0[normal] i2[normal] i4[normal]", "xray 3 instance, xray 4 label"},
		"the end of the log": {[]loss{{12, local.OfEntry}, {13, local.OfEntry}, {14, local.OfEntry}, {14, local.OfVector}},
			"i0[] i1[pneumonia] i2[normal]", "xray 12 label i0, xray 14 instance"},
	} {
		t.Run(name, func(t *testing.T) {
			place, l := damagedWorld(t)
			for _, at := range test.lose {
				must(t, l.Lose(1, at.key, at.suffix))
			}
			must(t, l.Close())
			for _, when := range []string{"first", "second"} {
				l := open(t, place)
				if said, lost := saidOf(t, l), lostOf(t, l); said != test.said || lost != test.lost {
					t.Errorf("%s opening: got %s, lost %s; want %s, lost %s", when, said, lost, test.said, test.lost)
				}
				s, err := l.Status(t.Context(), "xray")
				if err != nil || s.Head != worldHead || s.Damaged != strings.Count(test.lost, "xray") {
					t.Errorf("%s opening: head %d, damaged %d, %v; want %d and %s", when, s.Head, s.Damaged, err, worldHead, test.lost)
				}
				checkLog(t, l)
				must(t, l.Close())
			}
		})
	}
}

// checkLog makes sure that the log can be read to its end, each key once.
func checkLog(t *testing.T, l store.Catalog) {
	t.Helper()
	var last store.Key
	for e, err := range l.Log(t.Context(), "xray", 0) {
		must(t, err)
		if e.Key <= last {
			t.Errorf("log: key %d after %d", e.Key, last)
		}
		last = e.Key
	}
	if last < worldHead-1 {
		t.Errorf("log: it ends at %d, want %d", last, worldHead)
	}
}

func TestWhatWasRetiredStaysSoWhenTheLogForgetsIt(t *testing.T) {
	for name, test := range map[string]struct {
		again []store.Key // entries that come back
		lose  []store.Key
	}{
		"a deleted instance comes back":                             {again: []store.Key{7}},
		"a deleted instance comes back, and the deletion is lost":   {again: []store.Key{7}, lose: []store.Key{13}},
		"a replaced instance comes back beside that of its own ID":  {again: []store.Key{9}},
		"both come back and nothing of what retired them was there": {again: []store.Key{7, 9}, lose: []store.Key{13}},
	} {
		t.Run(name, func(t *testing.T) {
			place := t.TempDir()
			l := open(t, place).(*local.Catalog)
			must(t, l.Create(t.Context(), storetest.Collection("xray")))
			putAll(t, l, "xray", storetest.Records(0, 5))
			values := map[store.Key][2][]byte{}
			for _, key := range test.again {
				entry, err := l.Value(1, key, local.OfEntry)
				must(t, err)
				vector, err := l.Value(1, key, local.OfVector)
				must(t, err)
				values[key] = [2][]byte{entry, vector}
			}
			for _, class := range []string{"pneumonia", "normal"} {
				label(t, l, "i0", class)
			}
			must(t, l.Delete(t.Context(), "xray", "i3"))
			replaced := storetest.Record(40)
			replaced.Instance.ID, replaced.Replace, replaced.Labels = "i4", true, nil
			putAll(t, l, "xray", []store.Record{replaced})
			for key, v := range values {
				must(t, l.PutValue(1, key, local.OfEntry, v[0]))
				must(t, l.PutValue(1, key, local.OfVector, v[1]))
			}
			for _, key := range test.lose {
				must(t, l.Lose(1, key, local.OfEntry))
			}
			must(t, l.Close())
			again := open(t, place)
			if said := saidOf(t, again); said != wholeWorld {
				t.Errorf("got %s, want %s", said, wholeWorld)
			}
			if v, err := again.Vector(t.Context(), "xray", "i4"); err != nil || !slices.Equal(v, storetest.Record(40).Vector) {
				t.Errorf("Vector of i4: got %v, %v, want that which replaced it", v, err)
			}
			must(t, again.Close())
		})
	}
}

func TestWhatWasErasedDoesNotComeBackWhenTheLogForgetsIt(t *testing.T) {
	place, l := damagedWorld(t)
	was, err := l.Value(1, 6, local.OfEntry) // of i2, whose patient is i3's
	must(t, err)
	_, err = l.Erase(t.Context(), "xray", "p1")
	must(t, err)
	must(t, l.PutValue(1, 6, local.OfEntry, was))
	must(t, l.Close())
	l = open(t, place).(*local.Catalog)
	for e, err := range l.Log(t.Context(), "xray", 0) {
		must(t, err)
		if e.Label != nil && e.Label.Instance == "i2" {
			t.Errorf("log entry %d: %+v, which was erased", e.Key, e.Label)
		}
	}
	must(t, l.Close())
}

func TestWhatIsStoredAgainMendsTheLog(t *testing.T) {
	for name, test := range map[string]struct {
		key    store.Key
		suffix byte
		again  func(t *testing.T, l store.Catalog)
		said   string
	}{
		"the image whose entry was lost":  {3, local.OfEntry, putI1, "i0[normal] i2[normal] i4[normal] i1[pneumonia]"},
		"the image whose vector was lost": {3, local.OfVector, putI1, "i0[normal] i2[normal] i4[normal] i1[pneumonia]"},
		"the label that was lost":         {12, local.OfEntry, func(t *testing.T, l store.Catalog) { label(t, l, "i0", "normal") }, wholeWorld},
	} {
		t.Run(name, func(t *testing.T) {
			place, l := damagedWorld(t)
			must(t, l.Lose(1, test.key, test.suffix))
			must(t, l.Close())
			mended := open(t, place)
			if lostOf(t, mended) == "" {
				t.Error("nothing is lost before it is stored again")
			}
			test.again(t, mended)
			for _, when := range []string{"at once", "after opening again"} {
				if said, lost := saidOf(t, mended), lostOf(t, mended); said != test.said || lost != "" {
					t.Errorf("%s: got %s, lost %q; want %s and nothing", when, said, lost, test.said)
				}
				must(t, mended.Close())
				mended = open(t, place)
			}
			must(t, mended.Close())
		})
	}
}

func putI1(t *testing.T, l store.Catalog) {
	t.Helper()
	putAll(t, l, "xray", []store.Record{storetest.Record(1)})
}

func TestACollectionWithoutItsDescriptionIsNotServedAndOthersAre(t *testing.T) {
	place, l := damagedWorld(t)
	must(t, l.LoseDescription(1))
	must(t, l.Close())
	for range 2 {
		again := open(t, place)
		if _, err := again.Status(t.Context(), "xray"); !errors.Is(err, store.ErrCollection) {
			t.Errorf("Status of xray: got %v, want %v", err, store.ErrCollection)
		}
		if s, err := again.Status(t.Context(), "other"); err != nil || s.Instances != 2 {
			t.Errorf("Status of other: got %+v, %v, want 2 instances", s, err)
		}
		if lost := lostOf(t, again); lost != "number 1 0 description" {
			t.Errorf("Damages: got %s, want the description of number 1", lost)
		}
		must(t, again.Close())
	}
	if left := originalsIn(t, place); left != 4 {
		t.Errorf("%d originals are left, want the 4 of xray, which may be served again", left)
	}
}

func originalsIn(t *testing.T, place string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(place, "originals", "*", "*"))
	must(t, err)
	return len(found)
}

func TestAWitnessThatIsMissingOrDamagedIsMadeAnew(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"cut off": func(path string) error { return os.Truncate(path, 200) },
		"a byte of it is another": func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[150] ^= 1
			return os.WriteFile(path, data, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			place, l := damagedWorld(t)
			must(t, l.Close())
			must(t, damage(filepath.Join(place, "witness")))
			again := open(t, place).(*local.Catalog)
			if said, lost := saidOf(t, again), lostOf(t, again); said != wholeWorld || lost != "" {
				t.Errorf("got %s, lost %s; want %s and nothing", said, lost, wholeWorld)
			}
			must(t, again.Lose(1, 12, local.OfEntry)) // of which the new one knows
			must(t, again.Close())
			again = open(t, place).(*local.Catalog)
			if lost := lostOf(t, again); lost != "xray 12 label i0" {
				t.Errorf("Damages: got %s, want the label that is lost since", lost)
			}
			must(t, again.Close())
		})
	}
}

func TestKeysThatWereRetiredByWhatIsRetiredAreNotMissedByANewWitness(t *testing.T) {
	place, l := damagedWorld(t)
	again := storetest.Record(41)
	again.Instance.ID, again.Replace, again.Labels = "i4", true, nil
	putAll(t, l, "xray", []store.Record{again}) // retires what retired the first i4
	must(t, l.Close())
	must(t, os.Remove(filepath.Join(place, "witness")))
	for range 2 {
		l := open(t, place)
		if said, lost := saidOf(t, l), lostOf(t, l); said != wholeWorld || lost != "" {
			t.Errorf("got %s, lost %s; want %s and nothing", said, lost, wholeWorld)
		}
		must(t, l.Close())
	}
}

// spoil changes the file of a data directory that a pattern names.
func spoil(t *testing.T, place, pattern string, f func(data []byte) []byte) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(place, filepath.FromSlash(pattern)))
	must(t, err)
	if len(found) == 0 {
		t.Fatalf("there is no %s", pattern)
	}
	data, err := os.ReadFile(found[0])
	must(t, err)
	if data = f(data); data == nil {
		must(t, os.Remove(found[0]))
		return
	}
	must(t, os.WriteFile(found[0], data, 0o600))
}

// flip changes the byte that a text begins at.
func flip(text string) func([]byte) []byte {
	return func(data []byte) []byte {
		data[bytes.Index(data, []byte(text))] ^= 0x20
		return data
	}
}

func TestWhatDamagedFilesOfTheLogStillHaveIsPutBack(t *testing.T) {
	for name, test := range map[string]struct {
		killed  bool
		pattern string
		change  func([]byte) []byte
		lost    string
	}{
		"a record in the middle of the write-ahead log": {true, "log/*.mem", flip(`{"kind":"put","instance":{"id":"i1"`), "xray 3 instance"},
		"the header of the write-ahead log":             {true, "log/*.mem", func(b []byte) []byte { b[0] ^= 1; return b }, ""},
		"the manifest is gone":                          {false, "log/MANIFEST", func([]byte) []byte { return nil }, ""},
		"the manifest is cut off":                       {false, "log/MANIFEST", func(b []byte) []byte { return b[:9] }, ""},
		"the manifest is another file":                  {false, "log/MANIFEST", func([]byte) []byte { return []byte("something else") }, ""},
		"the index of a table":                          {false, "log/*.sst", func(b []byte) []byte { b[len(b)-40] ^= 1; return b }, ""},
		"the length at the end of a table":              {false, "log/*.sst", func(b []byte) []byte { b[len(b)-4] ^= 0x7f; return b }, ""},
		"a value log, in which nothing is":              {false, "log/*.vlog", func(b []byte) []byte { b[0] ^= 1; return b }, ""},
		"the registry of keys, of which there are none": {false, "log/KEYREGISTRY", func(b []byte) []byte { return b[:20] }, ""},
		"statistics": {false, "log/DISCARD", func(b []byte) []byte { return b[:100] }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			place, l := damagedWorld(t)
			copied := filepath.Join(t.TempDir(), "killed")
			must(t, local.CopyDir(copied, place))
			must(t, l.Close())
			if test.killed {
				place = copied
			}
			spoil(t, place, test.pattern, test.change)
			for range 2 {
				again := open(t, place)
				want := wholeWorld
				if test.lost != "" {
					want = "i0[normal] i2[normal] i4[normal]"
				}
				if said, lost := saidOf(t, again), lostOf(t, again); said != want || lost != test.lost {
					t.Errorf("got %s, lost %q; want %s, lost %q", said, lost, want, test.lost)
				}
				must(t, again.Close())
			}
			if _, err := os.Stat(filepath.Join(place, "log.damaged")); test.lost == "" && err == nil {
				t.Error("files that were set aside are still there, and nothing is lost")
			}
		})
	}
}

func TestADamagedOriginalIsNotDeliveredAndSendingTheImageAgainMendsIt(t *testing.T) {
	place, l := damagedWorld(t)
	r := storetest.Record(1)
	spoil(t, place, "originals/*/"+r.Instance.Digest, flip("image"))
	if _, err := l.Original(t.Context(), "xray", "i1"); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Original: got %v, want %v", err, store.ErrDamaged)
	}
	putI1(t, l)
	read, err := l.Original(t.Context(), "xray", "i1")
	must(t, err)
	if got, err := io.ReadAll(read); err != nil || !bytes.Equal(got, r.Original) {
		t.Errorf("Original once it was sent again: got %q, %v, want %q", got, err, r.Original)
	}
	must(t, errors.Join(read.Close(), l.Close()))
}

func TestADamagedDocumentIsNamedAndTheOthersAreReturned(t *testing.T) {
	place, l := damagedWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		must(t, l.SaveDocument(t.Context(), "key", name, []byte("of "+name)))
	}
	spoil(t, place, "documents/key/62", flip("of b"))
	all, err := l.Documents(t.Context(), "key")
	if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("Documents: got %v, want %v naming b", err, store.ErrDamaged)
	}
	if len(all) != 2 || all[0].Name != "a" || all[1].Name != "c" {
		t.Errorf("Documents: got %v, want a and c", all)
	}
	must(t, l.Close())
}

func TestAnAcknowledgementIsInTheWitnessBefore(t *testing.T) {
	place, l := damagedWorld(t)
	defer l.Close()
	said := local.WitnessOf(t, place)
	for key := store.Key(1); key <= worldHead; key++ {
		if !said[key] {
			t.Errorf("the witness does not have key %d, which was acknowledged", key)
		}
	}
}
