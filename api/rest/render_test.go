package rest_test

import (
	"bytes"
	"fmt"
	"image"
	"net/http"
	"net/url"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/keys"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// An image that is not stored is shown as it would be if it were, and nothing of it
// is stored.
func TestAnImageThatIsNotStoredIsShown(t *testing.T) {
	w := patients(t, api.Privacy{Originals: api.Received}, rest.Options{})
	file := apitest.DICOM(t, of(2, 1, 1, "US"), 10, 90, 200)
	w.dicom("/instances", of(2, 1, 1, "US"), 10, 90, 200).want(200)
	before := w.stored()
	for _, query := range []string{"", "?frame=2", "?frame=3&window=100,50,linear-exact", "?levels=percentile&viewport=2,2"} {
		stored := w.get(at + "/instances/1.2.2.1.1.1:1/rendered" + query)
		mediaType, form := newForm(t).part("image", string(file)).close()
		for body, mediaType := range map[string]string{string(file): "application/dicom", form: mediaType} {
			got := w.private(http.MethodPost, "/v1/render"+query, mediaType, body)
			if got.status != 200 || stored.status != 200 || !bytes.Equal(got.body, stored.body) {
				t.Fatalf("render%s: got %d %.100q, want the %d bytes of the stored one", query, got.status, got.body, len(stored.body))
			}
			for _, name := range []string{"Nearcase-Frames", "Nearcase-Window", "Content-Type"} {
				if got.header.Get(name) != stored.header.Get(name) {
					t.Errorf("render%s: got %s %q, want %q", query, name, got.header.Get(name), stored.header.Get(name))
				}
			}
			if got.header.Get("Nearcase-Frames") != "3" || got.header.Get("ETag") != "" {
				t.Errorf("render%s: got headers %v, want three frames and no entity tag", query, got.header)
			}
		}
	}
	if got := w.send(http.MethodPost, "/v1/render?frame=3&window=100,50.5,linear-exact", "application/dicom", string(file)); got.header.Get("Nearcase-Window") != "100,50.5,linear-exact" {
		t.Errorf("the window asked for: got %q", got.header.Get("Nearcase-Window"))
	}
	if w.stored() != before {
		t.Error("something of the image is stored")
	}
	quiet(t, w)
}

// The window that is told may be asked for, and shows the same.
func TestTheWindowToldIsOneToAskFor(t *testing.T) {
	w := cases(t, 0)
	file := string(apitest.DICOM(t, of(1, 1, 1, "CT"), 10))
	first := w.send(http.MethodPost, "/v1/render", "application/dicom", file)
	window := first.header.Get("Nearcase-Window")
	again := w.send(http.MethodPost, "/v1/render?window="+url.QueryEscape(window), "application/dicom", file)
	if first.status != 200 || window == "" || !bytes.Equal(first.body, again.body) || again.header.Get("Nearcase-Window") != window {
		t.Errorf("by window %q: got %d %.100q, want the same picture", window, again.status, again.body)
	}
	plain := w.send(http.MethodPost, "/v1/render", "image/png", string(picture(t, 1)))
	if m, kind, err := image.Decode(bytes.NewReader(plain.body)); err != nil || kind != "png" || m.Bounds().Dx() != 16 {
		t.Errorf("a plain image: got %d, %v", plain.status, err)
	}
	if plain.header.Get("Nearcase-Window") != "" || plain.header.Get("Nearcase-Frames") != "1" {
		t.Errorf("a plain image: got headers %v, want one frame and no window", plain.header)
	}
}

func TestWhatCannotBeShownIsRefused(t *testing.T) {
	w := cases(t, 0)
	file, png := string(apitest.DICOM(t, of(1, 1, 1, "CT"), 10)), string(picture(t, 1))
	multipart, two := newForm(t).part("image", png).part("image", png).close()
	otherType, other := newForm(t).part("file", png).close()
	noneType, none := newForm(t).close()
	for _, c := range []struct {
		query, mediaType, body string
		status                 int
		code                   problem.Code
	}{
		{"?frame=2", "application/dicom", file, 400, "view_invalid"},
		{"?window=1,2", "image/png", png, 400, "view_invalid"},
		{"?window=1", "image/png", png, 400, "query_parameter"},
		{"?viewport=0,1", "image/png", png, 400, "query_parameter"},
		{"?levels=x", "image/png", png, 400, "query_parameter"},
		{"", "image/png", png[:60], 422, "image_corrupt"},
		{"", "image/png", "", 422, "image_empty"},
		{"", "application/octet-stream", "no image", 415, "image_unknown"},
		{"", "application/json", "{}", 415, "media_type_unknown"},
		{"", "image/png", png + string(make([]byte, 20_000)), 413, "image_too_large"},
		{"", multipart, two, 400, "multipart_invalid"},
		{"", otherType, other, 400, "multipart_invalid"},
		{"", noneType, none, 400, "no_images"},
		{"", otherType, other[:50], 400, "multipart_invalid"},
	} {
		w.send(http.MethodPost, "/v1/render"+c.query, c.mediaType, c.body).problem(c.status, c.code)
	}
	for what, bad := range apitest.Bad(t) {
		if a := w.send(http.MethodPost, "/v1/render", "application/octet-stream", string(bad)); a.status < 400 || a.status > 499 {
			t.Errorf("%s: got %d, want it refused", what, a.status)
		}
	}
	quiet(t, w)
}

// A key for one collection is enough: the image is of none.
func TestShowingTakesAKeyToRead(t *testing.T) {
	g := guard(t, rest.Options{})
	for scope, want := range map[keys.Scope]int{keys.Read: 200, keys.Label: 403} {
		r := g.request(http.MethodPost, "/v1/render", "image/png", bytes.NewReader(picture(t, 1)))
		r.Header.Set("Authorization", fmt.Sprint("Bearer ", g.key([]string{"cases"}, scope)))
		if a := g.do(r); a.status != want {
			t.Errorf("render by a key to %s: got %d %s, want %d", scope, a.status, a.body, want)
		}
	}
}
