package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"nearcase/store"
)

func amending(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	place := t.TempDir()
	c := filled(t, open(t, place), 3)
	must(t, c.Create(t.Context(), Collection("d")))
	_, err := c.Put(t.Context(), "d", Records(0, 1)) // the original of i0 is of both
	must(t, err)
	text, yes, no := "radiographs of 2026\nwith labels", true, false
	must(t, c.Amend(t.Context(), "c", store.Amendment{Description: &text, DiscardOriginals: &yes}))
	must(t, c.Amend(t.Context(), "c", store.Amendment{}))
	bad := "a\x00"
	wantErr(t, "Amend with a description that cannot be", c.Amend(t.Context(), "c", store.Amendment{Description: &bad}), store.ErrInvalid)
	long := strings.Repeat("a", 5000)
	wantErr(t, "Amend with a long description", c.Amend(t.Context(), "c", store.Amendment{Description: &long}), store.ErrInvalid)
	wantErr(t, "Amend of an unknown collection", c.Amend(t.Context(), "x", store.Amendment{}), store.ErrCollection)
	for range 2 {
		got, err := c.Collection(t.Context(), "c")
		must(t, err)
		if got.Description != text || !got.DiscardOriginals || len(got.Tasks) != 2 {
			t.Errorf("Collection after Amend: got %+v", got)
		}
		_, err = c.Original(t.Context(), "c", "i0")
		wantErr(t, "Original that is discarded", err, store.ErrOriginal)
		r, err := c.Original(t.Context(), "d", "i0")
		must(t, err)
		must(t, r.Close())
		must(t, c.Close())
		c = open(t, place)
	}
	must(t, c.Amend(t.Context(), "c", store.Amendment{DiscardOriginals: &no}))
	_, err = c.Original(t.Context(), "c", "i1")
	wantErr(t, "Original that was discarded", err, store.ErrOriginal)
	put(t, c, Records(1, 2), store.Unchanged)
	r, err := c.Original(t.Context(), "c", "i1")
	must(t, err)
	must(t, r.Close())
	must(t, c.Delete(t.Context(), "c", "i1"))
	must(t, c.Close())
}

func statistics(t *testing.T, c store.Catalog) {
	must(t, c.Create(t.Context(), Collection("c")))
	records := append(Records(0, 30), fileOf("f", 2, 2)...)
	for i := range records[:30] {
		records[i].Instance.MediaType = "image/png"
		records[i].Instance.Metadata = map[string]string{"Modality": []string{"CR", "DX", "CR"}[i%3], "InstanceNumber": fmt.Sprint(i)}
	}
	put(t, c, records, store.Created)
	_, err := c.Label(t.Context(), "c", []store.Label{{Instance: "i0", Task: "finding", Classes: []string{"pneumonia"}}})
	must(t, err)
	must(t, c.Delete(t.Context(), "c", "i29"))
	s, err := c.Statistics(t.Context(), "c")
	must(t, err)
	if s.Instances != 31 || s.Patients != 16 || s.Studies != 16 || s.Series != 0 || s.Files != 1 || s.Labels != 32 || s.Deleted != 1 {
		t.Errorf("Statistics: got %+v, want 31 instances of 16 patients, 32 labels, 1 deleted", s)
	}
	if s.First.IsZero() || s.Last.Before(s.First) || s.MediaTypes["image/png"] != 29 {
		t.Errorf("Statistics: got %+v, want times and 29 of image/png", s)
	}
	wantTask := store.TaskStatistics{Labelled: 31, Classes: map[string]int{"normal": 15, "pneumonia": 16}}
	if !reflect.DeepEqual(s.Tasks["finding"], wantTask) || s.Tasks["devices"].Labelled != 0 {
		t.Errorf("Statistics: got tasks %+v, want finding %+v", s.Tasks, wantTask)
	}
	want := store.FieldStatistics{Field: "Modality", Instances: 29, Distinct: 2, Values: []store.ValueCount{{Value: "CR", Instances: 19}, {Value: "DX", Instances: 10}}}
	if len(s.Fields) != 2 || !reflect.DeepEqual(s.Fields[1], want) || s.Fields[0].Distinct != 29 || len(s.Fields[0].Values) != store.TopValues || s.Fields[0].Others != 9 {
		t.Errorf("Statistics: got fields %+v, want InstanceNumber and %+v", s.Fields, want)
	}
	if s.Disk.Log <= 0 || s.Disk.Originals <= 0 {
		t.Errorf("Statistics: got %+v on the disk, want a log and originals", s.Disk)
	}
	must(t, func() error { _, err := c.Compact(t.Context(), nil); return err }())
	if s, err = c.Statistics(t.Context(), "c"); err != nil || s.Deleted != 0 {
		t.Errorf("Statistics after Compact: got %+v, %v, want nothing deleted", s, err)
	}
}
