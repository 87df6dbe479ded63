package rest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

const headReplayed = "Idempotency-Replayed"

func label(w *world, key, class string) answer {
	w.t.Helper()
	return w.with(http.MethodPost, at+"/labels", "application/json",
		fmt.Sprintf(`{"labels":[{"instance":"i0","task":"finding","classes":[%q]}]}`, class), "Idempotency-Key", key)
}

func TestTheSameRequestGetsTheSameAnswer(t *testing.T) {
	w := cases(t, 2)
	first := label(w, "k1", "light").want(200)
	label(w, "k2", "dark").want(200)
	again := label(w, "k1", "light").want(200)
	if !bytes.Equal(first.body, again.body) || first.header.Get(headReplayed) != "" || again.header.Get(headReplayed) != "true" {
		t.Errorf("again: got %s after %s", again.body, first.body)
	}
	if got := decoded[api.Instance](w.get(at + "/instances/i0").want(200)); got.Labels["finding"].Classes[0] != "dark" {
		t.Errorf("the label: got %v, want the one of the later key", got.Labels["finding"].Classes)
	}
	made := w.put("x", 5, "Idempotency-Key", "k3").want(201)
	if again := w.put("x", 5, "Idempotency-Key", "k3").want(201); again.header.Get("ETag") != made.header.Get("ETag") || again.header.Get("Location") != made.header.Get("Location") || !bytes.Equal(again.body, made.body) {
		t.Errorf("PUT again: got %v %s", again.header, again.body)
	}
}

func TestAKeyIsOfOneRequest(t *testing.T) {
	w := cases(t, 2)
	label(w, "k1", "light").want(200)
	label(w, "k1", "dark").problem(422, problem.OnceReused)
	w.put("x", 5, "Idempotency-Key", "k1").problem(422, problem.OnceReused)
	label(w, "ä", "light").problem(400, problem.OnceInvalid)
	label(w, strings.Repeat("k", 256), "light").problem(400, problem.QueryParameter)
}

// What was refused stored nothing, and may be mended and sent with the same key.
func TestARefusalIsNotRemembered(t *testing.T) {
	w := cases(t, 2)
	label(w, "k1", "grey").problem(422, "class_not_found")
	label(w, "k1", "light").want(200)
}

// A form has another boundary each time it is made.
func TestAFormIsTheSameWhateverItsBoundary(t *testing.T) {
	w := cases(t, 0)
	var bodies [2]answer
	for n := range bodies {
		mediaType, form := newForm(t).part("metadata", `{"id":"f"}`).part("image", string(picture(t, 1))).close()
		bodies[n] = w.with(http.MethodPost, at+"/instances", mediaType, form, "Idempotency-Key", "form").want(200)
	}
	if !bytes.Equal(bodies[0].body, bodies[1].body) || bodies[1].header.Get(headReplayed) != "true" {
		t.Errorf("again: got %s after %s", bodies[1].body, bodies[0].body)
	}
	mediaType, form := newForm(t).part("metadata", `{"id":"f"}`).part("image", string(picture(t, 2))).close()
	w.with(http.MethodPost, at+"/instances", mediaType, form, "Idempotency-Key", "form").problem(422, problem.OnceReused)
}

func TestAnAnswerOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	var first answer
	t.Run("before", func(t *testing.T) {
		w := openIn(t, dir, api.Options{}, rest.Options{})
		w.fill(1)
		first = label(w, "k1", "light").want(200)
	})
	w := openIn(t, dir, api.Options{}, rest.Options{})
	if again := label(w, "k1", "light").want(200); !bytes.Equal(again.body, first.body) || again.header.Get(headReplayed) != "true" {
		t.Errorf("after a restart: got %s, want %s", again.body, first.body)
	}
}

// What was answered of a collection that is dropped does not hold for the next of its name.
func TestAnswersGoWithTheirCollection(t *testing.T) {
	w := cases(t, 1)
	w.put("x", 5, "Idempotency-Key", "k").want(201)
	w.send(http.MethodDelete, at+"?confirm=cases", "", "").want(204)
	w.fill(1)
	if a := w.put("x", 5, "Idempotency-Key", "k").want(201); a.header.Get(headReplayed) != "" {
		t.Error("in a new collection: got the answer of the old one")
	}
	w.get(at + "/instances/x").want(200)
}

func TestOfTheSameRequestsAtOnceOneIsDone(t *testing.T) {
	w := cases(t, 1)
	var group sync.WaitGroup
	answers := make([]answer, 16)
	for n := range answers {
		group.Go(func() { answers[n] = w.put("new", 9, "Idempotency-Key", "once") })
	}
	group.Wait()
	replayed := 0
	for _, a := range answers {
		if a.want(201); a.header.Get(headReplayed) != "" {
			replayed++
		}
		if !bytes.Equal(a.body, answers[0].body) {
			t.Errorf("got %s and %s, want one answer", a.body, answers[0].body)
		}
	}
	if replayed != len(answers)-1 {
		t.Errorf("%d of %d were told the answer again, want all but one", replayed, len(answers))
	}
}

func TestAnswersAreForgottenAfterADay(t *testing.T) {
	w := cases(t, 1)
	now := time.Now() // read by requests one after the other
	rest.SetNow(w.server, func() time.Time { return now })
	label(w, "old", "light").want(200)
	now = now.Add(23 * time.Hour)
	if label(w, "old", "light").want(200).header.Get(headReplayed) == "" {
		t.Error("within a day: got it done again")
	}
	now = now.Add(2 * time.Hour)
	label(w, "new", "light").want(200)
	if kept, err := w.catalog.Documents(t.Context(), "idempotency"); err != nil || len(kept) != 1 || !strings.HasPrefix(kept[0].Name, "cases.") {
		t.Errorf("after a day: got %d answers, %v, want the new one", len(kept), err)
	}
	if label(w, "old", "light").want(200).header.Get(headReplayed) != "" {
		t.Error("after a day: got the old answer")
	}
}

func TestKeysOfQueriesMeanNothing(t *testing.T) {
	w := cases(t, 2)
	for range 2 {
		if a := w.with(http.MethodPost, at+"/similar", "application/json", `{"instance":"i0"}`, "Idempotency-Key", "k").want(200); a.header.Get(headReplayed) != "" {
			t.Error("similar: got a remembered answer")
		}
	}
}
