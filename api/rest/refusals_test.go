package rest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// refusal is a request that is to be refused, and how.
type refusal struct {
	name         string
	method, path string
	mediaType    string
	body         string
	status       int
	code         problem.Code
	detail       string // part of it
}

const at = "/v1/collections/cases"

// check sends every request and wants its refusal, and the store as it was.
func check(t *testing.T, refusals []refusal) {
	t.Helper()
	w := cases(t, 4)
	w.json(http.MethodPost, "/v1/collections", `{"name":"bare","model":"quadrants","discard_originals":true}`).want(201)
	w.form("/v1/collections/bare/instances", newForm(t).part("metadata", `{"id":"i0"}`).part("image", string(picture(t, 77)))).want(200)
	before := w.contents()
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			w.t = t
			p := w.send(r.method, r.path, r.mediaType, r.body).problem(r.status, r.code)
			if !strings.Contains(p.Detail, r.detail) {
				t.Errorf("%s %s: got detail %q, want %q in it", r.method, r.path, p.Detail, r.detail)
			}
			if after := w.contents(); after != before {
				t.Errorf("%s %s: the store has changed\nfrom %s\nto   %s", r.method, r.path, before, after)
			}
		})
	}
	w.t = t
	if log := w.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("log: got %s, want no errors of the server", log)
	}
}

// contents is all that the API tells of what is stored.
func (w *world) contents() string {
	w.t.Helper()
	var all strings.Builder
	for _, path := range []string{"/v1/collections", at + "/instances?limit=1000", "/v1/collections/bare/instances?limit=1000"} {
		all.Write(w.get(path).want(200).body)
	}
	return all.String()
}

func TestRoutesRefuseWhatTheyDoNotKnow(t *testing.T) {
	j := "application/json"
	check(t, []refusal{
		{"an unknown route", "GET", "/v2/collections", "", "", 404, "route_not_found", ""},
		{"a collection without a name", "GET", "/v1/collections/", "", "", 404, "route_not_found", ""},
		{"a wrong method", "PUT", "/v1/collections", "", "", 405, "method_not_allowed", ""},
		{"a wrong method on a parameter", "POST", at, j, "{}", 405, "method_not_allowed", ""},
		{"an unknown query parameter", "GET", at + "?verbose=true", "", "", 400, "query_parameter", `"verbose"`},
		{"another route's query parameter", "POST", at + "/similar?limit=3", j, `{"instance":"i0"}`, 400, "query_parameter", `"limit"`},
		{"a query parameter given twice", "GET", at + "/instances?limit=1&limit=2", "", "", 400, "query_parameter", "2 times"},
		{"a limit that is no number", "GET", at + "/instances?limit=many", "", "", 400, "query_parameter", "limit"},
		{"a negative limit", "GET", at + "/instances?limit=-1", "", "", 400, "query_parameter", "limit"},
		{"a key that is no number", "GET", at + "/instances?after=x", "", "", 400, "query_parameter", "after"},
		{"replace neither true nor false", "POST", at + "/instances?replace=maybe", "image/png", "x", 400, "query_parameter", "replace"},
		{"a query that cannot be read", "GET", at + "/instances?limit=%zz", "", "", 400, "query_parameter", ""},
	})
}

