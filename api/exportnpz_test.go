package api_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nearcase/api"
	"nearcase/store"
)

// npy is an array as a reader of NumPy's format sees it.
type npy struct {
	descr string
	shape []int
	data  []byte
}

var npyHeader = regexp.MustCompile(`^\{'descr': '([<|][a-zA-Z]\d+)', 'fortran_order': False, 'shape': \(((?:\d+,)*)\), \} *\n$`)

// readNPY reads NumPy's format 1.0 as NEP 1 has it.
func readNPY(t testing.TB, name string, data []byte) npy {
	t.Helper()
	if len(data) < 10 || string(data[:8]) != "\x93NUMPY\x01\x00" {
		t.Fatalf("%s: got %.10q, want NumPy's format 1.0", name, data)
	}
	length := int(binary.LittleEndian.Uint16(data[8:]))
	header := npyHeader.FindStringSubmatch(string(data[10 : 10+length]))
	if header == nil || (10+length)%64 != 0 {
		t.Fatalf("%s: got header %q of %d bytes", name, data[10:10+length], length)
	}
	a := npy{descr: header[1], data: data[10+length:]}
	n := 1
	for d := range strings.SplitSeq(strings.TrimSuffix(header[2], ","), ",") {
		if d != "" {
			size, err := strconv.Atoi(d)
			if err != nil {
				t.Fatal(err)
			}
			a.shape, n = append(a.shape, size), n*size
		}
	}
	if len(a.data) != n*a.itemSize(t) {
		t.Fatalf("%s: got %d bytes, want %d items of %s", name, len(a.data), n, a.descr)
	}
	return a
}

func (a npy) itemSize(t testing.TB) int {
	t.Helper()
	size, err := strconv.Atoi(a.descr[2:])
	if err != nil {
		t.Fatal(err)
	}
	if a.descr[1] == 'U' {
		size *= 4
	}
	return size
}

// strings are the texts of an array of them.
func (a npy) strings(t testing.TB) (texts []string) {
	t.Helper()
	if a.descr[1] != 'U' {
		t.Fatalf("got %s, want strings", a.descr)
	}
	for item := range slices.Chunk(a.data, a.itemSize(t)) {
		var text []rune
		for c := range slices.Chunk(item, 4) {
			text = append(text, rune(binary.LittleEndian.Uint32(c)))
		}
		texts = append(texts, strings.TrimRight(string(text), "\x00"))
	}
	return texts
}

func (a npy) words(t testing.TB) (words []uint64) {
	t.Helper()
	if a.descr[2:] != "8" {
		t.Fatalf("got %s, want 8 bytes each", a.descr)
	}
	for item := range slices.Chunk(a.data, 8) {
		words = append(words, binary.LittleEndian.Uint64(item))
	}
	return words
}

func (a npy) vectors(t testing.TB) (vectors [][]float32) {
	t.Helper()
	if a.descr != "<f4" || len(a.shape) != 2 {
		t.Fatalf("got %s %v, want rows of float32", a.descr, a.shape)
	}
	for row := range slices.Chunk(a.data, 4*a.shape[1]) {
		var v []float32
		for x := range slices.Chunk(row, 4) {
			v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(x)))
		}
		vectors = append(vectors, v)
	}
	return vectors
}

func exported(t testing.TB, s *api.Service, o api.ExportOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.Export(t.Context(), "c", o, &b, nil); err != nil {
		t.Fatalf("Export as %q: %v", o.Format, err)
	}
	return b.Bytes()
}

func readNPZ(t testing.TB, data []byte) map[string]npy {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	arrays := map[string]npy{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r) // checks the sum as well
		if err != nil {
			t.Fatal(err)
		}
		name, isArray := strings.CutSuffix(f.Name, ".npy")
		if _, twice := arrays[name]; twice || !isArray || strings.ContainsAny(f.Name, `/\:`) {
			t.Errorf("archive: got member %q", f.Name)
		}
		arrays[name] = readNPY(t, f.Name, content)
	}
	return arrays
}

var hostile = []store.Task{
	{Name: "finding", Classes: []string{"<script>alert(1)</script>", `=HYPERLINK("x")`, "a, 'b'", "größer 🫁"}},
	{Name: "../marks/ö:%x", Multi: true, Classes: []string{"a", "b", "c"}},
	{Name: "unused", Classes: nil},
}

// hostileCase makes the collection "c" of images whose names and labels are what
// no format must trip over; the last is unlabelled and of an unknown patient.
func hostileCase(t testing.TB, s *api.Service, catalog store.Catalog) []store.Record {
	t.Helper()
	fingerprint := emptied(t, s, hostile...)
	var records []store.Record
	for i, class := range hostile[0].Classes {
		r := store.Record{Fingerprint: fingerprint, Vector: unit(float64(i), 1, -.3, 1e-9), Instance: store.Instance{
			ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i/2), Study: "s 1", Name: []string{"", "a\x00b\n\"c\"", "{'descr'}", "ф" + strings.Repeat("x", 40)}[i],
			Digest: fmt.Sprintf("%064d", i), Metadata: map[string]string{"Modality": []string{"CR", "DX"}[i%2], "SeriesDescription": `"quoted" \ ü`},
		}}
		r.Labels = []store.Label{
			{Task: "finding", Classes: []string{class}, Source: "reader 'x'"},
			{Task: hostile[1].Name, Classes: [][]string{nil, {"a"}, {"a", "c"}, {"a", "b", "c"}}[i]},
		}
		records = append(records, r)
	}
	records[1].Labels[1].Uncertain = []string{"b"}
	records[2].Labels[1].Partial = true
	records = append(records, store.Record{Fingerprint: fingerprint, Vector: unit(1, 2, 3, 4), Instance: store.Instance{ID: "last", Digest: fmt.Sprintf("%064d", 3)}})
	put(t, catalog, records...)
	return records
}

