package api_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearcase/api"
	"nearcase/store"
)

// told returns what changes say in brief.
func told(changes []api.Change) (brief []string) {
	for _, c := range changes {
		text := c.Type + " " + c.Collection
		for _, more := range []string{c.Instance, c.Study, c.Task, strings.Join(c.Classes, "+"), c.Kind, string(c.State)} {
			if more != "" {
				text += " " + more
			}
		}
		if c.Withdrawn {
			text += " withdrawn"
		}
		if c.Instances > 0 {
			text += fmt.Sprint(" ", c.Instances)
		}
		brief = append(brief, text)
	}
	return brief
}

func changes(t testing.TB, s *api.Service, q api.ChangesQuery) api.Changes {
	t.Helper()
	got, err := s.Changes(t.Context(), q)
	if err != nil {
		t.Fatalf("Changes(%+v): %v", q, err)
	}
	return got
}

func wantTold(t testing.TB, what string, got api.Changes, want ...string) {
	t.Helper()
	if !slices.Equal(told(got.Changes), want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(told(got.Changes), "\n"), strings.Join(want, "\n"))
	}
}

func ofStudy(fingerprint, id, study string, labels ...store.Label) store.Record {
	return store.Record{
		Instance: store.Instance{ID: id, Patient: "p" + study, Study: study}, Fingerprint: fingerprint,
		Vector: unit(1, 2, 3, 4), Labels: labels,
	}
}