func TestJSONIsReadStrictly(t *testing.T) {
	j, create := "application/json", "/v1/collections"
	check(t, []refusal{
		{"an unknown key", "POST", create, j, `{"name":"x","model":"quadrants","colour":"red"}`, 400, "json_invalid", `"colour"`},
		{"an unknown key inside", "POST", at + "/labels", j, `{"labels":[{"instance":"i0","task":"finding","class":"dark"}]}`, 400, "json_invalid", `"class"`},
		{"more after the value", "POST", create, j, `{"name":"x","model":"quadrants"}{}`, 400, "json_invalid", "more"},
		{"rubbish after the value", "POST", create, j, `{"name":"x","model":"quadrants"}]`, 400, "json_invalid", ""},
		{"a value of the wrong kind", "POST", at + "/similar", j, `{"instance":"i0","k":"three"}`, 400, "json_invalid", `"k"`},
		{"a list for an object", "POST", at + "/similar", j, `[]`, 400, "json_invalid", ""},
		{"no JSON", "POST", at + "/tasks", j, `tasks: []`, 400, "json_invalid", ""},
		{"half a value", "POST", at + "/tasks", j, `{"tasks":[`, 400, "json_invalid", "ends early"},
		{"nothing", "POST", at + "/labels", j, "", 400, "json_invalid", "ends early"},
		{"a content type that is not JSON's", "POST", at + "/labels", "text/plain", `{"labels":[]}`, 415, "media_type_unknown", "application/json"},
		{"no content type", "POST", at + "/labels", "", `{"labels":[]}`, 415, "media_type_unknown", "application/json"},
		{"too much", "POST", at + "/labels", j, `{"labels":[` + strings.Repeat(" ", 32<<20) + `]}`, 413, "body_too_large", "33554432"},
		{"a number beyond float32", "POST", at + "/similar", j, `{"vector":[1e99]}`, 400, "json_invalid", "vector"},
	})
}

func TestWhatIsNotThereIsRefused(t *testing.T) {
	j, none := "application/json", "/v1/collections/none"
	image := string(picture(t, 1))
	check(t, []refusal{
		{"collection", "GET", none, "", "", 404, "collection_not_found", "cases"},
		{"collection to drop", "DELETE", none + "?confirm=none", "", "", 404, "collection_not_found", ""},
		{"collection to list", "GET", none + "/instances", "", "", 404, "collection_not_found", ""},
		{"collection to declare in", "POST", none + "/tasks", j, `{"tasks":[]}`, 404, "collection_not_found", ""},
		{"collection to ingest into", "POST", none + "/instances", "image/png", image, 404, "collection_not_found", ""},
		{"collection to label in", "POST", none + "/labels", j, `{"labels":[]}`, 404, "collection_not_found", ""},
		{"collection to search", "POST", none + "/similar", "image/png", image, 404, "collection_not_found", ""},
		{"collection to classify in", "POST", none + "/classify", "image/png", image, 404, "collection_not_found", ""},
		{"collection with probes", "GET", none + "/probes", "", "", 404, "collection_not_found", ""},
		{"collection to evaluate", "POST", none + "/evaluate", j, `{}`, 404, "collection_not_found", ""},
		{"collection to reindex", "POST", none + "/reindex", j, `{}`, 404, "collection_not_found", ""},
		{"instance", "GET", at + "/instances/i9", "", "", 404, "instance_not_found", "i9"},
		{"instance to delete", "DELETE", at + "/instances/i9", "", "", 404, "instance_not_found", ""},
		{"instance whose original is wanted", "GET", at + "/instances/i9/original", "", "", 404, "instance_not_found", ""},
		{"original", "GET", "/v1/collections/bare/instances/i0/original", "", "", 404, "original_not_stored", ""},
		{"instance to label", "POST", at + "/labels", j, `{"labels":[{"instance":"i0","task":"finding","classes":["dark"]},{"instance":"i9","task":"finding","classes":["dark"]}]}`, 422, "instance_not_found", "i9"},
		{"instance to compare", "POST", at + "/similar", j, `{"instance":"i9"}`, 422, "instance_not_found", "i9"},
		{"model", "POST", "/v1/collections", j, `{"name":"x","model":"none"}`, 422, "model_not_found", "none"},
		{"task to label for", "POST", at + "/labels", j, `{"labels":[{"instance":"i0","task":"age","classes":["old"]}]}`, 422, "task_not_found", "finding"},
		{"class to label with", "POST", at + "/labels", j, `{"labels":[{"instance":"i0","task":"finding","classes":["grey"]}]}`, 422, "class_not_found", "grey"},
		{"task to classify for", "POST", at + "/classify", j, `{"instance":"i0","tasks":["age"]}`, 422, "task_not_found", "age"},
		{"task to evaluate", "POST", at + "/evaluate", j, `{"task":"age"}`, 422, "task_not_found", "age"},
		{"engine", "POST", at + "/reindex", j, `{"engine":"magic"}`, 422, "invalid", "magic"},
		{"task to find labelled cases of", "POST", at + "/similar", j, `{"instance":"i0","filter":{"task":"age","labelled":true}}`, 422, "task_not_found", "finding"},
		{"class to find cases of", "POST", at + "/similar", j, `{"instance":"i0","filter":{"task":"finding","has":["grey"]}}`, 422, "class_not_found", "grey"},
	})
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	j, fit := "application/json", "/v1/collections"
	check(t, []refusal{
		{"a collection's name with capitals", "POST", fit, j, `{"name":"Cases","model":"quadrants"}`, 422, "invalid", "Cases"},
		{"a collection's name in use", "POST", fit, j, `{"name":"cases","model":"quadrants"}`, 409, "collection_exists", "cases"},
		{"another model's fingerprint", "POST", fit, j, `{"name":"x","model":"quadrants","fingerprint":"abc"}`, 409, "fingerprint_mismatch", ""},
		{"a task both single and multi", "POST", at + "/tasks", j, `{"tasks":[{"name":"finding","multi":true}]}`, 422, "invalid", "finding"},
		{"two classes for a single-label task", "POST", at + "/labels", j, `{"labels":[{"instance":"i0","task":"finding","classes":["dark","light"]}]}`, 422, "invalid", ""},
		{"a drop that is not confirmed", "DELETE", at, "", "", 422, "not_confirmed", "?confirm=cases"},
		{"a drop confirmed by another name", "DELETE", at + "?confirm=bare", "", "", 422, "not_confirmed", ""},
		{"an empty query", "POST", at + "/similar", j, `{}`, 422, "query_invalid", "give one of"},
		{"two queries in one", "POST", at + "/similar", j, `{"instance":"i0","vector":[1]}`, 422, "query_invalid", "give one of"},
		{"a minimal recall beyond 1", "POST", at + "/reindex", j, `{"engine":"exact","min_recall":1.5}`, 422, "invalid", "1.5"},
		{"a graph of too many links", "POST", at + "/reindex", j, `{"engine":"graph","m":1000}`, 422, "invalid", "1000"},
		{"a negative k", "POST", at + "/similar", j, `{"instance":"i0","k":-1}`, 422, "query_invalid", "-1"},
		{"a vector of an unknown model", "POST", at + "/similar", j, `{"vector":[1,0],"fingerprint":"abc"}`, 409, "fingerprint_mismatch", ""},
		{"a classification where nothing is labelled", "POST", "/v1/collections/bare/classify", j, `{"instance":"i0"}`, 422, "labels_insufficient", ""},
		{"an evaluation of too few patients", "POST", at + "/evaluate", j, `{"task":"finding","folds":100}`, 422, "labels_insufficient", ""},
		{"an evaluation in one fold", "POST", at + "/evaluate", j, `{"task":"finding","folds":1}`, 422, "query_invalid", "folds"},
	})
}

