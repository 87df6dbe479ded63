package api_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// key is one by which patients are called in tests.
var key = bytes.Repeat([]byte{7}, 32)

// private is a service that knows the small network, with a collection "c".
func private(t testing.TB, dir string, o api.Options) (*api.Service, *local.Catalog) {
	t.Helper()
	catalog, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.Catalog = catalog
	o.OpenModel = func(string) (*embed.Model, error) { return embed.NewModel(small, fmt.Sprintf("%064x", 4), means{}) }
	s := api.New(o)
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "c", Model: "means", Tasks: []store.Task{finding}}); err != nil && !errors.Is(err, store.ErrExists) {
		t.Fatal(err)
	}
	return s, catalog
}

type who = apitest.Who

var jane = apitest.Jane

// dicomFile writes a file of 4 × 4 pixels whose frames are each of one grey.
func dicomFile(t testing.TB, w who, greys ...byte) []byte {
	t.Helper()
	return apitest.DICOM(t, w, greys...)
}

// Nothing of a patient is written: not into what an API says, not into what is
// kept of the file, and not into any file of the data directory.
func TestDICOMIsStoredWithoutItsPatient(t *testing.T) {
	dir := t.TempDir()
	s, catalog := private(t, dir, api.Options{Privacy: api.Privacy{Key: key}})
	items := collect(t, s, slices.Values([]api.Image{given("Doelittle^Jane.dcm", dicomFile(t, jane, 10))}), api.IngestOptions{})
	if items[0].Err != nil || items[0].ID != jane.Instance {
		t.Fatalf("Ingest: got %+v, want instance %s", items[0], jane.Instance)
	}
	i, err := s.Instance(t.Context(), "c", jane.Instance)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"Modality": "CR", "AcquisitionDate": "20260103", "PatientSex": "F", "PatientAge": "056Y"}
	if fmt.Sprint(i.Metadata) != fmt.Sprint(want) || i.Study != jane.Study || i.Series != jane.Series || i.Patient == "" {
		t.Errorf("Instance: got %+v, want the study's and series' UIDs, a pseudonym, and metadata %v", i.Instance, want)
	}
	said, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	apitest.HoldsNone(t, "the instance", said)
	original, err := s.Original(t.Context(), "c", jane.Instance)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := io.ReadAll(original)
	if err := errors.Join(err, original.Close()); err != nil {
		t.Fatal(err)
	}
	apitest.HoldsNone(t, "the original kept", kept)
	if _, err := embed.Decode(kept, embed.Limits{}); err != nil {
		t.Errorf("the original kept cannot be decoded: %v", err)
	}
	if err := errors.Join(s.Close(), catalog.Close()); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		apitest.HoldsNone(t, filepath.Base(path), content)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// What is kept of a DICOM file is what was chosen.
func TestOriginalsOfDICOM(t *testing.T) {
	file := dicomFile(t, jane, 10)
	for _, c := range []struct {
		choice string
		want   func(kept []byte, err error) bool
	}{
		{api.None, func(_ []byte, err error) bool { return errors.Is(err, store.ErrOriginal) }},
		{api.Received, func(kept []byte, err error) bool { return err == nil && bytes.Equal(kept, file) }},
		{api.Deidentified, func(kept []byte, err error) bool {
			return err == nil && bytes.HasPrefix(kept[128:], []byte("DICM")) && !bytes.Contains(kept, []byte("Doe"))
		}},
	} {
		s, _ := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key, Originals: c.choice}})
		collect(t, s, slices.Values([]api.Image{given("x", file)}), api.IngestOptions{})
		r, err := s.Original(t.Context(), "c", jane.Instance)
		var kept []byte
		if err == nil {
			kept, err = io.ReadAll(r)
			_ = r.Close()
		}
		if !c.want(kept, err) {
			t.Errorf("originals %s: got %d bytes and %v", c.choice, len(kept), err)
		}
		again := collect(t, s, slices.Values([]api.Image{given("x", file)}), api.IngestOptions{})
		if again[0].Status != store.Unchanged {
			t.Errorf("originals %s: the same file again is %s, want unchanged", c.choice, again[0].Status)
		}
	}
}

