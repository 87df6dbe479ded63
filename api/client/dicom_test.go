package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/client"
	"nearcase/api/rest"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// private is a service with a key for patients and an empty collection "cases",
// a client of a server for it, and that server's log.
func private(t *testing.T) (*api.Service, *client.Client, *apitest.Journal) {
	t.Helper()
	catalog, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Options{
		Catalog: catalog, OpenModel: apitest.OpenModel, Models: apitest.Models, Workers: 2,
		Privacy: api.Privacy{Key: bytes.Repeat([]byte{7}, 32)},
	})
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			t.Error(err)
		}
	})
	j := &apitest.Journal{}
	c := serve(t, s, rest.Options{Logger: slog.New(slog.NewJSONHandler(j, nil))})
	n := api.NewCollection{Name: "cases", Model: apitest.Quadrants, Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}
	if _, err := c.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return s, c, j
}

// study is an archive of a patient's DICOM files: three CT images, a damaged
// one, and one of five frames.
func study(t *testing.T, patient int) []byte {
	t.Helper()
	files, names := map[string][]byte{"report.txt": []byte("Doelittle^Jane is well")}, []string{"report.txt"}
	for n := range 5 {
		who := apitest.Who{
			Patient: fmt.Sprint("MRN-", patient), Study: fmt.Sprint("1.2.", patient), Series: fmt.Sprintf("1.2.%d.1", patient),
			Instance: fmt.Sprintf("1.2.%d.1.%d", patient, n), Modality: []string{"CT", "MR"}[patient%2],
		}
		greys := []byte{byte(60*patient + 10*n)}
		if n == 4 {
			greys = []byte{140, 150, 160, 180, 240} // of one sign, so that no mean cancels
		}
		name := fmt.Sprint("IM", n)
		files[name], names = apitest.DICOM(t, who, greys...), append(names, name)
	}
	files["IM3"] = files["IM3"][:len(files["IM3"])-5]
	return apitest.Zip(t, files, names...)
}

// A study's archive goes through a client image by image, and what is asked of
// it has the same answer from server and service, with nothing of the patient.
func TestAStudyOfDICOMGoesThroughAClient(t *testing.T) {
	s, c, log := private(t)
	for patient := range 4 {
		images, err := api.Archive(study(t, patient), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		var items []api.Item
		for item, err := range c.Ingest(t.Context(), "cases", images, api.IngestOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, item)
		}
		if len(items) != 5 || items[0].Instances != 1 || items[0].Status != store.Created || items[4].Instances != 5 || items[2].ID != fmt.Sprintf("1.2.%d.1.2", patient) {
			t.Fatalf("Ingest: got %+v, want five items, the last of five instances", items)
		}
		for i, item := range items {
			if bad := i == 3; bad != errors.Is(item.Err, embed.ErrCorrupt) || item.Name != fmt.Sprint("IM", i) {
				t.Errorf("Ingest: item %d is %+v, want the fourth alone corrupt", i, item)
			}
		}
	}
	first := "1.2.0.1.0"
	for what, q := range map[string]api.Query{
		"by metadata":         {Instance: first, Filter: new(store.Among("Modality", "MR", "CR"))},
		"for series":          {Instance: first, Level: "series"},
		"for studies by max":  {Instance: first, Level: "study", Pool: "max"},
		"by a DICOM file":     {Image: apitest.DICOM(t, apitest.Who{Patient: "MRN-0", Study: "1.3", Series: "1.3.1", Instance: "1.3.1.1", Modality: "CT"}, 7), K: 100},
		"by frames":           {Image: apitest.DICOM(t, apitest.Jane, 7, 99, 201), Pool: "mean", K: 100},
		"by a patient's name": {Instance: first, Patient: "MRN-1", K: 100},
	} {
		got := same(t, "Similar "+what, c, s, func(o operations) (api.Similar, error) { return unnamed(o.Similar(t.Context(), "cases", q)) })
		want := map[string]int{"by metadata": 16, "for series": 3, "for studies by max": 3, "by a DICOM file": 24, "by frames": 32, "by a patient's name": 16}[what]
		if len(got.Cases) != want {
			t.Errorf("Similar %s: got %d cases, want %d", what, len(got.Cases), want)
		}
		if slices.ContainsFunc(got.Cases, func(k api.Case) bool { return what != "by frames" && k.Study == "1.2.0" }) {
			t.Errorf("Similar %s: got cases of the query's own study: %+v", what, got.Cases)
		}
		apitest.HoldsNone(t, "Similar "+what, fmt.Append(nil, got))
	}
	same(t, "Instance", c, s, func(o operations) (api.Instance, error) { return o.Instance(t.Context(), "cases", "1.2.3.1.4:2") })
	page := same(t, "List", c, s, func(o operations) (api.Page, error) {
		return paged(o.List(t.Context(), "cases", api.ListOptions{Limit: 1000}))
	})
	apitest.HoldsNone(t, "List", fmt.Append(nil, page))
	for _, id := range []string{first, "1.2.3.1.4:2"} {
		apitest.HoldsNone(t, "Original", original(t, c, id))
	}
	if strings.Contains(log.String(), "MRN-") || strings.Contains(log.String(), "1.2.0.1") {
		t.Errorf("the log names a patient or an instance: %s", log)
	}
	apitest.HoldsNone(t, "the log", []byte(log.String()))
}