func TestVectorsMustFitTheCollection(t *testing.T) {
	w := cases(t, 1)
	fingerprint := decoded[api.Collection](w.get(at).want(200)).Fingerprint
	ask := func(vector string) answer {
		t.Helper()
		return w.json(http.MethodPost, at+"/similar", `{"vector":`+vector+`,"fingerprint":"`+fingerprint+`"}`)
	}
	ask(`[1,0]`).problem(422, "dimension_mismatch")
	ask(`[0,0,0,0,0,0,0,0,0,0,0,0]`).problem(422, "vector_invalid")
	ask(`[0,0,0,0,0,0,0,0,0,0,0,2]`).want(200)
}

// bomb is a PNG of a few bytes whose header says width x height.
func bomb(width, height uint32) string {
	chunk := func(name string, body []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		b = append(append(b, name...), body...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	header = append(header, 8, 2, 0, 0, 0)
	return "\x89PNG\r\n\x1a\n" + string(chunk("IHDR", header)) + string(chunk("IDAT", nil)) + string(chunk("IEND", nil))
}

// Every image that cannot be used is refused alike, whether it is to be stored
// or asked about, and however it is sent.
func TestBadImagesAreRefused(t *testing.T) {
	good := string(picture(t, 1))
	for _, bad := range []refusal{
		{"empty", "", "", "", "", 422, "image_empty", ""},
		{"text", "", "", "", "no image, but long enough to have a signature", 415, "image_unknown", ""},
		{"a page", "", "", "", "<!doctype html><script>alert(1)</script>", 415, "image_unknown", ""},
		{"truncated", "", "", "", good[:len(good)/2], 422, "image_corrupt", ""},
		{"of 100000 x 100000 pixels", "", "", "", bomb(100_000, 100_000), 413, "image_too_large", "100000"},
		{"of more bytes than allowed", "", "", "", good + strings.Repeat("x", 20_000), 413, "image_too_large", "20000"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			var refusals []refusal
			for _, route := range []string{"/instances", "/similar", "/classify"} {
				mediaType, form := newForm(t).part("image", bad.body).close()
				for _, sent := range []refusal{{mediaType: mediaType, body: form}, {mediaType: "image/png", body: bad.body}} {
					r := bad
					r.name = route + " " + strings.SplitN(sent.mediaType, ";", 2)[0]
					r.method, r.path, r.mediaType, r.body = http.MethodPost, at+route, sent.mediaType, sent.body
					refusals = append(refusals, r)
				}
			}
			check(t, refusals)
		})
	}
}

// multi is a request of parts, given as name and content in turn.
func multi(t *testing.T, name, route string, status int, code problem.Code, detail string, parts ...string) refusal {
	t.Helper()
	f := newForm(t)
	for i := 0; i < len(parts); i += 2 {
		f.part(parts[i], parts[i+1])
	}
	mediaType, body := f.close()
	return refusal{name, http.MethodPost, at + route, mediaType, body, status, code, detail}
}

func TestUploadsThatAreNoneAreRefused(t *testing.T) {
	good := string(picture(t, 1))
	many := make([]string, 0, 62)
	for range 31 {
		many = append(many, "image", "x")
	}
	torn := multi(t, "a part that ends early", "/instances", 400, "body_broken", "", "image", good)
	torn.body = torn.body[:len(torn.body)/2]
	unfinished := multi(t, "parts without an end", "/instances", 400, "multipart_invalid", "")
	_, boundary, _ := strings.Cut(unfinished.mediaType, "=")
	unfinished.body = "--" + boundary
	check(t, []refusal{
		torn, unfinished,
		multi(t, "no parts", "/instances", 400, "no_images", "image"),
		multi(t, "an unknown part", "/instances", 400, "multipart_invalid", `"picture"`, "picture", good),
		multi(t, "metadata without an image", "/instances", 400, "multipart_invalid", "metadata", "metadata", "{}"),
		multi(t, "metadata twice", "/instances", 400, "multipart_invalid", "metadata", "metadata", "{}", "metadata", "{}"),
		multi(t, "metadata with an unknown key", "/instances", 400, "json_invalid", `"sex"`, "metadata", `{"sex":"f"}`, "image", good),
		multi(t, "metadata that is too long", "/instances", 400, "json_invalid", "65536", "metadata", `{"name":"`+strings.Repeat("x", 64<<10)+`"}`, "image", good),
		multi(t, "an ID that cannot be one", "/instances", 422, "invalid", "", "metadata", `{"id":" x"}`, "image", good),
		multi(t, "a label for no task", "/instances", 422, "task_not_found", "age", "metadata", `{"labels":{"age":["old"]}}`, "image", good),
		multi(t, "a label of no class", "/instances", 422, "class_not_found", "grey", "metadata", `{"labels":{"finding":["grey"]}}`, "image", good),
		multi(t, "an instance with other content", "/instances", 409, "instance_conflict", "", "metadata", `{"id":"i0"}`, "image", good),
		multi(t, "too many images", "/instances", 415, "image_unknown", "", many...),
		multi(t, "too many bytes", "/instances", 413, "body_too_large", "200000", "image", strings.Repeat("x", 200_001)),
		multi(t, "a query without an image", "/similar", 400, "no_images", "image", "query", "{}"),
		multi(t, "two images", "/similar", 400, "multipart_invalid", "twice", "image", good, "image", good),
		multi(t, "an unknown part of a query", "/classify", 400, "multipart_invalid", "picture", "picture", good),
		multi(t, "an image and an instance", "/similar", 422, "query_invalid", "give one of", "image", good, "query", `{"instance":"i0"}`),
		{"a boundary missing", "POST", at + "/instances", "multipart/form-data", good, 400, "multipart_invalid", ""},
		{"a boundary missing in a query", "POST", at + "/similar", "multipart/form-data", good, 400, "multipart_invalid", ""},
		{"a form of another kind", "POST", at + "/instances", "application/x-www-form-urlencoded", "image=x", 415, "media_type_unknown", "image/*"},
		{"JSON for images", "POST", at + "/instances", "application/json", "{}", 415, "media_type_unknown", "image/*"},
		{"no content type", "POST", at + "/similar", "", good, 415, "media_type_unknown", "image/*"},
	})
}

// endless is a body of unknown length.
type endless struct{ io.Reader }

func TestABodyOfUnknownLengthIsLimitedToo(t *testing.T) {
	w := cases(t, 0)
	mediaType, body := newForm(t).part("image", strings.Repeat("x", 300_000)).close()
	w.do(w.request(http.MethodPost, at+"/instances", mediaType, endless{strings.NewReader(body)})).problem(413, "image_too_large")
	var parts []string
	for range 15 {
		parts = append(parts, "image", strings.Repeat("x", 19_000))
	}
	r := multi(t, "", "/instances", 0, "", "", parts...)
	p := w.do(w.request(http.MethodPost, r.path, r.mediaType, endless{strings.NewReader(r.body)})).problem(415, "image_unknown")
	last := p.Errors[len(p.Errors)-1].Problem
	if last.Code != problem.BodyTooLarge || last.Status != 413 {
		t.Errorf("last item: got %+v, want body_too_large", last)
	}
}

// What was stored before a request went wrong is acknowledged.
func TestAnUploadThatGoesWrongStillAnswersForWhatIsStored(t *testing.T) {
	for name, end := range map[string]struct {
		rest string
		code problem.Code
	}{
		"torn":           {"", problem.BodyBroken},
		"an odd part":    {"picture", problem.MultipartInvalid},
		"a lost image":   {"metadata", problem.MultipartInvalid},
		"one image more": {"image", problem.TooManyImages},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, api.Options{}, rest.Options{MaxFiles: 2})
			w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants"}`).want(201)
			f := newForm(t).part("image", string(picture(t, 1))).part("image", string(picture(t, 2)))
			if end.rest != "" {
				f.part(end.rest, "{}")
			}
			mediaType, body := f.close()
			if end.rest == "" {
				body = body[:strings.LastIndex(body, "--")-40] // within the last part's delimiter
			}
			got := decoded[problem.Batch](w.send(http.MethodPost, at+"/instances", mediaType, body).want(207))
			last := got.Items[len(got.Items)-1]
			if last.Problem == nil || last.Problem.Code != end.code || last.Index != len(got.Items)-1 {
				t.Errorf("got %+v, want a last item that failed with %s", last, end.code)
			}
			stored := decoded[api.Collection](w.get(at).want(200)).Status.Instances
			if got.Counts.OK != stored || stored == 0 {
				t.Errorf("got %d acknowledged, %d are stored; want the same, and some", got.Counts.OK, stored)
			}
		})
	}
}

