package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestAKeyIsAskedForAndKeptInMemoryAlone(t *testing.T) {
	b := open(t, "#/query/cxr?k=12", "")
	b.await(`document.querySelector("#key")`)
	b.accessible("signing in")
	b.typed("#key", "nearcase_not-a-key"+kb.Enter)
	b.await(`document.querySelector("form [role=alert]")`)
	b.typed("#key", b.w.admin+kb.Enter)
	b.await(`!document.querySelector("#key")`)
	b.settled()
	if kept := value[string](b, `JSON.stringify([location.href, document.cookie, {...localStorage}, {...sessionStorage}, document.title])`); strings.Contains(kept, b.w.admin) {
		t.Errorf("the key is kept in %s", kept)
	}
	if hash := value[string](b, "location.hash"); hash != "#/query/cxr?k=12" {
		t.Errorf("after signing in the address is %s, want what was asked for", hash)
	}
	b.do(chromedp.Reload())
	b.await(`document.querySelector("#key")`)
}

func TestViewsAreReachedByKeys(t *testing.T) {
	b := open(t, "", b0(t))
	b.settled()
	b.script(`sessionStorage.setItem("reader", JSON.stringify({ name: "test", all: false }))`) // so that Label does not ask
	for _, v := range []struct{ key, view, title string }{
		{"l", "label", "Label"}, {"c", "collection", "Collection"}, {"e", "evaluation", "Evaluation"}, {"o", "operation", "Operation"}, {"q", "query", "Query"},
	} {
		b.press("g", v.key)
		b.await(`document.querySelector("main h1")?.innerText === "` + v.title + `" && document.title.startsWith("` + v.title + `")`)
		b.await(`document.querySelector("main").contains(document.activeElement)`) // the heading, or where a view goes on from it
		b.await(`document.querySelector("nav [aria-current]").innerText.trim() === "` + v.title + `"`)
	}
	b.script(`document.querySelector("#collection").focus()`)
	b.press("c") // chooses a collection, if anything
	b.press(kb.Escape)
	b.await(`document.activeElement.id === "main"`)
	b.press("?")
	b.await(`document.querySelector("dialog[open]")`)
	b.accessible("the keys")
	b.press(kb.Escape)
	b.await(`!document.querySelector("dialog")`)
}

// b0 is the key of the shared world.
func b0(t testing.TB) string { return theWorld(t).admin }
