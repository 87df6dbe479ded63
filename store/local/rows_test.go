package local_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

func rowsFile(place string, number int) string {
	return filepath.Join(place, "index", fmt.Sprintf("%d.rows", number))
}

// Law: for any history, what opens from a rows file and the log after it answers as
// what opens from the log alone.
func TestRowsAndTheLogAfterThemTellWhatTheLogDoes(t *testing.T) {
	t.Parallel()
	l, err := local.Open(t.TempDir(), local.Options{})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		_ = l.Drop(t.Context(), "c") // which a check that failed has left
		must(t, l.Create(t.Context(), storetest.Collection("c")))
		h := history{t: t, r: r, l: l}
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			h.step()
		}
		if _, err := os.Stat(rowsFile(l.Dir(), n)); (err == nil) != h.saved {
			r.Fatalf("there is a rows file: %v, want %v", err == nil, h.saved)
		}
		must(t, l.Reread("c", false))
		got := toldBy(t, l, h.erased)
		must(t, l.Reread("c", true))
		if diff := cmp.Diff(toldBy(t, l, h.erased), got); diff != "" {
			r.Fatalf("from the rows file and the log after it otherwise than from the log (-log +file):\n%s", diff)
		}
	})
}

// history is what happens to a collection of a few instances.
type history struct {
	t     *testing.T
	r     *rapid.T
	l     *local.Catalog
	saved bool
	// erased tells that something has been erased and the log not compacted since:
	// what is counted as deleted is not told by the log then.
	erased bool
}

// step does something at random. What is refused is part of the history.
func (h *history) step() {
	ctx, id := h.t.Context(), fmt.Sprint("i", rapid.IntRange(0, 9).Draw(h.r, "instance"))
	var err error
	switch rapid.SampledFrom([]string{"put", "put", "put", "file", "label", "label", "label", "delete", "erase", "compact", "rows", "index"}).Draw(h.r, "step") {
	case "put":
		_, err = h.l.Put(ctx, "c", []store.Record{h.record(id)})
	case "file":
		_, err = h.l.Put(ctx, "c", h.file(id))
	case "label":
		_, err = h.l.Label(ctx, "c", []store.Label{h.label(id), h.label(id)})
	case "delete":
		err = h.l.Delete(ctx, "c", id)
	case "erase":
		if _, err = h.l.Erase(ctx, "c", fmt.Sprint("p", rapid.IntRange(0, 2).Draw(h.r, "patient"))); err == nil {
			h.saved, h.erased = false, true
		}
	case "compact":
		if rapid.IntRange(0, 4).Draw(h.r, "really") > 0 { // it takes long
			return
		}
		if _, err = h.l.Compact(ctx, nil); err == nil {
			h.saved, h.erased = false, false
		}
	case "rows":
		err, h.saved = h.l.SaveRows("c", false), true
	case "index":
		err, h.saved = h.l.SaveRows("c", true), true
	}
	if err != nil && !errors.Is(err, store.ErrInstance) {
		h.r.Fatal(err)
	}
}

func (h *history) record(id string) store.Record {
	r := storetest.Record(rapid.IntRange(0, 5).Draw(h.r, "image"))
	r.Instance.ID, r.Original, r.Replace = id, nil, true
	some := func(name string) string {
		if n := rapid.IntRange(0, 3).Draw(h.r, name); n > 0 {
			return fmt.Sprint(name[:1], n-1)
		}
		return ""
	}
	r.Instance.Patient, r.Instance.Study, r.Instance.Series, r.Instance.Name = some("patient"), some("study"), some("series"), some("name")
	if rapid.Bool().Draw(h.r, "known") {
		r.Instance.Metadata = map[string]string{"Modality": "CR", "PatientAge": "063Y"}
		r.Instance.Width, r.Instance.Height, r.Instance.Size, r.Instance.MediaType = 300, 200, 1<<40, "image/png"
		r.Instance.Added = time.Date(1931, 5, 7, 1, 2, 3, 456, time.FixedZone("east", 5400+rapid.IntRange(-9, 9).Draw(h.r, "zone")*3600))
	}
	r.Labels = nil
	for range rapid.IntRange(0, 2).Draw(h.r, "labels") {
		if l := h.label(id); !l.Removed {
			r.Labels = append(r.Labels, l)
		}
	}
	return r
}

// file is one with two images.
func (h *history) file(id string) (all []store.Record) {
	for frame := 1; frame <= 2; frame++ {
		r := storetest.Record(7)
		r.Instance.ID, r.Instance.File, r.Instance.Frame = fmt.Sprint(id, ":", frame), id, frame
		r.Original, r.Replace, r.Labels = nil, true, nil
		all = append(all, r)
	}
	return all
}

