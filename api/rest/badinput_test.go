package rest_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/embed"
)

// patients is a world with a key for patients and a collection "cases" that
// has one image. Files may have 1 MiB, also when inflated.
func patients(t testing.TB, privacy api.Privacy, o rest.Options) *world {
	t.Helper()
	privacy.Key = bytes.Repeat([]byte{7}, 32)
	o.MaxImageBytes = 1 << 20
	w := open(t, api.Options{Privacy: privacy, Limits: embed.Limits{Bytes: 1 << 20}}, o)
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants","tasks":[{"name":"finding","classes":["dark","light"]}]}`).want(201)
	w.form(at+"/instances", newForm(t).part("metadata", `{"id":"i0","patient":"p0","labels":{"finding":["dark"]}}`).part("image", string(picture(t, 0)))).want(200)
	return w
}

// stored is what the store has: what the API tells, and the originals kept.
func (w *world) stored() string {
	w.t.Helper()
	all := string(w.get("/v1/collections").want(200).body) + string(w.get(at+"/instances?limit=1000").want(200).body)
	err := filepath.WalkDir(filepath.Join(w.dir, "originals"), func(path string, _ fs.DirEntry, err error) error {
		all += path + "\n"
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// verdict is how an input is refused.
type verdict struct {
	status int
	code   problem.Code
	detail string // part of it
}

// Each kind of bad image has its own answer, whether it is to be stored or
// asked about, and leaves the store as it was.
func TestEachBadInputHasItsAnswer(t *testing.T) {
	t.Setenv("NEARCASE_CHARLS", filepath.Join(t.TempDir(), "libcharls.so.2"))
	w := patients(t, api.Privacy{}, rest.Options{})
	bad := apitest.Bad(t)
	bad["a DICOM file of JPEG-LS without CharLS"] = apitest.JPEGLS(t)
	verdicts := map[string]verdict{
		"a truncated PNG":                        {422, "image_corrupt", "unexpected EOF"},
		"a truncated DICOM file":                 {422, "image_corrupt", "has 11 bytes of 16"},
		"a DICOM element longer than its file":   {422, "image_corrupt", "has 16 bytes of 2147483632"},
		"a PNG of 100,000 × 100,000 pixels":      {413, "image_too_large", "100000 x 100000"},
		"a TIFF of 100,000 × 100,000 pixels":     {413, "image_too_large", "100000 x 100000"},
		"a PNG with more than its pixels":        {422, "image_corrupt", "too much pixel data"},
		"a deflated DICOM file beyond limits":    {413, "image_too_large", "deflated data set of more than 1048576 bytes"},
		"a DICOM file without pixels":            {422, "no_pixels", "no pixel data"},
		"a DICOM file of MPEG-2":                 {415, "image_unsupported", "1.2.840.10008.1.2.4.100"},
		"a DICOM file whose JPEG is no JPEG":     {422, "image_corrupt", "without a frame header"},
		"a DICOM file whose JPEG-LS is damaged":  {422, "image_corrupt", "without a frame header"},
		"a DICOM file of JPEG-LS without CharLS": {415, "codec_missing", "install libcharls2"},
	}
	before := w.stored()
	for fact, data := range bad {
		want, ok := verdicts[fact]
		if !ok {
			t.Errorf("%s: no answer is known", fact)
		}
		for _, route := range []string{"/instances", "/similar", "/classify"} {
			p := w.send(http.MethodPost, at+route, "application/octet-stream", string(data)).problem(want.status, want.code)
			if !strings.Contains(p.Detail, want.detail) {
				t.Errorf("%s to %s: got %q, want %q in it", fact, route, p.Detail, want.detail)
			}
		}
		if after := w.stored(); after != before {
			t.Errorf("%s: the store has changed\nfrom %s\nto   %s", fact, before, after)
		}
	}
	quiet(t, w)
}

// quiet fails if a log has an error, or anything of the patient.
func quiet(t *testing.T, w *world) {
	t.Helper()
	log := w.log.String()
	if strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("log: got %s, want no errors of the server", log)
	}
	apitest.HoldsNone(t, "the log", []byte(log))
}

func TestEachBadArchiveHasItsAnswer(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	verdicts := map[string]verdict{
		"a zip entry that inflates beyond the limit": {413, "image_too_large", "more than 1048576 bytes"},
		"a truncated zip":            {422, "source_invalid", "no zip archive"},
		"a zip with a forged length": {422, "source_invalid", "entries overlap"},
		"a zip without an image":     {422, "source_invalid", "no images in the archive of 1 entries"},
		"a zip with a damaged entry": {422, "source_invalid", "damaged in the archive"},
	}
	before := w.stored()
	for fact, data := range apitest.BadArchives(t) {
		want, ok := verdicts[fact]
		if !ok {
			t.Errorf("%s: no answer is known", fact)
		}
		mediaType, form := newForm(t).part("image", string(data)).close()
		for _, sent := range [][2]string{{"application/zip", string(data)}, {mediaType, form}} {
			p := w.send(http.MethodPost, at+"/instances", sent[0], sent[1]).problem(want.status, want.code)
			if !strings.Contains(p.Detail, want.detail) {
				t.Errorf("%s: got %q, want %q in it", fact, p.Detail, want.detail)
			}
		}
		if after := w.stored(); after != before {
			t.Errorf("%s: the store has changed\nfrom %s\nto   %s", fact, before, after)
		}
	}
	quiet(t, w)
}

// DICOM files of the test data that have no image, or end early.
func TestDICOMWithoutAnImageIsRefused(t *testing.T) {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	w := patients(t, api.Privacy{}, rest.Options{})
	before := w.stored()
	for name, want := range map[string]verdict{
		"rtplan.dcm": {422, "no_pixels", "RT plan"}, "test-SR.dcm": {422, "no_pixels", "structured report"},
		"rtplan_truncated.dcm": {422, "image_corrupt", "at byte"},
	} {
		data, err := os.ReadFile(filepath.Join(root, "dicom/pydicom/src/pydicom/data/test_files", name))
		if err != nil {
			t.Fatal(err)
		}
		p := w.send(http.MethodPost, at+"/instances", "application/dicom", string(data)).problem(want.status, want.code)
		if !strings.Contains(p.Detail, want.detail) || w.stored() != before {
			t.Errorf("%s: got %q, want %q in it, and the store as it was: %v", name, p.Detail, want.detail, w.stored() == before)
		}
	}
}

// Without a key there is nothing to call a DICOM file's patient by.
func TestDICOMWithoutAKeyIsRefused(t *testing.T) {
	w := cases(t, 1)
	p := w.send(http.MethodPost, at+"/instances", "application/dicom", string(apitest.DICOM(t, apitest.Jane, 10))).problem(409, "patient_key")
	if !strings.Contains(p.Detail, "made without one") {
		t.Errorf("got %q, want what is missing", p.Detail)
	}
	apitest.HoldsNone(t, "the answer", fmt.Append(nil, p))
}
