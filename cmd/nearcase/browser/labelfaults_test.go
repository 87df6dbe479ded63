package browser

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// A list of cases that comes when another has been chosen does not take away the case
// that is being labelled.
func TestALateListDoesNotHideTheCase(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-late", single, 14, 12)
	b := labelling(t, "labels-late", "finding", "next", "anna")
	b.script(`window.held = []; window.there = window.fetch; window.fetch = async (to, how) => {
		if (String(to).includes("/review")) await new Promise((go) => held.push(go));
		const answer = await there(to, how);
		if (String(to).includes("/v1/jobs/") && (await answer.clone().json()).state === "done") setTimeout(() => { window.late = true; }, 200);
		return answer;
	}; undefined`)
	b.put("#order", "informative")
	b.await(`held.length === 1`)
	b.put("#order", "next")
	b.ready()
	b.script(`held[0](); undefined`)
	b.await(`window.late`)
	b.ready()
	b.labelled("1")
	b.session(1)
}

// What was not stored is taken back before what was, and nobody labels under the name of
// one who has signed out.
func TestWhoSignsOutLeavesNothing(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-left", single, 2, 0)
	b := labelling(t, "labels-left", "finding", "next", "anna")
	b.labelled("1")
	b.session(1)
	b.script(`window.there = window.fetch; window.fetch = (to, how) => (how?.method === "POST" && String(to).endsWith("/labels") ? Promise.reject(new TypeError("cut")) : there(to, how)); undefined`)
	b.press("2")
	b.awaitText(".unsaved", "not stored")
	b.ready()
	b.press("u")
	b.awaitText("#toasts", "Let go, it was not stored: pneumonia")
	b.await(`document.querySelector(".unsaved").hidden && document.querySelector("[data-class=pneumonia]").getAttribute("aria-pressed") === "false"`)
	b.ready()
	b.press("2")
	b.awaitText(".unsaved", "not stored")
	b.click("#leave")
	b.awaitText("dialog", "One label is not stored and would be lost")
	b.accessible("signing out with a label that is not stored")
	b.answers("Cancel")
	b.awaitText(".unsaved", "not stored")
	b.click("#leave")
	b.answers("Sign out")
	b.await(`document.querySelector("#key")`)
	b.script(`window.fetch = window.there; document.activeElement.blur()`)
	b.press("1") // no view is open that a key could label in
	b.typed("#key", b.w.admin+kb.Enter)
	b.await(`document.activeElement.id === "reader" && document.activeElement.value === ""`)
	b.await(`document.querySelector(".unsaved").hidden`)
	if got := w.history(t, "labels-left", "anna"); len(got) != 1 || got[0].Removed {
		t.Errorf("%+v is stored, want the first label alone", got)
	}
}
