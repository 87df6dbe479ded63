package api_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/embed"
	"nearcase/embed/dicom/dataset"
	"nearcase/store"
)

// stored lists the instances of collection "c".
func stored(t testing.TB, s *api.Service) (ids []string) {
	t.Helper()
	page, err := s.List(t.Context(), "c", api.ListOptions{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range page.Instances {
		ids = append(ids, i.ID)
	}
	return ids
}

// The images of a file are stored, replaced, labelled and deleted together,
// whatever was stored under its ID before.
func TestImagesOfAFileComeAndGoTogether(t *testing.T) {
	s, catalog := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	send := func(replace bool, greys ...byte) api.Item {
		t.Helper()
		return collect(t, s, slices.Values([]api.Image{given("x", dicomFile(t, jane, greys...))}), api.IngestOptions{Replace: replace})[0]
	}
	frames := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("%s:%d", jane.Instance, i+1))
		}
		return ids
	}
	if item := send(false, 1, 2); item.Status != store.Created || item.Instances != 2 {
		t.Fatalf("two frames: got %+v", item)
	}
	before, _ := catalog.Status(t.Context(), "c")
	if item := send(false, 10, 20, 30); !errors.Is(item.Err, store.ErrConflict) {
		t.Errorf("other frames under the same ID: got %+v, want ErrConflict", item)
	}
	if item := send(false, 10); !errors.Is(item.Err, store.ErrConflict) {
		t.Errorf("another image under the same ID: got %+v, want ErrConflict", item)
	}
	if after, _ := catalog.Status(t.Context(), "c"); after.Head != before.Head || !slices.Equal(stored(t, s), frames(2)) {
		t.Errorf("after what was refused: got %v, want the two frames as they were", stored(t, s))
	}
	if item := send(true, 10, 20, 30); item.Status != store.Replaced || !slices.Equal(stored(t, s), frames(3)) {
		t.Errorf("three frames in place of two: got %+v and %v", item, stored(t, s))
	}
	if _, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: jane.Instance, Task: "finding", Classes: finding.Classes[:1]}}); err != nil {
		t.Error(err)
	}
	if i, err := s.Instance(t.Context(), "c", frames(3)[2]); err != nil || len(i.Labels["finding"].Classes) != 1 {
		t.Errorf("the last frame after the file was labelled: got %+v, %v", i.Labels, err)
	}
	if got, err := s.Similar(t.Context(), "c", api.Query{Instance: jane.Instance, SamePatient: true}); err != nil || len(got.Cases) != 0 {
		t.Errorf("Similar by the file: got %v, %v, want its own frames left out", got.Cases, err)
	}
	if item := send(true, 10); item.Status != store.Replaced || !slices.Equal(stored(t, s), []string{jane.Instance}) {
		t.Errorf("one image in place of three frames: got %+v and %v", item, stored(t, s))
	}
	if item := send(true, 10, 20, 30); item.Status != store.Replaced || !slices.Equal(stored(t, s), frames(3)) {
		t.Errorf("three frames in place of one image: got %+v and %v", item, stored(t, s))
	}
	if err := s.Delete(t.Context(), "c", jane.Instance); err != nil || len(stored(t, s)) != 0 {
		t.Errorf("Delete of the file: got %v and %v left", err, stored(t, s))
	}
}

// A small file that unfolds into more frames than anybody has is refused.
func TestFramesAreBounded(t *testing.T) {
	s, _ := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}, Limits: embed.Limits{Frames: 3}})
	item := collect(t, s, slices.Values([]api.Image{given("x", dicomFile(t, jane, 1, 2, 3, 4))}), api.IngestOptions{})[0]
	if !errors.Is(item.Err, embed.ErrTooLarge) || len(stored(t, s)) != 0 {
		t.Errorf("four frames where three are allowed: got %+v", item)
	}
}