func TestRequestsOfOtherSitesAreRefused(t *testing.T) {
	w := cases(t, 1)
	for name, c := range map[string]struct {
		method, host string
		header       [2]string
		status       int
		code         problem.Code
	}{
		"another name for this address":  {"GET", "attacker.example", [2]string{}, 421, "host_not_allowed"},
		"another name with the port":     {"GET", "attacker.example:80", [2]string{}, 421, "host_not_allowed"},
		"a name that begins like ours":   {"GET", "localhost.attacker.example", [2]string{}, 421, "host_not_allowed"},
		"an address of another machine":  {"GET", "192.0.2.1", [2]string{}, 421, "host_not_allowed"},
		"a change from another site":     {"POST", "", [2]string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},
		"a change from the same network": {"POST", "", [2]string{"Sec-Fetch-Site", "same-site"}, 403, "cross_origin"},
		"a change by an older browser":   {"POST", "", [2]string{"Origin", "http://attacker.example"}, 403, "cross_origin"},
		"a deletion from another site":   {"DELETE", "", [2]string{"Origin", "null"}, 403, "cross_origin"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			r := w.request(c.method, at+"/instances", "application/octet-stream", bytes.NewReader(picture(t, 7)))
			r.Host = c.host
			if c.header[0] != "" {
				r.Header.Set(c.header[0], c.header[1])
			}
			w.do(r).problem(c.status, c.code)
		})
	}
	w.t = t
	if got := decoded[api.Collection](w.get(at).want(200)).Status.Instances; got != 1 {
		t.Errorf("after refused requests: got %d instances, want 1", got)
	}
}

