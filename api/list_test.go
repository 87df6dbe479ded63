package api_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

func TestListsComeInPages(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	for _, c := range []struct {
		o    api.ListOptions
		want string
	}{
		{api.ListOptions{Limit: 7}, "i0 i1 i2 i3"},
		{api.ListOptions{Limit: 7, Descending: true}, "i23 i22 i21 i20"},
		{api.ListOptions{Limit: 5, Sort: store.ByID, Count: true}, "i0 i1 i10 i11"},
		{api.ListOptions{Limit: 24, Sort: store.ByName}, "i0 i12 i15 i18"},
		{api.ListOptions{Limit: 23, Sort: store.ByPatient, Descending: true}, "i23 i22 i21 i20"},
		{api.ListOptions{Limit: 3, Filter: filterOf(t, `{"field":"study","eq":"s1"}`), Count: true}, "i2 i3 i8 i9"},
		{api.ListOptions{Filter: filterOf(t, `{"field":"study","eq":"none"}`), Count: true}, ""},
	} {
		var ids []string
		o := c.o
		for {
			p, err := s.List(t.Context(), "c", o)
			if err != nil {
				t.Fatalf("List %+v: %v", o, err)
			}
			ids = append(ids, idsOf(p)...)
			if (p.Count != nil) != o.Count || p.Next != "" && len(p.Instances) != o.Limit {
				t.Errorf("List %+v: got %d and count %v", o, len(p.Instances), p.Count)
			}
			if o.Cursor = p.Next; p.Next == "" {
				if p.Count != nil && *p.Count != len(ids) {
					t.Errorf("List %+v counts %d, and its pages have %d", o, *p.Count, len(ids))
				}
				break
			}
			if told, _ := base64.RawURLEncoding.DecodeString(p.Next); strings.Contains(p.Next+string(told), "radiograph") {
				t.Errorf("cursor %q tells what it is of", p.Next)
			}
		}
		if !strings.HasPrefix(strings.Join(ids, " "), c.want) || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(ids) {
			t.Errorf("List %+v: got %q, want %s …", c.o, ids, c.want)
		}
	}
}

func TestCursorsAreOfTheirListAlone(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	first, err := s.List(t.Context(), "c", api.ListOptions{Limit: 2, Sort: store.ByName})
	if err != nil || first.Next == "" {
		t.Fatalf("List: %+v, %v", first, err)
	}
	for name, o := range map[string]api.ListOptions{
		"another order":      {Sort: store.ByID},
		"the order reversed": {Sort: store.ByName, Descending: true},
		"a filter":           {Sort: store.ByName, Filter: filterOf(t, `{"field":"id","exists":true}`)},
	} {
		o.Cursor = first.Next
		if _, err := s.List(t.Context(), "c", o); !errors.Is(err, api.ErrCursor) {
			t.Errorf("List by a cursor of a list without %s: got %v, want ErrCursor", name, err)
		}
	}
	for _, cursor := range []string{"x", "1", first.Next[1:], first.Next + "A", strings.Repeat("A", 100)} {
		if _, err := s.List(t.Context(), "c", api.ListOptions{Sort: store.ByName, Cursor: cursor}); !errors.Is(err, api.ErrCursor) {
			t.Errorf("List by cursor %q: got %v, want ErrCursor", cursor, err)
		}
	}
	next, err := s.List(t.Context(), "c", api.ListOptions{Limit: 1000, Sort: store.ByName, Cursor: first.Next, Count: true})
	if err != nil || len(next.Instances) != 22 || *next.Count != 24 {
		t.Errorf("List on from a cursor by another limit: got %d, %v", len(next.Instances), err)
	}
	for says, o := range map[string]api.ListOptions{"sort": {Sort: "score"}, "limit": {Limit: -1}, "unknown field": {Filter: filterOf(t, `{"field":"x","exists":true}`)}} {
		if _, err := s.List(t.Context(), "c", o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("List %+v: got %v, want what is wrong with %s", o, err, says)
		}
	}
}

func TestADeletionByFilterIsCountedFirst(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	young := filterOf(t, `{"field":"PatientAge","lt":20}`)
	dry, err := s.Sweep(t.Context(), "c", api.SweepOptions{Filter: young, DryRun: true}, nil)
	if err != nil || dry != (api.Swept{Matched: 10, DryRun: true}) {
		t.Fatalf("Sweep, dry: got %+v, %v, want 10 that match", dry, err)
	}
	for name, c := range map[string]struct {
		o    api.SweepOptions
		want error
	}{
		"without a filter":       {api.SweepOptions{DryRun: true}, api.ErrQuery},
		"without a count":        {api.SweepOptions{Filter: young}, api.ErrQuery},
		"by both":                {api.SweepOptions{Filter: young, Expected: new(10), Confirm: "c"}, api.ErrQuery},
		"dry and confirmed":      {api.SweepOptions{Filter: young, DryRun: true, Confirm: "c"}, api.ErrQuery},
		"confirmed for another":  {api.SweepOptions{Filter: young, Confirm: "d"}, api.ErrQuery},
		"expecting more":         {api.SweepOptions{Filter: young, Expected: new(11)}, api.ErrExpected},
		"by a field that is not": {api.SweepOptions{Filter: filterOf(t, `{"field":"x","exists":true}`), Confirm: "c"}, store.ErrInvalid},
	} {
		if swept, err := s.Sweep(t.Context(), "c", c.o, nil); !errors.Is(err, c.want) || swept.Deleted != 0 {
			t.Errorf("Sweep %s: got %+v, %v, want %v", name, swept, err, c.want)
		}
	}
	var done [2]int
	swept, err := s.Sweep(t.Context(), "c", api.SweepOptions{Filter: young, Expected: new(10)}, func(n, of int) { done = [2]int{n, of} })
	if err != nil || swept != (api.Swept{Matched: 10, Deleted: 10}) || done != [2]int{10, 10} {
		t.Errorf("Sweep: got %+v, %v, progress %v, want 10 deleted", swept, err, done)
	}
	p, err := s.List(t.Context(), "c", api.ListOptions{Limit: 1, Count: true})
	if err != nil || *p.Count != 14 || p.Instances[0].ID != "i10" {
		t.Errorf("List after: got %+v, %v, want 14 from i10", p, err)
	}
	if swept, err = s.Sweep(t.Context(), "c", api.SweepOptions{Filter: young, Confirm: "c"}, nil); err != nil || swept.Matched != 0 {
		t.Errorf("Sweep again: got %+v, %v, want nothing", swept, err)
	}
}

func TestADeletionIsAJob(t *testing.T) {
	s, catalog := newService(t, false)
	ward(t, s, catalog, asGiven)
	job, err := s.Enqueue(t.Context(), api.KindSweep, "c", api.SweepOptions{Filter: filterOf(t, `{"field":"patient","eq":"p1"}`), Expected: new(8)})
	if err != nil {
		t.Fatal(err)
	}
	if job, err = s.Await(t.Context(), job.ID); err != nil || job.State != api.JobDone || string(job.Result) != `{"matched":8,"deleted":8}` {
		t.Errorf("job: got %+v (%s), %v", job, job.Result, err)
	}
	if p, err := s.List(t.Context(), "c", api.ListOptions{Count: true}); err != nil || *p.Count != 16 {
		t.Errorf("List after the job: got %v, %v", fmt.Sprint(p.Count), err)
	}
}