// A DICOM file's Patient ID and the same given beside other images make one
// patient, whose images never answer for each other.
func TestADICOMQueryLeavesOutItsPatient(t *testing.T) {
	s, _ := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	other := who{Patient: "MRN-99", Study: "1.2.3.2", Series: "1.2.3.2.1", Instance: "1.2.3.2.1.1", Modality: "DX"}
	photo := given("photo", flat(t, color.Gray{12}))
	photo.Patient = " MRN-12345 "
	collect(t, s, slices.Values([]api.Image{given("a", dicomFile(t, jane, 10)), given("b", dicomFile(t, other, 200)), photo}), api.IngestOptions{})
	second := jane
	second.Instance, second.Series, second.Study = "1.2.3.9", "1.2.3.9.1", "1.2.3.9.2"
	for _, q := range []api.Query{{Image: dicomFile(t, second, 11)}, {Image: shade(t, 3), Patient: "MRN-12345"}, {Instance: jane.Instance}} {
		got, err := s.Similar(t.Context(), "c", q)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Cases) != 1 || got.Cases[0].ID != other.Instance {
			t.Errorf("Similar: got %+v, want the other patient's image alone", got.Cases)
		}
	}
	where, err := s.Similar(t.Context(), "c", api.Query{Image: shade(t, 3), Filter: new(store.Among("Modality", "DX", "MG"))})
	if err != nil || len(where.Cases) != 1 || where.Cases[0].Metadata["Modality"] != "DX" {
		t.Errorf("Similar where Modality is DX or MG: got %+v, %v", where.Cases, err)
	}
	_, err = s.Similar(t.Context(), "c", api.Query{Image: shade(t, 3), Filter: new(store.Among("PatientName", "Doelittle^Jane"))})
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), `"PatientName"`) {
		t.Errorf("Similar where PatientName: got %v, want ErrInvalid that names it", err)
	}
}

