package api_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/probe"
	"nearcase/store"
)

var devices = store.Task{Name: "devices", Multi: true, Classes: []string{"line", "pacemaker", "tube"}}

// labellable is a service with n instances without labels, i0 and so on.
func labellable(t testing.TB, n int) *api.Service {
	t.Helper()
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding, devices)
	for i := range n {
		put(t, catalog, store.Record{Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i), Name: fmt.Sprint("film ", i)},
			Vector: unit(1, float64(i), 0, 0), Fingerprint: fingerprint})
	}
	return s
}

// says stores labels of i0 and returns what is known of it.
func says(t testing.TB, s *api.Service, labels ...api.LabelRequest) api.Instance {
	t.Helper()
	for i := range labels {
		labels[i].Instance = "i0"
	}
	if _, err := s.Label(t.Context(), "c", labels); err != nil {
		t.Fatal(err)
	}
	found, err := s.Instance(t.Context(), "c", "i0")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWhatCannotBeSaidHasAMessageOfItsOwn(t *testing.T) {
	s := labellable(t, 2)
	now := time.Now()
	one := func(r api.LabelRequest) []api.LabelRequest { r.Instance = "i0"; return []api.LabelRequest{r} }
	both := func(a, b api.LabelRequest) []api.LabelRequest { return append(one(a), one(b)...) }
	a, b := api.LabelRequest{Task: "finding", Classes: []string{"a"}}, api.LabelRequest{Task: "finding", Classes: []string{"b"}}
	anna, otherwise := a, b
	anna.Reader, otherwise.Reader = "anna", "anna"
	older, newer := anna, otherwise
	older.Time, newer.Time = now.Add(-time.Hour), now.Add(-2*time.Hour)
	for fact, c := range map[string]struct {
		labels []api.LabelRequest
		is     error
		says   string
	}{
		"a class in two lists":       {one(api.LabelRequest{Task: "devices", Classes: []string{"line"}, Absent: []string{"line"}}), store.ErrInvalid, "contradicting: class line is two of present, absent and uncertain"},
		"two classes of one":         {one(api.LabelRequest{Task: "finding", Classes: []string{"a", "b"}}), store.ErrInvalid, "exactly one class, not 2"},
		"an uncertain single":        {one(api.LabelRequest{Task: "finding", Classes: []string{"a"}, Uncertain: []string{"b"}}), store.ErrInvalid, "nothing absent, uncertain or partial"},
		"a confidence of 2":          {one(api.LabelRequest{Task: "finding", Classes: []string{"a"}, Confidence: 2}), store.ErrInvalid, "confidence 2"},
		"a confidence that is none":  {one(api.LabelRequest{Task: "finding", Classes: []string{"a"}, Confidence: math.NaN()}), store.ErrInvalid, "confidence NaN"},
		"an unknown class":           {one(api.LabelRequest{Task: "devices", Absent: []string{"x"}, Partial: true}), store.ErrClass, `"x"`},
		"an unknown task":            {one(api.LabelRequest{Task: "x"}), store.ErrTask, "finding, devices"},
		"a time to come":             {one(api.LabelRequest{Task: "finding", Classes: []string{"a"}, Time: now.Add(time.Hour)}), store.ErrInvalid, "in the future"},
		"a reader with a bar":        {one(api.LabelRequest{Task: "finding", Classes: []string{"a"}, Reader: "x|y"}), store.ErrInvalid, "label reader"},
		"two labels for all":         {both(a, b), store.ErrInvalid, "labels 1 and 2, instance i0: not valid: contradicting: both are for task finding"},
		"two of a reader":            {both(anna, otherwise), store.ErrInvalid, "by reader anna"},
		"a label that is removed":    {both(a, api.LabelRequest{Task: "finding", Remove: true}), store.ErrInvalid, "contradicting"},
		"the later before the older": {both(older, newer), store.ErrInvalid, "contradicting"},
		"another instance not there": {[]api.LabelRequest{{Instance: "i1", Task: "finding", Classes: []string{"a"}}, {Instance: "i9", Task: "finding", Classes: []string{"a"}}}, store.ErrInstance, "i9"},
		"too many":                   {make([]api.LabelRequest, api.MaxLabels+1), store.ErrInvalid, "10001 labels"},
	} {
		_, err := s.Label(t.Context(), "c", c.labels)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Label with %s: got %v, want %v with %q", fact, err, c.is, c.says)
		}
	}
	c, err := s.Collection(t.Context(), "c")
	if err != nil || c.Status.LabelHead != 0 {
		t.Errorf("after refusals: got labels up to %d, %v, want none", c.Status.LabelHead, err)
	}
	a.Reader = "bert"
	says(t, s, a, anna, anna) // of two readers, and the same twice
	newer.Time = now
	says(t, s, older, newer) // a history
	history, err := s.History(t.Context(), "c", "i0")
	if err != nil || len(history) != 3 || history[2].Classes[0] != "b" {
		t.Errorf("History: got %+v, %v, want bert's label and two of anna's", history, err)
	}
}

