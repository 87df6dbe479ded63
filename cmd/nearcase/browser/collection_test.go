package browser

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"
)

// tiny makes a collection of so many small images of half as many patients, each
// third of them labelled.
func tiny(t testing.TB, name string, images int) {
	t.Helper()
	w := theWorld(t)
	w.ask(t, "POST", "/v1/collections", map[string]any{"name": name, "model": "scatter", "tasks": []map[string]any{{"name": "side", "classes": []string{"left", "right"}}}}, nil)
	for from := 0; from < images; from += 1000 {
		var body bytes.Buffer
		archive := zip.NewWriter(&body)
		for i := from; i < min(images, from+1000); i++ {
			f, err := archive.Create(fmt.Sprintf("%d.png", i))
			if err == nil {
				err = png.Encode(f, pattern(i))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		w.send(t, "POST", "/v1/collections/"+name+"/instances", "application/zip", &body, nil)
	}
	var page struct{ Instances []struct{ ID string } }
	w.ask(t, "GET", "/v1/collections/"+name+"/instances?limit=1000", nil, &page)
	var labels []map[string]any
	for i, one := range page.Instances {
		if i%3 == 0 {
			labels = append(labels, map[string]any{"instance": one.ID, "task": "side", "classes": []string{[]string{"left", "right"}[i%2]}})
		}
	}
	w.ask(t, "POST", "/v1/collections/"+name+"/labels", map[string]any{"labels": labels}, nil)
}

// pattern is a small image unlike those of other numbers.
func pattern(i int) image.Image {
	p := image.NewGray(image.Rect(0, 0, 16, 16))
	for x := range 16 {
		for y := range 16 {
			p.SetGray(x, y, color.Gray{uint8(((i>>(x%16))&1)*90 + (x*(i%13)+y*(i%7))%160)})
		}
	}
	return p
}

// tiles waits until the grid shows pictures.
func (b *tab) tiles() {
	b.t.Helper()
	b.await(`document.querySelectorAll(".tile:not([hidden]) img").length > 3`)
}

const shift = 8 // of modifiers

// strikes strikes a key as a keyboard does: where the page takes the key for itself
// no character follows, which would else press what has the focus by then.
func (b *tab) strikes(key string, modifiers int64) {
	b.t.Helper()
	text, code := key, int64(' ')
	if key == "Enter" {
		text, code = "\r", '\r'
	}
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: key, Text: text, WindowsVirtualKeyCode: code, Modifiers: modifiers})
		text = ""
	}
}

// drag drags the mouse between two places of an element, from 0 to 1.
func (b *tab) drag(selector string, modifiers int64, ax, ay, bx, by float64) {
	b.t.Helper()
	box := value[[]float64](b, fmt.Sprintf(`(() => { const r = document.querySelector(%s).getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()`, quoted(selector)))
	at := func(x, y float64) (float64, float64) { return box[0] + x*box[2], box[1] + y*box[3] }
	send := func(kind input.DispatchMouseEventType, x, y float64, buttons int64) {
		x, y = at(x, y)
		call(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: x, Y: y, Button: input.MouseButtonLeft, Buttons: buttons, ClickCount: 1, Modifiers: modifiers})
	}
	send(input.DispatchMouseEventTypeMousePressed, ax, ay, 1)
	send(input.DispatchMouseEventTypeMouseMoved, (ax+bx)/2, (ay+by)/2, 1)
	send(input.DispatchMouseEventTypeMouseMoved, bx, by, 1)
	send(input.DispatchMouseEventTypeMouseReleased, bx, by, 0)
}

func TestCasesAreBrowsedFilteredAndOpened(t *testing.T) {
	b := open(t, "#/collection/cxr", b0(t))
	b.tiles()
	b.awaitText(".tools", "300 cases")
	b.bothThemes("browsing")
	b.clickText("Add filter")
	b.accessible("adding a filter")
	b.click(`.addfilter input[value="pneumonia"]`)
	b.clickText("Apply")
	b.awaitText(".tools", "140 cases")
	b.awaitText(".chip", "finding: pneumonia")
	if hash := value[string](b, "decodeURIComponent(location.hash)"); !strings.Contains(hash, `filter={"task":"finding","has":["pneumonia"]}`) {
		t.Errorf("the address is %s, want the filter in it", hash)
	}
	b.script(`(() => { const s = [...document.querySelectorAll(".tools select")][0]; s.value = "id"; s.dispatchEvent(new Event("change")); })()`)
	b.await(`location.hash.includes("sort=id")`)
	b.tiles()
	ids := value[[]string](b, `[...document.querySelectorAll(".tile")].sort((a, b) => a.at - b.at).map((t) => t.querySelector(".id").textContent)`)
	if !slices.IsSorted(ids) {
		t.Errorf("sorted by ID the cases are %q", ids)
	}
	b.click(".tile:nth-of-type(3)")
	b.await(`document.querySelector("dialog.case .frame img")`)
	b.awaitText("dialog.case", "pneumonia")
	b.click("dialog.case summary")
	b.await(`document.querySelectorAll("dialog.case details tbody tr").length === 1`)
	b.accessible("a case")
	b.script(`document.documentElement.dataset.theme = "light"`)
	b.accessible("a case, light")
	b.script(`document.documentElement.dataset.theme = "dark"`)
	b.downloadsOfACase()
	b.click(`dialog.case a[href^="#/query/cxr?instance="]`)
	b.await(`document.querySelector("main h1")?.innerText === "Query" && !document.querySelector("dialog")`)
}

