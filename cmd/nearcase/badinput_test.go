package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearcase/api/apitest"
	"nearcase/api/problem"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/embed/scatter"
)

// fault is how an input is refused: what the command says, and over HTTP.
type fault struct {
	text   string // part of it
	status int
	code   problem.Code
}

// Of bad images and archives.
func badImages() map[string]fault {
	return map[string]fault{
		"a truncated PNG":                            {"unexpected EOF", 422, "image_corrupt"},
		"a truncated DICOM file":                     {"has 11 bytes of 16", 422, "image_corrupt"},
		"a DICOM element longer than its file":       {"has 16 bytes of 2147483632", 422, "image_corrupt"},
		"a PNG of 100,000 × 100,000 pixels":          {"open image/png: image too large: 100000 x 100000", 413, "image_too_large"},
		"a TIFF of 100,000 × 100,000 pixels":         {"decode image/tiff: image too large: 100000 x 100000", 413, "image_too_large"},
		"a PNG with more than its pixels":            {"too much pixel data", 422, "image_corrupt"},
		"a deflated DICOM file beyond limits":        {"deflated data set of more than 1048576 bytes", 413, "image_too_large"},
		"a DICOM file without pixels":                {"no pixel data", 422, "no_pixels"},
		"a DICOM file of MPEG-2":                     {"transfer syntax 1.2.840.10008.1.2.4.100", 415, "image_unsupported"},
		"a DICOM file whose JPEG is no JPEG":         {"a stream without a frame header", 422, "image_corrupt"},
		"a DICOM file whose JPEG-LS is damaged":      {"a stream without a frame header", 422, "image_corrupt"},
		"a DICOM file of JPEG-LS without CharLS":     {"install libcharls2", 415, "codec_missing"},
		"a zip entry that inflates beyond the limit": {"more than 1048576 bytes", 413, "image_too_large"},
		"a truncated zip":                            {"no zip archive", 422, "source_invalid"},
		"a zip with a forged length":                 {"entries overlap", 422, "source_invalid"},
		"a zip without an image":                     {"no images in the archive of 1 entries", 422, "source_invalid"},
		"a zip with a damaged entry":                 {"damaged in the archive", 422, "source_invalid"},
	}
}

// Of models, by their folder.
func badModels() map[string]fault {
	return map[string]fault{
		"digest":    {"the manifest says " + strings.Repeat("0", 64), 503, "model_broken"},
		"shapeless": {"pooling: none takes rank 2, the output is", 503, "model_broken"},
		"input":     {`the graph has no "image"`, 503, "model_broken"},
		"dimension": {"dimension: 7", 503, "model_broken"},
		"size":      {"the preprocessing makes", 503, "model_broken"},
		"operator":  {"Nonsense", 503, "model_broken"},
		"tides":     {"no such model", 422, "model_not_found"},
	}
}

// layBadModels lays out a folder for each, and "zero", whose vectors are zero.
func layBadModels(t *testing.T) string {
	t.Helper()
	root, m := t.TempDir(), scatter.Manifest()
	with := func(name, old, replacement string) {
		files := waves(t, name)
		before := files["manifest.yaml"]
		files["manifest.yaml"] = bytes.Replace(before, []byte(old), []byte(replacement), 1)
		if bytes.Equal(files["manifest.yaml"], before) {
			t.Fatalf("the manifest has no %q:\n%s", old, before)
		}
		lay(t, filepath.Join(root, name), files)
	}
	with("digest", "file: model.onnx", "file: model.onnx\nsha256: "+strings.Repeat("0", 64))
	with("input", "input: "+m.Input, "input: image")
	with("dimension", fmt.Sprintf("dimension: %d", m.Dimension), "dimension: 7")
	with("size", fmt.Sprintf("crop: %d", m.Crop), "crop: 64")
	zero := strings.Replace(zeroManifest, "name: waves", "name: zero", 1)
	lay(t, filepath.Join(root, "zero"), map[string][]byte{"manifest.yaml": []byte(zero), "model.onnx": zeroGraph()})
	operator := strings.Replace(zeroManifest, "name: waves", "name: operator", 1)
	lay(t, filepath.Join(root, "operator"), map[string][]byte{"manifest.yaml": []byte(operator), "model.onnx": graphOf3("Nonsense", "x", nil)})
	shapeless := strings.NewReplacer("name: waves", "name: shapeless", "pooling: average", "pooling: none").Replace(zeroManifest)
	lay(t, filepath.Join(root, "shapeless"), map[string][]byte{"manifest.yaml": []byte(shapeless), "model.onnx": zeroGraph()})
	return root
}

