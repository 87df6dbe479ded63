package rest_test

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/embed/dicom/dataset"
)

// hospital is a world with two studies of a patient and one of another: a CT of two
// series of two images and one, an MR of one image, and an ultrasound of a file of
// three frames.
func hospital(t testing.TB, privacy api.Privacy) *world {
	t.Helper()
	w := patients(t, privacy, rest.Options{})
	second := of(1, 1, 9, "CT")
	second.Series = "1.2.1.1.2"
	for _, f := range [][]byte{
		apitest.DICOM(t, of(1, 1, 1, "CT"), 10), apitest.DICOM(t, of(1, 2, 1, "MR"), 20), apitest.DICOM(t, of(1, 1, 2, "CT"), 30),
		apitest.DICOM(t, second, 40), apitest.DICOM(t, of(2, 1, 1, "US"), 50, 60, 70),
	} {
		w.stow("/studies", f).want(200)
	}
	return w
}

// found lists an attribute of what a query finds.
func found(t testing.TB, a answer, tag string) string {
	t.Helper()
	if a.header.Get("Content-Type") != "application/dicom+json" {
		t.Errorf("%s: got %s, want DICOM JSON", a.asked, a.header.Get("Content-Type"))
	}
	var values []string
	for _, o := range decoded[[]object](a.want(200)) {
		values = append(values, first(o, tag))
	}
	return strings.Join(values, " ")
}

const (
	tagStudy, tagSeries, tagInstance = "0020000D", "0020000E", "00080018"
	tagPatient                       = "00100020"
)

func TestQueriesByDICOMweb(t *testing.T) {
	w := hospital(t, api.Privacy{})
	for _, c := range []struct{ query, tag, want string }{
		{"/studies", tagStudy, "1.2.1.1 1.2.1.2 1.2.2.1"},
		{"/studies", "00201208", "3 1 1"},
		{"/studies", "00201206", "2 1 1"},
		{"/studies?limit=1&offset=1", tagStudy, "1.2.1.2"},
		{"/studies?PatientID=MRN-1", tagStudy, "1.2.1.1 1.2.1.2"},
		{"/studies?00100020=MRN-2", tagStudy, "1.2.2.1"},
		{"/studies?PatientID=MRN", tagStudy, ""},
		{"/studies?PatientName=Doe*", tagStudy, ""},
		{"/studies?PatientName=*", tagStudy, "1.2.1.1 1.2.1.2 1.2.2.1"},
		{"/studies?ModalitiesInStudy=MR,US", tagStudy, "1.2.1.2 1.2.2.1"},
		{"/studies?StudyInstanceUID=1.2.2.1&includefield=all", tagStudy, "1.2.2.1"},
		{"/studies?AcquisitionDate=20260101-20260131&PatientSex=F", tagStudy, "1.2.1.1 1.2.1.2 1.2.2.1"},
		{"/studies?includefield=00180015,Modality&includefield=PatientAge", "00101010", "056Y 056Y 056Y"},
		{"/series", tagSeries, "1.2.1.1.1 1.2.1.2.1 1.2.1.1.2 1.2.2.1.1"},
		{"/series?Modality=MR", tagStudy, "1.2.1.2"},
		{"/studies/1.2.1.1/series", tagSeries, "1.2.1.1.1 1.2.1.1.2"},
		{"/studies/1.2.1.1/series", "00201209", "2 1"},
		{"/studies/1.2.9/series", tagSeries, ""},
		{"/instances", tagInstance, "1.2.1.1.1.1 1.2.1.2.1.1 1.2.1.1.1.2 1.2.1.1.1.9 1.2.2.1.1.1"},
		{"/instances?SOPInstanceUID=1.2.1.1.1.2,1.2.2.1.1.1", tagInstance, "1.2.1.1.1.2 1.2.2.1.1.1"},
		{"/studies/1.2.1.1/instances", tagInstance, "1.2.1.1.1.1 1.2.1.1.1.2 1.2.1.1.1.9"},
		{"/studies/1.2.1.1/series/1.2.1.1.2/instances", tagInstance, "1.2.1.1.1.9"},
		{"/studies/1.2.2.1/series/1.2.2.1.1/instances", "00280008", "3"},
		{"/studies/1.2.2.1/series/1.2.1.1.2/instances", tagInstance, ""},
	} {
		if got := found(t, w.asking(web+c.query, ""), c.tag); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.query, c.tag, got, c.want)
		}
	}
	called := found(t, w.asking(web+"/studies?limit=1", ""), tagPatient)
	if got := found(t, w.asking(web+"/studies?PatientID="+called, ""), tagStudy); len(called) != 32 || got != "1.2.1.1 1.2.1.2" {
		t.Errorf("studies of the pseudonym %q: %q", called, got)
	}
	more := w.asking(web+"/instances?limit=2&fuzzymatching=true", "application/json").want(200)
	if got := fmt.Sprint(more.header.Values("Warning")); !strings.Contains(got, "3 additional") || !strings.Contains(got, "fuzzymatching") || more.header.Get("Content-Type") != "application/json" {
		t.Errorf("got warnings %s and %s", got, more.header.Get("Content-Type"))
	}
	for query, says := range map[string]string{"PatientNam=x": `PatientNam`, "limit=x": "limit", "StudyDate=x": "StudyDate", "includefield=Shoe": "Shoe"} {
		if a := w.asking(web+"/studies?"+query, "").want(400); !strings.Contains(string(a.body), says) {
			t.Errorf("%s: got %s, want %s in it", query, a.body, says)
		}
	}
	w.asking(web+"/studies", "text/html").problem(406, "not_acceptable")
	w.asking("/v1/collections/none/dicomweb/studies", "").problem(404, "collection_not_found")
	quiet(t, w)
}

