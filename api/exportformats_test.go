package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"nearcase/api"
	"nearcase/store"
)

func TestJSONLinesHoldWhatTheCollectionHolds(t *testing.T) {
	s, catalog := newService(t, false)
	records := hostileCase(t, s, catalog)
	d := json.NewDecoder(bytes.NewReader(exported(t, s, api.ExportOptions{Format: api.JSONLines})))
	d.DisallowUnknownFields()
	for i, r := range records {
		var got struct {
			store.Instance
			Key         store.Key              `json:"key"`
			Family      store.Key              `json:"family"`
			Labels      map[string]store.Label `json:"labels"`
			Model       string                 `json:"model"`
			Fingerprint string                 `json:"fingerprint"`
			Watermark   store.Key              `json:"label_watermark"`
			Vector      []float32              `json:"vector"`
		}
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		stored, err := s.Instance(t.Context(), "c", r.Instance.ID)
		if err != nil {
			t.Fatal(err)
		}
		stored.Details = nil // what labels say is in them
		stored.Details = nil
		if len(stored.Labels) == 0 {
			stored.Labels = map[string]store.Label{}
		}
		if diff := cmp.Diff(stored, api.Instance{Instance: got.Instance, Key: got.Key, Labels: got.Labels}); diff != "" {
			t.Errorf("line %d (-stored +exported):\n%s", i, diff)
		}
		if !slices.Equal(got.Vector, r.Vector) || got.Fingerprint != r.Fingerprint || got.Model != "means" || got.Family == 0 || got.Watermark == 0 {
			t.Errorf("line %d: got %+v, want the vector %v and where it is from", i, got, r.Vector)
		}
	}
	if err := d.Decode(&struct{}{}); err != io.EOF {
		t.Errorf("after %d lines: got %v, want the end", len(records), err)
	}
}

// A label that several readers made has what each of them said.
func TestOpinionsAreExported(t *testing.T) {
	s, catalog := newService(t, false)
	hostileCase(t, s, catalog)
	task := hostile[1].Name
	labels := []store.Label{
		{Instance: "last", Task: task, Reader: "b", Classes: []string{"a"}, Confidence: .25},
		{Instance: "last", Task: task, Reader: "a", Classes: []string{"b"}, Confidence: .75, Source: "second reading"},
	}
	if _, err := catalog.Label(t.Context(), "c", labels); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(exported(t, s, api.ExportOptions{Format: api.JSONLines, Tasks: []string{task}}), []byte("\n"))
	var got struct {
		Labels map[string]struct {
			Classes  []string
			Opinions []store.Label
		}
	}
	if err := json.Unmarshal(lines[4], &got); err != nil {
		t.Fatal(err)
	}
	l := got.Labels[task]
	if len(l.Opinions) != 2 || !l.Opinions[0].Says(labels[1]) || l.Opinions[0].Source != "second reading" || !l.Opinions[1].Says(labels[0]) || fmt.Sprint(l.Classes) != "[b]" {
		t.Errorf("labels of two readers: got %+v, want b and what both said", l)
	}
}

// parquetRow is a row of the tests' collection as other programs see it.
type parquetRow struct {
	ID       string    `parquet:"id"`
	Patient  string    `parquet:"patient"`
	Name     string    `parquet:"name"`
	Key      uint64    `parquet:"key"`
	Family   int64     `parquet:"family"`
	Metadata string    `parquet:"metadata"`
	Labels   string    `parquet:"labels"`
	Finding  *string   `parquet:"label_finding,optional"`
	Vector   []float32 `parquet:"vector,list"`
}

func TestParquetHoldsWhatTheCollectionHolds(t *testing.T) {
	s, catalog := newService(t, false)
	records := hostileCase(t, s, catalog)
	data := exported(t, s, api.ExportOptions{Format: api.Parquet})
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"collection": "c", "model": "means", "fingerprint": records[0].Fingerprint} {
		if got, _ := f.Lookup(key); got != want {
			t.Errorf("metadata of the file: got %s %q, want %q", key, got, want)
		}
	}
	rows, err := parquet.Read[parquetRow](bytes.NewReader(data), int64(len(data)))
	if err != nil || len(rows) != len(records) {
		t.Fatalf("read: got %d rows, %v, want %d", len(rows), err, len(records))
	}
	for i, r := range records {
		got := rows[i]
		if got.ID != r.Instance.ID || got.Patient != r.Instance.Patient || got.Name != r.Instance.Name || !slices.Equal(got.Vector, r.Vector) || got.Key == 0 || got.Family == 0 {
			t.Errorf("row %d: got %+v, want %+v", i, got, r)
		}
		if labelled := len(r.Labels) > 0; labelled != (got.Finding != nil) || labelled && *got.Finding != r.Labels[0].Classes[0] {
			t.Errorf("row %d: got label %v, want %+v", i, got.Finding, r.Labels)
		}
		var labels map[string]store.Label
		if err := json.Unmarshal([]byte(got.Labels), &labels); err != nil || len(labels) != len(r.Labels) || !json.Valid([]byte(got.Metadata)) {
			t.Errorf("row %d: got labels %s and metadata %s, %v", i, got.Labels, got.Metadata, err)
		}
	}
}

