package browser

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp/kb"
)

// mapped waits until a map is drawn.
func (b *tab) mapped() {
	b.t.Helper()
	b.await(`document.querySelector(".legend") && document.querySelector("canvas")?.width > 300`)
}

func TestAMapIsReadByTheMouse(t *testing.T) {
	b := open(t, "#/collection/cxr?tab=map", b0(t))
	b.mapped()
	b.awaitText(".axis.across", "of the variance")
	b.bothThemes("a map")
	b.drag(".canvas canvas", shift, 0.02, 0.2, 0.98, 0.98)
	b.await(`/^\d+ chosen/.test(document.querySelector("section.chosen h2")?.innerText)`)
	b.await(`document.querySelectorAll(".strip img").length > 3`)
	b.click("details summary")
	b.await(`document.querySelectorAll("details tbody tr").length === 3`)
	b.script("scrollTo(0, 0)")
	b.bothThemes("a map with cases chosen")
	b.click(".strip button")
	b.await(`document.querySelector("dialog.case .frame img")`)
	b.press(kb.Escape)
	b.clickText("Clear")
	b.awaitText("section.chosen", "Nothing chosen")
	before := value[int](b, lit)
	b.click(".legend li:first-child button")
	b.await(fmt.Sprintf(`%s < %d && document.querySelector(".legend button").getAttribute("aria-pressed") === "false"`, lit, before))
	b.click(".legend li:first-child button")
	b.script(`(() => { const s = [...document.querySelectorAll(".tools select")].at(-1); s.value = "disagreement"; s.dispatchEvent(new Event("change")); })()`)
	b.awaitText(".legend", "they disagree")
	b.await(`location.hash.includes("colour=disagreement")`)
	b.click("details tbody tr:first-child button")
	b.await(`/chosen/.test(document.querySelector("section.chosen h2").innerText)`)
	chosen := value[string](b, `document.querySelector("section.chosen h2").innerText.split(" ")[0]`)
	b.clickText("Open as filter")
	b.awaitText(".tools", chosen+" cases")
}

// lit is how many pixels of the map are not its ground.
const lit = `(() => { const c = document.querySelector(".canvas canvas"), d = new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer); return d.reduce((n, v) => n + (v !== d[0]), 0); })()`

func TestAMapIsReadByKeysAlone(t *testing.T) {
	b := open(t, "#/collection/cxr?tab=map", b0(t))
	b.mapped()
	b.tabTo(".canvas canvas")
	b.press(kb.ArrowRight)
	b.awaitText("#announce", "case ")
	b.await(`document.querySelector(".hovercard:not([hidden]) img")`)
	b.accessible("a point")
	b.strikes(" ", 0)
	b.awaitText("section.chosen h2", "1 chosen")
	b.press(kb.ArrowLeft)
	b.strikes(" ", 0)
	b.awaitText("section.chosen h2", "2 chosen")
	b.press("+", "+", "0")
	b.strikes("Enter", 0)
	b.await(`document.querySelector("dialog.case .frame img")`)
	b.press(kb.Escape)
	b.await(`!document.querySelector("dialog") && document.activeElement.tagName === "CANVAS"`)
	b.press(kb.Escape)
	b.awaitText("section.chosen", "Nothing chosen")
}

func TestACollectionWithoutTasksHasAMap(t *testing.T) {
	b := open(t, "#/collection/dicom?tab=map", b0(t))
	b.mapped()
	b.awaitText(".legend", "all")
	b.accessible("a map without tasks")
	b.tabTo(".canvas canvas")
	b.press(kb.ArrowRight)
	b.await(`document.querySelector(".hovercard:not([hidden]) .thumb > *")`)
}

// A label of no class is one, unlike none.
func TestWhatHasNothingIsToldFromWhatIsNotLabelled(t *testing.T) {
	b := open(t, "#/collection/phantoms?tab=map&task=devices", b0(t))
	b.mapped()
	b.awaitText(".legend", "none of these")
	b.awaitText(".legend", "no label")
	b.goTo("#/collection/phantoms?filter=" + url.QueryEscape(`{"all":[{"task":"devices","labelled":true},{"not":{"task":"devices","has":["line","pacemaker"]}}]}`))
	b.tiles()
	if said := b.text(".tile .what"); !strings.Contains(said, "none") {
		t.Errorf("of an image without a device it says %q", said)
	}
	b.goTo("#/collection/phantoms?filter=" + url.QueryEscape(`{"task":"devices","labelled":false}`))
	b.tiles()
	b.awaitText(".tile .what", "unlabelled")
}