func TestRetrievingByDICOMweb(t *testing.T) {
	w := hospital(t, api.Privacy{})
	const instance = web + "/studies/1.2.1.1/series/1.2.1.1.1/instances/1.2.1.1.1.2"
	for path, want := range map[string]int{"/studies/1.2.1.1": 3, "/studies/1.2.1.1/series/1.2.1.1.1": 2} {
		types, parts := w.asking(web+path, "").parts(200)
		if len(parts) != want || types[0] != "application/dicom; transfer-syntax=1.2.840.10008.1.2.1" || string(parts[0][128:132]) != "DICM" {
			t.Errorf("%s: got %d parts of %v, want %d files", path, len(parts), types, want)
		}
	}
	one := w.asking(instance, "application/dicom")
	if one.status != 200 || one.header.Get("Content-Type") != "application/dicom; transfer-syntax=1.2.840.10008.1.2.1" || string(one.body[128:132]) != "DICM" {
		t.Errorf("an instance by itself: got %d %s", one.status, one.header.Get("Content-Type"))
	}
	if _, parts := w.asking(instance, "").parts(200); len(parts) != 1 || !bytes.Equal(parts[0], one.body) {
		t.Errorf("an instance: got %d parts", len(parts))
	}
	kept := w.asking(at+"/instances/1.2.1.1.1.2/original", "")
	if !bytes.Equal(kept.body, one.body) {
		t.Error("an instance is not what is kept of it")
	}
	for path, accept := range map[string]string{"": "image/png", "/metadata": "application/dicom+xml", "/rendered": "image/gif", "/frames/1": "image/jpeg"} {
		w.asking(instance+path, accept).problem(406, "not_acceptable")
	}
	w.asking(instance, "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50").problem(406, "not_acceptable")
	w.asking(instance+"?accept="+url.QueryEscape("image/png"), "").problem(406, "not_acceptable")
	for _, path := range []string{
		"/studies/1.2.9", "/studies/1.2.1.1/series/9", "/studies/1.2.1.1/series/1.2.1.1.2/instances/1.2.1.1.1.2", "/studies/1.2.1.2/series/1.2.1.1.1/instances/1.2.1.1.1.2/metadata",
		"/studies/1.2.1.1/series/1.2.1.1.1/instances/i0", "/studies/1.2.9/metadata", "/studies/1.2.9/thumbnail",
	} {
		w.asking(web+path, "").problem(404, "instance_not_found")
	}
	for path, code := range map[string]string{"/frames/2": "bulk_not_found", "/bulkdata/00282000": "bulk_not_found", "/frames/9/rendered": "bulk_not_found"} {
		w.asking(instance+path, "").want(404)
		if a := w.asking(instance+path, ""); !strings.Contains(string(a.body), code) {
			t.Errorf("%s: got %s, want %s", path, a.body, code)
		}
	}
	for _, path := range []string{"/frames/0", "/frames/x", "/frames/1,2/rendered", "/rendered?window=1", "/rendered?viewport=1,1,9,9,9,9"} {
		w.asking(instance+path, "").problem(400, "dicomweb_invalid")
	}
	quiet(t, w)
}

