package rest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// of is a DICOM file's identity: patient p, its study s and the image n in it.
func of(p, s, n int, modality string) apitest.Who {
	return apitest.Who{
		Patient: fmt.Sprint("MRN-", p), Study: fmt.Sprintf("1.2.%d.%d", p, s), Series: fmt.Sprintf("1.2.%d.%d.1", p, s),
		Instance: fmt.Sprintf("1.2.%d.%d.1.%d", p, s, n), Modality: modality,
	}
}

// private is w.do, with an answer that must say nothing of a patient.
func (w *world) private(method, path, mediaType, body string) answer {
	w.t.Helper()
	a := w.send(method, path, mediaType, body)
	apitest.HoldsNone(w.t, a.asked, a.body)
	apitest.HoldsNone(w.t, a.asked, fmt.Append(nil, a.header))
	return a
}

func (w *world) dicom(route string, who apitest.Who, greys ...byte) answer {
	w.t.Helper()
	return w.private(http.MethodPost, at+route, "application/dicom", string(apitest.DICOM(w.t, who, greys...)))
}

func (w *world) similar(query string) []api.Case {
	w.t.Helper()
	return decoded[api.Similar](w.private(http.MethodPost, at+"/similar", "application/json", query).want(200)).Cases
}

func TestAnArchiveAnswersForEachOfItsImages(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{MaxFiles: 5})
	whole := apitest.DICOM(t, of(1, 1, 1, "CT"), 10)
	files := map[string][]byte{
		"study/IM1": whole, "study/IM2": apitest.DICOM(t, of(1, 1, 2, "CT"), 20), "study/IM3": whole[:len(whole)-5],
		"README.txt": []byte("see inside"), "film.png": picture(t, 9),
	}
	zip := string(apitest.Zip(t, files, "README.txt", "study/IM1", "study/IM3", "study/IM2", "film.png"))
	for _, status := range []string{"created", "unchanged"} {
		got := decoded[problem.Batch](w.private(http.MethodPost, at+"/instances", "application/zip", zip).want(207))
		if got.Counts != (problem.Counts{OK: 3, Failed: 1}) || got.Items[0].Name != "study/IM1" || got.Items[0].ID != "1.2.1.1.1.1" || got.Items[0].Status != status || got.Items[3].Name != "film.png" {
			t.Errorf("got %+v, want three images %s by name and ID", got, status)
		}
		if p := got.Items[1].Problem; p == nil || p.Code != "image_corrupt" || got.Items[1].Index != 1 {
			t.Errorf("got %+v, want the second image corrupt", got.Items[1])
		}
	}
	many := map[string][]byte{}
	var names []string
	for n := range 6 {
		names = append(names, fmt.Sprint(n, ".png"))
		many[names[n]] = picture(t, uint64(100+n))
	}
	got := decoded[problem.Batch](w.private(http.MethodPost, at+"/instances", "application/zip", string(apitest.Zip(t, many, names...))).want(207))
	if last := got.Items[len(got.Items)-1]; got.Counts.OK != 5 || last.Problem == nil || last.Problem.Code != problem.TooManyImages {
		t.Errorf("six images where five may be: got %+v, want five and why not more", got)
	}
	quiet(t, w)
}

// What is said of an archive is said of each of its images; an ID cannot be.
func TestMetadataIsOfAnArchivesImages(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	files := map[string][]byte{"a.png": picture(t, 1), "b.dcm": apitest.DICOM(t, apitest.Jane, 10)}
	zip := string(apitest.Zip(t, files, "a.png", "b.dcm"))
	f := newForm(t).part("metadata", `{"patient":"MRN-12345","labels":{"finding":["light"]}}`).part("image", zip).part("image", string(picture(t, 2)))
	mediaType, body := f.close()
	got := decoded[problem.Batch](w.private(http.MethodPost, at+"/instances", mediaType, body).want(200))
	if got.Counts.OK != 3 {
		t.Fatalf("got %+v, want three images", got)
	}
	var called []string
	for _, item := range got.Items {
		i := decoded[api.Instance](w.private(http.MethodGet, at+"/instances/"+item.ID, "", "").want(200))
		called = append(called, i.Patient+" "+fmt.Sprint(i.Labels["finding"].Classes))
	}
	if called[0] != called[1] || !strings.HasSuffix(called[0], " [light]") || len(called[0]) != len(" [light]")+32 || called[2] != " []" {
		t.Errorf("got patients and labels %q, want one pseudonym and label for the archive's two and none for the image after it", called)
	}
	before := w.stored()
	mediaType, body = newForm(t).part("metadata", `{"id":"x"}`).part("image", zip).close()
	p := w.private(http.MethodPost, at+"/instances", mediaType, body).problem(400, problem.MultipartInvalid)
	if !strings.Contains(p.Detail, "an archive cannot have the id") || w.stored() != before {
		t.Errorf("an archive with an id: got %+v, want it refused and nothing stored", p)
	}
	quiet(t, w)
}

