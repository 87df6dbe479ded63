package browser

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// said is a label as the history of an instance has it.
type said struct {
	Instance, Task, Reader, Source string
	Classes, Uncertain             []string
	Confidence                     float64
	Removed                        bool
}

// ask asks the world's server as its administrator for JSON and decodes the answer.
func (w *world) ask(t testing.TB, method, path string, body, answer any) {
	t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	w.send(t, method, path, "application/json", bytes.NewReader(sent), answer)
}

func (w *world) send(t testing.TB, method, path, mediaType string, body io.Reader, answer any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if w.admin != "" {
		r.Header.Set("Authorization", "Bearer "+w.admin)
	}
	r.Header.Set("Content-Type", mediaType)
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %v: %s", method, path, got.Status, err, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatal(err)
		}
	}
}

// toLabel makes a collection of its own for a test to label: so many radiographs of
// each finding, of which the first `known` are labelled.
func toLabel(t testing.TB, w *world, name string, tasks []map[string]any, each, known int) {
	t.Helper()
	w.ask(t, "POST", "/v1/collections", map[string]any{"name": name, "model": "scatter", "tasks": append([]map[string]any{}, tasks...)}, nil)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for finding, rows := range radiographsOf(t, each) {
		for i, r := range rows {
			of := map[string]any{"patient": r[1]}
			if i < known {
				of["labels"] = map[string]any{"finding": []string{finding}}
			}
			metadata, _ := json.Marshal(of)
			_ = form.WriteField("metadata", string(metadata))
			image, err := os.ReadFile(filepath.Join(testData(t), "cxr", r[0]))
			if err != nil {
				t.Fatal(err)
			}
			part, _ := form.CreateFormFile("image", filepath.Base(r[0]))
			_, _ = part.Write(image)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	w.send(t, "POST", "/v1/collections/"+name+"/instances", form.FormDataContentType(), &body, nil)
}

// radiographsOf has of each finding so many rows of the sheet, each another patient's,
// that no collection of the world has.
func radiographsOf(t testing.TB, each int) map[string][][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(testData(t), "cxr", "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	of, patients := map[string][][]string{"normal": nil, "pneumonia": nil}, map[string]bool{}
	for _, r := range slices.Backward(rows[1:]) {
		if len(of[r[2]]) < each && !patients[r[1]] {
			patients[r[1]] = true
			of[r[2]] = append(of[r[2]], r)
		}
	}
	return of
}

var single = []map[string]any{{"name": "finding", "classes": []string{"normal", "pneumonia"}}}

// history is all that was ever said of the instances of a collection by one source.
func (w *world) history(t testing.TB, name, source string) (all []said) {
	t.Helper()
	var page struct{ Instances []struct{ ID string } }
	w.ask(t, "GET", "/v1/collections/"+name+"/instances?limit=1000", nil, &page)
	for _, i := range page.Instances {
		var h struct{ History []said }
		w.ask(t, "GET", "/v1/collections/"+name+"/instances/"+i.ID+"/history", nil, &h)
		for _, e := range h.History {
			if e.Source == source || e.Reader == source {
				all = append(all, e)
			}
		}
	}
	return all
}

// labelling opens the view and says who reads, by keys.
func labelling(t testing.TB, name, task, order, reader string) *tab {
	t.Helper()
	b := open(t, fmt.Sprintf("#/label/%s?task=%s&order=%s", name, task, order), b0(t))
	b.await(`document.activeElement.id === "reader"`)
	b.press(reader + kb.Enter)
	b.ready()
	return b
}

// ready waits for a case that can be labelled.
func (b *tab) ready() {
	b.t.Helper()
	b.await(`document.querySelector(".classes [aria-disabled=false]") && document.querySelector(".viewer img[src^=blob]")`)
}

// current is the place of the case that is shown.
func (b *tab) current() string {
	return value[string](b, `document.querySelector(".where").innerText`)
}

// labelled presses keys and waits for the next case.
func (b *tab) labelled(keys ...string) {
	b.t.Helper()
	was := b.current()
	b.press(keys...)
	b.await(`document.querySelector(".where").innerText !== ` + quoted(was))
	b.await(`document.querySelector(".classes [aria-disabled=false]") || document.querySelector(".looking .empty, .looking .state h2")`)
}

// stored waits until nothing is on its way to be stored.
func (b *tab) stored() {
	b.t.Helper()
	b.await(`!document.querySelector(".thumb.storing")`)
}

func (b *tab) session(n int) {
	b.t.Helper()
	b.await(fmt.Sprintf(`[...document.querySelectorAll(".figures div")].some((d) => d.innerText.replace(/\s+/g, " ") === "This session %d")`, n))
}

// id is the shortened ID of the case that is shown.
func (b *tab) id() string {
	return value[string](b, `document.querySelector(".where").innerText.split("·")[1].trim()`)
}

func short(id string) string { return id[:8] + "…" + id[len(id)-4:] }

// bothThemes runs axe-core in the dark and in the light.
func (b *tab) bothThemes(what string) {
	b.t.Helper()
	b.accessible(what)
	b.press("t")
	b.accessible(what + ", light")
	b.press("t")
}