func TestFramesByDICOMweb(t *testing.T) {
	w := hospital(t, api.Privacy{})
	const file = web + "/studies/1.2.2.1/series/1.2.2.1.1/instances/1.2.2.1.1.1"
	types, parts := w.asking(file+"/frames/3,1", "").parts(200)
	if len(parts) != 2 || !bytes.Equal(parts[0], bytes.Repeat([]byte{70}, 16)) || !bytes.Equal(parts[1], bytes.Repeat([]byte{50}, 16)) ||
		types[0] != "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1" {
		t.Errorf("frames 3 and 1: got %d parts of %v: % x", len(parts), types, parts)
	}
	one := w.asking(file+"/frames/2", "application/octet-stream")
	if one.status != 200 || !bytes.Equal(one.body, bytes.Repeat([]byte{60}, 16)) {
		t.Errorf("a frame by itself: got %d % x", one.status, one.body)
	}
	w.asking(file+"/frames/1,2", "application/octet-stream").problem(406, "not_acceptable")
	metadata := decoded[[]object](w.asking(file+"/metadata", "").want(200))
	bulk := strings.TrimPrefix(metadata[0]["7FE00010"].BulkDataURI, w.url)
	if first(metadata[0], tagInstance) != "1.2.2.1.1.1" || first(metadata[0], "00280008") != "3" || first(metadata[0], "00083002") != "1.2.840.10008.1.2.1" || bulk != file+"/bulkdata/7FE00010" {
		t.Fatalf("metadata: got %v", metadata)
	}
	if _, parts := w.asking(bulk, "").parts(200); len(parts) != 3 || !bytes.Equal(parts[1], one.body) {
		t.Errorf("bulk data: got %d parts, want 3 frames", len(parts))
	}
	quiet(t, w)
}

func TestPicturesByDICOMweb(t *testing.T) {
	w := hospital(t, api.Privacy{})
	const file = web + "/studies/1.2.2.1/series/1.2.2.1.1/instances/1.2.2.1.1.1"
	for _, c := range []struct {
		path, accept, kind string
		width              int
	}{
		{file + "/rendered", "", "jpeg", 4},
		{file + "/rendered?viewport=2,2&quality=50", "image/jpeg", "jpeg", 2},
		{file + "/frames/3/rendered?window=70,2,linear-exact", "image/png", "png", 4},
		{file + "/frames/2/thumbnail", "image/*", "jpeg", 4},
		{file + "/thumbnail?viewport=3,3", "image/png", "png", 3},
		{web + "/studies/1.2.2.1/thumbnail", "image/png", "png", 4},
		{web + "/studies/1.2.2.1/series/1.2.2.1.1/thumbnail", "", "jpeg", 4},
	} {
		a := w.asking(c.path, c.accept)
		m, kind, err := image.Decode(bytes.NewReader(a.body))
		if a.status != 200 || err != nil || kind != c.kind || a.header.Get("Content-Type") != "image/"+kind || m.Bounds().Dx() != c.width {
			t.Errorf("%s: got %d %s, %v, want a %s of %d pixels", c.path, a.status, a.header.Get("Content-Type"), err, c.kind, c.width)
			continue
		}
		if g, _, _, _ := m.At(1, 1).RGBA(); strings.Contains(c.path, "window=70,2") && g>>8 != 128 {
			t.Errorf("%s: got grey %d, want 128: the middle of the window", c.path, g>>8)
		}
	}
	quiet(t, w)
}

// Where nothing is kept of files, queries and metadata have what is stored beside
// them, and what would need the files says that there is none.
func TestDICOMwebWithoutOriginals(t *testing.T) {
	w := hospital(t, api.Privacy{Originals: api.None})
	const file = web + "/studies/1.2.2.1/series/1.2.2.1.1/instances/1.2.2.1.1.1"
	if got := found(t, w.asking(web+"/studies?ModalitiesInStudy=US", ""), tagStudy); got != "1.2.2.1" {
		t.Errorf("studies: got %s", got)
	}
	m := decoded[[]object](w.asking(file+"/metadata", "").want(200))
	if len(m) != 1 || first(m[0], "00080060") != "US" || first(m[0], tagStudy) != "1.2.2.1" || first(m[0], tagInstance) != "1.2.2.1.1.1" || len(first(m[0], tagPatient)) != 32 {
		t.Errorf("metadata: got %v", m)
	}
	for _, path := range []string{web + "/studies/1.2.2.1", file, file + "/frames/1", file + "/rendered", file + "/thumbnail", file + "/bulkdata/7FE00010", at + "/instances/1.2.1.1.1.1/report?format=sr"} {
		w.asking(path, "").problem(404, "original_not_stored")
	}
	quiet(t, w)
}

