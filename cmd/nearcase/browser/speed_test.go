package browser

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// BenchmarkFirstView loads the page of a server that asks for no key, by loopback and
// with nothing kept from before: how long after the navigation began its heading and
// something to use are there, the median of many, and how many bytes came by then that
// are not of images.
func BenchmarkFirstView(b *testing.B) {
	w := theWorld(b)
	open := unguarded(b, w)
	first := chromiumOr(b)
	ctx, cancel := chromedp.NewContext(first, chromedp.WithNewBrowserContext())
	b.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.Fatal(err)
	}
	t := &tab{t: b, w: open, ctx: ctx}
	call(t, network.Enable, network.EnableParams{})
	call(t, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	call(t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		new MutationObserver((_, o) => {
			if (!document.querySelector("main h1") || !document.querySelector("main :is(button, input, select, a[href]):not(:disabled)")) return;
			window.usable = performance.now();
			o.disconnect();
		}).observe(document, { childList: true, subtree: true });`})
	t.size(1280, 800)
	var took, sizes []float64
	for b.Loop() {
		for range 15 {
			t.do(chromedp.Navigate("about:blank"), chromedp.Navigate(open.url+"/"))
			t.await("window.usable")
			took = append(took, value[float64](t, "window.usable"))
			sizes = append(sizes, value[float64](t, `performance.getEntries().filter((e) => e.encodedBodySize && !/thumbnail|rendered/.test(e.name)).reduce((sum, e) => sum + e.encodedBodySize, 0)`))
		}
	}
	ms, kB := median(took), median(sizes)/1000
	b.ReportMetric(ms, "ms")
	b.ReportMetric(kB, "kB")
	b.ReportMetric(slices.Max(took), "ms-worst")
	if ms > 500 || kB > 250 {
		b.Errorf("the first view: got %.0f ms and %.0f kB, want 500 and 250 at most", ms, kB)
	}
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// unguarded is a server without keys, of the synthetic images.
func unguarded(t testing.TB, w *world) *world {
	t.Helper()
	dir, err := os.MkdirTemp(w.dir, "unguarded")
	if err != nil {
		t.Fatal(err)
	}
	open := &world{dir: dir, binary: w.binary}
	if err := open.samePatients(); err != nil {
		t.Fatal(err)
	}
	if _, err := open.run("ingest", "--collection", drawn, filepath.Join(w.dir, "phantoms", "labels.csv")); err != nil {
		t.Fatal(err)
	}
	if err := open.serve(); err != nil {
		t.Fatal(err)
	}
	return open
}
