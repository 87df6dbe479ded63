package browser

import (
	"bytes"
	"flag"
	"image"
	"image/draw"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"nearcase/cmd/nearcase/phantom"
)

var (
	screenshots = flag.String("screenshots", "", "a folder to write the pictures of docs/page.md to")
	gallery     = flag.String("gallery", "", "a folder to write every view at every size and in both themes to, for looking at")
)

// scenes are the views as docs/page.md shows them, of synthetic images.
var scenes = []struct {
	name          string
	width, height int64
	address       string
	shown         func(b *tab)
}{
	{"query", 1440, 940, "#/query/phantoms?instance=phantom-011-2&task=finding", func(b *tab) {
		b.await(casesShown)
		b.await(imageShown)
		b.await(probabilities)
		b.await(`[...document.querySelectorAll(".cases li")].every((c) => c.querySelector("img")?.naturalWidth > 0)`)
	}},
	{"compare", 1280, 800, "#/query/phantoms?instance=phantom-011-2&task=finding", func(b *tab) {
		b.await(casesShown)
		b.await(probabilities)
		b.script(`document.querySelector(".cases li button").click()`)
		b.await(`[...document.querySelectorAll("dialog[open] .stage img")].filter((i) => i.naturalWidth > 0).length === 2 && !document.querySelector("dialog [aria-busy]")`)
	}},
	{"label", 1280, 820, "#/label/phantoms?task=finding&order=next", func(b *tab) {
		if value[bool](b, `!!document.querySelector("#reader")`) {
			b.typed("#reader", "anna"+kb.Enter)
		}
		b.ready()
		b.await(`+document.querySelector(".probe").dataset.version > 0`)
	}},
	{"collection", 1280, 800, "#/collection/phantoms", func(b *tab) {
		b.await(`document.querySelectorAll(".tile:not([hidden]) img").length > 11 && [...document.querySelectorAll(".tile:not([hidden])")].every((t) => t.querySelector("img"))`)
	}},
	{"map", 1280, 800, "#/collection/phantoms?tab=map&task=finding", func(b *tab) {
		b.mapped()
		b.drag(".canvas canvas", shift, 0.05, 0.45, 0.6, 0.98)
		b.await(`document.querySelectorAll(".strip img").length > 3`)
		b.script("scrollTo(0, 0)")
	}},
	{"evaluation", 1280, 1860, "", func(b *tab) { b.await(`document.querySelector(".heat") && document.querySelector(".figures")`) }},
	{"operation", 1280, 800, "#/operation/phantoms", func(b *tab) { b.awaitText("[aria-labelledby=card-health] .verdict", "Ready") }},
}

// TestThePageLooksAsItsPicturesShow takes the pictures of docs/page.md anew, which must
// still be like those that are kept. The flag -screenshots writes them.
func TestThePageLooksAsItsPicturesShow(t *testing.T) {
	w := unguarded(t, theWorld(t))
	var key struct{ Token string }
	w.ask(t, "POST", "/v1/keys", map[string]any{"name": "reading room", "scopes": []string{"admin"}}, &key)
	w.admin = key.Token
	w.ask(t, "POST", "/v1/keys", map[string]any{"name": "pacs", "scopes": []string{"write", "read"}}, &key)
	job, _ := w.evaluating(t, drawn, `{"task":"finding","folds":3,"rounds":200,"learning_curve":true,"mistakes":100}`)
	for _, task := range []string{phantom.Finding, phantom.Devices} {
		w.ask(t, "POST", "/v1/collections/"+drawn+"/probes/"+task+"/retrain", map[string]any{}, nil)
	}
	b := openOn(t, w, "#/operation/phantoms", w.admin)
	b.settled()
	for _, s := range scenes {
		if s.name == "evaluation" {
			s.address = "#/evaluation/phantoms?job=" + job
		}
		t.Run(s.name, func(t *testing.T) {
			b.t = t
			b.theme("dark")
			b.size(s.width, s.height)
			b.goTo(s.address)
			s.shown(b)
			b.alike(filepath.Join("..", "..", "..", "docs", "page", s.name+".png"))
			if *gallery != "" {
				b.everyWay(s.name)
			}
			b.press(kb.Escape)
		})
	}
	b.t = t
}

func (b *tab) theme(name string) {
	b.t.Helper()
	b.script(`if (document.documentElement.dataset.theme !== ` + quoted(name) + `) document.getElementById("theme").click()`)
}

// everyWay writes what is shown at the sizes of a desk, a reading room and a tablet.
func (b *tab) everyWay(name string) {
	for size, of := range map[string][2]int64{"desk": {1280, 800}, "room": {3840, 2160}, "tablet": {820, 1180}} {
		for _, theme := range []string{"dark", "light"} {
			b.size(of[0], of[1])
			b.theme(theme)
			b.settled()
			if err := os.WriteFile(filepath.Join(*gallery, name+"-"+size+"-"+theme+".png"), b.picture(), 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// picture is what the window shows, as PNG.
func (b *tab) picture() []byte {
	b.t.Helper()
	b.await(`[...document.images].every((i) => i.complete) && document.getAnimations().every((a) => a.playState !== "running")`)
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}

// alike finds that what is shown looks much like a picture that is kept: fonts and the
// figures of a machine may differ, where things are and how bright may not.
func (b *tab) alike(path string) {
	b.t.Helper()
	shown := b.picture()
	if *screenshots != "" {
		if err := os.WriteFile(filepath.Join(*screenshots, filepath.Base(path)), shown, 0o644); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatalf("%v; make screenshots takes it", err)
	}
	now, then := coarse(b.t, shown), coarse(b.t, kept)
	if len(now) != len(then) {
		b.t.Fatalf("%s is of another size; make screenshots takes it anew", path)
	}
	sum := 0.0
	for i := range now {
		sum += math.Abs(now[i] - then[i])
	}
	if mean := sum / float64(len(now)); mean > 3 {
		b.t.Errorf("the page differs from %s by %.1f grey levels on average; look at it, and make screenshots takes it anew; its text is\n%s", path, mean, value[string](b, "document.querySelector('main').innerText"))
	} else {
		b.t.Logf("%.2f grey levels from %s", mean, path)
	}
}

// coarse is the mean grey level of each square of 16 by 16 pixels.
func coarse(t testing.TB, content []byte) (levels []float64) {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	grey := image.NewGray(decoded.Bounds())
	draw.Draw(grey, grey.Bounds(), decoded, decoded.Bounds().Min, draw.Src)
	const side = 16
	for y := 0; y+side <= grey.Rect.Dy(); y += side {
		for x := 0; x+side <= grey.Rect.Dx(); x += side {
			sum := 0
			for i := range side * side {
				sum += int(grey.GrayAt(x+i%side, y+i/side).Y)
			}
			levels = append(levels, float64(sum)/(side*side))
		}
	}
	return levels
}