// Some files may say that they show who the patient is, and are not kept.
func TestAStudyOfWhichSomeIsKeptComesInPart(t *testing.T) {
	w := hospital(t, api.Privacy{})
	f := apitest.DICOMFile(of(1, 2, 2, "MR"), 90)
	f.Set = f.Set.With([]dataset.Element{{Tag: 0x00280301, VR: "CS", Value: []byte("YES ")}})
	data, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	w.stow("/studies", data).want(200)
	if _, parts := w.asking(web+"/studies/1.2.1.2", "").parts(206); len(parts) != 1 {
		t.Errorf("got %d files, want the one that is kept", len(parts))
	}
	quiet(t, w)
}

// The audit log has whom a search and a report showed, under names of its own, and
// addresses are those that a proxy which ends TLS is asked by.
func TestWhoIsSeenByDICOMwebIsRecorded(t *testing.T) {
	g := guard(t, rest.Options{}) // for its audit log
	w := patients(t, api.Privacy{}, rest.Options{Access: rest.Access{Audit: g.log, AuditReads: true, BehindTLS: true}})
	w.stow("/studies", apitest.DICOM(t, of(1, 1, 1, "CT"), 10), apitest.DICOM(t, of(1, 1, 2, "CT"), 30)).want(200)
	if urls := found(t, w.asking(web+"/studies", ""), "00081190"); !strings.HasPrefix(urls, "https://") {
		t.Errorf("RetrieveURL: got %s, want https", urls)
	}
	if l := g.last("searchStudies"); l.Counts["studies"] != 1 || len(l.Subjects) != 1 || strings.Contains(l.Subjects[0], "1.2.1.1") {
		t.Errorf("audit log of a search for studies: got %+v", l)
	}
	found(t, w.asking(web+"/instances", ""), tagInstance)
	if l := g.last("searchAllInstances"); l.Counts["instances"] != 2 {
		t.Errorf("audit log of a search for instances: got %+v", l)
	}
	w.asking(at+"/instances/1.2.1.1.1.2/report", "").want(200)
	if l := g.last("reportInstance"); l.Counts["instances"] < 2 {
		t.Errorf("audit log of a report: got %+v, want the image and those it is compared with", l)
	}
	quiet(t, w)
}

func TestReportsOfAnswers(t *testing.T) {
	w := hospital(t, api.Privacy{})
	for n, class := range []string{"dark", "light", "dark", "light"} {
		id := []string{"1.2.1.1.1.1", "1.2.1.2.1.1", "i0", "1.2.2.1.1.1"}[n]
		w.json(http.MethodPost, at+"/labels", fmt.Sprintf(`{"labels":[{"instance":%q,"task":"finding","classes":[%q]}]}`, id, class)).want(200)
	}
	const report = at + "/instances/1.2.1.1.1.2/report"
	r := decoded[map[string]any](w.asking(report, "").want(200))
	if r["resourceType"] != "DiagnosticReport" || r["status"] != "preliminary" || !strings.Contains(fmt.Sprint(r["conclusion"]), "Not a diagnosis") {
		t.Errorf("got %v", r)
	}
	for _, a := range []answer{w.asking(report+"?format=sr&tasks=finding", ""), w.asking(report, "application/dicom")} {
		if a.status != 200 || a.header.Get("Content-Type") != "application/dicom" || string(a.body[128:132]) != "DICM" || !bytes.Contains(a.body, []byte("Not a diagnosis")) {
			t.Errorf("%s: got %d %s", a.asked, a.status, a.header.Get("Content-Type"))
		}
	}
	if a := w.asking(report+"?format=fhir", "application/dicom"); a.header.Get("Content-Type") != "application/fhir+json" {
		t.Errorf("format counts before what is accepted: got %s", a.header.Get("Content-Type"))
	}
	w.asking(at+"/instances/i0/report", "").want(200)
	w.asking(at+"/instances/i0/report?format=sr", "").problem(404, "instance_not_found")
	w.asking(at+"/instances/none/report", "").problem(404, "instance_not_found")
	w.asking(report+"?format=pdf", "").problem(400, "query_parameter")
	w.asking(report, "image/png").problem(406, "not_acceptable")
	w.asking(report+"?tasks=none", "").problem(422, "task_not_found")
	quiet(t, w)
}