func TestRequestsForThisMachineAreAnswered(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{Hosts: []string{"cases.hospital.example"}})
	for _, host := range []string{"localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8417", "cases.hospital.example", "Cases.hospital.example:443"} {
		r := w.request(http.MethodGet, "/livez", "", nil)
		r.Host = host
		w.do(r).want(200)
	}
}

func TestTheSameSiteMayChange(t *testing.T) {
	w := cases(t, 0)
	r := w.request(http.MethodPost, at+"/instances", "image/png", bytes.NewReader(picture(t, 1)))
	r.Header.Set("Origin", w.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w.do(r).want(200)
}

var errSecret = errors.New("password in /etc/secret")

func TestFailuresOfTheServerSayNothingOfIt(t *testing.T) {
	for name, models := range map[string]func() ([]api.ModelInfo, error){
		"an error": func() ([]api.ModelInfo, error) { return nil, fmt.Errorf("list: %w", errSecret) },
		"a panic":  func() ([]api.ModelInfo, error) { panic(errSecret) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, api.Options{Models: models}, rest.Options{})
			a := w.get("/v1/models")
			p := a.problem(500, "internal")
			if strings.Contains(string(a.body), "secret") {
				t.Errorf("GET /v1/models: got %s, want nothing of the reason", a.body)
			}
			log := w.log.String()
			if strings.Count(log, "password") != 1 || strings.Count(log, p.RequestID) != 1 {
				t.Errorf("log: got %s, want the reason once, with request %s", log, p.RequestID)
			}
			w.get("/livez").want(200)
		})
	}
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	w := cases(t, 1)
	if err := w.catalog.Close(); err != nil {
		t.Fatal(err)
	}
	w.json(http.MethodPost, at+"/labels", `{"labels":[{"instance":"i0","task":"finding","classes":["light"]}]}`).problem(503, "store_closed")
	w.send(http.MethodPost, at+"/instances", "image/png", string(picture(t, 3))).problem(503, "store_closed")
}