func (h *history) label(id string) store.Label {
	l := store.Label{Instance: id, Task: "finding", Classes: []string{"normal"}, Reader: rapid.SampledFrom([]string{"", "a", "b"}).Draw(h.r, "reader"), Source: "report"}
	switch rapid.IntRange(0, 4).Draw(h.r, "label") {
	case 0:
		l.Removed, l.Classes = true, nil
	case 1:
		l.Classes = []string{"pneumonia"}
		l.Time = time.Date(2020, 1, 1, 0, 0, 0, 0, time.FixedZone("", -3600))
	case 2:
		l.Task, l.Classes = "devices", []string{}
	case 3:
		l.Task, l.Classes, l.Uncertain, l.Partial, l.Confidence = "devices", []string{"line"}, []string{"pacemaker"}, true, 0.25
	}
	return l
}

// toldBy is all that a catalog tells of c.
func toldBy(t *testing.T, l store.Catalog, erased bool) map[string]string {
	t.Helper()
	ctx, told := t.Context(), map[string]string{}
	note := func(what string, v any, err error) {
		t.Helper()
		text, bad := json.Marshal(v)
		if bad != nil {
			t.Fatal(bad)
		}
		told[what] = fmt.Sprintf("%s %v", text, err)
	}
	all, err := l.Collections(ctx)
	note("collections", all, err)
	status, err := l.Status(ctx, "c")
	status.Index, status.Engine = store.IndexStats{}, ""
	note("status", status, err)
	counts, err := l.Statistics(ctx, "c")
	counts.Disk = store.Disk{}
	if erased {
		counts.Deleted = 0
	}
	note("statistics", counts, err)
	cases, err := l.List(ctx, "c", 0, 1000)
	note("list", cases, err)
	for _, one := range cases {
		id := one.Instance.ID
		said, err := l.History(ctx, "c", id)
		note("history "+id, said, err)
		v, err := l.Vector(ctx, "c", id)
		note("vector "+id, v, err)
		same, err := l.WithDigest(ctx, "c", one.Instance.Digest)
		note("same "+id, same, err)
		for _, kin := range []bool{false, true} {
			ids, err := l.Excluded(ctx, "c", store.Exclude{Instances: []string{id}, Patients: []string{one.Instance.Patient}, Studies: []string{one.Instance.Study}, Kin: kin})
			note(fmt.Sprint("kin ", id, kin), ids, err)
		}
	}
	for _, by := range store.Sorts() {
		found, err := l.Find(ctx, "c", store.Listing{Sort: by, Limit: 1000, Count: true})
		note("sorted by "+by, found, err)
	}
	var entries []store.Entry
	for e, err := range l.Log(ctx, "c", 0) {
		must(t, err)
		entries = append(entries, e)
	}
	note("log", entries, nil)
	searched(t, l, note)
	return told
}

func searched(t *testing.T, l store.Catalog, note func(what string, v any, err error)) {
	t.Helper()
	for name, q := range map[string]store.Query{
		"all": {}, "per patient": {OnePer: store.Patients}, "per study": {OnePer: store.Studies},
		"labelled": {Labelled: "finding"}, "normal": {Labelled: "finding", Classes: []string{"normal"}},
		"line": {Labelled: "devices", Classes: []string{"line", "pacemaker"}}, "of none": {Labelled: "devices"},
		"studies": {Level: store.Level{Of: store.Studies}}, "series": {Level: store.Level{Of: store.Series, Pool: store.Max}},
	} {
		q.Vector, q.K, q.Exact = storetest.Record(100).Vector, 1000, true
		found, err := l.Search(t.Context(), "c", q)
		note("search "+name, found, err)
	}
}

// savedRows makes a data directory with a rows file, and a bit more in its log. It
// is closed.
func savedRows(t *testing.T) (place string) {
	t.Helper()
	place = t.TempDir()
	l, err := local.Open(place, local.Options{})
	must(t, err)
	for _, name := range []string{"c", "d"} {
		must(t, l.Create(t.Context(), storetest.Collection(name)))
		putAll(t, l, name, records(0, 40))
		must(t, l.SaveRows(name, true))
	}
	must(t, l.Delete(t.Context(), "c", "i7"))
	_, err = l.Label(t.Context(), "c", []store.Label{{Instance: "i8", Task: "finding", Classes: []string{"pneumonia"}}})
	must(t, err)
	must(t, l.Close())
	return place
}

// Whatever happened to a rows file, the catalog opens, answers as if it had never
// been there, and says once why it was not used.
func TestDamagedRowsAreToldAndRead(t *testing.T) {
	place := savedRows(t)
	whole, err := os.ReadFile(rowsFile(place, 1))
	must(t, err)
	other, err := os.ReadFile(rowsFile(place, 2))
	must(t, err)
	l := open(t, place)
	want := toldBy(t, l, false)
	must(t, l.Close())
	for name, damaged := range rowsDamages(whole, other) {
		must(t, os.WriteFile(rowsFile(place, 1), damaged, 0o600))
		l, j := openLogged(t, place)
		if diff := cmp.Diff(want, toldBy(t, l, false)); diff != "" {
			t.Errorf("%s: it tells otherwise (-want +got):\n%s", name, diff)
		}
		must(t, l.Close())
		if told := j.lines(t, "WARN"); len(told) != 1 || !strings.Contains(told[0].Msg, "rows file") || told[0].Collection != "c" {
			t.Errorf("%s: got the warnings %v, want one about the rows file of c", name, told)
		}
		if _, err := os.Stat(rowsFile(place, 1)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the rows file is still there (%v)", name, err)
		}
	}
}

