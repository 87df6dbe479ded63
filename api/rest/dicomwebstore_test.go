package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
)

// The status is that of PS3.18, table 10.5.3-1.
func TestStoringByDICOMweb(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{MaxFiles: 5})
	a, b := apitest.DICOM(t, of(1, 1, 1, "CT"), 10), apitest.DICOM(t, of(1, 1, 2, "CT"), 20)
	other := apitest.DICOM(t, of(2, 1, 1, "MR"), 30)
	frames, others := apitest.DICOM(t, of(3, 1, 1, "US"), 1, 2), apitest.DICOM(t, of(3, 1, 1, "US"), 1, 3)
	for _, c := range []struct {
		name  string
		path  string
		files [][]byte
		want  string // status, stored, failed, others
	}{
		{"all", "/studies", [][]byte{a, b}, "200 2 0 0"},
		{"again, which is no error", "/studies", [][]byte{a, b}, "200 2 0 0"},
		{"frames, twice in a row", "/studies", [][]byte{frames, frames}, "200 2 0 0"},
		{"frames, and others of the UID", "/studies", [][]byte{frames, others, frames}, "202 2 1 0"},
		{"in their study", "/studies/1.2.1.1", [][]byte{a}, "200 1 0 0"},
		{"some in another study", "/studies/1.2.1.1", [][]byte{a, other}, "202 1 1 0"},
		{"none of the study", "/studies/1.2.9", [][]byte{a, other}, "409 0 2 0"},
		{"another file of the UID", "/studies", [][]byte{apitest.DICOM(t, of(1, 1, 1, "CT"), 11)}, "409 0 1 0"},
		{"some that cannot be read", "/studies", [][]byte{other, a[:len(a)-5], []byte("hello")}, "202 1 0 2"},
		{"one larger than it may be", "/studies", [][]byte{a, make([]byte, 2<<20)}, "202 1 0 1"},
		{"more than there may be", "/studies", [][]byte{a, a, a, a, a, a}, "202 5 0 1"},
	} {
		if got := sums(t, w.stow(c.path, c.files...)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	one := decoded[object](w.private(http.MethodPost, web+"/studies", "application/dicom", string(b)).want(200))
	item := items(t, one, "00081199")[0]
	url := w.url + web + "/studies/1.2.1.1"
	if first(one, "00081190") != url || first(item, "00081190") != url+"/series/1.2.1.1.1/instances/1.2.1.1.1.2" ||
		first(item, "00081150") != "1.2.840.10008.5.1.4.1.1.7" || first(item, "00081155") != "1.2.1.1.1.2" || first(item, "00081196") != "45056" {
		t.Errorf("an instance by itself: got %v", one)
	}
	quiet(t, w)
}

func TestWhatIsKeptAsItCameHasNoWarning(t *testing.T) {
	w := patients(t, api.Privacy{Originals: api.Received}, rest.Options{})
	o := decoded[object](w.stow("/studies", apitest.DICOM(t, of(1, 1, 1, "CT"), 10)).want(200))
	if item := items(t, o, "00081199")[0]; first(item, "00081196") != "" {
		t.Errorf("got %v, want no warning", item)
	}
	quiet(t, w)
}

func TestBodiesThatAreNotDICOMweb(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{MaxBody: 100_000})
	file := string(apitest.DICOM(t, of(1, 1, 1, "CT"), 10))
	before := w.stored()
	related := func(head, body string) answer {
		return w.private(http.MethodPost, web+"/studies", head, strings.ReplaceAll(body, "\n", "\r\n"))
	}
	for _, c := range []struct {
		name, head, body string
		status           int
		code             string
	}{
		{"no type", "", file, 400, "dicomweb_invalid"},
		{"another type", "image/png", file, 415, "dicomweb_media_type"},
		{"a form", "multipart/form-data; boundary=x", "--x\n\n\n--x--", 415, "dicomweb_media_type"},
		{"parts of JSON", `multipart/related; type="application/dicom+json"; boundary=x`, "--x\n\n[]\n--x--", 415, "dicomweb_media_type"},
		{"no boundary", "multipart/related; type=application/dicom", "", 400, "dicomweb_invalid"},
		{"no parts", "multipart/related; boundary=x", "--x--", 400, "no_images"},
		{"a body that ends early", "multipart/related; boundary=x", "--x\n\nabc", 400, "body_broken"},
		{"nothing", "multipart/related; boundary=x", "", 400, "body_broken"},
		{"a part that is none", "multipart/related; boundary=x", "--x\nno header\n\nabc\n--x--", 400, "dicomweb_invalid"},
		{"a body larger than it may be", "multipart/related; boundary=x", "--x\n\n" + strings.Repeat("x", 200_000) + "\n--x--", 413, "body_too_large"},
	} {
		if p := related(c.head, c.body).want(c.status); !strings.Contains(string(p.body), `"code":"`+c.code+`"`) {
			t.Errorf("%s: got %s, want %s", c.name, p.body, c.code)
		}
	}
	one := w.private(http.MethodPost, web+"/studies", "multipart/related; boundary=x", "--x\r\nContent-Type: text/plain\r\n\r\nabc\r\n--x--")
	if got := sums(t, one); got != "409 0 0 1" {
		t.Errorf("a part of text: got %s, want it refused alone", got)
	}
	if w.stored() != before {
		t.Error("something was stored")
	}
	r := w.request(http.MethodPost, web+"/studies", "application/dicom", strings.NewReader(file))
	r.Header.Set("Accept", "application/dicom+xml")
	w.do(r).problem(406, "not_acceptable")
	w.private(http.MethodPost, "/v1/collections/none/dicomweb/studies", "application/dicom", file).problem(404, "collection_not_found")
	quiet(t, w)
}

