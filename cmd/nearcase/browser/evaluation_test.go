package browser

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// evaluated is what these tests read of an evaluation.
type evaluated struct {
	Classes []string
	Results []struct {
		Method    string
		Confusion [][]int
		Measures  []struct {
			Name  string
			Value float64
		}
	}
	Subgroups []struct{ Value string }
	Mistakes  []struct {
		ID               string
		Truth, Predicted []string
	}
}

// evaluating starts an evaluation at the server itself and waits for its end.
func (w *world) evaluating(t testing.TB, collection, options string) (id string, e evaluated) {
	t.Helper()
	var job struct {
		ID, State string
		Result    evaluated
		Problem   struct{ Detail string }
	}
	w.answer(t, "POST", "/v1/collections/"+collection+"/evaluate?background=true", options, &job)
	for job.State == "" || job.State == "queued" || job.State == "running" {
		w.answer(t, "GET", "/v1/jobs/"+job.ID+"?wait=10s", "", &job)
	}
	if job.State != "done" {
		t.Fatalf("evaluate %s: the job is %s: %s", options, job.State, job.Problem.Detail)
	}
	return job.ID, job.Result
}

// typing replaces what a field has.
func (b *tab) typing(selector, text string) {
	b.t.Helper()
	b.script("document.querySelector(" + quoted(selector) + ").select()")
	b.typed(selector, text)
}

// tabTo presses Tab until what the selector names has the focus.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 90 {
		if value[bool](b, "document.activeElement.matches("+quoted(selector)+")") {
			return
		}
		b.press(kb.Tab)
	}
	b.t.Fatalf("Tab does not reach %s", selector)
}

// checkSVG finds that a file is SVG which stands alone: of colours and fonts of its own.
func checkSVG(t *testing.T, name string, content []byte, parts ...string) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(content)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%s is no XML: %v", name, err)
		}
	}
	for _, part := range append(parts, `xmlns="http://www.w3.org/2000/svg"`, "font-family=", `fill="#ffffff"`, "<title>", "<desc>") {
		if !bytes.Contains(content, []byte(part)) {
			t.Errorf("%s has no %s", name, part)
		}
	}
	for _, part := range []string{"var(", "class=", "style=", "http://www.w3.org/1999/xhtml", "undefined", "NaN"} {
		if bytes.Contains(content, []byte(part)) {
			t.Errorf("%s has %s, which does not stand alone", name, part)
		}
	}
}

const quick = `{"task":"finding","folds":2,"rounds":100,"methods":["votes","ridge"],"learning_curve":true,"mistakes":100,"without_images":true}`

func TestAnEvaluationIsAskedForWatchedAndRead(t *testing.T) {
	b := open(t, "#/evaluation/cxr", b0(t))
	b.await(`document.querySelector("form [type=submit]")`)
	b.settled()
	b.accessible("the form")
	b.typing("[name=rounds]", "10")
	b.clickText("Evaluate")
	b.awaitText("form [role=alert]", "from 100 to 10,000")
	b.typing("[name=rounds]", "100")
	b.typing("[name=folds]", "2")
	b.script(`document.querySelectorAll("[name=methods]:not([value=votes]):not([value=ridge])").forEach((c) => c.click())`)
	b.click("[name=learning_curve]")
	b.clickText("Evaluate")
	b.await(`document.querySelector(".figures")`)
	b.settled()
	job := value[string](b, `new URLSearchParams(location.hash.split("?")[1]).get("job")`)
	var kept struct{ Result evaluated }
	theWorld(t).answer(t, "GET", "/v1/jobs/"+job, "", &kept)
	best := kept.Result.Results[1] // of those that give probabilities
	b.awaitText(".figures tr.chosen", fmt.Sprintf("%.3f", best.Measures[0].Value))
	if n := len(kept.Result.Results); n != 2 || value[int](b, `document.querySelectorAll(".figures tbody tr").length`) != n {
		t.Errorf("%d methods evaluated, want the two asked for and as many rows", n)
	}
	b.accessible("the report")
	b.script(`document.getElementById("theme").click()`)
	b.accessible("the report in light")
	b.script(`document.getElementById("theme").click()`)
	b.awaitText(".before", "Leak check")
	b.script(`(() => { const s = document.getElementById("pick-against"); s.value = "0"; s.dispatchEvent(new Event("change")); })()`)
	b.await(`document.querySelector("[data-plot^=difference]") && location.hash.includes("a=0")`)
	if width := value[bool](b, "document.documentElement.scrollWidth <= innerWidth"); !width {
		t.Error("the report is wider than a window of 1280 pixels")
	}
}

