package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// put gives a control a value as a reader would.
func (b *tab) put(selector, value string) {
	b.t.Helper()
	b.await(`document.querySelector(` + quoted(selector) + `)`)
	b.script(`{
		const control = document.querySelector(` + quoted(selector) + `);
		control.value = ` + quoted(value) + `;
		for (const name of ["input", "change"]) control.dispatchEvent(new Event(name, {bubbles: true}));
	}`)
}

func TestTheWindowOfADICOMFileIsChanged(t *testing.T) {
	b := open(t, "#/query/dicom", b0(t))
	b.settled()
	b.upload("#files", dicomFile(t, "CT_small.dcm"))
	b.await(casesShown)
	b.await(imageShown + ` && !document.querySelector(".viewer-window").hidden`)
	b.awaitText(".evidence", "No labels yet")
	b.accessible("a DICOM file")
	light := func() float64 {
		b.await(imageShown)
		return value[float64](b, `(() => {
			const image = document.querySelector(".picture .stage img"), canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), c = canvas.getContext("2d");
			c.drawImage(image, 0, 0);
			return c.getImageData(0, 0, canvas.width, canvas.height).data.reduce((sum, v) => sum + v, 0);
		})()`)
	}
	own := light()
	b.put(`.viewer-window input[aria-label^="Level, "]`, "-500")
	b.await(`document.querySelector(".viewer-window select").value === "own"`)
	b.await(`document.querySelector(".picture .stage img").style.filter === "none" && ` + imageShown)
	if got := light(); got <= own {
		t.Errorf("with a low level the picture has light of %v, with the file's own %v: want more", got, own)
	}
	b.put(".viewer-window select", "full")
	b.await(imageShown + ` && document.querySelector(".viewer-window select").value === "full"`)
	b.tabTo(".stage")
	width := value[string](b, `document.querySelector(".viewer-window input[aria-label='Width, as a number']").value`)
	b.do(chromedp.KeyEvent(kb.ArrowRight, chromedp.KeyModifiers(chromedp.ModifierShift)))
	b.await(`document.querySelector(".viewer-window input[aria-label='Width, as a number']").value !== ` + quoted(width))
	b.press("i")
	b.await(`document.querySelector(".picture .stage img").style.filter.includes("invert")`)
	b.press("r")
	b.await(imageShown + ` && document.querySelector(".viewer-window select").value === "" && document.querySelector(".picture .stage img").style.filter === "none"`)
	if got := light(); got != own {
		t.Errorf("after the reset the picture has light of %v, at first %v", got, own)
	}
}

func TestFramesAreTurnedByKeysAndAreInTheAddress(t *testing.T) {
	b := open(t, "#/query/dicom", b0(t))
	b.settled()
	id := value[string](b, `import("/page/api.js").then(({ask}) => ask("GET", "/v1/collections/dicom/instances", {query: {limit: 1000, filter: '{"field": "frame", "eq": 3}'}})).then((p) => p.instances[0].id)`)
	b.goTo("#/query/dicom?instance=" + id)
	b.await(imageShown + ` && Number(document.querySelector("input[aria-label=Frame]").max) > 1`)
	b.press(",", ",")
	b.await(`document.querySelector(".viewer-row output:not(.viewer-zoom)").innerText.startsWith("1 /") && location.hash.includes("frame=1")`)
	b.await(`performance.getEntriesByType("resource").some((e) => e.name.endsWith("rendered?frame=1"))`)
	b.await(imageShown)
	b.press(".")
	b.await(`location.hash.includes("frame=2")`)
	b.await(imageShown)
	b.accessible("frames")
}

const scores = `[...document.querySelectorAll(".cases .score")].map((e) => e.innerText)`

// A file that is not stored asks by all of its frames, or by the one that is shown.
func TestAFileIsAskedByTheFrameThatIsShown(t *testing.T) {
	b := open(t, "#/query/dicom", b0(t))
	b.settled()
	b.upload("#files", dicomFile(t, "MR_small_RLE.dcm"), dicomFile(t, "rtdose.dcm"))
	b.await(`document.querySelectorAll(".files li").length === 2`)
	b.await(casesShown)
	b.tabTo(".files")
	b.press(kb.End)
	b.awaitText(".by-frame", "the mean of its frames")
	b.await(casesShown) // of this file, as the button of its frames is there
	all := value[[]string](b, scores)
	b.press(".", ".")
	b.clickText("Ask by frame 3")
	b.awaitText(".by-frame", "Asked by frame 3.")
	b.await(fmt.Sprintf(`location.hash.includes("frame=3") && %s && %s.join() !== %s`, casesShown, scores, quoted(strings.Join(all, ","))))
	b.accessible("asked by a frame")
	b.clickText("Ask by all frames")
	b.awaitText(".by-frame", "the mean of its frames")
	b.await(fmt.Sprintf(`!location.hash.includes("frame=") && %s && %s.join() === %s`, casesShown, scores, quoted(strings.Join(all, ","))))
}

