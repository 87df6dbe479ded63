package browser

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestTenImagesAreLabelledByKeysAlone(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-keys", single, 17, 12)
	b := labelling(t, "labels-keys", "finding", "informative", "anna")
	b.bothThemes("labelling")
	want := map[string]string{}
	for i := range 10 {
		want[b.id()] = []string{"normal", "pneumonia"}[i%2]
		b.labelled([]string{"1", "2"}[i%2])
	}
	b.awaitText(".looking", "Everything of this task is labelled")
	b.awaitText(".counted", "34 of 34 labelled")
	b.bothThemes("everything is labelled")
	got := w.history(t, "labels-keys", "anna")
	if len(got) != 10 {
		t.Fatalf("%d labels are stored, want 10: %+v", len(got), got)
	}
	for _, l := range got {
		if l.Source != "anna" || l.Reader != "anna" || l.Removed || !slices.Equal(l.Classes, []string{want[short(l.Instance)]}) {
			t.Errorf("of %s is stored %+v, want %q by anna", l.Instance, l, want[short(l.Instance)])
		}
	}
	if address := value[string](b, "location.hash"); address != "#/label/labels-keys?task=finding&order=informative" {
		t.Errorf("the address is %s", address)
	}
}

func TestProbesMoveAsLabelsArrive(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-probes", single, 13, 11)
	b := labelling(t, "labels-probes", "finding", "next", "anna")
	b.await(`+document.querySelector(".probe").dataset.version > 0`)
	b.awaitText(".figures", "Examples\n22")
	was := value[string](b, `document.querySelector(".probe").dataset.version`)
	b.labelled("1")
	b.session(1)
	b.await(`document.querySelector(".probe").dataset.version !== ` + quoted(was))
	b.awaitText(".figures", "Examples\n23")
	b.clickText("Retrain now")
	b.await(`+document.querySelector(".probe").dataset.answering > +` + quoted(was))
	b.awaitText(".probe", "geometric mean")
	first := value[string](b, `document.querySelector(".probe").dataset.answering`)
	b.labelled("2")
	b.session(2)
	b.clickText("Retrain now")
	b.await(`+document.querySelector(".probe").dataset.answering > +` + quoted(first))
	b.await(`/^Validated log loss of \d+ versions, from 0\.\d+ to 0\.\d+$/.test(document.querySelector(".probe svg[role=img]")?.getAttribute("aria-label"))`)
	b.click(".probe summary")
	b.bothThemes("the probes")
}

func TestWhatTheMachineSaysIsHiddenUntilAskedFor(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-machine", single, 3, 2)
	b := labelling(t, "labels-machine", "finding", "next", "anna")
	if shown := value[bool](b, `!!document.querySelector(".evidence, .alike") || document.querySelector("main").innerText.includes("Votes\t")`); shown {
		t.Error("votes and similar cases are shown before they were asked for")
	}
	b.press("m", "e")
	b.await(`document.querySelector(".evidence .value") && document.querySelectorAll(".alike img[src^=blob]").length >= 2`)
	b.bothThemes("with what the machine says")
	b.do(chromedp.Reload())
	b.await(`document.querySelector("#key")`)
	b.typed("#key", w.admin+kb.Enter)
	b.ready()
	b.await(`document.querySelector(".evidence .value")`)
}