// What came before a body broke off stays stored, and the answer says that there
// was more.
func TestABodyThatBreaksOffKeepsWhatCameBefore(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	var files [][]byte
	for n := range 150 { // more than are read before some are stored
		files = append(files, apitest.DICOM(t, of(1, 1, n+1, "CT"), byte(n)))
	}
	contentType, body := related(t, "application/dicom", files...)
	got := w.private(http.MethodPost, web+"/studies", contentType, body[:len(body)-200])
	if s := sums(t, got); s != "202 149 0 1" {
		t.Errorf("got %s, want 149 stored", s)
	}
	quiet(t, w)
}

// Files are stored while others are still to come: the sender of a study need not
// have all of it at hand, and nor need the server.
func TestFilesAreStoredWhileTheyArrive(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	r, body := io.Pipe()
	defer r.Close()
	sent := make(chan error, 1)
	go func() {
		for n := range 400 {
			part := append([]byte("--x\r\nContent-Type: application/dicom\r\n\r\n"), apitest.DICOM(t, of(1, 1, n+1, "CT"), byte(n))...)
			if _, err := body.Write(append(part, "\r\n"...)); err != nil {
				sent <- err
				return
			}
			if n == 300 {
				if err := w.untilFound("/studies/1.2.1.1/instances?limit=1"); err != nil {
					sent <- err
					_ = body.CloseWithError(err)
					return
				}
			}
		}
		_, err := body.Write([]byte("--x--\r\n"))
		sent <- err
		_ = body.Close()
	}()
	got := w.do(w.request(http.MethodPost, web+"/studies", `multipart/related; type="application/dicom"; boundary=x`, r))
	if s := sums(t, got); s != "200 400 0 0" {
		t.Errorf("got %s, want 400 stored", s)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	quiet(t, w)
}

// untilFound asks until a query finds something.
func (w *world) untilFound(path string) error {
	for {
		response, err := w.http.Get(w.url + web + path)
		if err != nil {
			return err
		}
		var found []object
		err = json.NewDecoder(response.Body).Decode(&found)
		if response.Body.Close(); err != nil || len(found) > 0 {
			return err
		}
	}
}

// opinion is what others make of a file: see testdata/dicomweb.py.
type opinion struct {
	Reason string
	Named  bool
}

// reviewed is what is right for files of which the others say something else.
var reviewed = map[string]opinion{
	// Without meta information they are read here all the same, and are RT objects.
	inPydicom + "ExplVR_BigEndNoMeta.dcm": {Reason: "0122", Named: true},
	inPydicom + "ExplVR_LitEndNoMeta.dcm": {Reason: "0122", Named: true},
	inPydicom + "rtstruct.dcm":            {Reason: "0122", Named: true},
	// They are truncated, which the others overlook, or have lengths that
	// contradict each other.
	inPydicom + "MR_truncated.dcm":                {Reason: "C000"},
	inPydicom + "rtplan_truncated.dcm":            {Reason: "C000"},
	inPydicom + "dicomdirtests/DICOMDIR-nooffset": {Reason: "C000"},
	// A number of frames that is none, and a stream of 3,722,445,056 columns: what
	// has the same UID is then the first.
	inPydicom + "badVR.dcm":                                {Reason: "C000", Named: true},
	inPydicom + "JPEG2000-embedded-sequence-delimiter.dcm": {Reason: "C000", Named: true},
	inPydicom + "rtdose.dcm":                               {Reason: "0"},
	inPydicom + "JPEG2000.dcm":                             {Reason: "0"},
}

const inPydicom = "pydicom/src/pydicom/data/test_files/"

// Every file of the test data fares as pydicom and GDCM say, all in one request;
// DCMTK reads what is sent of them, and decodes the same pixels.
func TestEveryFileOfTheTestDataByDICOMweb(t *testing.T) {
	files, names := shared(t)
	text, err := os.ReadFile("testdata/dicomweb.json")
	if err != nil {
		t.Fatal(err)
	}
	var opinions map[string]opinion
	if err := json.Unmarshal(text, &opinions); err != nil || len(opinions) != len(names) {
		t.Fatalf("%d opinions of %d files, %v", len(opinions), len(names), err)
	}
	w := open(t, api.Options{Privacy: api.Privacy{Key: bytes.Repeat([]byte{7}, 32)}}, rest.Options{})
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants"}`).want(201)
	all, want := [][]byte{}, map[string][]string{} // the files, and their reasons by what lists them
	for _, name := range names {
		o := opinions[name]
		if r, ok := reviewed[name]; ok {
			o = r
		}
		list := "00081198"
		switch {
		case o.Reason == "0":
			list = "00081199"
		case !o.Named:
			list = "0008119A"
		}
		all, want[list] = append(all, files[name]), append(want[list], o.Reason+" "+name)
	}
	contentType, body := related(t, "application/dicom", all...)
	got := decoded[object](w.send(http.MethodPost, web+"/studies", contentType, body).want(202))
	for list, reasons := range want {
		found := items(t, got, list)
		if len(found) != len(reasons) {
			t.Errorf("%s has %d files, want %d", list, len(found), len(reasons))
			continue
		}
		for i, item := range found { // in the order sent
			if r := reasonOf(item); !strings.HasPrefix(reasons[i], r+" ") {
				t.Errorf("got %s (%s), want %s", r, first(item, "00000902"), reasons[i])
			}
		}
	}
	t.Run("DCMTK", func(t *testing.T) { readByDCMTK(t, w) })
	quiet(t, w)
}

// reasonOf is why an answer says that a file failed, 0 if it did not.
func reasonOf(item object) string {
	reason, ok := item["00081197"]
	if !ok {
		return "0"
	}
	return fmt.Sprintf("%04X", int(reason.Value[0].(float64)))
}
