package hub

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSourcesAreUnderstood(t *testing.T) {
	for source, want := range map[string]Plan{
		"org/model":                               {Name: "model", Repository: "org/model", Revision: "main"},
		"hf:org/model@v1.0":                       {Name: "model", Repository: "org/model", Revision: "v1.0"},
		"clip-vit-b32":                            {Name: "clip-vit-b32", Repository: "Xenova/clip-vit-base-patch32", Revision: "main"},
		"https://huggingface.co/org/model":        {Name: "model", Repository: "org/model", Revision: "main"},
		"https://huggingface.co/org/m/tree/abc":   {Name: "m", Repository: "org/m", Revision: "abc"},
		"https://example.com/a/resnet%2018.onnx?": {Name: "resnet-18"},
		"http://127.0.0.1:8000/a.onnx":            {Name: "a"},
	} {
		p, err := parse(source, Options{}.withDefaults())
		if err != nil || p.Name != want.Name || p.Repository != want.Repository || p.Revision != want.Revision {
			t.Errorf("parse(%q) = %q of %q at %q, %v, want %+v", source, p.Name, p.Repository, p.Revision, err, want)
		}
	}
	for _, source := range []string{"", "model", "org/..", "../etc/passwd", "org/model/x", "/abs/path", "org/ model", "ftp://x/a.onnx", "hf:", "-x/y"} {
		if p, err := parse(source, Options{}.withDefaults()); err == nil {
			t.Errorf("parse(%q) = %+v, want an error", source, p)
		}
	}
}

func TestTheGraphIsChosen(t *testing.T) {
	for name, c := range map[string]struct{ have, named, want string }{
		"image and text apart":   {"onnx/model.onnx onnx/vision_model.onnx onnx/text_model.onnx", "", "onnx/vision_model.onnx onnx/text_model.onnx"},
		"one for all":            {"onnx/model.onnx onnx/model_fp16.onnx", "", "onnx/model.onnx"},
		"at the top":             {"model.onnx other.onnx", "", "model.onnx"},
		"only one":               {"resnet50_embeddings.onnx", "", "resnet50_embeddings.onnx"},
		"another one":            {"onnx/model.onnx onnx/model_fp16.onnx", "onnx/model_fp16.onnx", "onnx/model_fp16.onnx"},
		"half precision":         {"onnx/vision_model_fp16.onnx onnx/text_model_fp16.onnx", "onnx/vision_model_fp16.onnx", "onnx/vision_model_fp16.onnx onnx/text_model_fp16.onnx"},
		"data outside":           {"onnx/model.onnx onnx/model.onnx_data onnx/model_fp16.onnx_data", "", "onnx/model.onnx onnx/model.onnx_data"},
		"data in pieces":         {"model.onnx model.onnx_data_1 model.onnx.data model.data", "", "model.onnx model.data model.onnx.data model.onnx_data_1"},
		"no other tokenizer":     {"model.onnx vocab.json merges.txt vocab.txt tokenizer.json", "", "tokenizer.json model.onnx"},
		"licence and our own":    {"manifest.yaml LICENSE model.onnx README.md", "", "manifest.yaml LICENSE model.onnx"},
		"several, none is usual": {"a.onnx b.onnx", "", ""},
	} {
		var files []File
		for _, path := range strings.Fields(c.have) {
			files = append(files, File{Path: path})
		}
		chosen, err := choose(files, c.named)
		var got []string
		for _, f := range chosen {
			got = append(got, f.Path)
		}
		if want := strings.Fields(c.want); !slices.Equal(got, want) || (err == nil) != (c.want != "") {
			t.Errorf("%s: chose %q, %v, want %q", name, got, err, want)
		}
	}
}