func TestAnNPZHoldsWhatTheCollectionHolds(t *testing.T) {
	s, catalog := newService(t, false)
	records := hostileCase(t, s, catalog)
	a := readNPZ(t, exported(t, s, api.ExportOptions{}))
	for name, of := range map[string]func(store.Instance) string{
		"id":      func(i store.Instance) string { return i.ID },
		"patient": func(i store.Instance) string { return i.Patient },
		"study":   func(i store.Instance) string { return i.Study },
		"series":  func(i store.Instance) string { return i.Series },
		"name":    func(i store.Instance) string { return i.Name },
		"digest":  func(i store.Instance) string { return i.Digest },
	} {
		var want []string
		for _, r := range records {
			want = append(want, of(r.Instance))
		}
		if got := a[name].strings(t); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	var vectors [][]float32
	for i, r := range records {
		vectors = append(vectors, r.Vector)
		var m map[string]string
		if err := json.Unmarshal([]byte(a["metadata"].strings(t)[i]), &m); err != nil || len(m) != len(r.Instance.Metadata) || m["SeriesDescription"] != r.Instance.Metadata["SeriesDescription"] {
			t.Errorf("metadata: got %v, %v, want %v", m, err, r.Instance.Metadata)
		}
	}
	if diff := cmp.Diff(vectors, a["vectors"].vectors(t)); diff != "" {
		t.Errorf("vectors (-stored +exported):\n%s", diff)
	}
	if got, want := a["label_finding"].strings(t), append(slices.Clone(hostile[0].Classes), ""); !slices.Equal(got, want) {
		t.Errorf("label_finding: got %q, want %q", got, want)
	}
	const marks = "..%2Fmarks%2Fö%3A%25x"
	if got, want := a["label_"+marks].strings(t), []string{"", "a", "a|c", "a|b|c", ""}; !slices.Equal(got, want) {
		t.Errorf("labels of several classes: got %q, want %q", got, want)
	}
	var target []float64
	for _, w := range a["target_"+marks].words(t) {
		target = append(target, math.Float64frombits(w))
	}
	if got, want := fmt.Sprint(a["target_"+marks].shape, target), "[5 3] [0 0 0 1 0.5 0 1 NaN 1 1 1 1 NaN NaN NaN]"; got != want {
		t.Errorf("target: got %s, want %s", got, want)
	}
	if got := a["classes_finding"].strings(t); !slices.Equal(got, hostile[0].Classes) {
		t.Errorf("classes: got %q, want %q", got, hostile[0].Classes)
	}
	if got := a["tasks"].strings(t); len(got) != 3 || got[1] != hostile[1].Name || len(a["classes_unused"].data) != 0 {
		t.Errorf("tasks: got %q, want all three", got)
	}
	keys, families := a["key"].words(t), a["family"].words(t)
	if want := []uint64{keys[0], keys[0], keys[2], keys[2], keys[2]}; !slices.Equal(families, want) {
		t.Errorf("family: got %v of keys %v, want %v: two patients, the last of whom has a picture of nobody", families, keys, want)
	}
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"collection": "c", "model": c.Model, "fingerprint": c.Fingerprint} {
		if got := a[name].strings(t); len(a[name].shape) != 0 || got[0] != want {
			t.Errorf("%s: got %v %q, want %q", name, a[name].shape, got, want)
		}
	}
	if head, watermark := a["head"].words(t), a["watermark"].words(t); head[0] != uint64(c.Status.Head) || watermark[0] != uint64(c.Status.LabelHead) {
		t.Errorf("head and watermark: got %v and %v, want %d and %d", head, watermark, c.Status.Head, c.Status.LabelHead)
	}
}

func TestEqualCollectionsGiveEqualFiles(t *testing.T) {
	s, catalog := newService(t, false)
	hostileCase(t, s, catalog)
	for _, format := range []string{api.NPZ, api.JSONLines, api.Parquet} {
		if o := (api.ExportOptions{Format: format}); !bytes.Equal(exported(t, s, o), exported(t, s, o)) {
			t.Errorf("Export as %s: got another file the second time", format)
		}
	}
}

// Law: whatever a collection holds, the arrays have a row for each instance in key
// order, with its vector to the last bit, its label and its kin.
func TestRowsOfAnNPZAreTheInstances(t *testing.T) {
	s, catalog := newService(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		records := drawRecords(rt, emptied(t, s, finding))
		put(t, catalog, records...)
		a := readNPZ(t, exported(t, s, api.ExportOptions{}))
		var instances []store.Instance
		for _, r := range records {
			instances = append(instances, r.Instance)
		}
		kin, keys, families := store.Families(instances), a["key"].words(t), a["family"].words(t)
		ids, labels, vectors := a["id"].strings(t), a["label_finding"].strings(t), a["vectors"].vectors(t)
		for i, r := range records {
			label := ""
			if len(r.Labels) > 0 {
				label = r.Labels[0].Classes[0]
			}
			if ids[i] != r.Instance.ID || labels[i] != label || !slices.Equal(vectors[i], r.Vector) || families[i] != keys[kin[i]] {
				rt.Errorf("row %d: got %s %q %v of family %d, want %+v of %d", i, ids[i], labels[i], vectors[i], families[i], r, keys[kin[i]])
			}
		}
	})
}