func TestLabelsAreTakenBackStepByStep(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-undo", single, 3, 1)
	b := labelling(t, "labels-undo", "finding", "next", "anna")
	first := b.id()
	b.labelled("1")
	second := b.id()
	b.labelled("2")
	b.session(2)
	b.press(kb.Backspace)
	b.await(`document.querySelector(".where").innerText.includes(` + quoted(second) + `)`)
	b.ready()
	b.await(`document.querySelector("[data-class=pneumonia]").getAttribute("aria-pressed") === "true"`)
	b.labelled("1") // corrects the second
	b.session(3)
	b.press("u")
	b.session(2)
	b.await(`document.querySelector(".where").innerText.includes(` + quoted(second) + `) && document.querySelector("[data-class=pneumonia]").getAttribute("aria-pressed") === "true"`)
	b.do(chromedp.KeyEvent("z", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.session(1)
	b.press("u")
	b.session(0)
	b.await(`document.querySelector(".where").innerText.includes(` + quoted(first) + `)`)
	b.press("u")
	b.awaitText(".toast", "nothing to undo")
	b.awaitText(".counted", "2 of 6 labelled")
	now := map[string]string{}
	for _, l := range w.history(t, "labels-undo", "anna") {
		now[short(l.Instance)] += fmt.Sprintf("%v%v ", l.Classes, l.Removed)
	}
	want := map[string]string{first: "[normal]false []true ", second: "[pneumonia]false [normal]false [pneumonia]false []true "}
	if fmt.Sprint(now) != fmt.Sprint(want) {
		t.Errorf("the history is %v, want %v", now, want)
	}
}

func TestSeveralFindingsAreToggledAndStoredByEnter(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-multi", []map[string]any{{"name": "signs", "multi": true, "classes": []string{"cardiomegaly", "edema", "effusion"}}, single[0]}, 2, 0)
	b := labelling(t, "labels-multi", "signs", "next", "ben")
	first := b.id()
	b.press("1", "3", "3")
	b.await(`document.querySelector("[data-class=effusion]").getAttribute("aria-checked") === "mixed"`)
	b.bothThemes("several findings")
	b.labelled(kb.Enter)
	second := b.id()
	b.labelled("c")
	third := b.id()
	b.labelled(kb.Enter)
	b.click("[data-class=edema]")
	b.press(kb.ArrowLeft) // what was chosen is kept
	b.ready()
	b.press(kb.ArrowRight)
	b.ready()
	b.await(`document.querySelector("[data-class=edema]").getAttribute("aria-checked") === "true"`)
	b.click(".store")
	b.awaitText(".looking", "Everything of this task is labelled")
	b.session(4)
	got := map[string]string{}
	for _, l := range w.history(t, "labels-multi", "ben") {
		got[short(l.Instance)] = fmt.Sprint(l.Classes, l.Uncertain)
	}
	for id, want := range map[string]string{first: "[cardiomegaly] [effusion]", second: "[] [cardiomegaly edema effusion]", third: "[] []"} {
		if got[id] != want {
			t.Errorf("of %s is stored %s, want %s", id, got[id], want)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d images are labelled, want 4", len(got))
	}
}

// The network is cut while labels are given, and comes back.
func TestNoLabelIsLostWithoutANetwork(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-cut", single, 2, 0)
	b := labelling(t, "labels-cut", "finding", "next", "anna")
	first := b.id()
	b.script(`window.there = window.fetch; window.fetch = (to, how) => (how?.method === "POST" && String(to).endsWith("/labels") ? Promise.reject(new TypeError("cut")) : there(to, how)); undefined`)
	b.press("2")
	b.awaitText(".unsaved", "not stored")
	b.await(`document.querySelector(".where").innerText.includes(` + quoted(first) + `) && document.querySelector("[data-class=pneumonia]").getAttribute("aria-pressed") === "true"`)
	b.bothThemes("a label that is not stored")
	b.ready()
	b.press(kb.ArrowRight)
	b.ready()
	b.press("1")
	b.awaitText(".unsaved", "2 labels are not stored")
	if got := w.history(t, "labels-cut", "anna"); len(got) != 0 {
		t.Fatalf("without a network %+v is stored", got)
	}
	b.goTo("#/label/" + radiographs) // another collection and back
	b.goTo("#/label/labels-cut?task=finding&order=next")
	b.awaitText(".unsaved", "2 labels are not stored")
	b.script(`window.cut = window.fetch; window.fetch = window.there; undefined`)
	b.clickText("Store again")
	b.await(`document.querySelector(".unsaved").hidden`)
	b.session(2)
	b.script(`window.fetch = window.cut; undefined`)
	b.ready()
	b.press("1")
	b.awaitText(".unsaved", "not stored")
	b.script(`window.fetch = window.there; dispatchEvent(new Event("online")); undefined`)
	b.await(`document.querySelector(".unsaved").hidden`)
	b.session(3)
	if got := w.history(t, "labels-cut", "anna"); len(got) != 3 {
		t.Errorf("with the network again %+v is stored, want all three labels", got)
	}
}

func TestAKeyThatMayOnlyReadKeepsTheQueue(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-read", single, 2, 0)
	b := open(t, "#/label/labels-read?task=finding&order=next", w.read)
	b.expect("403")
	b.await(`document.activeElement.id === "reader"`)
	b.press("eve" + kb.Enter)
	b.ready()
	was := b.id()
	b.press("1")
	b.awaitText(".unsaved", "Your key does not allow labels")
	b.ready()
	if now := b.id(); now != was {
		t.Errorf("after the refusal %q is shown, want %q", now, was)
	}
	b.bothThemes("a key that may only read")
	b.clickText("Discard")
	b.await(`document.querySelector(".unsaved").hidden`)
	b.clickText("+ Class")
	b.await(`document.activeElement.id === "new-class"`)
	b.press("third" + kb.Enter)
	b.awaitText("dialog [role=alert]", "Your key does not allow this")
	b.press(kb.Escape)
}

func TestAnImageThatWasReplacedIsNotLabelledUnseen(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-replaced", single, 2, 0)
	b := labelling(t, "labels-replaced", "finding", "next", "anna")
	replaced := ""
	var page struct{ Instances []struct{ ID string } }
	w.ask(t, "GET", "/v1/collections/labels-replaced/instances", nil, &page)
	for _, i := range page.Instances {
		if short(i.ID) == b.id() {
			replaced = i.ID
		}
	}
	image, err := os.ReadFile(filepath.Join(testData(t), "cxr", radiographsOf(t, 3)["normal"][2][0]))
	if err != nil {
		t.Fatal(err)
	}
	w.send(t, "PUT", "/v1/collections/labels-replaced/instances/"+replaced, "image/jpeg", bytes.NewReader(image), nil)
	b.press("1")
	b.awaitText(".unsaved", "has been replaced")
	b.ready()
	b.accessible("a replaced image")
	b.labelled("2")
	b.session(1)
	b.await(`document.querySelector(".unsaved").hidden`)
	got := w.history(t, "labels-replaced", "anna")
	if len(got) != 1 || got[0].Instance != replaced || got[0].Classes[0] != "pneumonia" {
		t.Errorf("%+v is stored, want what was said after the second look", got)
	}
}

func TestLabelsForAllDecideWhatReadersSay(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-all", single, 1, 0)
	b := labelling(t, "labels-all", "finding", "next", "anna")
	id := b.id()
	b.labelled("x", "1")
	b.session(1)
	b.press("g", "c")
	b.goTo("#/label/labels-all?task=finding&order=unread")
	b.ready()
	b.click(".bar .quiet")
	b.await(`document.activeElement.id === "reader"`)
	b.accessible("who reads")
	b.press("ben") // in place of the name that is there
	b.click("input[value=all]")
	b.clickText("Begin")
	b.await(`document.querySelector(".where").innerText.includes("Case 1 ") && document.querySelector(".classes [aria-disabled=false]")`)
	for range 2 {
		b.labelled("2")
	}
	b.awaitText(".looking", "You have read everything")
	b.stored()
	var all []string
	for _, l := range slices.Concat(w.history(t, "labels-all", "anna"), w.history(t, "labels-all", "ben")) {
		if short(l.Instance) == id {
			all = append(all, fmt.Sprintf("%s %s %v %v", l.Reader, l.Source, l.Classes, l.Confidence))
		}
	}
	if want := []string{"anna anna [normal] 0.5", " ben [pneumonia] 0"}; !slices.Equal(all, want) {
		t.Errorf("of the first image is stored %q, want %q", all, want)
	}
}

func TestTheFirstTaskIsMadeInTheView(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-first", nil, 1, 0)
	b := open(t, "#/label/labels-first", b0(t))
	b.awaitText("main", "This collection has no task yet")
	b.bothThemes("no task")
	b.typed("#task-name", "view")
	b.typed("#task-classes", "lateral\nfrontal")
	b.clickText("Make the task")
	b.await(`document.activeElement.id === "reader"`)
	b.press("anna" + kb.Enter)
	b.ready()
	b.clickText("+ Class")
	b.await(`document.activeElement.id === "new-class"`)
	b.press("oblique" + kb.Enter)
	b.await(`document.querySelector("[data-class=oblique]")`)
	b.labelled("3")
	b.session(1)
	if got := w.history(t, "labels-first", "anna"); len(got) != 1 || !slices.Equal(got[0].Classes, []string{"oblique"}) {
		t.Errorf("%+v is stored, want the class that was added", got)
	}
	w.ask(t, "POST", "/v1/collections", map[string]any{"name": "labels-bare", "model": "scatter", "tasks": single}, nil)
	b.goTo("#/label/labels-bare")
	b.awaitText("main", "no image to label yet")
	b.accessible("no images")
}

func TestOrdersOfWhatNeedsALook(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "labels-orders", single, 2, 1)
	b := open(t, "#/label/labels-orders?task=finding&order=errors", b0(t))
	b.await(`document.activeElement.id === "reader"`)
	b.press("anna" + kb.Enter)
	b.awaitText(".looking", "There is no such list yet")
	b.accessible("no list")
	b.clickText("Readers disagree")
	b.awaitText(".looking", "No readers disagree")
	b.clickText("Next unlabelled")
	b.ready()
	b.press("s", "s")
	b.awaitText(".looking", "Only what you skipped is left")
	b.clickText("Show what was skipped")
	b.ready()
	b.awaitText(".where", "Case 1 of 2")
}
