package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// doing returns work that tells when it begins and goes on until it is let go or
// cancelled.
func doing() (work api.Work, begun, letGo chan struct{}) {
	begun, letGo = make(chan struct{}), make(chan struct{})
	return func(ctx context.Context, progress func(done, total int)) (any, error) {
		progress(1, 4)
		close(begun)
		select {
		case <-letGo:
			return map[string]int{"answer": 42}, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("work: %w", ctx.Err())
		}
	}, begun, letGo
}

func start(t testing.TB, s *api.Service, work api.Work) api.Job {
	t.Helper()
	j, err := s.Start("test", "c", work)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func ended(t testing.TB, s *api.Service, id string) api.Job {
	t.Helper()
	j, err := s.Await(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestAJobRunsInTheBackground(t *testing.T) {
	s, _ := newService(t, false)
	work, begun, letGo := doing()
	j := start(t, s, work)
	if j.State != api.JobQueued || j.Kind != "test" || j.Collection != "c" || len(j.ID) < 26 || j.Created.IsZero() || j.HasEnded() {
		t.Errorf("Start: got %+v, want it queued under an ID of 128 bits", j)
	}
	<-begun
	if got, err := s.Job(t.Context(), j.ID); err != nil || got.State != api.JobRunning || got.Done != 1 || got.Total != 4 || got.Started.IsZero() || !got.Ended.IsZero() {
		t.Errorf("Job while it runs: got %+v, %v", got, err)
	}
	close(letGo)
	if got := ended(t, s, j.ID); got.State != api.JobDone || string(got.Result) != `{"answer":42}` || got.Err != nil || got.Ended.Before(got.Started) {
		t.Errorf("Await: got %+v, want it done", got)
	}
	if all, err := s.Jobs(t.Context()); err != nil || len(all) != 1 || all[0].State != api.JobDone || all[0].Result != nil {
		t.Errorf("Jobs: got %+v, %v, want the one without its result", all, err)
	}
}

func TestHowJobsEnd(t *testing.T) {
	s, _ := newService(t, false)
	for name, c := range map[string]struct {
		work  api.Work
		state api.JobState
		want  error
	}{
		"an error": {func(context.Context, func(int, int)) (any, error) { return 1, store.ErrTask }, api.JobFailed, store.ErrTask},
		"nothing":  {func(context.Context, func(int, int)) (any, error) { return nil, nil }, api.JobDone, nil},
		"a cancellation of its own": {func(context.Context, func(int, int)) (any, error) { return nil, context.Canceled },
			api.JobFailed, context.Canceled},
	} {
		got := ended(t, s, start(t, s, c.work).ID)
		if got.State != c.state || !errors.Is(got.Err, c.want) || got.State == api.JobFailed && got.Result != nil {
			t.Errorf("a job that ends in %s: got %+v, want it %s with %v", name, got, c.state, c.want)
		}
	}
	for name, work := range map[string]api.Work{
		"panics":            func(context.Context, func(int, int)) (any, error) { panic("oh") },
		"cannot be encoded": func(context.Context, func(int, int)) (any, error) { return func() {}, nil },
	} {
		if got := ended(t, s, start(t, s, work).ID); got.State != api.JobFailed || got.Err == nil || got.Result != nil {
			t.Errorf("a job that %s: got %+v, want it failed", name, got)
		}
	}
}

func TestJobsWaitForTheirTurnAndAreCancelled(t *testing.T) {
	s, _ := newService(t, false)
	first, firstBegun, _ := doing()
	second, secondBegun, letGo := doing()
	third, thirdBegun, thirdGo := doing()
	a, b := start(t, s, first), start(t, s, second)
	<-firstBegun
	<-secondBegun
	c := start(t, s, third)
	waiting := start(t, s, third)
	if _, err := s.Cancel(t.Context(), waiting.ID); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, s, waiting.ID); got.State != api.JobCancelled || !errors.Is(got.Err, api.ErrCancelled) || !got.Started.IsZero() {
		t.Errorf("a job that was cancelled before it began: got %+v", got)
	}
	if got, err := s.Job(t.Context(), c.ID); err != nil || got.State != api.JobQueued {
		t.Errorf("a third job: got %+v, %v, want it queued", got, err)
	}
	if _, err := s.Cancel(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, s, a.ID); got.State != api.JobCancelled || !errors.Is(got.Err, api.ErrCancelled) || got.Result != nil {
		t.Errorf("a job that was cancelled: got %+v", got)
	}
	<-thirdBegun
	close(letGo)
	close(thirdGo)
	for _, id := range []string{b.ID, c.ID} {
		if got := ended(t, s, id); got.State != api.JobDone {
			t.Errorf("a job beside one that was cancelled: got %+v, want it done", got)
		}
		if got, err := s.Cancel(t.Context(), id); err != nil || got.State != api.JobDone {
			t.Errorf("Cancel of a job that is done: got %+v, %v, want it as it is", got, err)
		}
	}
	all, err := s.Jobs(t.Context())
	order := []string{waiting.ID, c.ID, b.ID, a.ID}
	if err != nil || !slices.EqualFunc(all, order, func(j api.Job, id string) bool { return j.ID == id }) {
		t.Errorf("Jobs: got %+v, %v, want the last started first", all, err)
	}
}

func TestNoMoreJobsAreHeldThanThereIsRoomFor(t *testing.T) {
	s, _ := newService(t, false)
	for _, begun := range []chan struct{}{nil, nil} {
		var work api.Work
		work, begun, _ = doing()
		start(t, s, work)
		<-begun
	}
	quick := func(context.Context, func(int, int)) (any, error) { return 1, nil }
	var queued []api.Job
	for range 100 {
		queued = append(queued, start(t, s, quick))
	}
	if _, err := s.Start("test", "c", quick); !errors.Is(err, api.ErrJobs) {
		t.Errorf("Start of one too many: got %v, want ErrJobs", err)
	}
	all, err := s.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range all[100:] { // those that run
		if _, err := s.Cancel(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		ended(t, s, j.ID)
	}
	for _, j := range queued {
		if _, err := s.Await(t.Context(), j.ID); err != nil && !errors.Is(err, api.ErrJob) {
			t.Fatal(err)
		}
	}
	large := start(t, s, func(context.Context, func(int, int)) (any, error) { return make([]byte, 50<<20), nil })
	if got := ended(t, s, large.ID); len(got.Result) < 50<<20 {
		t.Errorf("a job with a large result: got %d bytes", len(got.Result))
	}
	all, err = s.Jobs(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != large.ID {
		t.Errorf("Jobs after a result larger than all may be: got %d jobs, %v, want that alone", len(all), err)
	}
	for range 105 {
		ended(t, s, start(t, s, quick).ID)
	}
	if all, err := s.Jobs(t.Context()); err != nil || len(all) != 100 {
		t.Errorf("Jobs after more than are remembered: got %d, %v, want 100", len(all), err)
	}
	if _, err := s.Job(t.Context(), large.ID); !errors.Is(err, api.ErrJob) {
		t.Errorf("Job that is forgotten: got %v, want ErrJob", err)
	}
}

func TestJobsEndWithTheService(t *testing.T) {
	s, _ := newService(t, false)
	var jobs []api.Job
	for range 3 { // the last waits
		work, _, _ := doing()
		jobs = append(jobs, start(t, s, work))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for i, j := range jobs {
		if got := ended(t, s, j.ID); got.State != api.JobCancelled {
			t.Errorf("job %d after Close: got %+v, want it cancelled", i, got)
		}
	}
	if _, err := s.Start("test", "c", nil); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Start after Close: got %v, want ErrClosed", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ask := range []func() (api.Job, error){
		func() (api.Job, error) { return s.Job(ctx, "x") },
		func() (api.Job, error) { return s.Await(ctx, "x") },
		func() (api.Job, error) { return s.Cancel(ctx, "x") },
	} {
		if _, err := ask(); !errors.Is(err, api.ErrJob) {
			t.Errorf("an unknown job: got %v, want ErrJob", err)
		}
	}
}