// badPlace is a data directory with one image in collection "default", and an
// empty one of the model zero; the flags that name both and limit images to
// 1 MiB.
func badPlace(t *testing.T) (data string, in func(args ...string) []string) {
	t.Helper()
	onnxtest.Require(t)
	t.Setenv("NEARCASE_CHARLS", filepath.Join(t.TempDir(), "libcharls.so.2"))
	data = filepath.Join(t.TempDir(), "data")
	limits := file(t, "c.yaml", []byte("limits: {image_bytes: 1048576}\nthreads: 1\nbatch: 1"))
	models := layBadModels(t)
	in = func(args ...string) []string {
		return append([]string{"--config", limits, "--data", data, "--models-dir", models}, args...)
	}
	succeed(t, in("ingest", file(t, "x.png", onePhantom()))...)
	succeed(t, in("collections", "create", "zero", "--model", "zero")...)
	return data, in
}

func badInputs(t *testing.T) map[string][]byte {
	t.Helper()
	all := apitest.Bad(t)
	maps.Copy(all, apitest.BadArchives(t))
	all["a DICOM file of JPEG-LS without CharLS"] = apitest.JPEGLS(t)
	if wants := badImages(); len(wants) != len(all) {
		t.Fatalf("%d bad inputs, %d faults", len(all), len(wants))
	}
	return all
}

// kept is what the store has: its collections with the heads of their logs, and
// the originals.
func kept(t *testing.T, data string, in func(args ...string) []string) string {
	t.Helper()
	all := succeed(t, in("--json", "collections", "list")...)
	err := filepath.WalkDir(filepath.Join(data, "originals"), func(path string, _ fs.DirEntry, err error) error {
		all += path + "\n"
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Each kind of bad input has its own error and leaves the store as it was.
func TestEachBadInputHasItsErrorAndChangesNothing(t *testing.T) {
	data, in := badPlace(t)
	before := kept(t, data, in)
	refused := func(fact, want string, args ...string) {
		t.Helper()
		code, stdout, stderr := nearcase(t, in(args...)...)
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit status %d, printed %q, want an error with %q", fact, code, stderr+stdout, want)
		}
		apitest.HoldsNone(t, fact+": the output", []byte(stdout+stderr))
		if after := kept(t, data, in); after != before {
			t.Errorf("%s: the store was\n%s\nand is\n%s", fact, before, after)
		}
	}
	wants := badImages()
	for fact, content := range badInputs(t) {
		name := "x"
		if bytes.HasPrefix(content, []byte("PK")) {
			name = "x.zip"
		} else {
			refused(fact+" in a query", wants[fact].text, "similar", file(t, name, content))
		}
		refused(fact, wants[fact].text, "ingest", file(t, name, content))
	}
	png := file(t, "x.png", onePhantom())
	for name, want := range badModels() {
		refused("a new collection of model "+name, want.text, "collections", "create", "new", "--model", name)
		refused("an image for model "+name, want.text, "ingest", "-c", "new", "--model", name, png)
	}
	refused("vectors of zero", "no vector", "ingest", "-c", "zero", png)
	refused("a query of zero", "no vector", "similar", "-c", "zero", png)
}

var digest = regexp.MustCompile(`[0-9a-f]{64}`)

// The same over HTTP: each has its code and status, and the server's own faults
// their reason in its log.
func TestEachBadInputHasItsAnswerFromTheServer(t *testing.T) {
	data, in := badPlace(t)
	before := kept(t, data, in)
	url, log, stop := serving(t, in("serve", "--listen", "127.0.0.1:0")...)
	refused := func(fact, path, mediaType string, body []byte, want fault) {
		t.Helper()
		logged := len(log())
		p := posted(t, url+path, mediaType, body)
		said := p.Detail
		if want.status >= 500 {
			said = strings.ReplaceAll(log()[logged:], `\"`, `"`)
			want.text = digest.ReplaceAllString(want.text, "…") // the log has none, as images have them
		}
		if p.Status != want.status || p.Code != want.code || !strings.Contains(said, want.text) {
			t.Errorf("%s to %s: got %d %s %q, want %d %s with %q", fact, path, p.Status, p.Code, said, want.status, want.code, want.text)
		}
	}
	wants := badImages()
	for fact, content := range badInputs(t) {
		refused(fact, "/v1/collections/default/instances", "application/octet-stream", content, wants[fact])
		if !bytes.HasPrefix(content, []byte("PK")) {
			refused(fact, "/v1/collections/default/similar", "application/octet-stream", content, wants[fact])
		}
	}
	for name, want := range badModels() {
		refused("model "+name, "/v1/collections", "application/json", []byte(`{"name":"new","model":"`+name+`"}`), want)
	}
	refused("vectors of zero", "/v1/collections/zero/instances", "image/png", onePhantom(), fault{"no vector", 422, "image_not_embeddable"})
	refused("a query of zero", "/v1/collections/zero/similar", "image/png", onePhantom(), fault{"no vector", 422, "image_not_embeddable"})
	apitest.HoldsNone(t, "the server's log", []byte(log()))
	stop()
	if after := kept(t, data, in); after != before {
		t.Errorf("the store was\n%s\nand is\n%s", before, after)
	}
}

// posted returns the problem that a request gets.
func posted(t *testing.T, url, mediaType string, body []byte) (p problem.Problem) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", mediaType)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(content, &p)
	}
	if err != nil {
		t.Fatalf("POST %s: %d %.200s: %v", url, answer.StatusCode, content, err)
	}
	apitest.HoldsNone(t, "the answer", content)
	return p
}

