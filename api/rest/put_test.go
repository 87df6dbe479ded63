package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	"net/http"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// with sends a request with more headers: names and values by turns.
func (w *world) with(method, path, mediaType, body string, headers ...string) answer {
	w.t.Helper()
	r := w.request(method, path, mediaType, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.do(r)
}

func (w *world) put(id string, seed uint64, headers ...string) answer {
	w.t.Helper()
	return w.with(http.MethodPut, at+"/instances/"+id, "image/png", string(picture(w.t, seed)), headers...)
}

func TestAnInstanceIsPutUnderAnID(t *testing.T) {
	w := cases(t, 0)
	made := w.put("x%2F1", 1).want(201)
	if got := decoded[api.Instance](made); got.ID != "x/1" || made.header.Get("ETag") != fmt.Sprintf("%q", fmt.Sprint(got.Key)) || made.header.Get("Location") != at+"/instances/x%2F1" {
		t.Errorf("got %+v at %s with ETag %s", got, made.header.Get("Location"), made.header.Get("ETag"))
	}
	if again := w.put("x%2F1", 1).want(200); again.header.Get("ETag") != made.header.Get("ETag") {
		t.Errorf("the same again: got ETag %s, want %s", again.header.Get("ETag"), made.header.Get("ETag"))
	}
	replaced := w.put("x%2F1", 2).want(200)
	if replaced.header.Get("ETag") == made.header.Get("ETag") {
		t.Errorf("another image: got the same ETag %s", replaced.header.Get("ETag"))
	}
	if got := w.get(at + "/instances/x%2F1").want(200).header.Get("ETag"); got != replaced.header.Get("ETag") {
		t.Errorf("GET: got ETag %s, want %s", got, replaced.header.Get("ETag"))
	}
	mediaType, form := newForm(t).part("metadata", `{"patient":"p9","labels":{"finding":["dark"]}}`).part("image", string(picture(t, 3))).close()
	got := decoded[api.Instance](w.send(http.MethodPut, at+"/instances/y?source=me", mediaType, form).want(201))
	if got.Patient != "p9" || got.Labels["finding"].Source != "me" || got.Labels["finding"].Classes[0] != "dark" {
		t.Errorf("PUT of a form: got %+v", got)
	}
}

func TestAChangeMayExpectWhatIsThere(t *testing.T) {
	w := cases(t, 0)
	first := w.put("x", 1, "If-None-Match", "*").want(201).header.Get("ETag")
	w.put("x", 2, "If-None-Match", "*").problem(412, "instance_changed")
	w.put("x", 2, "If-Match", `"999"`).problem(412, "instance_changed")
	w.put("x", 2, "If-Match", "W/"+first).problem(412, "instance_changed")
	w.put("none", 2, "If-Match", "*").problem(412, "instance_changed")
	w.put("x", 2, "If-Match", first, "If-None-Match", "*").problem(400, problem.HeaderInvalid)
	w.put("x", 2, "If-None-Match", first).problem(400, problem.HeaderInvalid)
	second := w.put("x", 2, "If-Match", `"7", `+first).want(200).header.Get("ETag")
	w.put("x", 3, "If-Match", first).problem(412, "instance_changed")
	w.with(http.MethodDelete, at+"/instances/x", "", "", "If-Match", first).problem(412, "instance_changed")
	w.put("x", 4, "If-Match", "*").want(200)
	w.with(http.MethodDelete, at+"/instances/x", "", "", "If-Match", second).problem(412, "instance_changed")
	last := w.get(at + "/instances/x").want(200).header.Get("ETag")
	w.with(http.MethodDelete, at+"/instances/x", "", "", "If-Match", last).want(204)
}

func TestWhatIsNoSingleImageIsNotPut(t *testing.T) {
	w := cases(t, 1)
	path := at + "/instances/x"
	zip := string(apitest.Zip(t, map[string][]byte{"a.png": picture(t, 1), "b.png": picture(t, 2)}, "a.png", "b.png"))
	w.send(http.MethodPut, path, "application/zip", zip).problem(415, problem.MediaTypeUnknown)
	w.send(http.MethodPut, path, "image/png", zip).problem(413, problem.TooManyImages)
	w.send(http.MethodPut, path, "application/x-ndjson", "{}\n").problem(415, problem.MediaTypeUnknown)
	w.send(http.MethodPut, path, "image/png", "no image at all, just text").problem(415, "image_unknown")
	w.send(http.MethodPut, path, "image/png", "").problem(422, "image_empty")
	mediaType, two := newForm(t).part("image", string(picture(t, 3))).part("image", string(picture(t, 4))).close()
	w.send(http.MethodPut, path, mediaType, two).problem(413, problem.TooManyImages)
	mediaType, none := newForm(t).close()
	w.send(http.MethodPut, path, mediaType, none).problem(400, problem.NoImages)
	mediaType, other := newForm(t).part("metadata", `{"id":"y"}`).part("image", string(picture(t, 3))).close()
	w.send(http.MethodPut, path, mediaType, other).problem(422, "invalid")
	w.send(http.MethodPut, "/v1/collections/none/instances/x", "image/png", string(picture(t, 1))).problem(404, "collection_not_found")
	w.get(path).problem(404, "instance_not_found")
}

// shown decodes a picture that was answered.
func (a answer) shown(kind string) image.Image {
	a.t.Helper()
	m, found, err := image.Decode(bytes.NewReader(a.body))
	if err != nil || found != kind || a.status != 200 || a.header.Get("Content-Type") != "image/"+kind {
		a.t.Fatalf("%s: got %d %s %s, %v, want a picture as %s", a.asked, a.status, a.header.Get("Content-Type"), found, err, kind)
	}
	return m
}

func TestAnInstanceIsShown(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	who := of(1, 1, 1, "CT")
	w.dicom("/instances", who, 10, 60, 200).want(200)
	path := at + "/instances/" + who.Instance
	full := w.get(path + "/rendered").shown("png")
	dark := w.get(path + "/rendered?window=1000,10").shown("png")
	if full.Bounds() != dark.Bounds() || grey(dark, 0, 0) != 0 {
		t.Errorf("a window above all values: got %v of level %d, want black", dark.Bounds(), grey(dark, 0, 0))
	}
	if light := w.get(path + "/rendered?window=-1000,10,linear-exact").shown("png"); grey(light, 0, 0) != 255 {
		t.Errorf("a window below all values: got level %d, want white", grey(light, 0, 0))
	}
	if small := w.get(path + "/rendered?viewport=1,1").shown("png"); small.Bounds().Dx() != 1 || small.Bounds().Dy() != 1 {
		t.Errorf("viewport=1,1: got %v", small.Bounds())
	}
	w.get(path + "/rendered?frame=1&levels=percentile").shown("png")
	if b := w.get(path + "/thumbnail").shown("jpeg").Bounds(); b.Dx() > 256 || b.Dy() > 256 {
		t.Errorf("thumbnail: got %v", b)
	}
	for query, code := range map[string]problem.Code{
		"frame=9": "view_invalid", "frame=0": problem.QueryParameter, "window=1": problem.QueryParameter, "window=a,b": problem.QueryParameter,
		"window=1,0": problem.QueryParameter, "window=NaN,1": "view_invalid", "window=1,2,cubic": problem.QueryParameter, "window=1,2,linear,x": problem.QueryParameter,
		"levels=bright": problem.QueryParameter, "viewport=5": problem.QueryParameter, "viewport=0,5": problem.QueryParameter, "viewport=-1,5": problem.QueryParameter,
		"size=5": problem.QueryParameter,
	} {
		w.get(path+"/rendered?"+query).problem(400, code)
	}
	w.get(at+"/instances/none/rendered").problem(404, "instance_not_found")
	w.get(at+"/instances/none/thumbnail").problem(404, "instance_not_found")
}

func grey(m image.Image, x, y int) uint8 {
	return color.GrayModel.Convert(m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y)).(color.Gray).Y
}

