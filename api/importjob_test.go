package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// folder writes n pictures, the third of which is none, every seventh like the
// first, and a CSV of all that labels them.
func folder(t testing.TB, n int) string {
	t.Helper()
	dir, table := t.TempDir(), "file,patient_id,finding\n"
	for i := range n {
		img := image.NewGray(image.Rect(0, 0, 8, 8))
		shade := uint8(i)
		if i%7 == 0 {
			shade = 0
		}
		for p := range img.Pix {
			img.Pix[p] = shade
		}
		img.SetGray(0, 0, color.Gray{Y: 255})
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			b.Reset()
			b.WriteString("no picture")
		}
		name := fmt.Sprintf("%03d.png", i)
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		table += fmt.Sprintf("%s,p%d,%s\n", name, i, string("ab"[i%2]))
	}
	if err := os.WriteFile(filepath.Join(dir, "labels.csv"), []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// stuck is a catalog that takes so many records and then no more, until whoever
// asks gives up.
type stuck struct {
	store.Catalog
	left atomic.Int64
	full chan struct{}
	put  atomic.Int64 // records
}

func (s *stuck) Put(ctx context.Context, name string, records []store.Record) ([]store.Outcome, error) {
	if s.left.Add(-int64(len(records))) < 0 {
		select {
		case s.full <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.put.Add(int64(len(records)))
	return s.Catalog.Put(ctx, name, records)
}

func importing(t testing.TB, catalog store.Catalog, dir string) *api.Service {
	t.Helper()
	s := api.New(api.Options{
		Catalog: catalog, OpenModel: openMeans, Refit: api.Refit{When: api.Never}, Workers: 1, Batch: 1, Folders: map[string]string{"incoming": dir},
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.KeepEvery(5)
	return s
}

// contents are the IDs that are stored with patient and label, in key order.
func contents(t testing.TB, c store.Catalog) (all []string) {
	t.Helper()
	cases, err := c.List(t.Context(), "c", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range cases {
		all = append(all, fmt.Sprint(one.Instance.ID, one.Instance.Patient, one.Labels["finding"].Classes))
	}
	return all
}

// An import that is killed goes on where it was: what is stored in the end is what
// one that nothing stopped has stored, and most of it was not read twice.
func TestAnImportGoesOnWhereItWas(t *testing.T) {
	const n = 300 // of which at most 64 are stored together
	dir := folder(t, n)
	for name, r := range map[string]api.ImportRequest{
		"a folder": {Folder: "incoming"},
		"a CSV":    {Folder: "incoming", Path: "labels.csv", Source: "csv"},
	} {
		whole := importing(t, emptyCatalog(t), dir)
		want, err := whole.Import(t.Context(), "c", r, nil)
		if err != nil {
			t.Fatal(err)
		}
		catalog := emptyCatalog(t)
		before := &stuck{Catalog: catalog, full: make(chan struct{}, 1)}
		before.left.Store(200)
		killed := importing(t, before, dir)
		j := enqueue(t, killed, api.KindImport, r)
		<-before.full
		after := &stuck{Catalog: catalog}
		after.left.Store(10_000)
		s := importing(t, after, dir)
		resume(t, s)
		got := ended(t, s, j.ID)
		var result api.Imported
		if got.State != api.JobDone || json.Unmarshal(got.Result, &result) != nil || got.Attempts != 2 || got.Done != n || got.Total != n {
			t.Fatalf("import of %s: got %+v %v %s, want it done", name, got, got.Err, got.Result)
		}
		if result.Images != n || len(result.Failed) != 1 || result.Failed[0].Name != "002.png" || want.Images != n {
			t.Errorf("import of %s: got %+v, want %+v", name, result, want)
		}
		if got, want := contents(t, catalog), contents(t, whole.Catalog); !slices.Equal(got, want) {
			t.Errorf("what is stored of %s: got\n%q\nwant\n%q", name, got, want)
		}
		if again := after.put.Load(); again > 200 {
			t.Errorf("import of %s: %d images stored after it was killed at 200 of %d, want no more than that", name, again, n)
		}
	}
}

func TestACSVThatIsImportedStaysInItsFolder(t *testing.T) {
	dir := folder(t, 3)
	s := importing(t, emptyCatalog(t), dir)
	secret := filepath.Join(t.TempDir(), "secret.png")
	if err := errors.Join(os.WriteFile(secret, []byte("x"), 0o600), os.Symlink(secret, filepath.Join(dir, "link.png"))); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]error{
		secret: api.ErrFolder, "../x.png": api.ErrFolder, "link.png": api.ErrFolder, "none.png": api.ErrSource, "000.png,x\n": api.ErrSource,
	} {
		if err := os.WriteFile(filepath.Join(dir, "bad.csv"), []byte("file\n"+file+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Import(t.Context(), "c", api.ImportRequest{Folder: "incoming", Path: "bad.csv"}, nil); !errors.Is(err, want) {
			t.Errorf("Import of a CSV that names %.60q: got %v, want %v", file, err, want)
		}
	}
	for table, want := range map[string]error{"file,age\n000.png,old\n": store.ErrTask, "file,finding\n000.png,z\n": store.ErrClass} {
		if err := os.WriteFile(filepath.Join(dir, "bad.csv"), []byte(table), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Import(t.Context(), "c", api.ImportRequest{Folder: "incoming", Path: "bad.csv"}, nil); !errors.Is(err, want) {
			t.Errorf("Import of %q: got %v, want %v", table, err, want)
		}
	}
}