func TestAMapIsSaved(t *testing.T) {
	b := open(t, "#/collection/cxr?tab=map", b0(t))
	b.mapped()
	b.clickText("CSV")
	rows, err := csv.NewReader(bytes.NewReader(b.downloaded("cxr-map.csv"))).ReadAll()
	if err != nil || len(rows) != 301 || strings.Join(rows[0], " ") != "id x y label prediction" {
		t.Errorf("the table has %d rows, first %q: %v", len(rows), rows[0], err)
	}
	b.clickText("SVG")
	if drawing := b.downloaded("cxr-map.svg"); bytes.Count(drawing, []byte("h0")) < 250 || !bytes.Contains(drawing, []byte("of the variance")) {
		t.Errorf("the drawing is %.300s", drawing)
	}
	b.clickText("PNG")
	if picture := b.downloaded("cxr-map.png"); !bytes.HasPrefix(picture, []byte("\x89PNG")) {
		t.Errorf("the picture begins with %x", picture[:8])
	}
}

func TestUMAPPlacesCasesTheSameEachTimeAndCanBeEnded(t *testing.T) {
	b := open(t, "#/collection/phantoms?tab=map&layout=umap", b0(t))
	places := func() string {
		b.t.Helper()
		b.await(`document.querySelector("canvas[data-placed=umap]")`)
		b.clickText("CSV")
		table := b.downloaded("phantoms-map.csv")
		if err := os.Remove(filepath.Join(b.downloads, "phantoms-map.csv")); err != nil {
			t.Fatal(err)
		}
		return string(table)
	}
	first := places()
	b.awaitText("figcaption", "By UMAP of 16 components")
	b.bothThemes("UMAP")
	b.goTo("#/collection/phantoms?tab=map")
	b.mapped()
	b.goTo("#/collection/phantoms?tab=map&layout=umap")
	if second := places(); second != first {
		t.Errorf("UMAP has placed cases elsewhere:\n%.300s\nand before:\n%.300s", second, first)
	}
	b.script(`window.Worker = class extends window.Worker { // which does not come to its end before it is cancelled
		constructor(...of) { super(...of); this.addEventListener("message", (e) => { if (e.data.end) e.stopImmediatePropagation(); }); }
	}`)
	b.goTo("#/collection/cxr?tab=map&layout=umap")
	b.clickText("Cancel")
	b.awaitText(".axis.across", "of the variance")
	if hash := value[string](b, "location.hash"); strings.Contains(hash, "umap") {
		t.Errorf("after cancelling the address is %s", hash)
	}
}

// The nearest point, those within a rectangle and those beside a point are what
// comparing all says, also where points share a place or lie on the edge.
func TestPointsOfAMapAreFound(t *testing.T) {
	b := open(t, "", b0(t))
	b.settled()
	wrong := value[string](b, `import("/page/mapindex.js").then(({grid, nearest, within, beside}) => {
		let state = 7;
		const random = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
		for (const n of [0, 1, 2, 5, 300, 3000]) {
			const xs = Float32Array.from({length: n}, () => Math.round(random() * 40) / 10), ys = Float32Array.from({length: n}, () => (n % 2 ? 1 : random())), g = grid(xs, ys);
			for (let i = 0; i < 60; i++) {
				const x = random() * 5 - 0.5, y = random() * 2 - 0.5, reach = random(), seen = (j) => j % 3 > 0;
				let best = -1, least = Infinity;
				for (let j = 0; j < n; j++) { const d = (xs[j] - x) ** 2 + (ys[j] - y) ** 2; if (seen(j) && d < least && d < reach * reach && Math.abs(xs[j] - x) <= reach) [best, least] = [j, d]; }
				if (nearest(g, x, y, reach, seen) !== best) return "nearest of " + n + ": " + nearest(g, x, y, reach, seen) + ", want " + best;
				const found = [], all = [];
				within(g, x, y, x + reach, y + reach, (j) => found.push(j));
				for (let j = 0; j < n; j++) if (xs[j] >= x && xs[j] <= x + reach && ys[j] >= y && ys[j] <= y + reach) all.push(j);
				if (found.sort((a, b) => a - b).join() !== all.join()) return "within of " + n + ": " + found + ", want " + all;
			}
		}
		const g = grid(Float32Array.of(0, 1, 3, 0, -1), Float32Array.of(0, 0, 0, 2, 0.5));
		const ways = [[1, 0], [0, 1], [-1, 0], [0, -1]].map((way) => beside(g, 0, way)).join();
		return ways === "1,3,4,0" ? "" : "beside: " + ways;
	})`)
	if wrong != "" {
		t.Error(wrong)
	}
}