// place is where the query's image is in the window, in CSS pixels.
type place struct{ Left, Top, Width float64 }

func (b *tab) place() place {
	b.t.Helper()
	return value[place](b, `(({left, top, width}) => ({Left: left, Top: top, Width: width}))(document.querySelector(".picture .stage img").getBoundingClientRect())`)
}

// pull drags from the middle of the stage.
func (b *tab) pull(button input.MouseButton, dx, dy float64) {
	b.t.Helper()
	x, y := b.middle()
	held := map[input.MouseButton]int64{input.MouseButtonLeft: 1, input.MouseButtonRight: 2}[button]
	for _, e := range []input.DispatchMouseEventParams{
		{Type: input.DispatchMouseEventTypeMousePressed, X: x, Y: y, Button: button, Buttons: held, ClickCount: 1},
		{Type: input.DispatchMouseEventTypeMouseMoved, X: x + dx, Y: y + dy, Button: button, Buttons: held},
		{Type: input.DispatchMouseEventTypeMouseReleased, X: x + dx, Y: y + dy, Button: button, ClickCount: 1},
	} {
		call(b, input.DispatchMouseEvent, e)
	}
}

func (b *tab) middle() (x, y float64) {
	b.t.Helper()
	p := value[[]float64](b, `(({left, top, width, height}) => [left + width / 2, top + height / 2])(document.querySelector(".picture .stage").getBoundingClientRect())`)
	return p[0], p[1]
}

func TestAnImageIsZoomedAndMoved(t *testing.T) {
	b := open(t, "#/query/dicom", b0(t))
	b.settled()
	b.upload("#files", dicomFile(t, "CT_small.dcm"))
	b.await(imageShown + ` && !document.querySelector(".viewer-window").hidden`)
	// The window's controls have taken some of the stage, in which the image is fitted by the next frame.
	b.script(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`)
	fit := b.place()
	x, y := b.middle()
	wider := fmt.Sprintf(`document.querySelector(".picture .stage img").getBoundingClientRect().width > %v`, fit.Width+10)
	call(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: input.DispatchMouseEventTypeMouseWheel, X: x, Y: y, DeltaX: 1e-9, DeltaY: -120}) // a delta of 0 would be left out
	b.await(wider)
	was := b.place()
	b.pull(input.MouseButtonLeft, 30, -20)
	if is := b.place(); is.Left-was.Left < 29 || is.Left-was.Left > 31 || is.Top-was.Top < -21 || is.Top-was.Top > -19 || is.Width != was.Width {
		t.Errorf("dragged by (30, -20) the image is at %+v, was at %+v", is, was)
	}
	b.press("0")
	if is := b.place(); is != fit {
		t.Errorf("fitted again the image is at %+v, was at %+v", is, fit)
	}
	touch := func(kind input.DispatchTouchEventType, apart float64) {
		points := []*input.TouchPoint{}
		if apart > 0 {
			points = append(points, &input.TouchPoint{X: x - apart, Y: y}, &input.TouchPoint{X: x + apart, Y: y})
		}
		call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
	}
	touch(input.DispatchTouchEventTypeTouchStart, 20)
	touch(input.DispatchTouchEventTypeTouchMove, 60)
	touch(input.DispatchTouchEventTypeTouchEnd, 0)
	b.await(wider)
	b.press("0")
	b.tabTo(".stage")
	b.press("+", kb.ArrowLeft)
	b.await(wider)
	if is := b.place(); is.Left <= fit.Left-is.Width/2 {
		t.Errorf("moved by the arrow the image is at %+v", is)
	}
	b.script(`{
		window.shades = [];
		const image = document.querySelector(".picture .stage img");
		new MutationObserver(() => shades.push(image.style.filter)).observe(image, {attributes: true, attributeFilter: ["style"]});
	}`)
	b.pull(input.MouseButtonRight, 60, 40)
	b.await(`document.querySelector(".viewer-window select").value === "own"`)
	b.await(`shades.some((s) => s.includes("preview"))`) // before the server's picture is there
	b.await(`document.querySelector(".picture .stage img").style.filter === "none" && ` + imageShown)
}
