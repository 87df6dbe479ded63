package client_test

import (
	"errors"
	"iter"
	"reflect"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/store"
)

// Labels, their history and a task's settings are the same through a server.
func TestLabelsAndSettingsAreThoseOfTheService(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	tasks := []store.Task{{Name: "a task/with a slash", Multi: true, Classes: []string{"a", "b"}}}
	if _, err := c.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	image := api.Image{ID: "i/0", Read: content(picture(t, 1)), Said: map[string]api.LabelRequest{
		tasks[0].Name: {Classes: []string{"a"}, Uncertain: []string{"b"}, Reader: "anna", Confidence: 0.5}}}
	ingested(t, c.Ingest(t.Context(), "cases", iter.Seq[api.Image](func(yield func(api.Image) bool) { yield(image) }), api.IngestOptions{Source: "film"}))
	done, err := c.Label(t.Context(), "cases", []api.LabelRequest{{Instance: "i/0", Task: tasks[0].Name, Absent: []string{"b"}, Partial: true, Reader: "bert"}})
	if err != nil || done.New != 1 {
		t.Errorf("Label: got %+v, %v, want one new", done, err)
	}
	want, _ := s.History(t.Context(), "cases", "i/0")
	if got, err := c.History(t.Context(), "cases", "i/0"); err != nil || len(got) != 2 || !reflect.DeepEqual(got, want) || got[0].Source != "film" || got[0].Uncertain[0] != "b" {
		t.Errorf("History: got %+v, %v, want %+v", got, err, want)
	}
	settings := store.Settings{Priors: map[string]float64{"a": 0.25}, Head: store.HeadRidge}
	if err := c.Configure(t.Context(), "cases", tasks[0].Name, settings); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Settings(t.Context(), "cases", tasks[0].Name); err != nil || !reflect.DeepEqual(got, settings) {
		t.Errorf("Settings: got %+v, %v, want %+v", got, err, settings)
	}
	if err := c.Configure(t.Context(), "cases", "none", settings); !errors.Is(err, store.ErrTask) {
		t.Errorf("Configure an unknown task: got %v, want ErrTask", err)
	}
	if err := c.Configure(t.Context(), "cases", tasks[0].Name, store.Settings{Weighting: "luck"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Configure a weighting there is not: got %v, want ErrInvalid", err)
	}
}