func (b *tab) downloadsOfACase() {
	b.t.Helper()
	id := value[string](b, `document.querySelector("dialog.case .facts td").textContent`)
	b.clickText("Vector")
	if v := b.downloaded(id + ".json"); !bytes.Contains(v, []byte(`"vector"`)) {
		b.t.Errorf("the vector's file is %.100s", v)
	}
	b.clickText("Original")
	if v := b.downloaded(id + ".jpeg"); !bytes.HasPrefix(v, []byte("\xff\xd8")) {
		b.t.Errorf("the original begins with %x", v[:4])
	}
}

func TestCasesAreBrowsedByKeysAlone(t *testing.T) {
	b := open(t, "#/collection/cxr", b0(t))
	b.tiles()
	b.tabTo(".shelf")
	active := func(n int) {
		t.Helper()
		b.await(fmt.Sprintf(`document.getElementById(document.querySelector(".shelf").getAttribute("aria-activedescendant"))?.getAttribute("aria-posinset") === "%d"`, n))
	}
	active(1)
	b.press(kb.ArrowRight)
	active(2)
	b.press(kb.End)
	active(300)
	b.press(kb.Home, kb.PageDown, kb.PageUp)
	active(1)
	b.strikes(" ", 0)
	b.press(kb.ArrowRight, kb.ArrowRight)
	b.strikes(" ", shift)
	b.awaitText(".deeds", "3 chosen")
	b.accessible("three chosen")
	b.strikes("Enter", 0)
	b.await(`document.querySelector("dialog.case .frame img")`)
	third := b.text("dialog.case h2")
	b.press(kb.ArrowRight)
	b.await(`document.querySelector("dialog.case .frame img") && document.querySelector("dialog.case h2").innerText !== ` + quoted(third))
	b.press(kb.Escape)
	b.await(`!document.querySelector("dialog") && document.activeElement.matches(".shelf")`)
	b.press("m")
	b.await(`document.querySelector("#tab-map").getAttribute("aria-selected") === "true" && location.hash.includes("tab=map")`)
}

func TestWhatAFilterHasWrongIsSaid(t *testing.T) {
	b := open(t, "#/collection/cxr", b0(t))
	b.expect("400")
	b.tiles()
	b.press("f")
	b.script(`(() => { const s = document.querySelector(".addfilter select"); s.value = "json"; s.dispatchEvent(new Event("change")); })()`)
	b.typed(".addfilter textarea", `{"all": [`)
	b.clickText("Apply")
	b.awaitText(".addfilter [role=alert]", "not JSON")
	b.script(`document.querySelector(".addfilter textarea").value = '{"all": [{"field": "width", "gte": 1}, {"field": "study", "in": []}]}'`)
	b.clickText("Apply")
	b.awaitText(".addfilter [role=alert]", "all[1].in")
	b.accessible("a filter with a mistake")
	b.script(`document.querySelector(".addfilter textarea").value = '{"all": [{"field": "width", "gte": 1}, {"not": {"field": "patient", "eq": "somebody"}}]}'`)
	b.clickText("Apply")
	b.awaitText(".chip", "not patient is somebody")
	b.awaitText(".chip", "width ≥ 1")
	if hash := value[string](b, "location.hash"); strings.Contains(hash, "somebody") || !strings.Contains(hash, "width") {
		t.Errorf("the address is %s, want width and no patient in it", hash)
	}
	b.goTo(`#/collection/cxr?filter={"field":"width","gt":99999}`)
	b.awaitText("main", "No case passes this filter")
	b.bothThemes("nothing passes")
	b.clickText("Clear the filter")
	b.awaitText(".tools", "300 cases")
}

// tenScreens scrolls so far in the grid of cases, each time when all pictures in view
// are there, and says whether it has come to the end.
const tenScreens = `(async () => {
	const shelf = document.querySelector(".shelf"), loaded = () => [...shelf.querySelectorAll(".tile:not([hidden])")].every((t) => t.querySelector("img"));
	for (let i = 0; i < 10; i++) {
		do await new Promise((r) => requestAnimationFrame(r)); while (!loaded());
		shelf.querySelectorAll(".tile:not([hidden])").forEach((t) => seen.add(t.at));
		if (shelf.scrollTop + shelf.clientHeight >= shelf.scrollHeight - 1) return true;
		shelf.scrollTop += shelf.clientHeight;
	}
	return false;
})()`

// scrolled scrolls through the grid from its begin to its end, and returns how many
// cases it has shown.
func (b *tab) scrolled() int {
	b.t.Helper()
	b.script(`window.seen = new Set(); document.querySelector(".shelf").scrollTop = 0`)
	for !value[bool](b, tenScreens) {
	}
	return value[int](b, "seen.size")
}

