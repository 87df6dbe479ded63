package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a test waits for the page to come to a state.
const patience = 60 * time.Second

// chromium is the browser of all tests; each has a context of its own in it.
var chromium = sync.OnceValues(func() (context.Context, error) {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		return nil, exec.ErrNotFound
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, // what is software's to draw everywhere
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("hide-scrollbars", false),
		chromedp.WSURLReadTimeout(patience))...)
	first, cancel := chromedp.NewContext(ctx)
	cleanup = append(cleanup, end, cancel)
	return first, chromedp.Do(first)
})

// tab is a page of the world's server in a browser context of its own.
type tab struct {
	t         testing.TB
	w         *world
	ctx       context.Context
	downloads string
	mu        sync.Mutex
	said      []string // errors of scripts and of the policy
	asked     []string // URLs
	expected  []string // parts of errors that are no failure
}

// open opens a page at an address such as #/query/cxr, signed in by a key if that is
// not empty. At the end of the test nothing must have failed in its scripts, nothing
// been refused by its policy, and no request have left the server's origin.
func open(t testing.TB, address, key string) *tab {
	t.Helper()
	return openOn(t, theWorld(t), address, key)
}

// openOn is open for a server of the test's own.
func openOn(t testing.TB, w *world, address, key string) *tab {
	t.Helper()
	b := &tab{t: t, w: w, downloads: t.TempDir()}
	first := chromiumOr(t)
	axe(t)
	ctx, cancel := chromedp.NewContext(first, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	b.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // makes the tab, whose life must not end with a timeout
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	call(b, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: b.downloads, BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
	})
	b.size(1280, 800)
	t.Cleanup(b.check)
	b.do(chromedp.Navigate(w.url + "/" + address))
	if key != "" {
		b.await(`document.querySelector("#key")`)
		b.typed("#key", key+kb.Enter)
		b.await(`!document.querySelector("#key")`)
	}
	return b
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, fmt.Sprintf("exception: %+v", *e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			for _, a := range e.Args {
				b.said = append(b.said, "console: "+string(a.Value)+" "+a.Description)
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.said = append(b.said, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	case *page.EventJavascriptDialogOpening:
		b.said = append(b.said, "a dialog of the browser: "+e.Message)
	}
}

// expect names a part of an error that the test causes on purpose. A 401 before
// signing in always is.
func (b *tab) expect(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, part)
}

func (b *tab) check() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, said := range b.said {
		known := strings.Contains(said, "401")
		for _, part := range b.expected {
			known = known || strings.Contains(said, part)
		}
		if !known {
			b.t.Errorf("the page said: %s", said)
		}
	}
	for _, asked := range b.asked {
		if u, err := url.Parse(asked); err != nil || u.Scheme != "blob" && u.Scheme != "data" && u.Scheme+"://"+u.Host != b.w.url {
			b.t.Errorf("a request has left the origin: %s", asked)
		}
	}
}

// call sends a command of the browser's protocol that must succeed.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// size gives the window a size in CSS pixels.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

// do runs actions that must succeed in time.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\nthe page says: %s\nits errors: %q", err, b.text("main"), b.said)
	}
}

// script runs JavaScript, and awaits its promise if it gives one.
func (b *tab) script(text string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](text, chromedp.EvalAwaitPromise))
}

// value evaluates an expression, or awaits a promise, and decodes what it gives.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\nits errors: %q", expression, err, b.said)
	}
	return v
}

// await waits until an expression is true.
func (b *tab) await(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void]("!!("+expression+")", chromedp.WithPollingInterval(30*time.Millisecond), chromedp.WithPollingTimeout(0))); err != nil {
		b.t.Fatalf("wait for %s: %v\nthe page says: %s\nits errors: %q", expression, err, b.text("main"), b.said)
	}
}

// awaitText waits until an element that the selector names has the text in it.
func (b *tab) awaitText(selector, text string) {
	b.t.Helper()
	b.await(fmt.Sprintf(`[...document.querySelectorAll(%s)].some((e) => e.innerText.includes(%s))`, quoted(selector), quoted(text)))
}