// serving runs a server in this process until stop or the test's end, and
// returns its address and what it has logged so far.
func serving(t *testing.T, args ...string) (url string, log func() string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	j := &journal{listening: make(chan string, 1)}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, io.Discard, j) }()
	stop = sync.OnceFunc(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if code := <-ended; code != 0 {
			t.Errorf("serve ended with status %d: %s", code, j.text())
		}
	})
	t.Cleanup(stop)
	select {
	case url = <-j.listening:
	case code := <-ended:
		ended <- 0
		t.Fatalf("serve ended with status %d: %s", code, j.text())
	}
	return url, j.text, stop
}

// journal is a log that can be read while it is written, and tells the first
// address in it.
type journal struct {
	mu        sync.Mutex
	content   []byte
	listening chan string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, after, ok := bytes.Cut(p, []byte("msg=serving url=")); ok {
		url, _, _ := bytes.Cut(after, []byte(" "))
		j.listening <- string(url)
	}
	j.content = slices.Concat(j.content, p)
	return len(p), nil
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.content)
}

// The variables that name codec libraries are no unknown settings; a file that
// was not found has the variable and the package in its error.
func TestAMissingCodecLibraryIsNamed(t *testing.T) {
	onnxtest.Require(t)
	for variable, pkg := range map[string]string{"NEARCASE_CHARLS": "libcharls2", "NEARCASE_OPENJPEG": "libopenjp2-7"} {
		t.Setenv(variable, "/none.so")
		content := apitest.JPEGLS(t)
		if variable == "NEARCASE_OPENJPEG" {
			path := "dicom/pydicom/src/pydicom/data/test_files/JPEG2000.dcm"
			if content = testFile(path); content == nil {
				continue
			}
		}
		_, _, stderr := nearcase(t, "--data", filepath.Join(t.TempDir(), "data"), "ingest", file(t, "x.dcm", content))
		if !strings.Contains(stderr, variable) || !strings.Contains(stderr, pkg) || !strings.Contains(stderr, "nothing was stored") {
			t.Errorf("%s=/none.so: printed %q, want the variable and %s", variable, stderr, pkg)
		}
	}
}

// testFile reads a file of the test data, nil where there is none.
func testFile(path string) []byte {
	content, _ := os.ReadFile(filepath.Join(os.Getenv("NEARCASE_TESTDATA"), path))
	return content
}