func original(t *testing.T, c *client.Client, id string) []byte {
	t.Helper()
	r, err := c.Original(t.Context(), "cases", id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil || len(content) < 132 || string(content[128:132]) != "DICM" {
		t.Errorf("Original of %s: got %d bytes and %v, want a DICOM file", id, len(content), err)
	}
	return content
}

// What is wrong with a question has the same error through a client.
func TestQuestionsThatCannotBeAnsweredAreRefusedThroughAClient(t *testing.T) {
	s, c, _ := private(t)
	for range ingested(t, c.Ingest(t.Context(), "cases", pictures(t, 2), api.IngestOptions{})) {
	}
	for what, o := range map[string]operations{"the service": s, "a client": c} {
		for _, q := range []struct {
			query api.Query
			want  error
		}{
			{api.Query{Text: "a photo of red"}, embed.ErrNoText},
			{api.Query{Instance: "i0", Filter: new(store.Among("PatientName", "x"))}, store.ErrInvalid},
			{api.Query{Instance: "i0", Level: "patient"}, store.ErrInvalid},
			{api.Query{Instance: "i0", Level: "study", Pool: "median"}, store.ErrInvalid},
			{api.Query{Image: apitest.Bad(t)["a DICOM file without pixels"]}, embed.ErrNoPixels},
			{api.Query{Image: apitest.Bad(t)["a DICOM file of MPEG-2"]}, embed.ErrUnsupported},
		} {
			if _, err := o.Similar(t.Context(), "cases", q.query); !errors.Is(err, q.want) {
				t.Errorf("Similar by %s of %+v: got %v, want %v", what, q.query, err, q.want)
			}
		}
		if _, err := o.Classify(t.Context(), "cases", api.Query{Instance: "i0", Prompts: []string{"a photo of {}"}}); !errors.Is(err, embed.ErrNoText) {
			t.Errorf("Classify by %s with prompts: got %v, want ErrNoText", what, err)
		}
	}
}

// A file that is an archive is no image to a client, which unpacks archives
// itself, and does not disturb the images beside it.
func TestAnArchiveAmongImagesFailsAlone(t *testing.T) {
	_, c, _ := private(t)
	images := []api.Image{
		{Name: "a", Read: content(picture(t, 1))}, {Name: "b.dcm", Read: content(study(t, 1))}, {Name: "c", Read: content(picture(t, 2))},
	}
	var got []string
	for item, err := range c.Ingest(t.Context(), "cases", slices.Values(images), api.IngestOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(item.Name, " ", item.Status, " ", errors.Is(item.Err, embed.ErrNotImage)))
	}
	if want := []string{"a created false", "b.dcm failed true", "c created false"}; !slices.Equal(got, want) {
		t.Errorf("Ingest: got %q, want %q", got, want)
	}
}
