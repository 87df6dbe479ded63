package local_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
)

// unpacked is what the program fixture made with a version of this package, a data
// directory or a folder: format-1.txt is from before there was a witness.
func unpacked(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	must(t, err)
	packed, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	must(t, err)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	must(t, err)
	dir := t.TempDir()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		must(t, err)
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		data, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(path, data, 0o600))
	}
}

// fixtures are the files of a kind: format, encrypted or backups.
func fixtures(t *testing.T, kind string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", kind+"-*.txt"))
	must(t, err)
	if len(found) == 0 {
		t.Fatalf("there are no fixtures of %s", kind)
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

func TestDataDirectoriesOfAllVersionsOpenAndHaveWhatWasStored(t *testing.T) {
	for _, file := range fixtures(t, "format") {
		t.Run(file, func(t *testing.T) {
			dir := unpacked(t, file)
			for range 2 { // as it is migrated, and after that
				l := open(t, dir)
				checkFixture(t, l)
				checkThumbnail(t, l)
				must(t, l.Close())
			}
		})
	}
}

// checkFixture compares a catalog with what the program fixture stores.
func checkFixture(t *testing.T, l store.Catalog) {
	t.Helper()
	ctx := t.Context()
	all, err := l.Collections(ctx)
	must(t, err)
	if len(all) != 1 || all[0].Name != "kept" || all[0].Description != "as stored by this version" || all[0].Dimension != 8 || len(all[0].Tasks) != 1 {
		t.Fatalf("collections: got %+v, want kept alone", all)
	}
	if lost, err := l.Damages(ctx); err != nil || len(lost) != 0 {
		t.Errorf("Damages: got %v, %v, want none", lost, err)
	}
	cases, err := l.List(ctx, "kept", 0, 100)
	must(t, err)
	var ids []string
	for _, c := range cases {
		ids = append(ids, fmt.Sprint(c.Instance.ID, " ", c.Instance.Patient, " ", c.Labels["finding"].Classes))
	}
	if want := []string{"i1 p1 [pneumonia]", "i2 p1 [normal]", "i4 p2 []"}; !slices.Equal(ids, want) {
		t.Errorf("instances: got %v, want %v", ids, want)
	}
	for _, c := range cases {
		checkFixtureCase(t, l, c)
	}
	if history, err := l.History(ctx, "kept", "i1"); err != nil || len(history) != 2 || history[0].Label.Classes[0] != "normal" || history[1].Label.Classes[0] != "pneumonia" {
		t.Errorf("History of i1: got %v, %v, want normal and then pneumonia", history, err)
	}
	if got, want := fixtureTells(t, l), fixtureIn(t, "format-2.txt"); !slices.Equal(got, want) {
		t.Errorf("it tells otherwise than format-2.txt: %s", firstDifference(got, want))
	}
	checkBeside(ctx, t, l)
}

// fixtureTells is all that the log of a catalog tells and answers, by which fixtures
// of different kinds are compared.
func fixtureTells(t *testing.T, l store.Catalog) (all []string) {
	t.Helper()
	ctx := t.Context()
	cases, err := l.List(ctx, "kept", 0, 100)
	must(t, err)
	for _, c := range cases {
		v, err := l.Vector(ctx, "kept", c.Instance.ID)
		must(t, err)
		said, err := l.History(ctx, "kept", c.Instance.ID)
		must(t, err)
		found, err := l.Search(ctx, "kept", store.Query{Vector: v, K: 10})
		must(t, err)
		all = append(all, fmt.Sprintf("%d %+v %+v %v", c.Key, c.Instance, c.Labels, v))
		for _, e := range said {
			all = append(all, fmt.Sprintf("%d %+v", e.Key, *e.Label))
		}
		for _, f := range found {
			all = append(all, fmt.Sprint(f.Key, f.Instance.ID, f.Score))
		}
	}
	for e, err := range l.Log(ctx, "kept", 0) {
		must(t, err)
		all = append(all, fmt.Sprint(e.Key, e.Kind, e.Of, e.Retires))
	}
	return all
}

// fixtureIn is what a data directory that was not encrypted tells.
func fixtureIn(t *testing.T, file string) []string {
	t.Helper()
	l := open(t, unpacked(t, file))
	defer func() { must(t, l.Close()) }()
	return fixtureTells(t, l)
}

func checkFixtureCase(t *testing.T, l store.Catalog, c store.Case) {
	t.Helper()
	n := int(c.Instance.ID[1] - '0')
	want := make([]float32, 8)
	want[n-1], want[n] = 0.6, 0.8
	if v, err := l.Vector(t.Context(), "kept", c.Instance.ID); err != nil || !slices.Equal(v, want) {
		t.Errorf("Vector of %s: got %v, %v, want %v", c.Instance.ID, v, err, want)
	}
	r, err := l.Original(t.Context(), "kept", c.Instance.ID)
	must(t, err)
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != fmt.Sprint("original ", n) {
		t.Errorf("Original of %s: got %q, %v", c.Instance.ID, b, err)
	}
	found, err := l.Search(t.Context(), "kept", store.Query{Vector: want, K: 1, Exact: true})
	if err != nil || len(found) != 1 || found[0].Instance.ID != c.Instance.ID {
		t.Errorf("Search for %s: got %v, %v", c.Instance.ID, found, err)
	}
}

// checkBeside looks at what is not in the log.
func checkBeside(ctx context.Context, t *testing.T, l store.Catalog) {
	t.Helper()
	for what, read := range map[string]func() ([]byte, error){
		"derived":  func() ([]byte, error) { return l.Derived(ctx, "kept", "ridges") },
		"document": func() ([]byte, error) { return l.Document(ctx, "jobs", "first") },
	} {
		if got, err := read(); err != nil || string(got) != what {
			t.Errorf("%s: got %q, %v, want it as it was saved", what, got, err)
		}
	}
}

// checkThumbnail looks for what is in no backup.
func checkThumbnail(t *testing.T, l store.Catalog) {
	t.Helper()
	if got, err := l.Thumbnail(t.Context(), "kept", 1); err != nil || string(got) != "thumbnail" {
		t.Errorf("thumbnail: got %q, %v, want it as it was saved", got, err)
	}
}

func TestAnOlderFormatIsMigratedAndANewerOneRefusedByName(t *testing.T) {
	dir := unpacked(t, "format-1.txt")
	l := open(t, dir)
	must(t, l.Close())
	if _, err := os.Stat(filepath.Join(dir, "witness")); err != nil {
		t.Errorf("after opening format 1: %v, want a witness", err)
	}
	l = open(t, dir)
	must(t, l.(*local.Catalog).SetFormat(3))
	must(t, l.Close())
	if _, err := local.Open(dir, local.Options{}); !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), "format 3, this program reads up to 2") {
		t.Errorf("Open of format 3: got %v, want %v with both formats", err, store.ErrFormat)
	}
}

func TestWhatIsOfANewerFormatIsRefusedByName(t *testing.T) {
	for name, path := range map[string]string{"document": "documents/jobs/6669727374", "derived": "derived/2/d-ridges", "witness": "witness"} {
		dir := unpacked(t, "format-1.txt")
		must(t, open(t, dir).Close())
		file := filepath.Join(dir, filepath.FromSlash(path))
		data, err := os.ReadFile(file)
		must(t, err)
		data[7] = 2
		if name == "witness" {
			data = local.WitnessOfFormat(2)
		}
		must(t, os.WriteFile(file, data, 0o600))
		l, err := local.Open(dir, local.Options{})
		if name != "witness" {
			must(t, err)
			_, err = l.Document(t.Context(), "jobs", "first")
			if name == "derived" {
				_, err = l.Derived(t.Context(), "kept", "ridges")
			}
			must(t, l.Close())
		}
		if !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), "format 2, this program reads 1") {
			t.Errorf("%s of format 2: got %v, want %v with both formats", name, err, store.ErrFormat)
		}
		if after, err := os.ReadFile(file); name != "derived" && (err != nil || !bytes.Equal(after, data)) {
			t.Errorf("%s of format 2: it was not left as it was", name)
		}
	}
}