// Without the key that called a collection's patients nothing is stored in it
// and no patient can be asked about.
func TestAnotherKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, catalog := private(t, dir, api.Options{Privacy: api.Privacy{Key: key}})
	collect(t, s, slices.Values([]api.Image{given("x", dicomFile(t, jane, 1))}), api.IngestOptions{})
	if err := errors.Join(s.Close(), catalog.Close()); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string][]byte{"another key": bytes.Repeat([]byte{8}, 32), "no key": nil} {
		s, catalog := private(t, dir, api.Options{Privacy: api.Privacy{Key: other}})
		before, _ := catalog.Status(t.Context(), "c")
		items := collect(t, s, slices.Values([]api.Image{given("x", dicomFile(t, jane, 2)), given("y", shade(t, 1))}), api.IngestOptions{})
		for _, item := range items {
			if !errors.Is(item.Err, api.ErrKey) {
				t.Errorf("Ingest by %s: got %v, want ErrKey", name, item.Err)
			}
		}
		if _, err := s.Similar(t.Context(), "c", api.Query{Image: shade(t, 1), Patient: "MRN-12345"}); !errors.Is(err, api.ErrKey) {
			t.Errorf("Similar by %s: got %v, want ErrKey", name, err)
		}
		if after, _ := catalog.Status(t.Context(), "c"); after.Head != before.Head {
			t.Errorf("by %s the log grew from %d to %d", name, before.Head, after.Head)
		}
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFramesBecomeInstances(t *testing.T) {
	greys := make([]byte, 50)
	for i := range greys {
		greys[i] = byte(5 * i)
	}
	file := dicomFile(t, jane, greys...)
	for _, c := range []struct {
		frames api.Frames
		want   []int
	}{
		{api.Frames{Which: api.Middle}, []int{26}},
		{api.Frames{Which: api.Sample, Sample: 5}, []int{6, 16, 26, 36, 46}},
		{api.Frames{}, upTo(50)},
	} {
		s, _ := private(t, t.TempDir(), api.Options{Frames: c.frames, Privacy: api.Privacy{Key: key}})
		items := collect(t, s, slices.Values([]api.Image{given("x", file)}), api.IngestOptions{})
		if items[0].Err != nil || items[0].Instances != len(c.want) || items[0].ID != jane.Instance {
			t.Fatalf("Ingest with frames %+v: got %+v, want %d instances", c.frames, items[0], len(c.want))
		}
		page, err := s.List(t.Context(), "c", api.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, i := range page.Instances {
			got = append(got, i.Frame)
			if i.ID != fmt.Sprintf("%s:%d", jane.Instance, i.Frame) {
				t.Errorf("frame %d has the ID %s", i.Frame, i.ID)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("Ingest with frames %+v: got %v, want %v", c.frames, got, c.want)
		}
		if again := collect(t, s, slices.Values([]api.Image{given("x", file)}), api.IngestOptions{}); again[0].Status != store.Unchanged {
			t.Errorf("the same file again: got %s, want unchanged", again[0].Status)
		}
	}
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// Studies answer by their pooled vectors, the query's own left out.
func TestStudiesAnswer(t *testing.T) {
	s, _ := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	var images []api.Image
	for p := range 4 {
		for n := range 3 {
			w := who{Patient: fmt.Sprint("P", p), Study: fmt.Sprint("1.2.", p), Series: fmt.Sprintf("1.2.%d.1", p),
				Instance: fmt.Sprintf("1.2.%d.1.%d", p, n), Modality: "CT"}
			im := given("x", dicomFile(t, w, byte(20+50*p+n)))
			im.Labels = map[string][]string{"finding": {finding.Classes[p%2]}}
			images = append(images, im)
		}
	}
	collect(t, s, slices.Values(images), api.IngestOptions{})
	got, err := s.Similar(t.Context(), "c", api.Query{Instance: "1.2.1.1.2", Level: "study"})
	if err != nil {
		t.Fatal(err)
	}
	var studies []string
	for _, c := range got.Cases {
		studies = append(studies, c.Study)
		if len(c.Instances) != 3 || len(c.Labels["finding"]) != 1 {
			t.Errorf("study %s: got %+v, want three instances and a label", c.Study, c)
		}
	}
	if len(studies) != 3 || slices.Contains(studies, "1.2.1") {
		t.Errorf("Similar at level study: got %v, want the three other studies", studies)
	}
	answer, err := s.Classify(t.Context(), "c", api.Query{Instance: "1.2.1.1.2", Level: "study", Pool: "max"})
	if err != nil || answer.Tasks[0].Counts.Neighbours != 3 {
		t.Errorf("Classify at level study: got %+v, %v, want three studies to vote", answer, err)
	}
	if _, err := s.Similar(t.Context(), "c", api.Query{Instance: "1.2.1.1.2", Level: "patient"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Similar at level patient: got %v, want ErrInvalid", err)
	}
}

// An archive gives its images and leaves out what is none; what is wrong with
// one of them is told when it is read.
func TestArchivesGiveTheirImages(t *testing.T) {
	files := map[string][]byte{
		"study/IM000001": dicomFile(t, jane, 1), "study/a.png": shade(t, 1), "README.txt": []byte("see inside"),
		"big.png": make([]byte, 2<<20), ".hidden.png": shade(t, 2), "__MACOSX/a.png": shade(t, 3), "x/IM2": {},
	}
	data := apitest.Zip(t, files, "README.txt", "study/IM000001", "study/a.png", "big.png", ".hidden.png", "__MACOSX/a.png", "x/IM2")
	images, err := api.Archive(data, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]error{}
	for image := range images {
		content, err := image.Read()
		if got[image.Name] = err; err == nil && !bytes.Equal(content, files[image.Name]) {
			t.Errorf("%s: got %d bytes, want %d", image.Name, len(content), len(files[image.Name]))
		}
	}
	if len(got) != 3 || got["study/IM000001"] != nil || got["study/a.png"] != nil || !errors.Is(got["big.png"], embed.ErrTooLarge) {
		t.Errorf("Archive: got %v, want two images and one that is too large", got)
	}
	path := filepath.Join(t.TempDir(), "study.zip")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := api.OpenSource(path, 1<<20)
	if err != nil || source.Count != 3 {
		t.Fatalf("OpenSource: got %d images and %v, want 3", source.Count, err)
	}
	for range 2 { // it can be ranged over again
		for image := range source.Images {
			if _, err := image.Read(); err != nil && image.Name != "big.png" {
				t.Errorf("%s: %v", image.Name, err)
			}
		}
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
}

func TestBadArchivesAreRefused(t *testing.T) {
	whole := apitest.Zip(t, map[string][]byte{"a.png": shade(t, 1)}, "a.png")
	lying := bytes.Clone(whole)
	at := bytes.LastIndex(lying, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(lying[at+20:], 1<<30) // the packed size that the directory tells
	for fact, data := range map[string][]byte{
		"truncated":  whole[:len(whole)-10],
		"no images":  apitest.Zip(t, map[string][]byte{"a.txt": []byte("hello")}, "a.txt"),
		"overlapped": lying,
		"empty":      apitest.Zip(t, nil),
	} {
		if _, err := api.Archive(data, 1<<20); !errors.Is(err, api.ErrSource) {
			t.Errorf("Archive that is %s: got %v, want ErrSource", fact, err)
		}
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(apitest.Zip(f, map[string][]byte{"a.png": shade(f, 1), "b": shade(f, 2)}, "a.png", "b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := api.Archive(data, 1<<20)
		if err != nil {
			return
		}
		for image := range images {
			if content, err := image.Read(); err == nil && len(content) > 1<<20 {
				t.Errorf("an image of %d bytes, the limit is %d", len(content), 1<<20)
			}
		}
	})
}
