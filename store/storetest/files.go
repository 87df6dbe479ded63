package storetest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"nearcase/store"
)

// kept checks originals that are not what was received, of a file with frames.
func kept(t *testing.T, c store.Catalog) {
	filled(t, c, 0)
	frames, bare := fileOf("f", 0, 2), Record(2)
	original := frames[0].Original
	for i := range frames {
		frames[i].Instance.Kept, frames[i].Instance.Digest = frames[i].Instance.Digest, Record(9).Instance.Digest
	}
	frames[0].Instance.Metadata = map[string]string{"Modality": "CR"}
	bare.Original, bare.Instance.Kept = nil, store.NotKept
	put(t, c, append(frames, bare), store.Created)
	found, err := c.Instance(t.Context(), "c", "f:1")
	must(t, err)
	if found.Instance.Metadata["Modality"] != "CR" || found.Instance.Frame != 1 {
		t.Errorf("Instance(f:1): got %+v, want its metadata and frame", found.Instance)
	}
	_, err = c.Original(t.Context(), "c", "i2")
	wantErr(t, "Original that was not kept", err, store.ErrOriginal)
	must(t, c.Delete(t.Context(), "c", "f:1"))
	r, err := c.Original(t.Context(), "c", "f:2")
	must(t, err)
	b, err := io.ReadAll(r)
	must(t, errors.Join(err, r.Close()))
	if string(b) != string(original) {
		t.Errorf("Original of the second frame once the first is deleted: got %q, want %q", b, original)
	}
}

// fileOf makes the records of a file with n frames; the content differs by seed.
func fileOf(id string, seed, n int) []store.Record {
	records := make([]store.Record, n)
	for i := range records {
		r := Record(1000*seed + i)
		r.Instance.ID, r.Instance.File, r.Instance.Frame = fmt.Sprintf("%s:%d", id, i+1), id, i+1
		r.Instance.Digest = Record(1000 * seed).Instance.Digest
		r.Instance.Patient, r.Instance.Study = "p", "s"
		if r.Original = nil; i == 0 {
			r.Original = Record(1000 * seed).Original
		}
		records[i] = r
	}
	return records
}

// stored returns the IDs of all instances.
func stored(t *testing.T, c store.Catalog) (all []string) {
	t.Helper()
	cases, err := c.List(t.Context(), "c", 0, 1_000_000)
	must(t, err)
	for _, found := range cases {
		all = append(all, found.Instance.ID)
	}
	return all
}

// files checks that the images of a file come, go and are labelled together.
func files(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	put(t, c, fileOf("f", 1, 3), store.Created)
	put(t, c, fileOf("f", 1, 3), store.Unchanged)
	before, err := c.Status(t.Context(), "c")
	must(t, err)
	bad := fileOf("g", 2, 4)
	bad[2].Vector = make([]float32, Dimension)
	for _, refused := range [][]store.Record{fileOf("f", 3, 5), {alone("f")}, bad} {
		outcomes, err := c.Put(t.Context(), "c", refused)
		must(t, err)
		for _, o := range outcomes {
			if o.Err == nil || o.Status != store.Failed {
				t.Errorf("Put of a file that cannot be stored: got %+v for %s, want every image refused", o, o.ID)
			}
		}
	}
	if after, err := c.Status(t.Context(), "c"); err != nil || after.Head != before.Head {
		t.Errorf("the log grew from %d to %d by what was refused (%v)", before.Head, after.Head, err)
	}
	shorter := fileOf("f", 3, 2)
	for i := range shorter {
		shorter[i].Replace = true
	}
	put(t, c, shorter, store.Replaced)
	if got := stored(t, c); !slices.Equal(got, []string{"i0", "f:1", "f:2"}) {
		t.Errorf("instances after a file was replaced by a shorter one: got %v", got)
	}
	_, err = c.Label(t.Context(), "c", []store.Label{{Instance: "f", Task: "devices", Classes: []string{"line"}}})
	must(t, err)
	for _, id := range []string{"f", "f:1", "f:2"} {
		found, err := c.Instance(t.Context(), "c", id)
		must(t, err)
		if !slices.Equal(found.Labels["devices"].Classes, []string{"line"}) {
			t.Errorf("labels of %s after its file was labelled: got %v", id, found.Labels)
		}
	}
	excluded, err := c.Excluded(t.Context(), "c", store.Exclude{Instances: []string{"f"}})
	must(t, err)
	if !slices.Equal(excluded, []string{"f:1", "f:2"}) {
		t.Errorf("Excluded(f): got %v, want its images", excluded)
	}
	one := alone("f")
	one.Replace = true
	put(t, c, []store.Record{one}, store.Replaced)
	if got := stored(t, c); !slices.Equal(got, []string{"i0", "f"}) {
		t.Errorf("instances after a file was replaced by one of one image: got %v", got)
	}
	put(t, c, fileOf("h", 4, 3), store.Created)
	must(t, c.Delete(t.Context(), "c", "h"))
	if got := stored(t, c); !slices.Equal(got, []string{"i0", "f"}) {
		t.Errorf("instances after a file was deleted: got %v", got)
	}
	_, err = c.Original(t.Context(), "c", "h")
	wantErr(t, "Original of a deleted file", err, store.ErrInstance)
}

// alone is a file of one image.
func alone(id string) store.Record {
	r := Record(7000)
	r.Instance.ID = id
	return r
}

// largeFile checks a file that no single transaction has room for.
func largeFile(t *testing.T, c store.Catalog) {
	filled(t, c, 1)
	records := fileOf("f", 1, 12_000)
	for i := range records {
		records[i].Instance.Name = strings.Repeat("n", 500)
	}
	put(t, c, records, store.Created)
	if got := len(stored(t, c)); got != 12_001 {
		t.Errorf("instances: got %d, want 12001", got)
	}
	must(t, c.Delete(t.Context(), "c", "f"))
	if got := stored(t, c); !slices.Equal(got, []string{"i0"}) {
		t.Errorf("instances after the file was deleted: got %d", len(got))
	}
}