func rowsDamages(whole, other []byte) map[string][]byte {
	all := map[string][]byte{"empty": nil, "of another collection": other, "doubled": slices.Concat(whole, whole), "longer": append(slices.Clone(whole), 0)}
	for at := 0; at < len(whole); at += max(1, len(whole)/25) {
		flipped := slices.Clone(whole)
		flipped[at] ^= 1
		all[fmt.Sprint("flipped at ", at)] = flipped
		all[fmt.Sprint("cut at ", at)] = whole[:at]
	}
	all["last byte flipped"] = append(slices.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^0x80)
	all["page of zeros"] = append(bytes.Repeat([]byte{0}, min(4096, len(whole))), whole[min(4096, len(whole)):]...)
	return all
}

// Law: rows that know more than the log, or that an index does not bear out, are
// read from the log anew.
func TestRowsOfAnotherHistoryAreNotUsed(t *testing.T) {
	place := savedRows(t)
	early := t.TempDir()
	must(t, local.CopyDir(early, place))
	l, err := local.Open(place, local.Options{})
	must(t, err)
	putAll(t, l, "c", records(40, 60))
	must(t, l.SaveRows("c", false))
	must(t, l.Close())
	later, err := os.ReadFile(rowsFile(place, 1))
	must(t, err)
	l2 := open(t, early)
	want := toldBy(t, l2, false)
	must(t, l2.Close())
	must(t, os.WriteFile(rowsFile(early, 1), later, 0o600))
	l3, j := openLogged(t, early)
	if diff := cmp.Diff(want, toldBy(t, l3, false)); diff != "" {
		t.Errorf("with rows of a later log it tells otherwise (-want +got):\n%s", diff)
	}
	must(t, l3.Close())
	if told := j.lines(t, "WARN"); len(told) != 1 || !strings.Contains(told[0].Reason, "the log ends at") {
		t.Errorf("got the warnings %v, want one that says where the log ends", told)
	}
}

// Law: the rows that are saved name nothing that is deleted once the log is
// compacted, and nothing that is erased.
func TestRowsDoNotNameWhatIsGone(t *testing.T) {
	for name, gone := range map[string]func(l *local.Catalog) error{
		"deleted and compacted": func(l *local.Catalog) error {
			if _, err := l.DeleteAll(t.Context(), "c", []string{"i6", "i7"}, nil); err != nil {
				return err
			}
			_, err := l.Compact(t.Context(), nil)
			return err
		},
		"erased": func(l *local.Catalog) error {
			_, err := l.Erase(t.Context(), "c", "p3")
			return err
		},
	} {
		l, err := local.Open(savedRows(t), local.Options{})
		must(t, err)
		must(t, gone(l))
		for _, again := range []bool{false, true} {
			if again {
				must(t, l.SaveRows("c", true))
			}
			found, err := l.Seek(t.Context(), store.Traces{Texts: []string{"i6-and-more", storetest.Record(6).Instance.Digest}})
			must(t, err)
			if slices.Contains(found.In, "index/1.rows") {
				t.Errorf("%s, saved again %v: the rows file names it", name, again)
			}
		}
		must(t, l.Close())
	}
}

// Law: whatever a rows file or a piece of one has, it is read or refused as damaged,
// and takes no more memory than is to be expected of its length.
func FuzzRows(f *testing.F) {
	place := f.TempDir()
	l, err := local.Open(place, local.Options{})
	must(f, err)
	must(f, l.Create(f.Context(), storetest.Collection("c")))
	_, err = l.Put(f.Context(), "c", storetest.Records(0, 3))
	must(f, err)
	must(f, l.SaveRows("c", false))
	whole, err := os.ReadFile(rowsFile(place, 1))
	must(f, err)
	must(f, l.Close())
	f.Add(whole, uint8(0))
	f.Add(whole[8:], uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, rows uint8) {
		n, err := local.ReadRows(bytes.NewReader(b), int64(len(b)))
		if rows > 0 {
			n, err = local.ReadPiece(b, int(rows))
		}
		if n > len(b) {
			t.Fatalf("%d rows of %d bytes (%v)", n, len(b), err)
		}
		if err != nil && !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrFormat) {
			t.Fatalf("got %v, want ErrDamaged or ErrFormat", err)
		}
	})
}
