package storetest

import (
	"testing"

	"nearcase/store"
)

// changed checks that every commit ends what Changed returned before it.
func changed(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	c := open(t, t.TempDir())
	defer func() { must(t, c.Close()) }()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"Create", func() error { return c.Create(t.Context(), Collection("c")) }},
		{"Declare", func() error { return c.Declare(t.Context(), "c", []store.Task{{Name: "age", Classes: []string{"a"}}}) }},
		{"Configure", func() error { return c.Configure(t.Context(), "c", "age", store.Settings{Neighbours: 3}) }},
		{"Put", func() error { _, err := c.Put(t.Context(), "c", Records(0, 2)); return err }},
		{"Label", func() error {
			_, err := c.Label(t.Context(), "c", []store.Label{{Instance: "i0", Task: "age", Classes: []string{"a"}}})
			return err
		}},
		{"Delete", func() error { return c.Delete(t.Context(), "c", "i0") }},
		{"DeleteAll", func() error { _, err := c.DeleteAll(t.Context(), "c", []string{"i1"}, nil); return err }},
		{"Drop", func() error { return c.Drop(t.Context(), "c") }},
	} {
		wait := c.Changed()
		must(t, step.do())
		select {
		case <-wait:
		case <-t.Context().Done():
			t.Errorf("%s: nobody is told", step.name)
		}
	}
}
