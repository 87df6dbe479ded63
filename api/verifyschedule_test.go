package api_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/store"
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

// What a verification has found is told until another finds nothing.
func TestAVerificationThatFindsWhatIsWrongIsTold(t *testing.T) {
	s, catalog := newService(t, false)
	kept(t, s, 3)
	c, err := catalog.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	data := shade(t, 200)
	put(t, catalog, store.Record{Vector: unit(1, 0, 0, 0), Fingerprint: c.Fingerprint, Original: data,
		Instance: store.Instance{ID: "wrong", Digest: fmt.Sprintf("%x", sha256.Sum256(data)), MediaType: "image/png"}})
	s.VerifyEvery = time.Hour
	verify := func() {
		t.Helper()
		j, err := s.Enqueue(t.Context(), api.KindVerify, "", api.VerifyOptions{})
		if err == nil {
			j, err = s.Await(t.Context(), j.ID)
		}
		if err != nil || j.Err != nil {
			t.Fatal(err, j.Err)
		}
	}
	verify()
	if is := s.VerifyState(t.Context(), time.Now()); !strings.HasPrefix(is, "degraded: the last one has findings (1)") {
		t.Errorf("VerifyState = %s, want what was found", is)
	}
	if err := catalog.Delete(t.Context(), "c", "wrong"); err != nil {
		t.Fatal(err)
	}
	verify()
	if is := s.VerifyState(t.Context(), time.Now()); is != "ok" {
		t.Errorf("VerifyState once that is gone = %s, want ok", is)
	}
}