// An address says nothing of the file: no digest, perhaps no size.
func TestAFileIsPulledByItsAddress(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request, []byte) bool{
		"at once": nil,
		"after a reset": once(1, func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			breakAfter(w, r, b, 1<<19)
			return true
		}),
	} {
		f, models := newFake(t), t.TempDir()
		f.fault = fault
		o := f.options()
		o.Extra = map[string][]byte{"manifest.yaml": []byte("name: text_model")}
		r, err := pull(t, models, f.cdn.URL+"/blobs/onnx/text_model.onnx", o)
		want := map[string]string{"text_model.onnx": string(f.files["onnx/text_model.onnx"]), "manifest.yaml": "name: text_model"}
		if got := content(t, filepath.Join(models, "text_model")); err != nil || !same(got, want) {
			t.Errorf("%s: pulled %s, %v", name, names(got), err)
		}
		if len(r.Files) != 1 || r.Endpoint != "" || r.Files[0].SHA256 != digest(f.files["onnx/text_model.onnx"]) || r.Commit != "" {
			t.Errorf("%s: Pull() = %+v", name, r)
		}
		for _, a := range f.asked() {
			if a.auth != "" {
				t.Errorf("%s: %s was told %q", name, a.host, a.auth)
			}
		}
	}
}

func TestAFilesAddressWithAnotherDigestIsRefused(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	o := f.options()
	o.SHA256 = digest(nil)
	_, err := pull(t, models, f.cdn.URL+"/blobs/onnx/text_model.onnx", o)
	if !errors.Is(err, ErrDigest) || !strings.Contains(err.Error(), digest(f.files["onnx/text_model.onnx"])) {
		t.Errorf("pull = %v, want ErrDigest with the file's", err)
	}
	o.SHA256, o.Bytes = "", 1000
	if _, err := pull(t, models, f.cdn.URL+"/blobs/onnx/text_model.onnx", o); !errors.Is(err, ErrTooLarge) {
		t.Errorf("pull of more than the limit = %v, want ErrTooLarge", err)
	}
}

// Without digest and version the rest might be another file's.
func TestAPartOfAnUnknownFileIsNotContinued(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	f.fault = once(1, func(w http.ResponseWriter, r *http.Request, b []byte) bool {
		w.Header().Del("ETag")
		breakAfter(w, r, b, 1<<19)
		return true
	})
	if _, err := pull(t, models, f.cdn.URL+"/blobs/onnx/text_model.onnx", f.options()); err != nil {
		t.Fatal(err)
	}
	for _, a := range f.asked() {
		if a.rang != "" {
			t.Errorf("asked for %s", a.rang)
		}
	}
}

func TestAFolderIsAMirror(t *testing.T) {
	f, mirror := newFake(t), t.TempDir()
	files := map[string]string{".cache/x.onnx": "not this"}
	for name, body := range f.files {
		files[name] = string(body)
	}
	write(t, filepath.Join(mirror, repo), files)
	for _, endpoint := range []string{mirror, "file://" + mirror} {
		models := t.TempDir()
		r, err := pull(t, models, repo, Options{Endpoint: endpoint, SHA256: digest(f.files[graphName])})
		if err != nil {
			t.Fatal(err)
		}
		if got := content(t, filepath.Join(models, "model")); !same(got, f.chosen()) {
			t.Errorf("pulled %s, want %s", names(got), names(f.chosen()))
		}
		if r.Files[3].SHA256 != digest(f.files[graphName]) {
			t.Errorf("Pull() = %+v", r)
		}
	}
	if _, err := pull(t, t.TempDir(), repo, Options{Endpoint: mirror, SHA256: digest(nil)}); !errors.Is(err, ErrDigest) {
		t.Errorf("pull of another digest = %v, want ErrDigest", err)
	}
}

// A folder of this machine is taken as a repository is, or its graph alone.
func TestALocalFolderIsTaken(t *testing.T) {
	f, folder := newFake(t), filepath.Join(t.TempDir(), "mine")
	files := map[string]string{"onnx/vision_model.onnx_data": "weights"}
	for name, body := range f.files {
		files[name] = string(body)
	}
	write(t, folder, files)
	want := f.chosen()
	want["onnx/vision_model.onnx_data"] = "weights"
	alone := map[string]string{"onnx/model.onnx": files["onnx/model.onnx"]}
	for _, c := range []struct {
		alone  bool
		graphs []string
		want   map[string]string
	}{{false, []string{graphName, "onnx/text_model.onnx", "onnx/vision_model.onnx_data"}, want}, {true, []string{"onnx/model.onnx"}, alone}} {
		models := t.TempDir()
		p, err := Local(folder, c.alone, c.graphs...)
		if err == nil {
			_, err = Pull(t.Context(), p, models, p.Name, Options{})
		}
		if got := content(t, filepath.Join(models, "mine")); err != nil || !same(got, c.want) {
			t.Errorf("Local(%v, %q): %v, %s, want %s", c.alone, c.graphs, err, names(got), names(c.want))
		}
	}
	if _, err := Local(folder, true, "none.onnx"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Local of no graph = %v, want ErrNotFound", err)
	}
}