// MONOCHROME1 is white where its values are least, so that the same values are
// shown inverted.
func TestMonochrome1IsShownInverted(t *testing.T) {
	w := patients(t, api.Privacy{}, rest.Options{})
	var shown [2]image.Image
	for n, photometric := range []string{"MONOCHROME2", "MONOCHROME1"} {
		who := of(1, 1, n+1, "CR")
		data := bytes.Replace(apitest.DICOM(t, who, 10, 200), []byte("MONOCHROME2 "), []byte(photometric+" "), 1)
		w.send(http.MethodPost, at+"/instances", "application/dicom", string(data)).want(200)
		shown[n] = w.get(at + "/instances/" + who.Instance + "/rendered?frame=1&window=100,200,linear-exact").shown("png")
	}
	b := shown[0].Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			if a, b := grey(shown[0], x, y), grey(shown[1], x, y); int(a)+int(b) < 254 || int(a)+int(b) > 256 {
				t.Fatalf("at %d, %d: got levels %d and %d, want one the inverse of the other", x, y, a, b)
			}
		}
	}
}

func TestAVectorIsAnsweredAsItsReaderAccepts(t *testing.T) {
	w := cases(t, 2)
	a := w.get(at + "/instances/i1/vector").want(200)
	v := decoded[api.Vector](a)
	if len(v.Vector) != 12 || v.ID != "i1" || v.Fingerprint == "" || a.header.Get("Nearcase-Fingerprint") != v.Fingerprint || a.header.Get("Nearcase-Model") != "quadrants" {
		t.Errorf("got %+v with %v", v, a.header)
	}
	raw := w.with(http.MethodGet, at+"/instances/i1/vector", "", "", "Accept", "application/octet-stream")
	if raw.status != 200 || !bytes.Equal(raw.body, v.Bytes()) || raw.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("as bytes: got %d %s, %d bytes", raw.status, raw.header.Get("Content-Type"), len(raw.body))
	}
	// Whoever has the vector can ask by it and store it elsewhere.
	query, err := json.Marshal(map[string]any{"vector": v.Vector, "fingerprint": v.Fingerprint, "k": 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := decoded[api.Similar](w.json(http.MethodPost, at+"/similar", string(query)).want(200)); len(got.Cases) != 1 || got.Cases[0].ID != "i1" {
		t.Errorf("similar by it: got %+v", got.Cases)
	}
	w.get(at+"/instances/none/vector").problem(404, "instance_not_found")
}

func TestWhatTheSenderHasIsNotSentAgain(t *testing.T) {
	w := cases(t, 1)
	for _, what := range []string{"original", "rendered", "thumbnail", "vector", "rendered?viewport=8,8"} {
		path := at + "/instances/i0/" + what
		first := w.get(path)
		tag := first.header.Get("ETag")
		if first.status != 200 || tag == "" || first.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d with ETag %s and Cache-Control %q", what, first.status, tag, first.header.Get("Cache-Control"))
		}
		for _, known := range []string{tag, "W/" + tag, `"0", ` + tag, "*"} {
			if again := w.with(http.MethodGet, path, "", "", "If-None-Match", known); again.status != 304 || len(again.body) > 0 || again.header.Get("ETag") != tag || again.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s with If-None-Match %s: got %d and %d bytes, want 304 and none", what, known, again.status, len(again.body))
			}
		}
		if other := w.with(http.MethodGet, path, "", "", "If-None-Match", `"0"`); other.status != 200 || len(other.body) == 0 {
			t.Errorf("%s with another ETag: got %d", what, other.status)
		}
	}
	tag := w.get(at + "/instances/i0/thumbnail").header.Get("ETag")
	w.put("i0", 77).want(200)
	if a := w.with(http.MethodGet, at+"/instances/i0/thumbnail", "", "", "If-None-Match", tag); a.status != 200 || a.header.Get("ETag") == tag {
		t.Errorf("thumbnail of another image: got %d with ETag %s, want a new one", a.status, a.header.Get("ETag"))
	}
}