func TestADICOMFileIsStoredByItsFrames(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	one := decoded[problem.Batch](w.dicom("/instances", apitest.Jane, 10).want(200))
	if one.Items[0].ID != apitest.Jane.Instance || one.Items[0].Instances != 0 || one.Items[0].Status != "created" {
		t.Errorf("a file of one frame: got %+v", one)
	}
	many := decoded[problem.Batch](w.dicom("/instances", of(2, 1, 1, "US"), 10, 90, 200).want(200))
	if many.Counts.OK != 1 || many.Items[0].Instances != 3 {
		t.Errorf("a file of three frames: got %+v, want one item of three instances", many)
	}
	page := decoded[api.Page](w.private(http.MethodGet, at+"/instances?limit=1000", "", "").want(200))
	var frames []int
	for _, i := range page.Instances {
		if strings.HasPrefix(i.ID, "1.2.2.1.1.1:") {
			frames = append(frames, i.Frame)
		}
	}
	if !slices.Equal(frames, []int{1, 2, 3}) {
		t.Errorf("frames stored: %v", frames)
	}
	quiet(t, w)
}

// A query by a DICOM file leaves out what it says it is of.
func TestADICOMQueryExcludesItsPatient(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	w.dicom("/instances", apitest.Jane, 10).want(200)
	w.dicom("/instances", of(2, 1, 1, "MG"), 11).want(200)
	again := apitest.Jane
	again.Study, again.Series, again.Instance = "1.2.8", "1.2.8.1", "1.2.8.1.1"
	got := decoded[api.Similar](w.dicom("/similar", again, 12).want(200))
	var ids []string
	for _, c := range got.Cases {
		ids = append(ids, c.ID)
	}
	if got.Query.Excluded != 1 || !slices.Contains(ids, "1.2.2.1.1.1") || slices.Contains(ids, apitest.Jane.Instance) {
		t.Errorf("got %d excluded and cases %q, want the patient's own left out", got.Query.Excluded, ids)
	}
	mediaType, body := newForm(t).part("query", `{"same_patient":true}`).part("image", string(apitest.DICOM(t, again, 12))).close()
	all := decoded[api.Similar](w.private(http.MethodPost, at+"/similar", mediaType, body).want(200))
	if len(all.Cases) != 3 {
		t.Errorf("with same_patient: got %d cases, want 3", len(all.Cases))
	}
	quiet(t, w)
}