func TestChangesAreToldInTheirOrder(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s, store.Task{Name: "finding", Classes: []string{"a", "b"}})
	got := changes(t, s, api.ChangesQuery{})
	wantTold(t, "a collection", got, "collection.created c")
	put(t, s.Catalog, ofStudy(fingerprint, "i1", "s1", store.Label{Task: "finding", Classes: []string{"a"}}), ofStudy(fingerprint, "i2", "s1"))
	got = changes(t, s, api.ChangesQuery{Since: got.Next})
	wantTold(t, "two instances, one labelled", got, "instance.stored c i1 s1", "label.changed c i1 finding a", "instance.stored c i2 s1")
	if c := got.Changes[0]; c.Patient != "ps1" || c.Time.IsZero() || c.Key != 1 || len(c.ID) != 32 {
		t.Errorf("a change: got %+v, want its patient, time, key and ID", c)
	}
	last := got.Next
	replaced := ofStudy(fingerprint, "i1", "s2")
	replaced.Replace = true
	put(t, s.Catalog, replaced)
	if err := s.Delete(t.Context(), "c", "i2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: "i1", Task: "finding", Remove: true}}); err != nil {
		t.Fatal(err)
	}
	got = changes(t, s, api.ChangesQuery{Since: last})
	wantTold(t, "what came after", got, "instance.replaced c i1 s2", "instance.deleted c i2", "label.changed c i1 finding withdrawn")
	again := changes(t, s, api.ChangesQuery{Since: last, Limit: 2})
	wantTold(t, "again, two of them", again, "instance.replaced c i1 s2", "instance.deleted c i2")
	if !again.More || again.Changes[0].ID != got.Changes[0].ID {
		t.Errorf("two of three: got %+v, want the same IDs and that there are more", again)
	}
	wantTold(t, "the third", changes(t, s, api.ChangesQuery{Since: again.Next}), "label.changed c i1 finding withdrawn")
	if _, err := s.Declare(t.Context(), "c", []store.Task{{Name: "finding", Classes: []string{"d"}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	emptied(t, s)
	got = changes(t, s, api.ChangesQuery{Since: got.Next})
	wantTold(t, "another collection of the name", got, "collection.dropped c", "collection.created c")
	if _, err := s.Declare(t.Context(), "c", []store.Task{{Name: "age", Classes: []string{"d"}}}); err != nil {
		t.Fatal(err)
	}
	wantTold(t, "a task", changes(t, s, api.ChangesQuery{Since: got.Next}), "collection.changed c")
	wantTold(t, "from the beginning", changes(t, s, api.ChangesQuery{}), "collection.created c")
}

func TestChangesOfOneCollection(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s)
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "d", Model: "means"}); err != nil {
		t.Fatal(err)
	}
	put(t, s.Catalog, ofStudy(fingerprint, "i1", "s1"))
	got := changes(t, s, api.ChangesQuery{Collection: "c"})
	wantTold(t, "one collection", got, "collection.created c", "instance.stored c i1 s1")
	if err := s.Drop(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	got = changes(t, s, api.ChangesQuery{Collection: "c", Since: got.Next})
	wantTold(t, "its end", got, "collection.dropped c")
	if _, err := s.Changes(t.Context(), api.ChangesQuery{Collection: "c", Since: got.Next}); !errors.Is(err, store.ErrCollection) {
		t.Errorf("after its end: got %v, want ErrCollection", err)
	}
	of := changes(t, s, api.ChangesQuery{Collection: "d"})
	for name, c := range map[string]struct {
		q    api.ChangesQuery
		want error
	}{
		"a cursor of another collection": {api.ChangesQuery{Since: of.Next}, api.ErrCursor},
		"a cursor of all for one":        {api.ChangesQuery{Since: changes(t, s, api.ChangesQuery{}).Next, Collection: "d"}, api.ErrCursor},
		"no cursor":                      {api.ChangesQuery{Since: "x"}, api.ErrCursor},
		"half a cursor":                  {api.ChangesQuery{Since: of.Next[:len(of.Next)-8], Collection: "d"}, api.ErrCursor},
		"too large a cursor":             {api.ChangesQuery{Since: strings.Repeat("A", 50_000)}, api.ErrCursor},
		"too many":                       {api.ChangesQuery{Limit: 1001}, api.ErrQuery},
		"too long":                       {api.ChangesQuery{Wait: 31 * time.Second}, api.ErrQuery},
		"no such collection":             {api.ChangesQuery{Collection: "e"}, store.ErrCollection},
		"nothing of no such collection":  {api.ChangesQuery{Collection: "e", Since: api.Now}, store.ErrCollection},
	} {
		if _, err := s.Changes(t.Context(), c.q); !errors.Is(err, c.want) {
			t.Errorf("Changes of %s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestWhoWaitsIsToldAtOnce(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s)
	now := changes(t, s, api.ChangesQuery{Since: api.Now})
	if len(now.Changes) != 0 || now.More {
		t.Errorf("what comes from now on: got %+v, want nothing yet", now)
	}
	answer := make(chan api.Changes, 1)
	go func() {
		got, err := s.Changes(t.Context(), api.ChangesQuery{Since: now.Next, Wait: 30 * time.Second})
		if err != nil {
			t.Error(err)
		}
		answer <- got
	}()
	put(t, s.Catalog, ofStudy(fingerprint, "i1", "s1"))
	wantTold(t, "who waits", <-answer, "instance.stored c i1 s1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Changes(ctx, api.ChangesQuery{Since: api.Now, Wait: time.Second}); !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves: got %v, want context.Canceled", err)
	}
}

func TestChangesGoOnAfterARestart(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s)
	put(t, s.Catalog, ofStudy(fingerprint, "i1", "s1"))
	j := start(t, s, func(context.Context, func(int, int)) (any, error) { return 1, nil })
	ended(t, s, j.ID)
	got := changes(t, s, api.ChangesQuery{Limit: 2})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	later := another(t, catalog)
	got = changes(t, later, api.ChangesQuery{Since: got.Next})
	wantTold(t, "after a restart", got, "job.ended c test done")
	if got.Changes[0].Job != j.ID {
		t.Errorf("the job that ended: got %s, want %s", got.Changes[0].Job, j.ID)
	}
	wantTold(t, "all of it", changes(t, later, api.ChangesQuery{}), "collection.created c", "instance.stored c i1 s1", "job.ended c test done")
}

// A cursor of data that has been put back to what it was before is refused: what
// comes takes the keys of what it has seen.
func TestACursorThatIsAheadOfTheDataIsRefused(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s)
	put(t, s.Catalog, ofStudy(fingerprint, "i1", "s1"), ofStudy(fingerprint, "i2", "s1"))
	got := changes(t, s, api.ChangesQuery{})
	if _, err := another(t, older{s.Catalog}).Changes(t.Context(), api.ChangesQuery{Since: got.Next}); !errors.Is(err, api.ErrCursor) {
		t.Errorf("Changes: got %v, want ErrCursor", err)
	}
}

// older is a catalog whose logs end early.
type older struct{ store.Catalog }

func (o older) Status(ctx context.Context, name string) (store.Status, error) {
	status, err := o.Catalog.Status(ctx, name)
	status.Head = 1
	return status, err
}