func TestTheRequestIDIsTheSendersWhereItIsOne(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	for sent, kept := range map[string]bool{"abc-1.2_3": true, "": false, "a b": false, "<script>": false, strings.Repeat("x", 65): false} {
		r := w.request(http.MethodGet, "/livez", "", nil)
		r.Header.Set("X-Request-Id", sent)
		if got := w.do(r).header.Get("X-Request-Id"); got == "" || (got == sent) != kept {
			t.Errorf("X-Request-Id %q: got %q, want it kept: %v", sent, got, kept)
		}
	}
}

func TestTheLogNamesRoutesAndNobody(t *testing.T) {
	w := cases(t, 0)
	w.form(at+"/instances", newForm(t).part("metadata", `{"id":"Mustermann-1","patient":"Mustermann","name":"Mustermann"}`).part("image", string(picture(t, 1)))).want(200)
	w.get(at + "/instances/Mustermann-1").want(200)
	w.get(at + "/instances/Mustermann-2").want(404)
	w.get("/Mustermann").want(404)
	log := w.log.String()
	if strings.Contains(log, "Mustermann") {
		t.Errorf("log: got %s, want no identifiers", log)
	}
	if strings.Count(log, `"route":"/v1/collections/:collection/instances/:id"`) != 2 {
		t.Errorf("log: got %s, want two lines with the route", log)
	}
}
