package rest_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/store"
)

// said posts one label of i0.
func (w *world) said(label string) answer {
	w.t.Helper()
	return w.json(http.MethodPost, at+"/labels", `{"labels":[{"instance":"i0",`+label+`}]}`)
}

// Each label that cannot be has its own message.
func TestLabelsThatContradictAreRefused(t *testing.T) {
	w := cases(t, 2)
	for label, c := range map[string]struct {
		code problem.Code
		says string
	}{
		`"task":"marks","classes":["a"],"uncertain":["a"]`:                     {"invalid", "contradicting: class a is two of present, absent and uncertain"},
		`"task":"finding","classes":["dark","light"]`:                          {"invalid", "exactly one class, not 2"},
		`"task":"finding","classes":["dark"],"partial":true`:                   {"invalid", "nothing absent, uncertain or partial"},
		`"task":"finding","classes":["dark"],"confidence":1.5`:                 {"invalid", "/labels/0/confidence: number must be at most 1, not 1.5"},
		`"task":"finding","classes":["dark"],"time":"2999-01-01T00:00:00Z"`:    {"invalid", "in the future"},
		`"task":"marks","absent":["x"]`:                                        {"class_not_found", `class "x"`},
		`"task":"finding","classes":["dark"],"reader":"x|y"`:                   {"invalid", "label reader"},
		`"task":"finding","classes":["dark"],"doubtful":true`:                  {"json_invalid", `unknown key "doubtful"`},
		`"task":"finding","classes":["dark"],"time":"yesterday"`:               {"json_invalid", ""},
		`"task":"marks","classes":["a"]},{"instance":"i0","task":"marks"`:      {"invalid", "labels 1 and 2, instance i0"},
		`"task":"marks","reader":"r"},{"instance":"i0","task":"x","reader":""`: {"task_not_found", "finding, marks"},
	} {
		status := 422
		if c.code == "json_invalid" {
			status = 400
		}
		if p := w.said(label).problem(status, c.code); !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s: got %q, want %q in it", label, p.Detail, c.says)
		}
	}
}

// A body that is found too large once some of its labels are stored has an answer on
// those that are.
func TestWhatStopsLabelsIsToldAfterThoseThatAreStored(t *testing.T) {
	w := cases(t, 1)
	var lines strings.Builder
	for n := range 4000 {
		fmt.Fprintf(&lines, `{"instance":"i0","task":"finding","classes":["dark"],"reader":"r%d"}`+"\n", n)
	}
	type labelled struct {
		problem.Batch
		api.Labelled
	}
	got := decoded[labelled](w.send(http.MethodPost, at+"/labels", mimeLines, lines.String()).want(207))
	if got.Counts != (problem.Counts{OK: 2000, Failed: 1}) || got.Labels != 2000 || len(got.Items) != 1 {
		t.Fatalf("got %+v, %d labels and items %+v, want 2,000 and why not the others", got.Counts, got.Labels, got.Items)
	}
	if last := got.Items[0]; last.Index != 2000 || last.Problem.Code != problem.BodyTooLarge {
		t.Errorf("got %+v, want that line 2000 is beyond the limit", last)
	}
}

type history struct{ History []api.LabelEntry }

// What was said stays in the history, which a server that starts again has too.
func TestHistoryOutlivesCorrectionsAndRestarts(t *testing.T) {
	dir := t.TempDir()
	var before []api.LabelEntry
	t.Run("before", func(t *testing.T) {
		w := openIn(t, dir, api.Options{}, rest.Options{})
		w.fill(2)
		before = corrected(w)
	})
	w := openIn(t, dir, api.Options{}, rest.Options{})
	if after := decoded[history](w.get(at + "/instances/i0/history").want(200)).History; !reflect.DeepEqual(after, before) {
		t.Errorf("history after a restart: got %+v, want %+v", after, before)
	}
	if got := decoded[history](w.get(at + "/instances/i1/history").want(200)).History; len(got) != 1 {
		t.Errorf("history of i1: got %+v, want its label of the ingest", got)
	}
}

// corrected says several things of i0, corrects them, and returns its history.
func corrected(w *world) []api.LabelEntry {
	w.t.Helper()
	w.said(`"task":"finding","classes":["light"],"reader":"anna","confidence":0.5,"time":"2024-02-03T04:05:06Z","source":"review"`).want(200)
	w.said(`"task":"finding","remove":true`).want(200)
	w.said(`"task":"marks","uncertain":["b"],"absent":["a"],"partial":true`).want(200)
	if got := decoded[api.Labelled](w.said(`"task":"finding","classes":["dark"],"reader":"anna"`).want(200)); got.Changed != 1 || got.New != 0 {
		w.t.Errorf("a correction: got %+v, want one changed", got)
	}
	said := decoded[history](w.get(at + "/instances/i0/history").want(200)).History
	if len(said) != 5 || said[1].Confidence != 0.5 || said[1].Source != "review" || said[1].Time.Year() != 2024 || !said[2].Removed || !said[3].Partial || said[4].Reader != "anna" {
		w.t.Errorf("history: got %+v, want five entries, the third a removal", said)
	}
	i := decoded[api.Instance](w.get(at + "/instances/i0").want(200))
	if i.Labels["finding"].Classes[0] != "dark" || i.Details["marks"].State("b") != store.Uncertain || i.Details["finding"].Reader != "anna" {
		w.t.Errorf("instance: got %+v, want dark by anna and marks uncertain", i)
	}
	w.get(at+"/instances/i9/history").problem(404, "instance_not_found")
	return said
}