func TestCellsOfTheConfusionLeadToTheirCases(t *testing.T) {
	job, e := theWorld(t).evaluating(t, "cxr", quick)
	b := open(t, "#/evaluation/cxr?job="+job, b0(t))
	b.await(`document.querySelector(".heat")`)
	counts := value[[]string](b, `[...document.querySelectorAll(".heat button b")].map((e) => e.textContent)`)
	if want := fmt.Sprint(e.Results[1].Confusion); strings.NewReplacer("[", "", "]", "").Replace(want) != strings.Join(counts, " ") {
		t.Errorf("the matrix shows %v, want %v", counts, want)
	}
	b.click(".heat tbody tr:nth-child(2) button.wrong")
	b.script(`document.querySelector(".heat").dataset.before = ""`)
	b.clickText("Evaluate once more, with cases")
	b.await(`document.querySelector(".heat:not([data-before])") && !location.hash.includes(` + quoted(job) + `)`)
	for _, of := range []struct {
		result, truth, predicted int
	}{{1, 1, 0}, {1, 0, 0}, {0, 0, 1}} {
		b.click(fmt.Sprintf(".figures tr[data-result='%d'] input", of.result))
		b.click(fmt.Sprintf(".heat tbody tr:nth-child(%d) td:nth-of-type(%d) button", of.truth+1, of.predicted+1))
		n := e.Results[of.result].Confusion[of.truth][of.predicted]
		b.await(fmt.Sprintf(`document.querySelectorAll(".gallery img[src^=blob]").length === %d`, min(n, 60)))
		var i struct {
			Labels map[string]struct{ Classes []string }
		}
		for _, id := range value[[]string](b, `[...document.querySelectorAll(".gallery a")].slice(0, 3).map((a) => new URLSearchParams(a.hash.split("?")[1]).get("instance"))`) {
			b.w.answer(t, "GET", "/v1/collections/cxr/instances/"+id, "", &i)
			if truth := e.Classes[of.truth]; !slices.Equal(i.Labels["finding"].Classes, []string{truth}) {
				t.Errorf("%s is of %v, want %s", id, i.Labels["finding"].Classes, truth)
			}
		}
		if of.truth != of.predicted {
			b.bothThemes("cases of a cell")
		}
		b.press(kb.Escape)
		b.await(`document.activeElement.matches(".heat button") && !document.querySelector(".gallery")?.checkVisibility()`)
	}
	b.click(".heat tbody tr:nth-child(1) button.right")
	b.click(".gallery a")
	b.await(`location.hash.startsWith("#/query/cxr?instance=")`)
}

