package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// longNames gives instances names that are long enough to be looked for.
func longNames(records []store.Record) []store.Record {
	for i := range records {
		r := &records[i].Instance
		r.ID, r.Patient = "1.2.840.99999."+r.ID, "pseudonym-"+r.Patient
	}
	return records
}

// Law: after a patient is erased every answer is that of a service that never had
// them, to 1e-9: cases, votes, probes, novelty, and evaluations.
func TestAnErasedPatientIsAsOneWhoNeverWas(t *testing.T) {
	for seed := range uint64(3) {
		with, catalog := newService(t, false)
		without, other := newService(t, false)
		records := longNames(patientsOf(emptied(t, with, finding), 30, seed))
		fingerprint := emptied(t, without, finding)
		erased := fmt.Sprint("pseudonym-p", 7+seed)
		put(t, catalog, records...)
		put(t, other, slices.DeleteFunc(slices.Clone(records), func(r store.Record) bool { return r.Instance.Patient == erased })...)
		v := retrain(t, with)
		if _, err := with.Rollback(t.Context(), "c", "finding", v.Version); err != nil {
			t.Fatal(err)
		}
		if same := alike(answersOf(t, with, fingerprint), answersOf(t, without, fingerprint), "answers"); same == nil {
			t.Errorf("seed %d: the patient makes no difference", seed)
		}
		if seed == 2 { // behind the service's back, which notices
			if _, err := catalog.Erase(t.Context(), "c", erased); err != nil {
				t.Fatal(err)
			}
		} else if r, err := with.Erase(t.Context(), "c", erased, nil); err != nil || !r.IsVerified() || r.Instances != 2 || r.Labels != 2 || r.Derived == 0 {
			t.Fatalf("Erase: got %+v, %v", r, err)
		}
		for _, when := range []string{"at once", "with versions"} {
			if err := alike(answersOf(t, with, fingerprint), answersOf(t, without, fingerprint), "answers"); err != nil {
				t.Errorf("seed %d, %s: %v", seed, when, err)
			}
			retrain(t, with)
			retrain(t, without)
		}
		o := api.EvaluateOptions{Rounds: 100, WithoutImages: true}
		if err := alike(plain(t, evaluated(t, with, o)), plain(t, evaluated(t, without, o)), "evaluation"); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// answersOf are what a service says of some images.
func answersOf(t *testing.T, s *api.Service, fingerprint string) any {
	t.Helper()
	var all []any
	for n := range 6 {
		q := api.Query{Vector: unit(float64(n), 1, float64(n%3)-1, 1), Fingerprint: fingerprint}
		if n > 3 {
			q = api.Query{Instance: fmt.Sprintf("1.2.840.99999.p%d-0", n)}
		}
		similar, err := s.Similar(t.Context(), "c", q)
		if err != nil {
			t.Fatal(err)
		}
		classified, err := s.Classify(t.Context(), "c", q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, plain(t, similar), plain(t, classified))
	}
	probes, err := s.Probes(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	return append(all, plain(t, probes))
}

// plain is what JSON has of a value, without what differs from run to run: times,
// and positions in the log.
func plain(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	var a any
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return stripped(a)
}

func stripped(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, of := range v {
			switch name {
			case "label_watermark", "version", "versions", "answering", "pinned", "changed", "due", "key", "added", "time", "took", "took_seconds",
				"watermark", "created", "index", "methods", "log_position", "head", "probes", "made":
				delete(v, name)
			default:
				v[name] = stripped(of)
			}
		}
	case []any:
		for i := range v {
			v[i] = stripped(v[i])
		}
	}
	return v
}

// alike says where two values differ, numbers by more than 1e-9.
func alike(a, b any, at string) error {
	switch x := a.(type) {
	case float64:
		if y, ok := b.(float64); !ok || math.Abs(x-y) > 1e-9 {
			return fmt.Errorf("%s: got %v, want %v", at, a, b)
		}
		return nil
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return fmt.Errorf("%s: got %v, want %v", at, a, b)
		}
		for name := range x {
			if err := alike(x[name], y[name], at+"."+name); err != nil {
				return err
			}
		}
		return nil
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return fmt.Errorf("%s: got %v, want %v", at, a, b)
		}
		for i := range x {
			if err := alike(x[i], y[i], fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("%s: got %v, want %v", at, a, b)
	}
	return nil
}

func TestAReceiptTellsWhatWasErased(t *testing.T) {
	place := t.TempDir()
	s, catalog := private(t, place, api.Options{Privacy: api.Privacy{Key: key}})
	records := longNames(patientsOf(emptied(t, s, finding), 12, 1))
	put(t, catalog, records...)
	retrain(t, s)
	for _, d := range []struct{ kind, name, data string }{
		{"idempotency", "c.1", records[0].Instance.ID}, {"idempotency", "d.1", "of another"}, {"backup", "2026-11-01", "{}"},
	} {
		if err := catalog.SaveDocument(t.Context(), d.kind, d.name, []byte(d.data)); err != nil {
			t.Fatal(err)
		}
	}
	j, err := s.Start("list", "c", func(context.Context, func(int, int)) (any, error) { return records[0].Instance.ID, nil })
	if err == nil {
		j, err = s.Await(t.Context(), j.ID)
	}
	if err != nil || j.Result == nil {
		t.Fatal(j, err)
	}
	r, err := s.Erase(t.Context(), "c", "pseudonym-p0", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Number != 1 || r.Collection != "c" || r.Instances != 2 || r.Labels != 2 || r.Derived == 0 || r.Indexed != 22 || r.Answers != 1 ||
		!slices.Equal(r.Backups, []string{"2026-11-01"}) || len(r.Patient) != 32 || r.Problem != "" || !r.IsVerified() || r.Ended.Before(r.Begun) {
		t.Errorf("Erase: got %+v", r)
	}
	if v := r.Verification; v.Texts != 3 || v.Digests != 2 || v.Vectors != 2 || v.Files == 0 || v.Bytes == 0 || v.Short != 0 {
		t.Errorf("Erase: got verification %+v, want 3 names, 2 digests and 2 vectors looked for", v)
	}
	if found := holding(t, place, records[0].Instance.ID, "pseudonym-p0\"", records[0].Instance.Digest); len(found) > 0 {
		t.Errorf("after Erase: what names the patient is in %v", found)
	}
	if all, err := catalog.Documents(t.Context(), "idempotency"); err != nil || len(all) != 1 {
		t.Errorf("answers after Erase: got %v, %v, want that of another collection", all, err)
	}
	second, err := s.Erase(t.Context(), "c", "pseudonym-p1", nil)
	if err != nil || second.Number != 2 || second.Previous != r.Hash || second.Patient == r.Patient {
		t.Errorf("Erase of another: got %+v, %v, want receipt 2 after the first", second, err)
	}
	all, err := s.Receipts(t.Context())
	if err != nil || len(all) != 2 || !reflect.DeepEqual(plain(t, all[0]), plain(t, r)) || all[0].Hash != r.Hash {
		t.Errorf("Receipts: got %+v, %v, want both", all, err)
	}
	if got, err := s.Receipt(t.Context(), second.ID); err != nil || got.Hash != second.Hash {
		t.Errorf("Receipt: got %+v, %v", got, err)
	}
	if _, err := s.Receipt(t.Context(), "x"); !errors.Is(err, api.ErrReceipt) {
		t.Errorf("Receipt that is not there: got %v", err)
	}
	if _, err := s.Erase(t.Context(), "c", "pseudonym-p0", nil); !errors.Is(err, store.ErrInstance) {
		t.Errorf("Erase twice: got %v, want ErrInstance", err)
	}
	if _, err := s.Erase(t.Context(), "x", "pseudonym-p0", nil); !errors.Is(err, store.ErrCollection) {
		t.Errorf("Erase from an unknown collection: got %v", err)
	}
	if all, err := s.Receipts(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("Receipts after refusals: got %d, %v, want 2", len(all), err)
	}
}

// holding returns the files that have one of some texts.
func holding(t *testing.T, place string, texts ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(place, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		if info, err := d.Info(); err != nil || info.Size() > 1<<27 {
			return err // a log's file with holes, which Seek reads
		}
		b, err := os.ReadFile(path)
		for _, text := range texts {
			if strings.Contains(string(b), text) {
				found = append(found, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAReceiptThatIsChangedIsTold(t *testing.T) {
	s, catalog := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	put(t, catalog, longNames(patientsOf(emptied(t, s, finding), 6, 1))...)
	for n := range 3 {
		if _, err := s.Erase(t.Context(), "c", fmt.Sprint("pseudonym-p", n), nil); err != nil {
			t.Fatal(err)
		}
	}
	documents, err := catalog.Documents(t.Context(), "erasure")
	if err != nil || len(documents) != 3 {
		t.Fatal(len(documents), err)
	}
	second := documents[1]
	for fact, change := range map[string]func() error{
		"changed": func() error {
			return catalog.SaveDocument(t.Context(), "erasure", second.Name, []byte(strings.Replace(string(second.Data), `"instances":2`, `"instances":1`, 1)))
		},
		"no JSON":   func() error { return catalog.SaveDocument(t.Context(), "erasure", second.Name, []byte("x")) },
		"removed":   func() error { return catalog.DropDocument(t.Context(), "erasure", second.Name) },
		"exchanged": func() error { return catalog.SaveDocument(t.Context(), "erasure", second.Name, documents[0].Data) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if all, err := s.Receipts(t.Context()); !errors.Is(err, api.ErrForged) || len(all) == 0 {
			t.Errorf("Receipts of which one is %s: got %d, %v, want ErrForged", fact, len(all), err)
		}
		if err := catalog.SaveDocument(t.Context(), "erasure", second.Name, second.Data); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Receipts(t.Context()); err != nil {
		t.Errorf("Receipts: %v", err)
	}
}

// interrupted is a catalog whose compaction fails.
type interrupted struct {
	store.Catalog
	err error
}

func (c interrupted) Compact(context.Context, func(int, int)) (store.Compacted, error) {
	return store.Compacted{}, c.err
}

func TestAnErasureThatIsNotFinishedSaysWhatIsLeft(t *testing.T) {
	s, catalog := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	put(t, catalog, longNames(patientsOf(emptied(t, s, finding), 6, 1))...)
	s.Catalog = interrupted{catalog, errors.New("disk full")}
	r, err := s.Erase(t.Context(), "c", "pseudonym-p2", nil)
	if !errors.Is(err, api.ErrNotErased) || !strings.Contains(err.Error(), r.ID) || !strings.Contains(r.Problem, "disk full") || r.IsVerified() || r.Instances != 2 {
		t.Errorf("Erase that is not finished: got %+v, %v, want a receipt that says why", r, err)
	}
	if all, err := s.Receipts(t.Context()); err != nil || len(all) != 1 || all[0].Problem != r.Problem {
		t.Errorf("Receipts: got %+v, %v, want that one", all, err)
	}
}

// A patient may be given by their own ID, or as the collection calls them.
func TestAPatientIsErasedByTheirOwnID(t *testing.T) {
	s, _ := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	var images []api.Image
	for n, patient := range []string{"MRN 12345678", "MRN 12345678", "MRN 87654321"} {
		image := given(fmt.Sprint("image ", n), shade(t, 40*n))
		image.Patient = patient
		images = append(images, image)
	}
	items := collect(t, s, slices.Values(images), api.IngestOptions{})
	other, err := s.Instance(t.Context(), "c", items[2].ID)
	if err != nil {
		t.Fatal(err)
	}
	for called, want := range map[string]int{"MRN 12345678": 2, other.Patient: 1} {
		r, err := s.Erase(t.Context(), "c", called, nil)
		if err != nil || r.Instances != want || !r.IsVerified() || r.Originals != want {
			t.Errorf("Erase(%s): got %+v, %v, want %d instances", called, r, err, want)
		}
	}
}

// forgetful is a catalog that keeps no more than the first receipt of an erasure.
type forgetful struct {
	store.Catalog
	receipts *int
}

func (c forgetful) SaveDocument(ctx context.Context, kind, name string, data []byte) error {
	if kind == "erasure" {
		if *c.receipts++; *c.receipts > 1 {
			return errors.New("the program has ended")
		}
	}
	return c.Catalog.SaveDocument(ctx, kind, name, data)
}

// Compact forgets what the service may have answered of one who was erased when the
// program ended, once.
func TestAnErasureThatWasInterruptedIsBroughtToItsEnd(t *testing.T) {
	s, catalog := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	put(t, catalog, longNames(patientsOf(emptied(t, s, finding), 6, 1))...)
	s.Catalog = forgetful{catalog, new(0)}
	if _, err := s.Erase(t.Context(), "c", "pseudonym-p2", nil); err == nil {
		t.Fatal("Erase whose receipt cannot be kept: got no error")
	}
	s.Catalog = catalog
	for round, left := range []int{0, 1} {
		err := catalog.SaveDocument(t.Context(), "idempotency", "c.1", []byte("1.2.840.99999.p2-0"))
		if err == nil {
			_, err = s.Compact(t.Context(), nil)
		}
		all, failed := s.Receipts(t.Context())
		if err = errors.Join(err, failed); err != nil || len(all) != 1 || all[0].Ended.IsZero() || !strings.Contains(all[0].Problem, "interrupted") || all[0].IsVerified() {
			t.Errorf("round %d: got receipts %+v, %v, want one that was interrupted and has ended", round, all, err)
		}
		if answers, err := catalog.Documents(t.Context(), "idempotency"); err != nil || len(answers) != left {
			t.Errorf("round %d: got %d answers, %v, want %d", round, len(answers), err, left)
		}
	}
	if r, err := s.Erase(t.Context(), "c", "pseudonym-p1", nil); err != nil || r.Number != 2 || !r.IsVerified() {
		t.Errorf("Erase after it: got %+v, %v", r, err)
	}
	if _, err := s.Receipts(t.Context()); err != nil {
		t.Errorf("Receipts: %v", err)
	}
}