func TestScrollingKeepsFewTilesAndPictures(t *testing.T) {
	const name, images = "scrolled", 600
	b := open(t, "", b0(t))
	b.settled()
	tiny(t, name, images)
	b.script(`window.kept = 0; { const {createObjectURL: make, revokeObjectURL: end} = URL;
		URL.createObjectURL = (b) => { kept++; return make.call(URL, b); }; URL.revokeObjectURL = (u) => { kept--; end.call(URL, u); }; }`)
	b.goTo("#/collection/" + name)
	b.tiles()
	nodes := value[int](b, `document.querySelectorAll(".shelf *").length`)
	if seen := b.scrolled(); seen != images {
		t.Errorf("scrolling has shown %d cases, want %d", seen, images)
	}
	if n := value[int](b, `document.querySelectorAll(".shelf *").length`); n > nodes+nodes/5 {
		t.Errorf("the grid has %d nodes after scrolling, %d before", n, nodes)
	}
	if kept := value[int](b, `kept`); kept > 400 {
		t.Errorf("%d pictures are kept, want 400 at most", kept)
	}
}

func TestManyAreLabelledAndDeleted(t *testing.T) {
	const name = "manylabelled"
	b := open(t, "", b0(t))
	b.settled()
	tiny(t, name, 40)
	b.goTo("#/collection/" + name + `?filter={"task":"side","labelled":false}`)
	b.awaitText(".tools", "26 cases")
	b.tabTo(".shelf")
	b.strikes(" ", 0)
	b.press(kb.ArrowRight)
	b.strikes(" ", 0)
	b.awaitText(".deeds", "2 chosen")
	b.clickText("Label these")
	b.accessible("labelling two")
	b.click(`dialog input[value="right"]`)
	b.clickText("Label 2")
	b.awaitText("#toasts", "2 labelled right: 2 new")
	b.awaitText(".tools", "24 cases")
	b.await(`document.querySelector(".deeds").hidden`)
	b.tabTo(".shelf")
	b.press(kb.Home)
	b.strikes(" ", 0)
	b.clickText("Delete these")
	b.awaitText("dialog", "cannot be undone")
	b.clickText("Delete 1")
	b.awaitText("#toasts", "1 case deleted")
	b.awaitText(".tools", "23 cases")
}

func TestAReaderIsToldWhatTheKeyDoesNotAllow(t *testing.T) {
	b := open(t, "#/collection/cxr", theWorld(t).read)
	b.expect("403")
	b.tiles()
	b.click(".tile")
	b.await(`document.querySelector("dialog.case .frame img")`)
	b.click("dialog.case .danger")
	b.click("dialog:last-of-type .danger")
	b.awaitText("dialog.case [role=alert]", "Your key does not allow this")
	b.script(`[...document.querySelectorAll("dialog.case button")].find((b) => b.textContent === "Label").click()`)
	b.clickText("Label 1")
	b.awaitText("dialog [role=alert]", "Your key does not allow this")
}

func TestUnusualAndTwiceStoredCasesAreListed(t *testing.T) {
	b := open(t, "#/collection/cxr?tab=unusual", b0(t))
	b.await(`document.querySelectorAll(".cards img").length > 5`)
	b.awaitText(".heading", "The 20 most unusual of")
	b.bothThemes("unusual cases")
	b.click(".cards button")
	b.await(`document.querySelector("dialog.case .frame img")`)
	b.press(kb.Escape)
	b.click("#tab-duplicates")
	b.await(`document.querySelector(".heading, .state h2")`)
	b.script(`(() => { const s = [...document.querySelectorAll(".tools select")][1]; s.value = "0.95"; s.dispatchEvent(new Event("change")); })()`)
	b.await(`document.querySelectorAll(".groups img").length > 1 && location.hash.includes("similarity=0.95")`)
	b.awaitText(".groups", "similarity 0.9")
	b.awaitText(".groups", "different patients")
	b.bothThemes("near-duplicates")
}

func TestACollectionWithNothingInItSaysWhatToDo(t *testing.T) {
	w := theWorld(t)
	w.ask(t, "POST", "/v1/collections", map[string]any{"name": "nothing-yet", "model": "scatter"}, nil)
	defer w.ask(t, "DELETE", "/v1/collections/nothing-yet?confirm=nothing-yet", nil, nil)
	b := open(t, "#/collection/nothing-yet", b0(t))
	b.awaitText("main", "The collection is empty")
	b.bothThemes("an empty collection")
	b.expect("404")
	b.goTo("#/collection/never-made")
	b.awaitText("main [role=alert]", "Retry")
}

func TestHostileNamesAndClassesAreTextInACollection(t *testing.T) {
	b := open(t, "#/collection/hostile", b0(t))
	b.tiles()
	b.awaitText(".tile", hostileClass)
	b.click(".tile")
	b.awaitText("dialog.case", "onerror=")
	b.press(kb.Escape)
	b.goTo("#/collection/hostile?tab=map")
	b.awaitText(".legend", hostileClass)
	if title := value[string](b, "document.title"); strings.Contains(title, "owned") {
		t.Errorf("the title is %s", title)
	}
}
