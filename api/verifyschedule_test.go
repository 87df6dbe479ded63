package api_test

import (
	"strings"
	"testing"
	"time"

	"nearcase/api"
)

// verifications counts the jobs that verify, all of which have ended.
func verifications(t *testing.T, s *api.Service) (n int) {
	t.Helper()
	all, err := s.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range all {
		if j.Kind == api.KindVerify && j.HasEnded() {
			n++
		}
	}
	return n
}

func TestTheStoreIsVerifiedWhenThatIsDue(t *testing.T) {
	s, _ := newService(t, false)
	kept(t, s, 3)
	s.VerifyEvery = 24 * time.Hour
	for i, c := range []struct {
		after time.Duration // the last, or the first look
		want  int
	}{{0, 0}, {23 * time.Hour, 0}, {25 * time.Hour, 1}, {time.Minute, 1}, {23 * time.Hour, 1}, {25 * time.Hour, 2}} {
		if err := s.VerifyIfDue(t.Context(), time.Now().Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if got := verifications(t, s); got != c.want {
			t.Errorf("step %d, %s after the last: %d verifications, want %d", i, c.after, got, c.want)
		}
	}
	for after, want := range map[time.Duration]string{0: "ok", 47 * time.Hour: "ok", 49 * time.Hour: "degraded: the last one is 49h0m0s old"} {
		if is := s.VerifyState(t.Context(), time.Now().Add(after)); is != want {
			t.Errorf("VerifyState %s later = %s, want %s", after, is, want)
		}
	}
	s.VerifyEvery = 0
	if is := s.VerifyState(t.Context(), time.Now().Add(1000*time.Hour)); is != "" {
		t.Errorf("VerifyState where none is to be = %s, want nothing", is)
	}
}

// verifying asks for a verification by a job.
func verifying(t *testing.T, s *api.Service, o any) api.Job {
	t.Helper()
	j, err := s.Enqueue(t.Context(), api.KindVerify, "", o)
	if err == nil {
		j, err = s.Await(t.Context(), j.ID)
	}
	if err != nil || j.Err != nil {
		t.Fatal(err, j.Err)
	}
	return j
}

// What a verification has found is told until another that somebody asked for, and that
// looked at as much, finds nothing.
func TestAVerificationThatFindsWhatIsWrongIsTold(t *testing.T) {
	s, catalog := newService(t, false)
	kept(t, s, 3)
	misplaced(t, catalog, "wrong", "")
	s.VerifyEvery = time.Hour
	told := func(after, want string) {
		t.Helper()
		if is := s.VerifyState(t.Context(), time.Now()); is != want {
			t.Errorf("VerifyState after %s = %s, want %s", after, is, want)
		}
	}
	const wrong = "degraded: one has found what is wrong (1), see nearcase verify"
	scheduled := map[string]any{"scheduled": true}
	verifying(t, s, scheduled)
	told("what is wrong was found", wrong)
	if err := catalog.Delete(t.Context(), "c", "wrong"); err != nil {
		t.Fatal(err)
	}
	verifying(t, s, scheduled)
	told("one that nobody asked for", wrong)
	verifying(t, s, api.VerifyOptions{Sample: -1})
	told("one that embedded nothing again", wrong)
	verified(t, s, api.VerifyOptions{})
	told("one that was asked for", "ok")
}

// A note that cannot be read is no reason to believe that all is well.
func TestTheStoreIsVerifiedWhereTheNoteOfTheLastIsDamaged(t *testing.T) {
	s, catalog := newService(t, false)
	kept(t, s, 3)
	s.VerifyEvery = time.Hour
	if err := catalog.SaveDocument(t.Context(), "verified", "verified", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if is := s.VerifyState(t.Context(), time.Now()); is != "degraded: what the last one found cannot be read" {
		t.Errorf("VerifyState = %s, want that it is not known", is)
	}
	if err := s.VerifyIfDue(t.Context(), time.Now()); err != nil || verifications(t, s) != 1 {
		t.Errorf("VerifyIfDue = %v, %d verifications, want one", err, verifications(t, s))
	}
	if is := s.VerifyState(t.Context(), time.Now()); is != "ok" {
		t.Errorf("VerifyState after it = %s, want ok", is)
	}
}

// The result of a verification names images: it goes with the patient they are of.
func TestWhatAVerificationFoundOfAPatientIsErased(t *testing.T) {
	s, catalog := newService(t, false)
	kept(t, s, 3)
	misplaced(t, catalog, "a-name-long-enough-to-be-sought", "p-erased-later")
	j := verifying(t, s, api.VerifyOptions{})
	if !strings.Contains(string(j.Result), "a-name-long-enough-to-be-sought") {
		t.Fatalf("the result is %s, want the image named", j.Result)
	}
	if _, err := s.Erase(t.Context(), "c", "p-erased-later", nil); err != nil {
		t.Fatalf("Erase = %v, want nothing left", err)
	}
	if j, err := s.Job(t.Context(), j.ID); err != nil || j.Result != nil || !j.Dropped {
		t.Errorf("the job is %+v, %v, want its result dropped", j, err)
	}
}