// text is what an element shows, "" where there is none.
func (b *tab) text(selector string) string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%s)?.innerText ?? ""`, quoted(selector))))
	return text
}

func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// mouse clicks in the middle of the element that an expression gives, once it is there
// and in front, also if another has taken its place since. Where the page has moved
// between the look and the click, it looks again.
func (b *tab) mouse(expression string) {
	b.t.Helper()
	at := fmt.Sprintf(`(() => {
		const e = %s;
		if (!e || e.ariaDisabled === "true") return null;
		e.scrollIntoView({ block: "center" });
		const r = e.getBoundingClientRect(), at = [r.x + r.width / 2, r.y + r.height / 2];
		return e.contains(document.elementFromPoint(...at)) ? at : null;
	})()`, expression)
	for range 10 {
		b.await(at)
		b.script(fmt.Sprintf(`removeEventListener("click", window.struck, true);
			window.hit = false;
			window.struck = (ev) => {
				const e = %s;
				window.hit = Boolean(e?.contains(ev.target));
				if (!window.hit) ev.stopImmediatePropagation();
			};
			addEventListener("click", window.struck, { capture: true, once: true })`, expression))
		where := value[[]float64](b, at)
		if len(where) != 2 {
			continue
		}
		b.do(chromedp.MouseClickXY(where[0], where[1]))
		if value[bool](b, "window.hit") {
			return
		}
	}
	b.t.Fatalf("%s: cannot be hit", expression)
}

// click waits for an element and clicks on it by the mouse.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.mouse("document.querySelector(" + quoted(selector) + ")")
}

// clickText clicks on the first button, link, tab or label whose text is this.
func (b *tab) clickText(text string) {
	b.t.Helper()
	b.mouse(`[...document.querySelectorAll("button, a, [role=tab], label, summary")].find((e) => e.innerText.trim() === ` + quoted(text) + ` && e.checkVisibility() && !e.disabled)`)
}

// typed focuses an element and types into it.
func (b *tab) typed(selector, text string) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.CSS(selector)), chromedp.KeyEvent(text))
}

// press presses keys on what has the focus: kb.Tab, kb.Enter, "j" …
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.do(chromedp.KeyEvent(k))
	}
}

// upload gives files to an input of the page.
func (b *tab) upload(selector string, files ...string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(chromedp.CSS(selector), files))
}

// goTo opens another address of the page without loading it anew.
func (b *tab) goTo(address string) {
	b.t.Helper()
	b.script(`if (location.hash !== ` + quoted(address) + `) document.querySelector("main h1")?.setAttribute("data-left", ""); location.hash = ` + quoted(address))
	b.await(`!document.querySelector("main h1[data-left]")`)
	b.settled()
}

// settled waits until nothing is being loaded.
func (b *tab) settled() {
	b.t.Helper()
	b.await(`document.querySelector("main h1") && !document.querySelector("main [aria-busy], main progress:not([value])")`)
}

// downloaded waits for a file of that name and returns it.
func (b *tab) downloaded(name string) []byte {
	b.t.Helper()
	path := filepath.Join(b.downloads, name)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if content, err := os.ReadFile(path); err == nil {
			return content
		}
		b.script("new Promise((r) => setTimeout(r, 50))")
	}
	entries, _ := os.ReadDir(b.downloads)
	b.t.Fatalf("no download %s, there are %v", name, entries)
	return nil
}

// accessible runs axe-core on what is shown, which must find no violation of WCAG 2.2
// AA nor of what its authors call best practice.
func (b *tab) accessible(what string) {
	b.t.Helper()
	b.script(axe(b.t) + "; undefined")
	type node struct {
		HTML           string
		FailureSummary string
	}
	found := value[[]struct {
		ID, Help string
		Nodes    []node
	}](b, `(async () => {
		const {violations} = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]});
		// What is half under the bar at the top only because the page is scrolled so is no
		// smaller for it.
		const at = scrollY, small = violations.find((v) => v.id === "target-size"), still = [];
		for (const n of small?.nodes ?? []) {
			const target = document.querySelector(n.target[0]);
			target.scrollIntoView({block: "center", behavior: "instant"});
			const again = await axe.run(target, {runOnly: {type: "rule", values: ["target-size"]}});
			still.push(...again.violations.flatMap((v) => v.nodes));
		}
		if (small) scrollTo({top: at, behavior: "instant"}), small.nodes = still;
		return violations.map((v) => ({ID: v.id, Help: v.help, Nodes: v.nodes.slice(0, 4).map((n) => ({HTML: n.html, FailureSummary: n.failureSummary}))}));
	})()`)
	for _, v := range found {
		for _, n := range v.Nodes {
			b.t.Errorf("%s: axe-core: %s (%s): %s\n%s", what, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// missing skips a test for want of what it needs, or fails it where BROWSER_REQUIRED
// says that nothing is to be skipped.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("BROWSER_REQUIRED") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// chromiumOr returns the browser, without which the test is skipped. One that is there
// and does not start fails it.
func chromiumOr(t testing.TB) context.Context {
	t.Helper()
	first, err := chromium()
	if errors.Is(err, exec.ErrNotFound) {
		missing(t, "no Chromium: %v", err)
	}
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return first
}

// axe is the text of axe-core.
func axe(t testing.TB) string {
	t.Helper()
	path := os.Getenv("AXE_CORE")
	if path == "" {
		missing(t, "AXE_CORE is not set to axe-core's axe.min.js, which make test fetches")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