func TestSettingsOfATaskAreReplacedWholly(t *testing.T) {
	w, path := cases(t, 2), at+"/tasks/marks/settings"
	if got := decoded[store.Settings](w.get(path).want(200)); !reflect.DeepEqual(got, store.Settings{}) {
		t.Errorf("settings at first: got %+v, want none", got)
	}
	w.json(http.MethodPut, path, `{"policies":{"":{"uncertain":"half"}},"neighbours":11,"weighting":"uniform","coverage":0.8}`).want(200)
	want := store.Settings{Policies: map[string]store.Policy{"a": {Unmentioned: store.AsAbsent}}, Weighting: "medmnist"}
	got := decoded[store.Settings](w.json(http.MethodPut, path, `{"policies":{"a":{"unmentioned":"absent"}},"weighting":"medmnist"}`).want(200))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("settings: got %+v, want %+v", got, want)
	}
	if c := decoded[api.Collection](w.get(at).want(200)); !reflect.DeepEqual(c.Tasks[1].Settings, want) {
		t.Errorf("collection: got %+v, want the settings of marks", c.Tasks)
	}
	for body, c := range map[string]struct {
		path   string
		code   problem.Code
		says   string
		status int
	}{
		`{"weighting":"luck"}`:                     {path, "invalid", "luck", 422},
		`{"coverage":1.5}`:                         {path, "invalid", "/coverage: number must be less than 1, not 1.5", 422},
		`{"policies":{"x":{}}}`:                    {path, "class_not_found", "x", 422},
		`{"policies":{"a":{"uncertain":"maybe"}}}`: {path, "invalid", "maybe", 422},
		`{"colour":"red"}`:                         {path, "json_invalid", `unknown key "colour"`, 400},
		`{"policies":{"":{}}}`:                     {at + "/tasks/finding/settings", "invalid", "single-label", 422},
		`{"balanced":true}`:                        {at + "/tasks/age/settings", "task_not_found", "finding, marks", 422},
	} {
		if p := w.json(http.MethodPut, c.path, body).problem(c.status, c.code); !strings.Contains(p.Detail, c.says) {
			t.Errorf("PUT %s %s: got %q, want %q in it", c.path, body, p.Detail, c.says)
		}
	}
	w.get(at+"/tasks/age/settings").problem(422, "task_not_found")
	if got := decoded[store.Settings](w.get(path).want(200)); !reflect.DeepEqual(got, want) {
		t.Errorf("settings after refusals: got %+v, want %+v", got, want)
	}
	w.json(http.MethodPut, path, `{}`).want(200)
	if got := decoded[store.Settings](w.get(path).want(200)); !reflect.DeepEqual(got, store.Settings{}) {
		t.Errorf("settings after {}: got %+v, want none", got)
	}
}

// An image brings its labels as lists of classes, or with all there is to say.
func TestImagesBringLabelsWithReaders(t *testing.T) {
	w := cases(t, 0)
	send := func(labels string) answer {
		t.Helper()
		return w.form(at+"/instances?source=film", newForm(t).part("metadata", `{"id":"i0","labels":`+labels+`}`).part("image", string(picture(t, 1))))
	}
	for labels, code := range map[string]string{
		`{"finding":{"classes":["dark"],"colour":"red"}}`:                "json_invalid",
		`{"finding":{"classes":["dark"],"task":"marks"}}`:                "json_invalid",
		`{"finding":"dark"}`:                                             "json_invalid",
		`{"finding":{"classes":["dark"],"confidence":7}}`:                "invalid",
		`{"finding":{"classes":["dark"],"time":"2999-01-01T00:00:00Z"}}`: "invalid",
		`{"marks":{"classes":["a"],"absent":["a"]}}`:                     "invalid",
	} {
		if a := send(labels); a.status < 400 || !strings.Contains(string(a.body), code) {
			t.Errorf("%s: got %d %s, want %s", labels, a.status, a.body, code)
		}
	}
	send(`{"finding":["dark"],"marks":{"uncertain":["b"],"reader":"anna","confidence":0.5}}`).want(200)
	i := decoded[api.Instance](w.get(at + "/instances/i0").want(200))
	if m := i.Labels["marks"]; i.Labels["finding"].Source != "film" || m.Source != "film" || m.Reader != "anna" || m.State("b") != store.Uncertain || m.Confidence != 0.5 {
		t.Errorf("labels: got %+v, want dark, and b uncertain to anna", i.Labels)
	}
}
