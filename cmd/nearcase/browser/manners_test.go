package browser

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var allViews = []string{"query", "label", "collection", "evaluation", "operation"}

// fits reports how many pixels what is shown is wider than the window.
func (b *tab) fits(what string) {
	b.t.Helper()
	if over := value[float64](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		b.t.Errorf("%s: is %g pixels wider than the window", what, over)
	}
}

// media lets the browser say so of its user.
func (b *tab) media(name, value string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: name, Value: value}}})
}

func TestEveryViewIsAccessibleAndFits(t *testing.T) {
	b := open(t, "", b0(t))
	for _, view := range allViews {
		b.goTo("#/" + view + "/" + radiographs)
		for _, size := range [][2]int64{{1280, 800}, {820, 1180}} {
			b.size(size[0], size[1])
			for _, theme := range []string{"dark", "light"} {
				what := fmt.Sprintf("%s, %d × %d, %s", view, size[0], size[1], theme)
				b.script(`document.documentElement.dataset.theme = ` + quoted(theme))
				b.settled()
				b.fits(what)
				b.accessible(what)
			}
		}
	}
	for _, size := range [][2]int64{{3840, 2160}, {400, 800}} { // a reading room, and WCAG 2.2's 1.4.10 Reflow with some to spare
		b.size(size[0], size[1])
		for _, view := range allViews {
			b.goTo("#/" + view + "/" + radiographs)
			b.fits(fmt.Sprintf("%s, %d pixels wide", view, size[0]))
		}
	}
}

// The title is the first thing that the hostile names would change.
func TestHostileNamesAreText(t *testing.T) {
	b := open(t, "", b0(t))
	id := b.first(hostile)
	for _, address := range []string{"label/" + hostile, "collection/" + hostile, "evaluation/" + hostile, "operation/" + hostile, "query/" + hostile, "query/" + hostile + "?instance=" + id} {
		b.goTo("#/" + address)
		if title := value[string](b, "document.title"); strings.Contains(title, "owned") || !strings.Contains(title, hostile) {
			t.Errorf("%s: the title is %q", address, title)
		}
		if made := value[int](b, `document.querySelectorAll("main script, main img[onerror], main img[src=x], body [onclick]").length`); made > 0 {
			t.Errorf("%s: %d elements were made of names", address, made)
		}
		b.accessible("hostile: " + address)
	}
	b.await(`document.querySelector("main").innerText.includes(` + quoted(hostileClass) + `)`)
	b.goTo("#/label/" + hostile)
	b.await(`document.querySelector("main").innerText.includes(` + quoted(hostileClass) + `)`)
}

// first is the ID of a collection's first instance.
func (b *tab) first(collection string) string {
	b.t.Helper()
	var page struct{ Instances []struct{ ID string } }
	b.w.answer(b.t, http.MethodGet, "/v1/collections/"+collection+"/instances?limit=1", "", &page)
	if len(page.Instances) == 0 {
		b.t.Fatalf("%s has no instances", collection)
	}
	return page.Instances[0].ID
}

// answer asks the world's server by the admin key, and decodes what it says.
func (w *world) answer(t testing.TB, method, path, body string, into any) {
	t.Helper()
	w.send(t, method, path, "application/json", strings.NewReader(body), into)
}

