package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// another returns another service over a catalog, as a restart of the program
// would; the one before is as killed if it is not closed.
func another(t testing.TB, catalog store.Catalog) *api.Service {
	t.Helper()
	s := api.New(api.Options{Catalog: catalog, Refit: api.Refit{When: api.Never}, OpenModel: openMeans})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openMeans(name string) (*embed.Model, error) {
	if name != "means" {
		return nil, api.ErrModel
	}
	return embed.NewModel(small, fmt.Sprintf("%064x", 4), means{})
}

// emptyCatalog returns a catalog with the empty collection "c".
func emptyCatalog(t testing.TB) *local.Catalog {
	t.Helper()
	s, catalog := newService(t, false)
	emptied(t, s, store.Task{Name: "finding", Classes: []string{"a", "b"}})
	return catalog
}

// patient is a kind of job that goes on until its context ends, and tells when it
// has begun.
func patient(s *api.Service) (begun chan string) {
	begun = make(chan string, 10)
	s.Kind("patient", func(ctx context.Context, t api.Turn) (any, error) {
		var p, before string
		if err := t.Parameters(&p); err != nil {
			return nil, err
		}
		t.Before(&before)
		t.Stage("waiting")
		if err := t.Keep(before + "+"); err != nil {
			return nil, err
		}
		begun <- p + before
		<-ctx.Done()
		return nil, ctx.Err()
	})
	return begun
}

func enqueue(t testing.TB, s *api.Service, kind string, parameters any) api.Job {
	t.Helper()
	j, err := s.Enqueue(t.Context(), kind, "c", parameters)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func resume(t testing.TB, s *api.Service) {
	t.Helper()
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAJobThatTheProgramLeftIsBegunAgain(t *testing.T) {
	catalog := emptyCatalog(t)
	first := another(t, catalog)
	begun := patient(first)
	j := enqueue(t, first, "patient", "p")
	if got := <-begun; got != "p" {
		t.Fatalf("parameters: got %s, want p", got)
	}
	second := another(t, catalog) // the first was killed
	again := patient(second)
	if got, err := second.Job(t.Context(), j.ID); err != nil || got.State != api.JobQueued || string(got.Parameters) != `"p"` {
		t.Errorf("Job before Resume: got %+v, %v, want it waiting", got, err)
	}
	resume(t, second)
	if got := <-again; got != "p+" {
		t.Errorf("a job that is begun again: got %s, want p and what was kept", got)
	}
	if got, err := second.Job(t.Context(), j.ID); err != nil || got.State != api.JobRunning || got.Attempts != 2 || got.Stage != "waiting" || !got.Created.Equal(j.Created) {
		t.Errorf("Job that is begun again: got %+v, %v, want its second attempt", got, err)
	}
	if err := second.Close(); err != nil { // it leaves the job to the next
		t.Fatal(err)
	}
	third := another(t, catalog)
	again = patient(third)
	resume(t, third)
	<-again
	if got, err := third.Job(t.Context(), j.ID); err != nil || got.Attempts != 2 {
		t.Errorf("Job after an orderly end: got %+v, %v, want two attempts: that end is no fault of it", got, err)
	}
	if _, err := third.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, third, j.ID); got.State != api.JobCancelled {
		t.Errorf("Cancel: got %+v, want it cancelled", got)
	}
	fourth := another(t, catalog)
	resume(t, fourth)
	if got, err := fourth.Job(t.Context(), j.ID); err != nil || got.State != api.JobCancelled || !errors.Is(got.Err, api.ErrCancelled) || got.Stage != "" {
		t.Errorf("Job after another restart: got %+v, %v, want it cancelled", got, err)
	}
}

func TestAJobThatEndsTheProgramDoesNotDoSoForEver(t *testing.T) {
	catalog := emptyCatalog(t)
	s := another(t, catalog)
	begun := patient(s)
	j := enqueue(t, s, "patient", "p")
	<-begun
	for range 2 {
		s = another(t, catalog)
		begun = patient(s)
		resume(t, s)
		<-begun
	}
	s = another(t, catalog)
	patient(s)
	resume(t, s)
	if got := ended(t, s, j.ID); got.State != api.JobFailed || !errors.Is(got.Err, api.ErrInterrupted) || got.Attempts != 3 {
		t.Errorf("a job that was begun three times: got %+v, want it failed with ErrInterrupted", got)
	}
}

func TestWhatCannotBeBegunAgain(t *testing.T) {
	catalog := emptyCatalog(t)
	first := another(t, catalog)
	work, workBegun, _ := doing()
	byHand, err := first.Start("test", "c", work)
	if err != nil {
		t.Fatal(err)
	}
	<-workBegun
	begun := patient(first)
	gone := enqueue(t, first, "patient", "p")
	<-begun
	if err := first.Catalog.Drop(t.Context(), "c"); err != nil { // not by the service, which would end the job
		t.Fatal(err)
	}
	emptied(t, another(t, catalog))
	second := another(t, catalog)
	patient(second)
	resume(t, second)
	if got := ended(t, second, byHand.ID); got.State != api.JobFailed || !errors.Is(got.Err, api.ErrInterrupted) {
		t.Errorf("work without parameters: got %+v, want ErrInterrupted", got)
	}
	if got := ended(t, second, gone.ID); got.State != api.JobCancelled || !errors.Is(got.Err, store.ErrCollection) {
		t.Errorf("a job of a collection that is another now: got %+v, want it cancelled", got)
	}
	for name, ask := range map[string]struct {
		kind, collection string
		want             error
	}{
		"an unknown kind":       {"test", "c", store.ErrInvalid},
		"an unknown collection": {api.KindEvaluate, "none", store.ErrCollection},
	} {
		if _, err := second.Enqueue(t.Context(), ask.kind, ask.collection, nil); !errors.Is(err, ask.want) {
			t.Errorf("Enqueue of %s: got %v, want %v", name, err, ask.want)
		}
	}
}

func TestWhatJobsFoundOutlivesTheProgram(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, store.Task{Name: "finding", Classes: []string{"a", "b"}})
	var records []store.Record
	for i := range 40 {
		records = append(records, store.Record{
			Instance: store.Instance{ID: fmt.Sprintf("i%d", i), Patient: fmt.Sprintf("p%d", i)}, Fingerprint: fingerprint,
			Vector: unit(float64(i%2), 1, float64(i%5)/9, .5), Labels: []store.Label{{Task: "finding", Classes: []string{string("ab"[i%2])}}},
		})
	}
	put(t, s.Catalog, records...)
	jobs := map[string]api.Job{
		api.KindEvaluate: enqueue(t, s, api.KindEvaluate, api.EvaluateOptions{Rounds: 100, WithoutImages: true}),
		api.KindReview:   enqueue(t, s, api.KindReview, api.ReviewOptions{Limit: 3}),
		api.KindRetrain:  enqueue(t, s, api.KindRetrain, api.RetrainOptions{Task: "finding"}),
		api.KindReindex:  enqueue(t, s, api.KindReindex, store.Reindexing{Index: store.Index{Engine: "exact"}}),
		"failed":         enqueue(t, s, api.KindEvaluate, api.EvaluateOptions{Task: "age"}),
	}
	for _, j := range jobs {
		ended(t, s, j.ID)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	later := another(t, catalog)
	for kind, j := range jobs {
		before, now := ended(t, s, j.ID), ended(t, later, j.ID)
		if kind == "failed" {
			if !errors.Is(now.Err, store.ErrTask) || now.Err.Error() != before.Err.Error() || now.State != api.JobFailed {
				t.Errorf("a job that failed, after a restart: got %v, want %v", now.Err, before.Err)
			}
			continue
		}
		if now.State != api.JobDone || string(now.Result) != string(before.Result) || now.Err != nil || !json.Valid(now.Result) || !now.Ended.Equal(before.Ended) {
			t.Errorf("%s after a restart: got %+v, want %+v", kind, now, before)
		}
	}
	if err := later.DropJobResults(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	again := another(t, catalog)
	for kind, j := range jobs {
		for _, of := range []*api.Service{later, again} {
			got := ended(t, of, j.ID)
			if got.Result != nil || got.Parameters != nil || got.Dropped != (kind != "failed") {
				t.Errorf("%s once its results are dropped: got %+v, want nothing of them", kind, got)
			}
			if kind == "failed" && (!errors.Is(got.Err, store.ErrTask) || strings.Contains(got.Err.Error(), "age")) {
				t.Errorf("why a job failed, once that is erased: got %v, want ErrTask alone", got.Err)
			}
		}
	}
}

func TestJobsOfADroppedCollectionEnd(t *testing.T) {
	s := another(t, emptyCatalog(t))
	begun := patient(s)
	running := enqueue(t, s, "patient", "p")
	<-begun
	other := enqueue(t, s, "patient", "p")
	<-begun
	queued := enqueue(t, s, "patient", "p")
	if err := s.Drop(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	for _, j := range []api.Job{running, other, queued} {
		if got := ended(t, s, j.ID); got.State != api.JobCancelled || !errors.Is(got.Err, store.ErrCollection) {
			t.Errorf("a job of a collection that is dropped: got %+v, want it cancelled", got)
		}
	}
}

func TestAJobThatWaitsForTheNextStartIsCancelled(t *testing.T) {
	catalog := emptyCatalog(t)
	first := another(t, catalog)
	begun := patient(first)
	j := enqueue(t, first, "patient", "p")
	<-begun
	second := another(t, catalog)
	patient(second)
	got, err := second.Cancel(t.Context(), j.ID)
	if err != nil || got.State != api.JobCancelled {
		t.Errorf("Cancel before Resume: got %+v, %v, want it cancelled", got, err)
	}
	resume(t, second)
	third := another(t, catalog)
	if got, err := third.Job(t.Context(), j.ID); err != nil || got.State != api.JobCancelled {
		t.Errorf("Job after that: got %+v, %v, want it cancelled", got, err)
	}
}

// A job that has not ended when something is erased forgets what it was asked when it
// does, also in another run of the program.
func TestAJobForgetsWhatItWasAskedBeforeAnErasure(t *testing.T) {
	catalog := emptyCatalog(t)
	first := another(t, catalog)
	begun := patient(first)
	var jobs []api.Job
	for range 3 { // two run and one waits
		jobs = append(jobs, enqueue(t, first, "patient", "p"))
	}
	<-begun
	<-begun
	comparing := enqueue(t, first, api.KindEvaluate, api.EvaluateOptions{Task: "finding", Collections: []string{"d"}})
	if err := first.DropJobResults(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Cancel(t.Context(), comparing.ID); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, first, comparing.ID); string(got.Parameters) != `{"collections":["d"]}` {
		t.Errorf("one that compares collections, once it has ended: got %s, want these alone", got.Parameters)
	}
	later := another(t, catalog) // the one before was killed
	patient(later)
	for _, j := range jobs {
		if got, err := later.Job(t.Context(), j.ID); err != nil || string(got.Parameters) != `"p"` {
			t.Errorf("Job before it is begun again: got %+v, %v, want its parameters", got, err)
		}
		for _, s := range []*api.Service{first, later} {
			if _, err := s.Cancel(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			if got := ended(t, s, j.ID); got.Parameters != nil || got.State != api.JobCancelled {
				t.Errorf("once it has ended: got %+v, want no parameters", got)
			}
		}
	}
}

// What a job read before something was erased is not kept.
func TestAJobThatRanWhileSomethingWasErasedFails(t *testing.T) {
	s := another(t, emptyCatalog(t))
	begun, letGo := make(chan struct{}), make(chan struct{})
	s.Kind("slow", func(context.Context, api.Turn) (any, error) {
		close(begun)
		<-letGo
		return "what it read", nil
	})
	j := enqueue(t, s, "slow", map[string]any{"collections": []string{"others"}})
	<-begun
	if err := s.DropJobResults(t.Context(), "others"); err != nil {
		t.Fatal(err)
	}
	close(letGo)
	if got := ended(t, s, j.ID); got.State != api.JobFailed || !errors.Is(got.Err, api.ErrChanged) || got.Result != nil {
		t.Errorf("a job that ran meanwhile: got %+v, want ErrChanged", got)
	}
}