// Row groups are cut, so that not all of them are in memory.
func TestParquetOfMoreThanARowGroup(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	var records []store.Record
	for i := range 10_500 {
		records = append(records, store.Record{Fingerprint: fingerprint, Vector: unit(1, float64(i), 2, 3), Instance: store.Instance{ID: fmt.Sprint(i)}})
	}
	put(t, catalog, records...)
	data := exported(t, s, api.ExportOptions{Format: api.Parquet})
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(f.RowGroups()) != 2 || f.NumRows() != 10_500 {
		t.Fatalf("got %d rows in %d groups, %v, want 10500 in 2", f.NumRows(), len(f.RowGroups()), err)
	}
	rows, err := parquet.Read[parquetRow](bytes.NewReader(data), int64(len(data)))
	if err != nil || rows[10_499].ID != "10499" || !slices.Equal(rows[10_499].Vector, records[10_499].Vector) || rows[10_499].Finding != nil {
		t.Errorf("the last row: got %+v, %v", rows[len(rows)-1], err)
	}
}

func TestAnEmptyCollectionIsAFileOfNothing(t *testing.T) {
	s, _ := newService(t, false)
	emptied(t, s, hostile...)
	a := readNPZ(t, exported(t, s, api.ExportOptions{}))
	if fmt.Sprint(a["vectors"].shape, a["id"].shape, a["target_..%2Fmarks%2Fö%3A%25x"].shape) != "[0 4] [0] [0 3]" || a["label_finding"].descr != "<U1" {
		t.Errorf("npz: got vectors %v, id %v, label %+v, want no rows", a["vectors"].shape, a["id"].shape, a["label_finding"])
	}
	if got := exported(t, s, api.ExportOptions{Format: api.JSONLines}); len(got) != 0 {
		t.Errorf("jsonl: got %q, want nothing", got)
	}
	data := exported(t, s, api.ExportOptions{Format: api.Parquet})
	if rows, err := parquet.Read[parquetRow](bytes.NewReader(data), int64(len(data))); err != nil || len(rows) != 0 {
		t.Errorf("parquet: got %d rows, %v, want none", len(rows), err)
	}
}

func TestAnExportIsNarrowed(t *testing.T) {
	s, catalog := newService(t, false)
	hostileCase(t, s, catalog)
	o := api.ExportOptions{Tasks: []string{"finding"}, Filter: new(store.Among("Modality", "DX", "MG")), WithoutVectors: true}
	a := readNPZ(t, exported(t, s, o))
	if got := strings.Join(a["id"].strings(t), " "); got != "i1 i3" {
		t.Errorf("where: got %s, want i1 and i3", got)
	}
	if _, ok := a["vectors"]; ok || len(a["tasks"].strings(t)) != 1 {
		t.Errorf("got vectors %t and tasks %q, want one task and no vectors", ok, a["tasks"].strings(t))
	}
	for _, format := range []string{api.JSONLines, api.Parquet} {
		o.Format = format
		data := exported(t, s, o)
		if bytes.Contains(data, []byte("vector")) || bytes.Contains(data, []byte("marks")) {
			t.Errorf("%s: got a vector or a task that was not asked for", format)
		}
	}
}

func TestAnExportThatCannotBeIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	s, catalog := newService(t, false)
	hostileCase(t, s, catalog)
	for name, c := range map[string]struct {
		collection string
		o          api.ExportOptions
		want       error
	}{
		"collection": {"none", api.ExportOptions{}, store.ErrCollection},
		"format":     {"c", api.ExportOptions{Format: "pickle"}, api.ErrQuery},
		"task":       {"c", api.ExportOptions{Tasks: []string{"finding", "age"}}, store.ErrTask},
		"field":      {"c", api.ExportOptions{Filter: new(store.Among("PatientName", "x"))}, store.ErrInvalid},
	} {
		var b bytes.Buffer
		if _, err := s.Export(t.Context(), c.collection, c.o, &b, nil); !errors.Is(err, c.want) || b.Len() > 0 {
			t.Errorf("Export of an unknown %s: got %v and %d bytes, want %v and none", name, err, b.Len(), c.want)
		}
	}
}