// What lies beside a model is not looked at: neither many files nor those that
// cannot be read.
func TestOnlyTheFoldersOfAModelAreListed(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, map[string]string{"model.onnx": "g", "config.json": "{}", "deep/x.onnx": "x", "onnx/y.onnx": "y"})
	closed := filepath.Join(folder, "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	p, err := Local(folder, false, "model.onnx")
	if err != nil || len(p.Files) != 2 {
		t.Errorf("Local = %+v, %v", p.Files, err)
	}
	for also, want := range map[string]int{"x.onnx": 3, "deep/x.onnx": 4, "none/x.onnx": 3} {
		o, err := newOrigin(Options{Endpoint: filepath.Dir(folder), File: also})
		if err != nil {
			t.Fatal(err)
		}
		if l, err := o.list(t.Context(), filepath.Base(folder), ""); err != nil || len(l.files) != want {
			t.Errorf("list with %s = %+v, %v, want %d files", also, l.files, err, want)
		}
	}
}

func TestMoreFilesThanTheLimitAreAnError(t *testing.T) {
	folder := t.TempDir()
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	write(t, folder, map[string]string{"a": "", "b": "", "c": ""})
	if files, err := regular(t.Context(), root, ".", 3); err != nil || len(files) != 3 {
		t.Errorf("regular = %v, %v, want 3 files", files, err)
	}
	if files, err := regular(t.Context(), root, ".", 2); !errors.Is(err, ErrTooLarge) {
		t.Errorf("regular of more = %v, %v, want ErrTooLarge", files, err)
	}
}

// What is added was not pulled, and from nowhere; what had been pulled before keeps
// its source.
func TestTheRecordOfAnAddedModelSaysSo(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	folder := filepath.Join(t.TempDir(), "mine")
	write(t, folder, map[string]string{"model.onnx": "g"})
	add := func(from, name string) Record {
		t.Helper()
		p, err := Local(from, false, "model.onnx")
		if err == nil {
			_, err = Pull(t.Context(), p, models, name, Options{})
		}
		r, ok := ReadRecord(filepath.Join(models, name))
		if err != nil || !ok {
			t.Fatal(err)
		}
		return r
	}
	if r := add(folder, "mine"); r.Endpoint != "" || r.Repository != "" || !r.Pulled.IsZero() || r.Added.IsZero() || r.Source != folder {
		t.Errorf("the record of an added model is %+v", r)
	}
	delete(f.files, graphName)
	f.files["model.onnx"] = []byte("g")
	if _, err := pull(t, models, repo, f.options()); err != nil {
		t.Fatal(err)
	}
	if r := add(filepath.Join(models, "model"), "again"); r.Endpoint != f.hub.URL || r.Repository != repo || r.Commit != commit || r.Pulled.IsZero() || r.Added.IsZero() {
		t.Errorf("the record of an added model that had been pulled is %+v", r)
	}
}