// plotOf has points of a map drawn on a canvas of 1000 by 640 pixels, as window.plot.
const plotOf = `import("/page/mapcanvas.js").then(({Plot}) => {
	const canvas = document.createElement("canvas");
	Object.assign(canvas.style, {position: "fixed", left: 0, top: 0, width: "1000px", height: "640px", "z-index": 99});
	document.body.append(canvas);
	const n = %d, xs = new Float32Array(n), ys = new Float32Array(n), groups = new Uint16Array(n);
	const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(6.283 * Math.random());
	for (let i = 0; i < n; i++) { groups[i] = i %% 8; xs[i] = Math.sin(i %% 8) + normal() / 4; ys[i] = Math.cos(i %% 8) + normal() / 4; }
	window.plot = new Plot(canvas);
	plot.place(xs, ys);
	plot.paint(groups, [[108,182,255],[240,163,74],[63,199,154],[230,214,92],[217,140,192],[236,124,90],[154,168,255],[185,195,207]], [13,17,22]);
	plot.resize();
	plot.fit([-2, -2, 2, 2]);
	return undefined;
})`

// BenchmarkMap draws 100,000 points while the map is moved and zoomed, by a browser
// that draws with the processor alone. A frame counts when it has been drawn in a
// turn of the browser's own to draw, of which there are 60 a second at most.
func BenchmarkMap(b *testing.B) {
	page := open(b, "", b0(b))
	page.settled()
	page.script(fmt.Sprintf(plotOf, 100_000))
	type run struct{ Frames, Seconds, Drawing float64 }
	var sum run
	for b.Loop() {
		r := value[run](page, `new Promise((resolve) => {
			const began = performance.now(), draw = plot.draw.bind(plot);
			let turns = 0, drawing = 0;
			plot.draw = () => { const t = performance.now(); draw(); drawing += performance.now() - t; };
			const before = plot.frames;
			const step = () => {
				const time = (performance.now() - began) / 1000;
				if (time > 5) { plot.draw = draw; return resolve({Frames: plot.frames - before, Seconds: time, Drawing: drawing}); }
				if (turns++ % 2) plot.pan(6 * Math.cos(time), 6 * Math.sin(time)); else plot.zoom(1 + 0.02 * Math.sin(3 * time), 500, 320);
				requestAnimationFrame(step);
			};
			step();
		})`)
		sum = run{sum.Frames + r.Frames, sum.Seconds + r.Seconds, sum.Drawing + r.Drawing}
	}
	b.ReportMetric(sum.Frames/sum.Seconds, "frames/s")
	b.ReportMetric(sum.Drawing/sum.Frames, "ms-drawing/frame")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkScroll scrolls through 10,000 cases twice and says what the page's scripts and
// nodes take of memory before and after each.
func BenchmarkScroll(b *testing.B) {
	const name, images = "scroll10000", 10_000
	page := open(b, "", b0(b))
	page.settled()
	tiny(b, name, images)
	page.goTo("#/collection/" + name)
	page.tiles()
	measured := func() (heap float64, nodes int64) {
		call(page, heapprofiler.CollectGarbage, cdp.Empty{})
		u := call(page, runtime.GetHeapUsage, cdp.Empty{})
		return u.UsedSize / 1e6, value[int64](page, `document.querySelectorAll("*").length`)
	}
	heap, nodes := measured()
	for b.Loop() {
		for _, pass := range []string{"first", "second"} {
			if seen := page.scrolled(); seen != images {
				b.Fatalf("scrolling has shown %d cases, want %d", seen, images)
			}
			after, now := measured()
			b.ReportMetric(after, "MB-after-"+pass)
			b.ReportMetric(float64(now-nodes), "nodes-more")
		}
	}
	b.ReportMetric(heap, "MB-before")
	b.ReportMetric(0, "ns/op")
}