func TestAnExportIsOfTheTimeItWasBegun(t *testing.T) {
	s, catalog := newService(t, false)
	for name, c := range map[string]struct {
		change func(fingerprint string) error
		want   error
	}{
		"label": {func(string) error {
			_, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: "i0", Task: "finding", Remove: true}})
			return err
		}, nil},
		"instance": {func(fingerprint string) error {
			_, err := catalog.Put(t.Context(), "c", []store.Record{{Instance: store.Instance{ID: "new"}, Fingerprint: fingerprint, Vector: unit(1, 0, 0, 0)}})
			return err
		}, nil},
		"deletion": {func(string) error { return s.Delete(t.Context(), "c", "i2") }, api.ErrChanged},
		"replacement": {func(fingerprint string) error {
			_, err := catalog.Put(t.Context(), "c", []store.Record{{Instance: store.Instance{ID: "i2", Digest: fmt.Sprintf("%064d", 9)}, Fingerprint: fingerprint, Vector: unit(1, 0, 0, 0), Replace: true}})
			return err
		}, api.ErrChanged},
	} {
		for _, format := range []string{api.NPZ, api.JSONLines, api.Parquet} {
			records := hostileCase(t, s, catalog)
			want := exported(t, s, api.ExportOptions{Format: format})
			e, err := s.BeginExport(t.Context(), "c", api.ExportOptions{Format: format})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.change(records[0].Fingerprint); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			err = e.Write(t.Context(), &b, nil)
			if !errors.Is(err, c.want) || err == nil && !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%s written after a %s: got %v, want %v and the file of before", format, name, err, c.want)
			}
		}
	}
}

func TestAnExportTellsHowFarItIsAndCanBeInterrupted(t *testing.T) {
	s, catalog := newService(t, false)
	hostileCase(t, s, catalog)
	for _, format := range []string{api.NPZ, api.JSONLines, api.Parquet} {
		var told []int
		e, err := s.Export(t.Context(), "c", api.ExportOptions{Format: format}, io.Discard, func(done, total int) { told = append(told, done, total) })
		if err != nil || e.Instances != 5 || e.Format != format || told[0] != 0 || told[1] != 5 || !slices.Equal(told[len(told)-2:], []int{5, 5}) {
			t.Errorf("Export as %s: got %+v, %v and progress %v", format, e, err, told)
		}
		failing := errors.New("no space")
		if _, err := s.Export(t.Context(), "c", api.ExportOptions{Format: format}, refusing{failing}, nil); !errors.Is(err, failing) {
			t.Errorf("Export as %s to where there is no space: got %v, want %v", format, err, failing)
		}
	}
}

// refusing is a writer that takes nothing.
type refusing struct{ error }

func (r refusing) Write([]byte) (int, error) { return 0, r.error }

// changingCatalog has something changed before it lists.
type changingCatalog struct {
	store.Catalog
	change func() error
}

func (c changingCatalog) List(ctx context.Context, collection string, after store.Key, n int) ([]store.Case, error) {
	if err := c.change(); err != nil {
		return nil, err
	}
	return c.Catalog.List(ctx, collection, after, n)
}

// An instance that goes while all are listed is not missed in silence.
func TestAnExportLacksNoInstance(t *testing.T) {
	s, catalog := newService(t, false)
	records := hostileCase(t, s, catalog)
	replacement := records[2]
	replacement.Replace, replacement.Instance.Digest = true, fmt.Sprintf("%064d", 9)
	for name, change := range map[string]func() error{
		"deleted": func() error { return catalog.Delete(t.Context(), "c", "i1") },
		"replaced": func() error {
			_, err := catalog.Put(t.Context(), "c", []store.Record{replacement})
			return err
		},
	} {
		s.Catalog = changingCatalog{catalog, change}
		if e, err := s.BeginExport(t.Context(), "c", api.ExportOptions{}); !errors.Is(err, api.ErrChanged) {
			t.Errorf("BeginExport while an instance is %s: got %+v, %v, want ErrChanged", name, e, err)
		}
	}
}
