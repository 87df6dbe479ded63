package client_test

import (
	"errors"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/embed"
	"nearcase/store"
)

func TestAMapOverHTTPIsTheServices(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	ctx := t.Context()
	tasks := []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}, {Name: "other", Classes: []string{}}}
	if _, err := c.Create(ctx, api.NewCollection{Name: "cases", Model: "quadrants", Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	filter := store.Among("patient", "p")
	for n := range uint64(3) {
		for what, o := range map[string]api.MapOptions{"all": {}, "a part": {Components: 3, Limit: 1, Tasks: []string{"finding"}, Filter: &filter}} {
			same(t, "Map of "+what, c, s, func(o2 operations) (api.Map, error) { return o2.Map(ctx, "cases", o) })
		}
		one := api.Image{ID: string(rune('a' + n)), Patient: "p", Labels: map[string][]string{"finding": {"dark"}}, Read: content(picture(t, n))}
		if _, _, err := c.Put(ctx, "cases", one, api.IngestOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Map(ctx, "none", api.MapOptions{}); !errors.Is(err, store.ErrCollection) {
		t.Errorf("Map of none: got %v, want ErrCollection", err)
	}
}

func TestAnImageIsShownOverHTTPAsByTheService(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	file := apitest.DICOM(t, apitest.Jane, 10, 200)
	for what, o := range map[string]api.RenderOptions{
		"as it is": {}, "another frame in small": {Frame: 2, Width: 2, Height: 2}, "by percentiles": {Levels: "percentile"},
		"by a window": {Window: api.Window{Centre: 100.5, Width: 50, Function: "LINEAR_EXACT"}}, "by a sigmoid": {Window: api.Window{Centre: -100.5, Width: 50, Function: "SIGMOID"}},
	} {
		r := same(t, "RenderImage "+what, c, s, func(of operations) (api.Rendered, error) { return of.RenderImage(t.Context(), file, o) })
		if r.Frames != 2 {
			t.Errorf("RenderImage %s: got %d frames, want 2", what, r.Frames)
		}
	}
	if _, err := c.RenderImage(t.Context(), file, api.RenderOptions{Frame: 3}); !errors.Is(err, embed.ErrView) {
		t.Errorf("RenderImage of a third frame: got %v, want ErrView", err)
	}
}
