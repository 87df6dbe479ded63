package api_test

import (
	"fmt"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/store"
)

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

// quiet is a study watch over a service with a clock that begins now.
func quiet(t testing.TB, s *api.Service, c *clock) api.Studies {
	t.Helper()
	w, err := s.WatchStudies(t.Context(), c.read)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func look(t testing.TB, w api.Studies) time.Time {
	t.Helper()
	next, err := w.Round(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// arrives puts an instance of a study as if at a time.
func arrives(t testing.TB, s *api.Service, fingerprint, id, study string, at time.Time) {
	t.Helper()
	r := ofStudy(fingerprint, id, study)
	r.Instance.Added = at
	put(t, s.Catalog, r)
}

// complete returns what was told of studies after a cursor.
func complete(t testing.TB, s *api.Service, since *string) (brief []string) {
	t.Helper()
	got := changes(t, s, api.ChangesQuery{Since: *since, Limit: 1000})
	*since = got.Next
	for i, c := range got.Changes {
		if c.Type == api.StudyComplete {
			brief = append(brief, told(got.Changes[i:i+1])...)
		}
	}
	return brief
}

func wantComplete(t testing.TB, when string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

func TestAStudyIsCompleteOnceItIsQuiet(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s)
	began := time.Now().UTC().Truncate(time.Second)
	c := &clock{began}
	arrives(t, s, fingerprint, "old", "s0", began.Add(-time.Hour))
	w, since := quiet(t, s, c), api.Now
	wantComplete(t, "at the beginning", complete(t, s, &since))
	arrives(t, s, fingerprint, "i1", "s1", began)
	arrives(t, s, fingerprint, "i2", "s1", began.Add(50*time.Second))
	arrives(t, s, fingerprint, "i3", "s2", began.Add(20*time.Second))
	arrives(t, s, fingerprint, "i4", "", began)
	c.now = began.Add(79 * time.Second)
	if next := look(t, w); !next.Equal(began.Add(80 * time.Second)) {
		t.Errorf("next: got %s, want 80 s after the beginning", next.Sub(began))
	}
	wantComplete(t, "before either is quiet", complete(t, s, &since))
	c.now = began.Add(80 * time.Second)
	if next := look(t, w); !next.Equal(began.Add(110 * time.Second)) {
		t.Errorf("next: got %s, want 110 s after the beginning", next.Sub(began))
	}
	wantComplete(t, "a minute after the second's last", complete(t, s, &since), "study.complete c s2 1")
	c.now = began.Add(3 * time.Minute)
	if next := look(t, w); !next.IsZero() {
		t.Errorf("next: got %s, want none", next)
	}
	wantComplete(t, "a minute after the first's last", complete(t, s, &since), "study.complete c s1 2")
	arrives(t, s, fingerprint, "i5", "s1", began.Add(4*time.Minute))
	c.now = began.Add(10 * time.Minute)
	look(t, w)
	wantComplete(t, "after a later instance", complete(t, s, &since), "study.complete c s1 3")
	look(t, w)
	wantComplete(t, "after nothing", complete(t, s, &since))
}

// Whenever the program ends, in an orderly way or not, each study is told of once
// for each time that it fell quiet.
func TestARestartNeitherLosesNorRepeatsAStudy(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s)
	began := time.Now().UTC().Truncate(time.Second)
	c, since := &clock{began}, api.Now
	w := quiet(t, s, c)
	complete(t, s, &since)
	restart := func() {
		s = another(t, catalog)
		w = quiet(t, s, c)
		look(t, w)
	}
	at := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
	arrives(t, s, fingerprint, "a1", "a", at(0))
	arrives(t, s, fingerprint, "b1", "b", at(30))
	c.now = at(10)
	look(t, w)
	restart()
	c.now = at(60)
	restart()
	wantComplete(t, "the first, by a restart", complete(t, s, &since), "study.complete c a 1")
	restart()
	wantComplete(t, "nothing, by another", complete(t, s, &since))
	arrives(t, s, fingerprint, "a2", "a", at(70))
	c.now = at(95)
	restart()
	wantComplete(t, "the second, which waited when the first was told of", complete(t, s, &since), "study.complete c b 1")
	c.now = at(500)
	restart()
	wantComplete(t, "the first again", complete(t, s, &since), "study.complete c a 2")
	arrives(t, s, fingerprint, "c1", "c", at(501))
	c.now = at(2000) // nobody looked meanwhile
	restart()
	restart()
	wantComplete(t, "what came while nobody looked", complete(t, s, &since), "study.complete c c 1")
	if err := s.Drop(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	fingerprint = emptied(t, s)
	arrives(t, s, fingerprint, "a1", "a", at(2000))
	c.now = at(3000)
	restart()
	wantComplete(t, "one of another collection of the name", complete(t, s, &since), "study.complete c a 1")
}

func TestAStudyThatIsGoneIsNotComplete(t *testing.T) {
	s, _ := newService(t, false)
	fingerprint := emptied(t, s)
	c, since := &clock{time.Now()}, api.Now
	w := quiet(t, s, c)
	complete(t, s, &since)
	arrives(t, s, fingerprint, "a1", "a", c.now)
	arrives(t, s, fingerprint, "b1", "b", c.now)
	look(t, w)
	if err := s.Delete(t.Context(), "c", "a1"); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Hour)
	look(t, w)
	wantComplete(t, "of two, one deleted", complete(t, s, &since), "study.complete c b 1")
	if err := s.NoteErased("c", "", "b"); err != nil {
		t.Fatal(err)
	}
	begin := ""
	wantComplete(t, "once its patient is erased", complete(t, s, &begin))
}

// What was told of a patient's study goes with the patient even where the study went
// before, image by image.
func TestAStudyThatWentBeforeItsPatientIsNotTold(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s)
	c, since := &clock{time.Now()}, api.Now
	w := quiet(t, s, c)
	complete(t, s, &since)
	for i, study := range []string{"before", "after"} {
		put(t, catalog, store.Record{Fingerprint: fingerprint, Vector: unit(1, float64(i), 0, 0),
			Instance: store.Instance{ID: study, Study: study, Patient: "patient-0123456789", Added: c.now}})
	}
	look(t, w)
	c.now = c.now.Add(time.Hour)
	look(t, w)
	wantComplete(t, "both", complete(t, s, &since), "study.complete c after 1", "study.complete c before 1")
	if err := s.Delete(t.Context(), "c", "before"); err != nil {
		t.Fatal(err)
	}
	r, err := s.Erase(t.Context(), "c", "patient-0123456789", nil)
	if err != nil || !r.IsVerified() {
		t.Fatalf("Erase: got %+v, %v, want it verified", r, err)
	}
	begin := ""
	wantComplete(t, "once their patient is erased", complete(t, s, &begin))
}

// Studies are told of while the service runs.
func TestResumeWatchesStudies(t *testing.T) {
	catalog := emptyCatalog(t)
	s := api.New(api.Options{Catalog: catalog, OpenModel: openMeans, Quiet: time.Millisecond, Refit: api.Refit{When: api.Never}})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	resume(t, s)
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	since := changes(t, s, api.ChangesQuery{Since: api.Now}).Next
	put(t, s.Catalog, store.Record{Instance: store.Instance{ID: "i", Study: "s"}, Fingerprint: c.Fingerprint, Vector: unit(1, 2, 3, 4)})
	for range 2 {
		got := changes(t, s, api.ChangesQuery{Since: since, Wait: 30 * time.Second, Limit: 1})
		since = got.Next
		if len(got.Changes) == 1 && got.Changes[0].Type == api.StudyComplete {
			return
		}
	}
	t.Error("the study was not told of")
}