func TestLabelsAreCountedByWhatIsNew(t *testing.T) {
	s := labellable(t, 3)
	set := func(labels ...api.LabelRequest) api.Labelled {
		t.Helper()
		done, err := s.Label(t.Context(), "c", labels)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	l := func(id, class, reader string) api.LabelRequest {
		return api.LabelRequest{Instance: id, Task: "finding", Classes: []string{class}, Reader: reader}
	}
	if got := set(l("i0", "a", ""), l("i1", "a", ""), l("i1", "b", "anna")); got != (api.Labelled{Labels: 3, New: 3, Watermark: got.Watermark}) {
		t.Errorf("first: got %+v, want 3 new", got)
	}
	gone := api.LabelRequest{Instance: "i1", Task: "finding", Remove: true}
	got := set(l("i0", "a", ""), l("i1", "c", "anna"), l("i2", "a", ""), gone, l("i2", "a", ""))
	if got != (api.Labelled{Labels: 5, New: 1, Changed: 2, Unchanged: 2, Watermark: got.Watermark}) {
		t.Errorf("then: got %+v, want 1 new, 2 changed, 2 unchanged", got)
	}
}

func TestReadersAreShownBesideWhatTheySayTogether(t *testing.T) {
	s := labellable(t, 2)
	opinion := func(reader, class string, confidence float64) api.LabelRequest {
		return api.LabelRequest{Task: "finding", Classes: []string{class}, Reader: reader, Confidence: confidence}
	}
	if i := says(t, s, api.LabelRequest{Task: "finding", Classes: []string{"a"}, Source: "report"}); i.Details != nil || i.Labels["finding"].Source != "report" {
		t.Errorf("a plain label: got %+v, want no details", i)
	}
	says(t, s, api.LabelRequest{Task: "finding", Remove: true})
	i := says(t, s, opinion("bert", "a", 0.5), opinion("anna", "a", 0))
	d := i.Details["finding"]
	if len(d.Opinions) != 2 || d.Opinions[0].Reader != "anna" || d.Agree == nil || !*d.Agree || d.Confidence != 0.75 {
		t.Errorf("two who agree: got %+v", d)
	}
	d = says(t, s, opinion("bert", "b", 0.5)).Details["finding"]
	if d.Agree == nil || *d.Agree || d.Classes[0] != "a" {
		t.Errorf("two who do not: got %+v, want a and no agreement", d)
	}
	d = says(t, s, api.LabelRequest{Task: "finding", Classes: []string{"b"}}).Details["finding"]
	if len(d.Opinions) != 2 || d.Agree == nil || *d.Agree || d.Classes[0] != "b" {
		t.Errorf("adjudicated: got %+v, want b with both opinions", d)
	}
	says(t, s, api.LabelRequest{Task: "devices", Classes: []string{"line"}, Uncertain: []string{"tube"}, Absent: []string{"pacemaker"}, Partial: true})
	answer, err := s.Similar(t.Context(), "c", api.Query{Instance: "i1"})
	if err != nil {
		t.Fatal(err)
	}
	c := answer.Cases[0]
	if !slices.Equal(c.Labels["devices"], []string{"line"}) || c.Details["devices"].State("tube") != store.Uncertain || !c.Details["devices"].Partial {
		t.Errorf("Similar: got %v and %+v, want a line, and a tube uncertain", c.Labels, c.Details)
	}
}

// The policies of a task decide what its labels teach.
func TestSettingsChangeWhatLabelsTeach(t *testing.T) {
	s := labellable(t, 1)
	i := says(t, s, api.LabelRequest{Task: "devices", Classes: []string{"line"}, Uncertain: []string{"tube"}, Partial: true})
	target := func() []float64 {
		t.Helper()
		c, err := s.Collection(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		task, err := c.Task("devices")
		if err != nil {
			t.Fatal(err)
		}
		y, _ := task.Target(i.Labels["devices"])
		return y
	}
	if y := target(); y[0] != 1 || !math.IsNaN(y[1]) || !math.IsNaN(y[2]) {
		t.Errorf("by default: got %v, want 1 and nothing of the others", y)
	}
	want := store.Settings{Policies: map[string]store.Policy{"tube": {Uncertain: store.AsHalf}, "": {Unmentioned: store.AsAbsent}}, Weighting: "medmnist"}
	if err := s.Configure(t.Context(), "c", "devices", want); err != nil {
		t.Fatal(err)
	}
	if y := target(); !slices.Equal(y, []float64{1, 0, 0.5}) {
		t.Errorf("with policies: got %v, want 1, 0 and 1/2", y)
	}
	if got, err := s.Settings(t.Context(), "c", "devices"); err != nil || got.Weighting != "medmnist" || got.Policies["tube"].Uncertain != store.AsHalf {
		t.Errorf("Settings: got %+v, %v, want %+v", got, err, want)
	}
	for fact, c := range map[string]struct {
		task     string
		settings store.Settings
		is       error
	}{
		"a weighting there is not": {"devices", store.Settings{Weighting: "luck"}, probe.ErrWeighting},
		"a temperature below 0":    {"devices", store.Settings{Weighting: "softmax", Temperature: -1}, store.ErrInvalid},
		"an unknown task":          {"x", store.Settings{}, store.ErrTask},
		"an unknown class":         {"devices", store.Settings{Policies: map[string]store.Policy{"x": {}}}, store.ErrClass},
		"policies of a single":     {"finding", store.Settings{Policies: map[string]store.Policy{"": {}}}, store.ErrInvalid},
	} {
		if err := s.Configure(t.Context(), "c", c.task, c.settings); !errors.Is(err, c.is) {
			t.Errorf("Configure with %s: got %v, want %v", fact, err, c.is)
		}
	}
	again := devices
	again.Settings = store.Settings{Coverage: 0.8}
	if _, err := s.Declare(t.Context(), "c", []store.Task{again}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Declare a task there is with other settings: got %v, want ErrInvalid", err)
	}
	again.Settings, again.Classes = want, []string{"wire"}
	if c, err := s.Declare(t.Context(), "c", []store.Task{again}); err != nil || len(c.Tasks[1].Classes) != 4 || c.Tasks[1].Settings.Weighting != "medmnist" {
		t.Errorf("Declare a class of it: got %+v, %v, want it with the settings there were", c.Tasks, err)
	}
}
