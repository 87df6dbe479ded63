package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/api/apitest"
)

// web is where the DICOMweb service of the collection is.
const web = at + "/dicomweb"

// related is a body of multipart/related.
func related(t testing.TB, mediaType string, files ...[]byte) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range files {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {mediaType}})
		if err == nil {
			_, err = part.Write(f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("multipart/related; type=%q; boundary=%s", mediaType, w.Boundary()), b.String()
}

// stow sends files in one request.
func (w *world) stow(path string, files ...[]byte) answer {
	w.t.Helper()
	contentType, body := related(w.t, "application/dicom", files...)
	return w.private(http.MethodPost, web+path, contentType, body)
}

// object is a data set of DICOM JSON, and attribute an element of it.
type (
	object    = map[string]attribute
	attribute struct {
		VR           string `json:"vr"`
		Value        []any  `json:"Value"`
		BulkDataURI  string `json:"BulkDataURI"`
		InlineBinary string `json:"InlineBinary"`
	}
)

// first is the first value of an attribute, as text.
func first(o object, tag string) string {
	if len(o[tag].Value) == 0 {
		return ""
	}
	return fmt.Sprint(o[tag].Value[0])
}

// items are those of a sequence.
func items(t testing.TB, o object, tag string) (all []object) {
	t.Helper()
	text, err := json.Marshal(o[tag].Value)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sums says how many files an answer of STOW-RS says are stored, failed and failed
// without a name.
func sums(t testing.TB, a answer) string {
	t.Helper()
	o := decoded[object](a)
	return fmt.Sprintf("%d %d %d %d", a.status, len(items(t, o, "00081199")), len(items(t, o, "00081198")), len(items(t, o, "0008119A")))
}

// asking is a GET with an Accept header.
func (w *world) asking(path, accept string) answer {
	w.t.Helper()
	r := w.request(http.MethodGet, path, "", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	a := w.do(r)
	apitest.HoldsNone(w.t, a.asked, a.body)
	return a
}

// parts are those of a multipart answer, each with its content type before it.
func (a answer) parts(status int) (types []string, contents [][]byte) {
	a.t.Helper()
	mediaType, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if a.status != status || err != nil || mediaType != "multipart/related" {
		a.t.Fatalf("%s: got %d %s %.300q, want %d and parts", a.asked, a.status, a.header.Get("Content-Type"), a.body, status)
	}
	for r := multipart.NewReader(bytes.NewReader(a.body), params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return types, contents
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(p)
		}
		if err != nil {
			a.t.Fatalf("%s: %v", a.asked, err)
		}
		types, contents = append(types, p.Header.Get("Content-Type")), append(contents, content)
	}
}

// shared returns the DICOM files of the test data by name, and the names sorted.
func shared(t testing.TB) (files map[string][]byte, names []string) {
	t.Helper()
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	files, root = map[string][]byte{}, filepath.Join(root, "dicom")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, slices.Sorted(maps.Keys(files))
}