func TestAnEvaluationIsReadByKeysAlone(t *testing.T) {
	b := open(t, "#/evaluation/cxr", b0(t))
	b.await(`document.querySelector("form [type=submit]")`)
	b.settled()
	b.press("n")
	b.tabTo("[name=rounds]")
	b.script(`document.activeElement.select()`)
	b.press("1", "0", "0")
	b.tabTo("[name=folds]")
	b.script(`document.activeElement.select()`)
	b.press("2", kb.Enter)
	b.await(`document.querySelector(".figures")`)
	b.settled()
	b.tabTo(".figures [type=radio]:checked")
	shown := value[string](b, `document.querySelector(".figures tr.chosen").dataset.result`)
	b.press(kb.ArrowUp)
	b.await(`document.querySelector(".figures tr.chosen").dataset.result !== "` + shown + `"`)
	b.press(kb.ArrowDown)
	b.await(`document.querySelector(".figures tr.chosen").dataset.result === "` + shown + `"`)
	b.tabTo("[data-plot^=roc] summary")
	b.press(kb.Enter)
	b.await(`document.querySelector("[data-plot^=roc] details").open`)
	b.tabTo("[data-plot^=roc] .scroll")
	b.tabTo(".heat button")
	b.press(kb.ArrowDown, kb.Enter)
	b.await(`document.activeElement.innerText === "pneumonia predicted as normal"`)
	b.await(`document.querySelector(".gallery img[src^=blob]")`)
	b.tabTo(".gallery a")
	b.press(kb.Enter)
	b.await(`location.hash.startsWith("#/query/cxr?instance=")`)
}