func TestQueriesByMetadataAndLevel(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	for p := range 3 {
		for n := range 3 {
			w.dicom("/instances", of(p, 1, n, []string{"CR", "DX", "MG"}[p]), byte(20+60*p+n)).want(200)
		}
	}
	for query, want := range map[string]int{
		`{"instance":"i0"}`: 9, `{"instance":"i0","filter":{"field":"Modality","in":["CR","MG"]}}`: 6,
		`{"instance":"i0","filter":{"all":[{"field":"Modality","eq":"CR"},{"field":"PatientSex","eq":"M"}]}}`:                    0,
		`{"instance":"1.2.0.1.1.1","level":"study"}`:                                                                             2,
		`{"instance":"1.2.0.1.1.1","level":"series","pool":"max"}`:                                                               2,
		`{"instance":"1.2.0.1.1.1","level":"study","filter":{"field":"Modality","eq":"MG"}}`:                                     1,
		`{"instance":"1.2.0.1.1.1","level":"study","pool":"max","min_score":1}`:                                                  0,
		`{"instance":"1.2.0.1.1.1","level":"instance","filter":{"field":"BodyPartExamined","exists":false},"same_patient":true}`: 9,
	} {
		got := w.similar(query)
		if len(got) != want {
			t.Errorf("similar %s: got %d cases, want %d", query, len(got), want)
		}
		for _, c := range got {
			if strings.Contains(query, `"study"`) && (c.Study == "" || len(c.Instances) != 3) {
				t.Errorf("similar %s: got %+v, want a study of three images", query, c)
			}
		}
	}
	for query, want := range map[string]verdict{
		`{"instance":"i0","filter":{"field":"PatientName","eq":"Doelittle^Jane"}}`: {422, "invalid", `unknown field "PatientName"; use added`},
		`{"instance":"i0","filter":{"field":"Modality","in":[]}}`:                  {400, "json_invalid", "filter.in: not valid: the list is empty"},
		`{"instance":"i0","level":"patient"}`:                                      {422, "invalid", "is not among instance, series, study"},
		`{"instance":"1.2.0.1.1.1","pool":"median"}`:                               {422, "invalid", "is not among mean, max"},
		`{"text":"a photo of red"}`:                                                {422, "no_text_tower", "quadrants"},
		`{"text":"` + strings.Repeat("x", 5000) + `"}`:                             {422, "query_invalid", "the limit is 4096"},
		`{"text":"x","instance":"i0"}`:                                             {422, "query_invalid", "give one of"},
	} {
		p := w.private(http.MethodPost, at+"/similar", "application/json", query).problem(want.status, want.code)
		if !strings.Contains(p.Detail, want.detail) {
			t.Errorf("similar %.100s: got %q, want %q in it", query, p.Detail, want.detail)
		}
	}
	for query, want := range map[string]verdict{
		`{"instance":"1.2.0.1.1.1","prompts":["a photo of {}"]}`: {422, "no_text_tower", "prompts"},
		`{"instance":"1.2.0.1.1.1","prompts":["a photo"]}`:       {422, "query_invalid", "{}"},
		`{"text":"a photo of red"}`:                              {422, "query_invalid", "text"},
	} {
		p := w.private(http.MethodPost, at+"/classify", "application/json", query).problem(want.status, want.code)
		if !strings.Contains(p.Detail, want.detail) {
			t.Errorf("classify %.100s: got %q, want %q in it", query, p.Detail, want.detail)
		}
	}
	quiet(t, w)
}

// The original that is sent is what was kept: the file without its patient, the
// file as it came, or none.
func TestOriginalsOfDICOMFiles(t *testing.T) {
	file := apitest.DICOM(t, apitest.Jane, 10)
	for kept, status := range map[string]int{api.Deidentified: 200, api.Received: 200, api.None: 404} {
		w := patients(t, api.Privacy{Originals: kept}, rest.Options{})
		w.dicom("/instances", apitest.Jane, 10).want(200)
		got := w.get(at + "/instances/" + apitest.Jane.Instance + "/original")
		if got.status != status || status == 200 && got.header.Get("Content-Type") != "application/dicom" {
			t.Errorf("original, %s: got %d %s", kept, got.status, got.header.Get("Content-Type"))
		}
		switch kept {
		case api.Deidentified:
			apitest.HoldsNone(t, "the original", got.body)
			if len(got.body) < 132 || string(got.body[128:132]) != "DICM" {
				t.Errorf("the original is no DICOM file: %.200q", got.body)
			}
		case api.Received:
			if string(got.body) != string(file) {
				t.Errorf("the original has %d bytes, want the %d received", len(got.body), len(file))
			}
		case api.None:
			got.problem(404, "original_not_stored")
		}
		quiet(t, w)
	}
}

// File names may name patients: they go back to who sent them and no further.
func TestNamesOfDICOMFilesAreNotKept(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	zip := apitest.Zip(t, map[string][]byte{"Doelittle^Jane/1.dcm": apitest.DICOM(t, apitest.Jane, 10)}, "Doelittle^Jane/1.dcm")
	w.send(http.MethodPost, at+"/instances", "application/zip", string(zip)).want(200)
	w.private(http.MethodGet, at+"/instances/"+apitest.Jane.Instance, "", "").want(200)
	w.private(http.MethodPost, at+"/similar", "application/json", `{"instance":"i0"}`).want(200)
	quiet(t, w)
}