// changed is a DICOM file of jane with an element more, or another.
func changed(t testing.TB, e dataset.Element) []byte {
	t.Helper()
	f := apitest.DICOMFile(jane, 10)
	f.Set.Elements = slices.DeleteFunc(f.Set.Elements, func(old dataset.Element) bool { return old.Tag == e.Tag })
	f.Set.Elements = append(f.Set.Elements, e)
	slices.SortFunc(f.Set.Elements, func(a, b dataset.Element) int { return int(a.Tag>>1) - int(b.Tag>>1) })
	data, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A file whose pixels name the patient, as it says, is indexed and not kept.
func TestBurnedInNamesAreNotKept(t *testing.T) {
	s, _ := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	data := changed(t, dataset.Element{Tag: 0x00280301, VR: "CS", Value: []byte("YES ")})
	if item := collect(t, s, slices.Values([]api.Image{given("x", data)}), api.IngestOptions{})[0]; item.Err != nil {
		t.Fatal(item.Err)
	}
	if _, err := s.Original(t.Context(), "c", jane.Instance); !errors.Is(err, store.ErrOriginal) {
		t.Errorf("Original: got %v, want ErrOriginal", err)
	}
}

// What stands where a UID belongs is not kept unless it is one.
func TestTextInPlaceOfAUIDIsRefused(t *testing.T) {
	s, _ := private(t, t.TempDir(), api.Options{Privacy: api.Privacy{Key: key}})
	data := changed(t, dataset.Element{Tag: 0x0020000D, VR: "UI", Value: []byte("Doelittle, Jane ")})
	item := collect(t, s, slices.Values([]api.Image{given("x", data)}), api.IngestOptions{})[0]
	if !errors.Is(item.Err, embed.ErrCorrupt) || len(stored(t, s)) != 0 {
		t.Fatalf("got %+v, want ErrCorrupt", item)
	}
	apitest.HoldsNone(t, "the error", []byte(item.Err.Error()))
}

// A collection that calls patients as they are given takes no DICOM.
func TestDICOMNeedsACollectionWithPseudonyms(t *testing.T) {
	dir := t.TempDir()
	s, catalog := private(t, dir, api.Options{})
	if err := errors.Join(s.Close(), catalog.Close()); err != nil {
		t.Fatal(err)
	}
	s, _ = private(t, dir, api.Options{Privacy: api.Privacy{Key: key}})
	item := collect(t, s, slices.Values([]api.Image{given("x", dicomFile(t, jane, 1))}), api.IngestOptions{})[0]
	if !errors.Is(item.Err, api.ErrKey) {
		t.Errorf("got %+v, want ErrKey", item)
	}
}

// Archives of other systems name entries in other character sets.
func TestArchiveNamesNeedNotBeUTF8(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "M\x81ller/a.png", NonUTF8: true})
	if err == nil {
		_, err = f.Write(shade(t, 1))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	images, err := api.Archive(b.Bytes(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := private(t, t.TempDir(), api.Options{})
	if items := collect(t, s, images, api.IngestOptions{}); len(items) != 1 || items[0].Err != nil {
		t.Errorf("got %+v, want it stored", items)
	}
}

// A file asks by the frame that is named, of those too that would not be stored, and by
// the mean of all if none is.
func TestAFrameOfAFileIsAskedBy(t *testing.T) {
	s, _ := private(t, t.TempDir(), api.Options{Frames: api.Frames{Which: api.Middle}, Privacy: api.Privacy{Key: key}})
	var images []api.Image
	for i, grey := range []byte{10, 90, 200} {
		images = append(images, given(fmt.Sprint("grey-", i), dicomFile(t, who{Patient: fmt.Sprint("P", i), Study: fmt.Sprint("1.2.", i+1), Instance: fmt.Sprint("1.2.3.", i+1)}, grey)))
	}
	for _, item := range collect(t, s, slices.Values(images), api.IngestOptions{}) {
		if item.Err != nil {
			t.Fatal(item.Err)
		}
	}
	file := dicomFile(t, jane, 10, 90, 200)
	for frame := 1; frame <= 3; frame++ {
		got, err := s.Similar(t.Context(), "c", api.Query{Image: file, Frame: frame})
		if err != nil || len(got.Cases) != 3 {
			t.Fatalf("Similar by frame %d: got %d cases, %v, want 3", frame, len(got.Cases), err)
		}
		if got.Cases[0].ID != fmt.Sprint("1.2.3.", frame) || got.Cases[0].Score < 0.9999 {
			t.Errorf("Similar by frame %d: the nearest is %s at %g, want the image of the same grey", frame, got.Cases[0].ID, got.Cases[0].Score)
		}
	}
	for _, q := range []api.Query{{Image: file, Frame: 4}, {Image: file, Frame: -1}, {Instance: "1.2.3.1", Frame: 1}} {
		if _, err := s.Similar(t.Context(), "c", q); !errors.Is(err, api.ErrQuery) {
			t.Errorf("Similar by frame %d: got %v, want ErrQuery", q.Frame, err)
		}
	}
}