// Users, passwords and signatures of addresses are used and not kept.
func TestSecretsOfAddressesAreNotKept(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	o := f.options()
	o.Check = func(string) error { return errRefused }
	u, err := url.Parse(f.cdn.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path, u.RawQuery = url.UserPassword("me", "hunter2"), "/blobs/onnx/text_model.onnx", "signature=hunter2"
	var asked string
	f.fault = func(_ http.ResponseWriter, r *http.Request, _ []byte) bool { asked = r.URL.RawQuery; return false }
	if _, err := pull(t, models, u.String(), o); !errors.Is(err, errRefused) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("pull = %v, want %v", err, errRefused)
	}
	left := content(t, models)
	if plan := left[".pull-text_model/plan.json"]; plan == "" || strings.Contains(plan, "hunter2") || asked != "signature=hunter2" {
		t.Errorf("asked with %q, left behind %s", asked, plan)
	}
	o.Check, o.Endpoint = nil, strings.Replace(f.hub.URL, "https://", "https://me:hunter2@", 1)+"?token=hunter2"
	for _, source := range []string{u.String(), repo} {
		if _, err := pull(t, models, source, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"text_model", "model"} {
		text, err := os.ReadFile(filepath.Join(models, name, RecordName))
		if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "me:") {
			t.Errorf("%v, the record of %s keeps a secret: %s", err, name, text)
		}
	}
	if got := bare("https://a b:hunter2@x/%"); strings.Contains(got, "hunter2") {
		t.Errorf("bare of what is no address = %s", got)
	}
}

// Where graphs can be asked, their own word counts, and not the names of files.
func TestDataIsFetchedAsTheGraphNamesIt(t *testing.T) {
	f, models := newFake(t), t.TempDir()
	f.files["onnx/vision_model.onnx_data"], f.files["onnx/weights.bin"], f.files["both.bin"] = []byte("old"), []byte("new"), []byte("both")
	o := f.options()
	var done, total int64
	o.Progress = func(d, n int64) { done, total = d, n }
	o.External = func(path string) ([]string, error) {
		if filepath.Base(path) == "vision_model.onnx" {
			return []string{"weights.bin", "../both.bin"}, nil
		}
		return []string{"weights.bin"}, nil
	}
	want := f.chosen()
	want["onnx/weights.bin"], want["both.bin"] = "new", "both"
	f.fault = on("both.bin", func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusForbidden) })
	if _, err := pull(t, models, repo, o); !errors.Is(err, ErrAccess) {
		t.Errorf("pull = %v, want ErrAccess", err)
	}
	f.fault = nil
	f.asked()
	r, err := pull(t, models, repo, o)
	if got := content(t, filepath.Join(models, "model")); err != nil || !same(got, want) || len(r.Files) != 7 || done != total {
		t.Errorf("pull = %v, brought %s of %d files, %d of %d bytes", err, names(got), len(r.Files), done, total)
	}
	for _, a := range f.asked() {
		if strings.HasSuffix(a.path, "weights.bin") {
			t.Errorf("asked for %s again", a.path)
		}
	}
	o.Force = true
	for location, want := range map[string]error{"none.bin": ErrNotFound, "../../x": ErrInsecure} {
		o.External = func(string) ([]string, error) { return []string{location}, nil }
		if _, err := pull(t, models, repo, o); !errors.Is(err, want) || !strings.Contains(err.Error(), "its data") {
			t.Errorf("pull of a graph with data in %s = %v, want %v", location, err, want)
		}
	}
	o.External, o.Bytes = func(string) ([]string, error) { return []string{"weights.bin"}, nil }, 1<<21
	f.files["onnx/weights.bin"] = pattern(1 << 20)
	if _, err := pull(t, models, repo, o); !errors.Is(err, ErrTooLarge) {
		t.Errorf("pull of more data than the limit = %v, want ErrTooLarge", err)
	}
}

// A record is read only if it is one.
func TestRecordsAreReadWithinBounds(t *testing.T) {
	for name, lay := range map[string]func(path string) error{
		"none":             func(string) error { return nil },
		"a folder":         func(path string) error { return os.Mkdir(path, 0o755) },
		"garbage":          func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
		"more than enough": func(path string) error { return os.WriteFile(path, make([]byte, maxRecord+1), 0o600) },
	} {
		folder := t.TempDir()
		if err := lay(filepath.Join(folder, RecordName)); err != nil {
			t.Fatal(err)
		}
		if r, ok := ReadRecord(folder); ok {
			t.Errorf("%s: ReadRecord = %+v", name, r)
		}
	}
}

func TestAMirrorsLinksStayInside(t *testing.T) {
	mirror, outside := t.TempDir(), t.TempDir()
	write(t, outside, map[string]string{"secret": "secret"})
	write(t, filepath.Join(mirror, repo), map[string]string{"config.json": "{}"})
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(mirror, repo, "model.onnx")); err != nil {
		t.Fatal(err)
	}
	if r, err := pull(t, t.TempDir(), repo, Options{Endpoint: mirror}); err == nil {
		t.Errorf("pull = %+v, want an error", r)
	}
}

