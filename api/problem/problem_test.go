package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
)

func TestEveryRowCanBeAnswered(t *testing.T) {
	seen := map[Code]bool{}
	for _, r := range table {
		p := r.problem(r.status, "")
		if seen[r.code] || r.code == Internal || p.Title == "" || http.StatusText(p.Status) == "" || p.Status < 400 {
			t.Errorf("row %q: got %+v, want a code of its own, a title and a status of HTTP", r.code, p)
		}
		seen[r.code] = true
	}
}

// What the server's error is, the client's error is too, once it has been
// through JSON.
func TestAnErrorSurvivesTheJourney(t *testing.T) {
	for _, r := range table {
		if r.err == nil {
			continue
		}
		sent, err := json.Marshal(Of(fmt.Errorf("operation on object: %w", r.err)))
		if err != nil {
			t.Fatal(err)
		}
		var got Problem
		if err := json.Unmarshal(sent, &got); err != nil || !errors.Is(&got, r.err) {
			t.Errorf("%v: got %s, which is %v; want the error again", r.err, sent, got.Unwrap())
		}
	}
}

func TestErrorsHaveTheirStatus(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "/var/lib/x", Err: syscall.ENOSPC}
	for _, c := range []struct {
		err          error
		path, inBody int
		code         Code
	}{
		{store.ErrInstance, 404, 422, "instance_not_found"},
		{store.ErrCollection, 404, 404, "collection_not_found"},
		{store.ErrTask, 422, 422, "task_not_found"},
		{api.ErrModel, 503, 422, "model_not_found"},
		{store.ErrExists, 409, 409, "collection_exists"},
		{store.ErrRecall, 409, 409, "recall_too_low"},
		{store.ErrDamaged, 500, 500, "store_damaged"},
		{embed.ErrUnsupported, 415, 415, "image_unsupported"},
		{embed.ErrNotImage, 415, 415, "image_unknown"},
		{full, 507, 507, "disk_full"},
		{errors.Join(store.ErrClosed, full), 507, 507, "disk_full"},
		{errors.Join(store.ErrFull, full), 507, 507, "disk_full"},
		{&os.PathError{Op: "open", Path: "/var/lib/x", Err: syscall.EMFILE}, 503, 503, TooManyFiles},
		{errors.New("other"), 500, 500, Internal},
		{New(NoImages, "x"), 400, 400, NoImages},
	} {
		err := fmt.Errorf("operation: %w", c.err)
		if got := Of(err); got.Status != c.path || got.Code != c.code {
			t.Errorf("Of(%v): got %d %s, want %d %s", err, got.Status, got.Code, c.path, c.code)
		}
		if got := InBody(err); got.Status != c.inBody || got.Code != c.code {
			t.Errorf("InBody(%v): got %d %s, want %d %s", err, got.Status, got.Code, c.inBody, c.code)
		}
		if got := Of(err); got.Status >= 500 && (strings.Contains(got.Detail, "operation") || strings.Contains(got.Error(), "/var")) {
			t.Errorf("Of(%v): got detail %q, want nothing of the server's", err, got.Detail)
		}
	}
}

// What is refused for want of room says how much there is.
func TestWhatIsFullSaysSo(t *testing.T) {
	for _, err := range []error{fmt.Errorf("%w: 3 are free", store.ErrFull), fmt.Errorf("cases: %w: 3 of 3", store.ErrQuota)} {
		if got := Of(err); got.Status != 507 || got.Detail != err.Error() {
			t.Errorf("Of(%v): got %d with detail %q, want 507 with the error", err, got.Status, got.Detail)
		}
	}
}

func TestAProblemReadsAsTheErrorThatItIs(t *testing.T) {
	for want, p := range map[string]*Problem{
		`instance "x": no such instance`:                           Of(fmt.Errorf("instance %q: %w", "x", store.ErrInstance)),
		"no images in the request: send one":                       New(NoImages, "send one"),
		"no images in the request":                                 New(NoImages, ""),
		"the server failed: the server's log has the reason":       Of(errors.New("x")),
		"disk full: the server's log has the reason (request abc)": {Title: "disk full", Detail: "the server's log has the reason", Status: 507, RequestID: "abc"},
		"a code of a later version: what that says":                {Title: "a code of a later version", Detail: "what that says", Code: "later"},
	} {
		if got := p.Error(); got != want {
			t.Errorf("Error of %+v: got %q, want %q", p, got, want)
		}
	}
	if got := (&Problem{Code: "later"}).Unwrap(); got != nil {
		t.Errorf("Unwrap of an unknown code: got %v, want nil", got)
	}
}
