package main

import "testing"

func TestFoldersAreNamedByTheirLastPart(t *testing.T) {
	f := foldersConfig{Allow: []string{"/srv/incoming", "/data/old"}}
	if err := f.check(); err != nil || len(f.byName()) != 2 || f.byName()["incoming"] != "/srv/incoming" {
		t.Errorf("got %v, %v", f.byName(), err)
	}
	for _, bad := range [][]string{{"incoming"}, {""}, {"/"}, {"/srv/../etc"}, {"/srv/"}, {"/a/x", "/b/x"}} {
		if err := (foldersConfig{Allow: bad}).check(); err == nil {
			t.Errorf("folders.allow %q: got no error", bad)
		}
	}
}