// Every entry states where its facts were read, and has the form of a source.
func TestTheCatalogueIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Catalogue() {
		ok := isName(e.Name) && !seen[e.Name] && len(e.Sources) > 0 && e.Licence != "" && e.TrainingData != "" && strings.HasPrefix(e.Page, "https://")
		ok = ok && (e.Repository == "" || isRepository(e.Repository) && isLocal(e.File) && e.Dimension > 0)
		ok = ok && (e.SHA256 == "" || isHex(e.SHA256, 64))
		for _, s := range e.Sources {
			ok = ok && strings.HasPrefix(s, "https://")
		}
		if !ok {
			t.Errorf("entry %+v", e)
		}
		seen[e.Name] = true
	}
}

func TestRetryAfterIsRead(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-3": 0, "soon": 0,
		"Wed, 01 May 2024 12:00:30 GMT": 30 * time.Second, "Wed, 01 May 2024 11:00:00 GMT": 0,
	} {
		if got := after(value, now); got != want {
			t.Errorf("after(%q) = %v, want %v", value, got, want)
		}
	}
}

func TestPlaceReplacesInOneStep(t *testing.T) {
	models := t.TempDir()
	write(t, filepath.Join(models, "m"), map[string]string{"old": "1"})
	err := Place(t.Context(), models, "m", Placing{Force: true}, func(folder string) error {
		write(t, folder, map[string]string{"new": "2"})
		return nil
	})
	if got := content(t, filepath.Join(models, "m")); err != nil || !maps.Equal(got, map[string]string{"new": "2"}) {
		t.Errorf("Place = %v, the model has %s", err, names(got))
	}
	for _, name := range []string{"", ".x", "a/b", "-a", strings.Repeat("a", 65)} {
		if err := Place(t.Context(), models, name, Placing{}, func(string) error { return nil }); !errors.Is(err, ErrName) {
			t.Errorf("Place(%q) = %v, want ErrName", name, err)
		}
	}
	if err := swapByName(filepath.Join(models, "m"), filepath.Join(models, "n")); err != nil {
		t.Error(err)
	}
}

// Where a file system cannot exchange, the old content is kept beside until the
// new has its name.
func TestSwapByNameKeepsTheOldBeside(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), map[string]string{"f": "new"})
	write(t, filepath.Join(dir, "b"), map[string]string{"f": "old"})
	err := swapByName(filepath.Join(dir, "a"), filepath.Join(dir, "b"))
	got := content(t, dir)
	if err != nil || !maps.Equal(got, map[string]string{"b/f": "new", "a.old/f": "old"}) {
		t.Errorf("swapByName = %v, %v", err, got)
	}
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(`{"sha":"` + commit + `","gated":false,"siblings":[{"rfilename":"model.onnx","size":3,"blobId":"` + commit + `"}]}`))
	f.Add([]byte(`{"sha":"` + commit + `","gated":"manual","cardData":{"license":["mit"]},"siblings":[{"rfilename":"../x.onnx","lfs":{"sha256":"","size":-1}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := parseListing(body)
		if err != nil {
			if !errors.Is(err, ErrAnswer) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("parseListing = %v", err)
			}
			return
		}
		files, err := choose(l.files, "")
		for _, file := range files {
			if !filepath.IsLocal(file.Path) || slices.Contains(strings.Split(file.Path, "/"), "..") || file.Bytes < -1 {
				t.Errorf("chose %+v, %v", file, err)
			}
		}
	})
}

func FuzzSource(f *testing.F) {
	for _, s := range []string{"org/model@main", "hf:a/b", "https://huggingface.co/a/b/tree/c", "https://x/y.onnx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parse(s, Options{}.withDefaults())
		if err == nil && (p.Name != "" && !isName(p.Name) || p.Repository != "" && !isRepository(p.Repository) || p.Repository == "" && len(p.Files) != 1) {
			t.Errorf("parse(%q) = %+v", s, p)
		}
	})
}