func TestAnSVGIsRefusedAndNotDrawn(t *testing.T) {
	b := open(t, "#/query/"+radiographs, b0(t))
	b.settled()
	b.expect("400")
	b.expect("415")
	b.expect("422")
	path := filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(path, []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="document.title='owned'"><script>document.title='owned'</script><text>hello</text></svg>`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.upload("#files", path)
	b.await(`document.querySelector("main [role=alert], main .state.bad, #toasts [role=alert]")`)
	if title := value[string](b, "document.title"); strings.Contains(title, "owned") {
		t.Errorf("the title is %q", title)
	}
	if drawn := value[int](b, `[...document.querySelectorAll("main svg text, main svg script")].filter((e) => e.textContent.includes("hello") || e.tagName === "script").length`); drawn > 0 {
		t.Error("the SVG was drawn")
	}
	b.accessible("an SVG was refused")
}

// What somebody would get into the page by a mistake in it is refused by the browser.
func TestThePolicyRefusesWhatIsInline(t *testing.T) {
	b := open(t, "", b0(t))
	b.settled()
	b.expect("Content Security Policy")
	b.script(`window.refused = []; document.addEventListener("securitypolicyviolation", (e) => refused.push(e.effectiveDirective));
		const script = document.createElement("script"); script.textContent = "window.owned = 1"; document.head.append(script);
		const style = document.createElement("style"); style.textContent = "h1 { color: rgb(1, 2, 3) !important }"; document.head.append(style);
		document.querySelector("h1").setAttribute("onclick", "window.owned = 2"); document.querySelector("h1").click();
		document.querySelector("h1").setAttribute("style", "background-color: rgb(1, 2, 3)");
		setTimeout("window.owned = 3", 0)`)
	for _, directive := range []string{"script-src-elem", "style-src-elem", "script-src-attr", "style-src-attr", "script-src"} {
		b.await(`refused.includes(` + quoted(directive) + `)`)
	}
	if got := value[string](b, `[window.owned ?? "not", getComputedStyle(document.querySelector("h1")).color === "rgb(1, 2, 3)", getComputedStyle(document.querySelector("h1")).backgroundColor === "rgb(1, 2, 3)"].join()`); got != "not,false,false" {
		t.Errorf("owned, coloured, filled: got %s, want none of it", got)
	}
}

// Neither an address of the page or of a request nor a title names a patient or a file,
// also where a filter does.
func TestAddressesAndTitlesNameNobody(t *testing.T) {
	b := open(t, "", b0(t))
	id := b.first(radiographs)
	var seen []string
	for _, address := range []string{"query/" + radiographs + "?instance=" + id, "label/" + radiographs, "collection/" + radiographs, "evaluation/" + radiographs, "operation/" + radiographs} {
		b.goTo("#/" + address)
		seen = append(seen, value[[]string](b, `[document.title, location.href, ...[...document.querySelectorAll("a[href]")].map((a) => a.href)]`)...)
	}
	names := b.w.identifying(t)
	b.goTo("#/collection/" + radiographs)
	b.clickText("Add filter")
	b.put(".addfilter select", "json")
	b.put(".addfilter textarea", `{"all": [{"field": "patient", "eq": `+quoted(names[1])+`}, {"field": "width", "gte": 1}]}`)
	b.clickText("Apply")
	b.await(`document.querySelectorAll(".filters .chip").length === 2 && location.hash.includes("width")`)
	seen = append(seen, value[[]string](b, `[document.title, location.href, decodeURIComponent(location.hash)]`)...)
	b.clickText("Map")
	b.await(`document.querySelector(".canvas canvas")`)
	b.mu.Lock()
	for _, asked := range b.asked {
		decoded, err := url.QueryUnescape(asked)
		if err != nil {
			t.Error(err)
		}
		seen = append(seen, decoded)
	}
	b.mu.Unlock()
	if !slices.ContainsFunc(seen, func(s string) bool { return strings.HasSuffix(s, "/instances/list") }) || !slices.ContainsFunc(seen, func(s string) bool { return strings.HasSuffix(s, "/map") }) {
		t.Errorf("neither a list nor a map was asked for: %v", seen)
	}
	for _, name := range names {
		for _, text := range seen {
			if strings.Contains(text, name) {
				t.Errorf("%q names %s", text, name)
			}
		}
	}
}

// identifying are the files and patients of the radiographs.
func (w *world) identifying(t testing.TB) (names []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(w.dir, "radiographs.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		names = append(names, filepath.Base(r[0]), r[1])
	}
	return names
}

func TestEveryViewTellsAReaderWhatItMayNot(t *testing.T) {
	b := open(t, "", theWorld(t).read)
	b.expect("403")
	for _, view := range allViews {
		b.goTo("#/" + view + "/" + radiographs)
		if text := b.text("main .view"); len(text) < 40 {
			t.Errorf("%s of a reader: got %q, want something to read", view, text)
		}
		b.accessible(view + " of a reader")
	}
}

// A key that may not read, and one that is for another collection, are told so.
func TestAKeyThatMayNotReadIsTold(t *testing.T) {
	w := theWorld(t)
	for what, of := range map[string][2]string{"a key that may not read": {`{"name":"annotator","scopes":["label"]}`, radiographs}, "a key for another collection": {`{"name":"ward","scopes":["read"],"collections":["` + drawn + `"]}`, radiographs}} {
		var made struct {
			Key   struct{ ID string }
			Token string
		}
		w.answer(t, http.MethodPost, "/v1/keys", of[0], &made)
		b := open(t, "#/query/"+of[1], made.Token)
		b.expect("403")
		b.awaitText("main [role=alert]", "Your key does not allow this")
		b.accessible(what)
	}
}

func TestEveryViewTellsThatTheServerIsGone(t *testing.T) {
	b := open(t, "#/query/"+radiographs, b0(t))
	b.settled()
	for _, view := range allViews {
		b.script(`window.there ??= fetch; window.fetch = (path, o) => o?.signal?.aborted ? there(path, o) : Promise.reject(new TypeError("gone")); location.hash = ` + quoted("#/"+view+"/"+drawn))
		b.awaitText("main [role=alert]", "The server cannot be reached")
		if view == "label" {
			b.accessible("the server is gone")
		}
		b.script(`window.fetch = there`)
		b.clickText("Try again")
		b.await(`document.querySelector("main h1") && !document.querySelector("main > .state.bad")`)
		b.settled()
	}
}

// The first Tab is to the content, past what is on every page.
func TestTheContentIsReachedFirst(t *testing.T) {
	b := open(t, "#/collection/"+radiographs, b0(t))
	b.settled()
	b.script(`document.activeElement.blur(); getSelection().removeAllRanges(); document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute("tabindex")`)
	b.press(kb.Tab)
	b.await(`document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().top >= 0`)
	b.accessible("the skip link")
	b.press(kb.Enter)
	b.await(`document.activeElement.id === "main"`)
	if hash := value[string](b, "location.hash"); !strings.HasPrefix(hash, "#/collection/"+radiographs) {
		t.Errorf("the skip link has changed the address to %s", hash)
	}
	b.press(kb.Tab)
	b.await(`document.querySelector("main").contains(document.activeElement) && document.activeElement.id !== "main"`)
}

// Tab goes round everything that can be used, in the order in which it is read, and is
// seen where it is.
func TestTheFocusIsSeenWhereverItIs(t *testing.T) {
	b := open(t, "#/operation", b0(t))
	b.settled()
	b.script(`document.querySelector(".brand").focus(); window.was = null`)
	for range 25 {
		b.press(kb.Tab)
		if got := value[string](b, `(() => {
			const e = document.activeElement, s = getComputedStyle(e), before = was;
			was = e;
			if (e === document.body) return "";
			if (before?.isConnected && before.closest("main") && e.closest("main") && before.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_PRECEDING) return "goes back";
			return s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 2 ? "shows no outline: " + e.outerHTML.slice(0, 100) : "";
		})()`); got != "" {
			t.Error("the focus " + got)
		}
	}
}

func TestWhoWantsLessMotionHasNone(t *testing.T) {
	b := open(t, "", b0(t))
	b.media("prefers-reduced-motion", "reduce")
	for _, view := range allViews {
		b.goTo("#/" + view + "/" + radiographs)
		b.await(`document.getAnimations().filter((a) => a.playState === "running").length === 0`)
	}
}

// With colours of the system's alone what is on, current or focused can still be told.
func TestForcedColoursLeaveSignsOfState(t *testing.T) {
	b := open(t, "", b0(t))
	b.media("forced-colors", "active")
	for _, view := range allViews {
		b.goTo("#/" + view + "/" + radiographs)
		if got := value[string](b, `(() => {
			const current = getComputedStyle(document.querySelector(".rail [aria-current]")), other = getComputedStyle(document.querySelector(".rail a:not([aria-current])"));
			const icon = getComputedStyle(document.querySelector(".rail .icon")), page = getComputedStyle(document.body);
			return [current.fontWeight !== other.fontWeight || current.outlineStyle !== other.outlineStyle, icon.backgroundColor !== page.backgroundColor].join();
		})()`); got != "true,true" {
			t.Errorf("%s: the current view differs, icons are seen: got %s", view, got)
		}
		if got := value[string](b, `[...document.querySelectorAll("main .dot")].filter((d) => d.checkVisibility() && getComputedStyle(d).backgroundColor === getComputedStyle(document.body).backgroundColor).length + " dots"`); got != "0 dots" {
			t.Errorf("%s: cannot be seen: %s", view, got)
		}
	}
}

// The theme that was chosen is kept, and keys can be switched off.
func TestChoicesOfTheFrameAreKept(t *testing.T) {
	b := open(t, "", b0(t))
	b.settled()
	b.press("t")
	b.await(`document.documentElement.dataset.theme === "light"`)
	b.press("?")
	b.await(`document.querySelector("dialog[open] input[type=checkbox]")`)
	b.click("dialog input[type=checkbox]")
	b.press(kb.Escape)
	b.await(`!document.querySelector("dialog")`)
	b.do(chromedp.Reload())
	b.await(`document.querySelector("#key")`)
	b.typed("#key", b.w.admin+kb.Enter)
	b.settled()
	b.await(`document.documentElement.dataset.theme === "light"`)
	b.press("t")
	b.script(`document.querySelector("#theme").click()`)
	b.await(`document.documentElement.dataset.theme === "dark"`) // once, by the button alone
}
