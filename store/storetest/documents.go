package storetest

import (
	"strings"
	"testing"

	"nearcase/store"
)

// documents checks that what was saved last comes back, whatever it is called,
// and after the catalog has been opened again.
func documents(t *testing.T, open func(t *testing.T, place string) store.Catalog) {
	place := t.TempDir()
	c := open(t, place)
	names := []string{"../a", "A", strings.Repeat("n", 120), "ä/b", "\x00"}
	for _, name := range names {
		must(t, c.SaveDocument(t.Context(), "key", name, []byte("old")))
		must(t, c.SaveDocument(t.Context(), "key", name, []byte("new "+name)))
		must(t, c.SaveDocument(t.Context(), "job", name, nil))
	}
	must(t, c.SaveDocument(t.Context(), "key", "gone", []byte("x")))
	for range 2 {
		must(t, c.DropDocument(t.Context(), "key", "gone"))
	}
	for range 2 {
		for _, name := range names {
			got, err := c.Document(t.Context(), "key", name)
			must(t, err)
			if string(got) != "new "+name {
				t.Errorf("Document(%q): got %q, want %q", name, got, "new "+name)
			}
		}
		checkDocuments(t, c, len(names))
		must(t, c.Close())
		c = open(t, place)
	}
	defer func() { must(t, c.Close()) }()
	for _, bad := range []store.Document{{Name: ""}, {Name: strings.Repeat("n", 121)}} {
		wantErr(t, "SaveDocument", c.SaveDocument(t.Context(), "key", bad.Name, nil), store.ErrInvalid)
	}
	for _, kind := range []string{"", "A", "a/b", ".."} {
		wantErr(t, "SaveDocument of kind "+kind, c.SaveDocument(t.Context(), kind, "a", nil), store.ErrInvalid)
	}
}

func checkDocuments(t *testing.T, c store.Catalog, want int) {
	t.Helper()
	all, err := c.Documents(t.Context(), "key")
	must(t, err)
	for i, d := range all {
		if string(d.Data) != "new "+d.Name || i > 0 && all[i-1].Name >= d.Name {
			t.Errorf("Documents: got %q with %q at %d, want them by name", d.Name, d.Data, i)
		}
	}
	if len(all) != want {
		t.Errorf("Documents: got %d, want %d", len(all), want)
	}
	if none, err := c.Documents(t.Context(), "other"); err != nil || len(none) != 0 {
		t.Errorf("Documents of an unused kind: got %v, %v, want none", none, err)
	}
	_, err = c.Document(t.Context(), "key", "gone")
	wantErr(t, "Document after DropDocument", err, store.ErrDocument)
}