func TestAnEvaluationIsSaved(t *testing.T) {
	job, e := theWorld(t).evaluating(t, "cxr", quick)
	b := open(t, "#/evaluation/cxr?job="+job+"&a=0", b0(t))
	b.await(`document.querySelector(".figures")`)
	b.clickText("Figures (CSV)")
	rows, err := csv.NewReader(bytes.NewReader(b.downloaded("evaluation-cxr-finding.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rows[0][:7], []string{"network", "method", "class", "measure", "value", "low", "high"}) || rows[1][4] != fmt.Sprint(e.Results[0].Measures[0].Value) {
		t.Errorf("the table begins %v, want the figures as the server has them", rows[:2])
	}
	b.clickText("Mistakes (CSV)")
	if rows, err := csv.NewReader(bytes.NewReader(b.downloaded("evaluation-cxr-finding-mistakes.csv"))).ReadAll(); err != nil || len(rows) != 1+len(e.Mistakes) || rows[1][2] != e.Mistakes[0].ID {
		t.Errorf("mistakes: %v %v, want %d of them", rows, err, len(e.Mistakes))
	}
	for name, part := range map[string]string{"roc-finding-pneumonia.svg": "1 − specificity", "precision-recall-finding-pneumonia.svg": "Precision", "reliability-finding-ridge.svg": "Share that is so",
		"confusion-finding-ridge.svg": "Truth", "difference-finding-ridge-20-NN.svg": "Difference", "learning-finding-auc-macro.svg": "Images of each class", "leak-finding-auc-macro.svg": "image by image"} {
		plot := strings.TrimSuffix(name, ".svg")
		if strings.HasPrefix(plot, "confusion") {
			plot = "confusion"
		}
		b.click(`[data-plot="` + plot + `"] .plot-head button`)
		checkSVG(t, name, b.downloaded(name), part)
	}
	b.clickText("Report (HTML)")
	if page := b.downloaded("evaluation-cxr-finding.html"); !bytes.Contains(page, []byte("<!")) || !bytes.Contains(page, []byte("pneumonia")) || bytes.Contains(page, []byte("data:image/jpeg")) {
		t.Errorf("the report of %d bytes is no page without pictures", len(page))
	}
}

func TestAnEvaluationGoesOnWhenTheViewIsLeft(t *testing.T) {
	b := open(t, "#/evaluation/cxr", b0(t))
	b.await(`document.querySelector("form [type=submit]")`)
	b.typing("[name=rounds]", "10000")
	b.typing("[name=folds]", "150") // takes long
	b.click("[name=learning_curve]")
	b.clickText("Evaluate")
	b.awaitText("main [role=status]", "Evaluating")
	b.accessible("an evaluation that runs")
	address := value[string](b, "location.hash")
	b.goTo("#/operation")
	b.goTo("#/evaluation/cxr")
	id := strings.Split(address, "job=")[1]
	b.await(`document.querySelector('[data-job="` + id + `"] progress')`)
	b.click(`[data-job="` + id + `"] a`)
	b.awaitText("main [role=status]", "left")
	b.clickText("Cancel")
	b.awaitText("main", "This evaluation was cancelled")
	b.bothThemes("an evaluation that was cancelled")
	b.clickText("Change and run again")
	b.await(`document.querySelector("[name=rounds]")?.value === "10000" && document.querySelector("[name=learning_curve]").checked`)
}

func TestOnlyWhatAFilterLetsPassIsEvaluated(t *testing.T) {
	b := open(t, "#/evaluation/phantoms", b0(t))
	b.await(`document.querySelector("form [type=submit]")`)
	b.clickText("Add filter")
	b.put(".addfilter select", "task devices")
	b.click(`.addfilter input[value="line"]`)
	b.clickText("Apply")
	b.awaitText(".chip", "devices: line")
	b.bothThemes("what is evaluated, by a filter")
	b.put("[name=task]", "finding")
	b.typing("[name=rounds]", "100")
	b.typing("[name=folds]", "2")
	b.script(`document.querySelectorAll("[name=methods]:not([value=votes])").forEach((c) => c.click())`)
	b.clickText("Evaluate")
	b.await(`document.querySelector(".figures")`)
	var page struct{ Count int }
	theWorld(t).answer(t, "GET", "/v1/collections/phantoms/instances?limit=1&count=true&filter="+url.QueryEscape(`{"task":"devices","has":["line"]}`), "", &page)
	b.awaitText("main", fmt.Sprintf("%d images of", page.Count))
	b.clickText("Change and run again")
	b.awaitText(".chip", "devices: line")
}

func TestWhatCannotBeEvaluatedIsSaid(t *testing.T) {
	var made struct{ Name string }
	theWorld(t).answer(t, "POST", "/v1/collections", `{"name":"unlabelled","model":"scatter","tasks":[{"name":"finding","classes":["a","b"]}]}`, &made)
	b := open(t, "#/evaluation/unlabelled", b0(t))
	b.awaitText("main", "There are no labels yet")
	b.bothThemes("a collection without labels")
	b.goTo("#/evaluation/cxr")
	b.await(`document.querySelector("form [type=submit]")`)
	b.typing("[name=folds]", "1000")
	b.clickText("Evaluate")
	b.awaitText("[role=alert]", "labelled patients cannot make 1000 folds")
	b.bothThemes("too few patients")
	b.expect("404")
	b.goTo("#/evaluation/cxr?job=AAAAAAAAAAAAAAAAAAAAAAAAAA")
	b.awaitText("main", "The server does not remember this evaluation")
	b.goTo("#/evaluation/cxr?part=models")
	b.awaitText("main", "No other model stands behind this collection")
	b.accessible("no other model")
}

func TestAReaderEvaluatesAndIsToldWhatItMayNot(t *testing.T) {
	b := open(t, "#/evaluation/cxr", theWorld(t).read)
	b.expect("403")
	b.await(`document.querySelector("form [type=submit]")`)
	b.typing("[name=rounds]", "10000")
	b.typing("[name=folds]", "150") // takes long
	b.click("[name=learning_curve]")
	b.clickText("Evaluate")
	b.awaitText("main [role=status]", "Evaluating")
	b.clickText("Cancel")
	b.awaitText(".toast", "may start evaluations and not end them")
	id := strings.Split(value[string](b, "location.hash"), "job=")[1]
	var job struct{ State string }
	theWorld(t).answer(t, "DELETE", "/v1/jobs/"+id, "", &job)
	b.awaitText("main", "This evaluation was cancelled")
}

func TestEvaluationsAndVersionsAreCompared(t *testing.T) {
	first, _ := theWorld(t).evaluating(t, "cxr", quick)
	second, _ := theWorld(t).evaluating(t, "cxr", `{"folds":3,"rounds":100,"methods":["ridge"],"without_leak":true,"mistakes":-1}`)
	b := open(t, "#/evaluation/cxr?part=compare&a="+first+"&b="+second, b0(t))
	b.await(`document.querySelector("[data-plot=compare-roc]")`)
	b.awaitText("main", "They differ in the folds.")
	b.bothThemes("two evaluations")
	b.await(`[...document.querySelectorAll("#compare-a option")].some((o) => o.textContent.includes("AUC"))`)
	var made struct{ Version uint64 }
	theWorld(t).answer(t, "POST", "/v1/collections/cxr/probes/finding/retrain", "{}", &made)
	b.clickText("Probe versions")
	b.awaitText("main", "How often both predict the same")
	b.awaitText("main .tiles", "100.0 %")
	b.accessible("two versions")
}

func TestAnotherModelIsComparedWithTheOneThatAnswers(t *testing.T) {
	w := theWorld(t)
	toLabel(t, w, "two-models", single, 24, 22)
	var job struct{ ID, State string }
	w.answer(t, "POST", "/v1/collections/two-models/reembedding", `{"model":"resnet18-layer3"}`, &job)
	for job.State == "queued" || job.State == "running" {
		w.answer(t, "GET", "/v1/jobs/"+job.ID+"?wait=10s", "", &job)
	}
	b := open(t, "#/evaluation/two-models?part=models", b0(t))
	b.await(`document.querySelector("[data-plot=agreement-finding]")`)
	b.awaitText("main", "scatter and resnet18-layer3")
	b.bothThemes("two models")
	for _, plot := range []string{"overlap", "agreement-finding"} {
		b.click(`[data-plot=` + plot + `] .plot-head button`)
		checkSVG(t, plot, b.downloaded(plot+".svg"))
	}
	b.clickText("Report (HTML)")
	if page := b.downloaded("reembedding-two-models-finding.html"); !bytes.Contains(page, []byte("resnet18-layer3")) {
		t.Errorf("the report of %d bytes does not name the other model", len(page))
	}
}

func TestFindingsOfAMultiLabelTaskAndSubgroupsAreShown(t *testing.T) {
	job, e := theWorld(t).evaluating(t, "phantoms", `{"task":"devices","folds":2,"rounds":100,"methods":["ridge"],"subgroups":["finding"],"mistakes":100,"cases":5,"without_images":true,"without_leak":true}`)
	b := open(t, "#/evaluation/phantoms?job="+job, b0(t))
	b.await(`document.querySelector("[data-plot^=subgroups]")`)
	b.awaitText(".heat", "no ")
	b.accessible("a multi-label task")
	b.click(".heat button.right")
	b.await(`document.activeElement.innerText.includes("predicted as") && document.querySelectorAll(".gallery img[src^=blob]").length === 5`)
	b.click("[data-plot^=subgroups] .plot-head button")
	checkSVG(t, "subgroups", b.downloaded("subgroups-devices-ridge-auc-macro.svg"), e.Subgroups[0].Value, e.Subgroups[len(e.Subgroups)-1].Value)
}

func TestHostileClassesAreTextInAnEvaluation(t *testing.T) {
	job, _ := theWorld(t).evaluating(t, "hostile", `{"task":"finding","folds":2,"rounds":100,"methods":["nearest"],"without_leak":true}`)
	b := open(t, "#/evaluation/hostile?job="+job, b0(t))
	b.awaitText(".heat", hostileClass)
	b.await(`document.querySelectorAll("main script").length === 0 && document.title.startsWith("Evaluation")`)
	b.accessible("hostile classes")
	b.click(`[data-plot=confusion] .plot-head button`)
	checkSVG(t, "confusion", b.downloaded("confusion-finding-1-NN.svg"), "&lt;script")
}