func TestTheOldestEventsAreForgotten(t *testing.T) {
	s, catalog := newService(t, false)
	emptied(t, s)
	for range 45 {
		if err := s.NoteErased("c", ""); err != nil {
			t.Fatal(err)
		}
	}
	count := func(s *api.Service) (n int) {
		q := api.ChangesQuery{Limit: 10}
		for {
			got := changes(t, s, q)
			for _, c := range got.Changes {
				if c.Type == api.PatientErased {
					n++
				}
			}
			if !got.More {
				return n
			}
			q.Since = got.Next
		}
	}
	if here, there := count(s), count(another(t, catalog)); here != 45 || there != 45 {
		t.Errorf("events: got %d and after a restart %d, want 45", here, there)
	}
}

// Whatever happens in whatever steps it is read: who follows with a cursor knows
// in the end exactly what is stored, and hears of each collection in its order.
func TestWhoFollowsKnowsWhatIsStored(t *testing.T) {
	s, catalog := newService(t, false)
	rapid.Check(t, func(r *rapid.T) {
		for _, name := range []string{"c", "d", "e"} {
			if err := s.Drop(t.Context(), name); err != nil && !errors.Is(err, store.ErrCollection) {
				t.Fatal(err)
			}
		}
		fingerprint := ""
		reader := another(t, catalog)
		since, known := changes(t, s, api.ChangesQuery{Since: api.Now}).Next, map[string]map[string]bool{}
		last := map[string]store.Key{}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			name := rapid.SampledFrom([]string{"c", "d", "e"}).Draw(r, "collection")
			id := rapid.SampledFrom([]string{"i1", "i2", "i3"}).Draw(r, "instance")
			switch rapid.SampledFrom([]string{"create", "put", "put", "delete", "drop", "read", "read"}).Draw(r, "step") {
			case "create":
				if c, err := s.Create(t.Context(), api.NewCollection{Name: name, Model: "means"}); err == nil {
					fingerprint = c.Fingerprint
				}
			case "put":
				one := ofStudy(fingerprint, id, "s")
				one.Replace = true
				_, _ = s.Catalog.Put(t.Context(), name, []store.Record{one})
			case "delete":
				_ = s.Delete(t.Context(), name, id)
			case "drop":
				_ = s.Drop(t.Context(), name)
			case "read":
				got := changes(t, reader, api.ChangesQuery{Since: since, Limit: rapid.IntRange(1, 5).Draw(r, "limit")})
				follow(t, known, last, got.Changes)
				since = got.Next
			}
		}
		for more := true; more; {
			got := changes(t, reader, api.ChangesQuery{Since: since, Limit: 2})
			follow(t, known, last, got.Changes)
			since, more = got.Next, got.More
		}
		if stored := storedNow(t, s); !maps.EqualFunc(known, stored, maps.Equal) {
			t.Errorf("who follows knows %v, stored is %v", known, stored)
		}
	})
}

func storedNow(t testing.TB, s *api.Service) map[string]map[string]bool {
	t.Helper()
	stored := map[string]map[string]bool{}
	collections, err := s.Collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range collections {
		stored[c.Name] = map[string]bool{}
		cases, err := s.Catalog.List(t.Context(), c.Name, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range cases {
			stored[c.Name][one.Instance.ID] = true
		}
	}
	return stored
}

// follow takes over what changes say.
func follow(t testing.TB, known map[string]map[string]bool, last map[string]store.Key, changes []api.Change) {
	t.Helper()
	for _, c := range changes {
		if c.Key != 0 && c.Key <= last[c.Collection] {
			t.Errorf("entry %d of %s after entry %d", c.Key, c.Collection, last[c.Collection])
		}
		switch c.Type {
		case api.CollectionCreated:
			known[c.Collection], last[c.Collection] = map[string]bool{}, 0
		case api.CollectionDropped:
			delete(known, c.Collection)
			delete(last, c.Collection)
		case api.InstanceStored, api.InstanceReplaced:
			known[c.Collection][c.Instance], last[c.Collection] = true, c.Key
		case api.InstanceDeleted:
			delete(known[c.Collection], c.Instance)
			last[c.Collection] = c.Key
		}
	}
}

func FuzzCursor(f *testing.F) {
	s, _ := newService(f, false)
	emptied(f, s)
	got, err := s.Changes(context.Background(), api.ChangesQuery{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(got.Next)
	f.Add("")
	f.Add("AQAAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		written, err := api.ParseCursor(cursor)
		if err != nil {
			if !errors.Is(err, api.ErrCursor) {
				t.Errorf("got %v, want ErrCursor", err)
			}
			return
		}
		if again, err := api.ParseCursor(written); err != nil || again != written {
			t.Errorf("a cursor that was read: got %q, then %q, %v", written, again, err)
		}
	})
}
