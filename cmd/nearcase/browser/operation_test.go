package browser

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// row is an expression for the row of a card's table that begins with a name.
func row(card, name string) string {
	return `[...document.querySelectorAll("[aria-labelledby=card-` + card + `] tbody tr")].find((r) => r.cells[0].textContent.trim() === ` + quoted(name) + `)`
}

// within presses the button of a row, and answers that of the dialog in front.
func (b *tab) within(row, button string) {
	b.t.Helper()
	b.mouse(`[...(` + row + `)?.querySelectorAll("button") ?? []].find((e) => e.innerText.trim() === ` + quoted(button) + `)`)
}

func (b *tab) answers(button string) {
	b.t.Helper()
	b.mouse(`[...document.querySelectorAll("dialog[open] button")].filter((e) => e.innerText.trim() === ` + quoted(button) + `).at(-1)`)
}

// dismiss puts away the messages, which for a while lie over what is below them, and
// scrolls up, where nothing is half below the bar.
func (b *tab) dismiss() {
	b.t.Helper()
	b.script(`for (const e of document.querySelectorAll("#toasts [aria-label=Dismiss]")) e.click(); scrollTo(0, 0)`)
}

// card presses the button of a card.
func (b *tab) card(id, button string) {
	b.t.Helper()
	b.mouse(`[...document.querySelectorAll("[aria-labelledby=card-` + id + `] button")].find((e) => e.innerText.trim() === ` + quoted(button) + `)`)
}

func TestOperationShowsHowTheServerIs(t *testing.T) {
	b := open(t, "#/operation", b0(t))
	b.settled()
	b.awaitText("[aria-labelledby=card-health] .verdict", "Ready")
	for _, check := range []string{"audit", "catalog", "disk", "index", "log", "models", "serving"} {
		b.awaitText("[aria-labelledby=card-health] li", check)
	}
	for card, name := range map[string]string{"collections": radiographs, "storage": radiographs, "reembedding": radiographs, "keys": "reader"} {
		b.await(row(card, name))
	}
	if got := value[string](b, row("collections", radiographs)+`.innerText`); !strings.Contains(got, "scatter") || !strings.Contains(got, "300") {
		t.Errorf("the index of %s: got %q, want its model and 300 rows", radiographs, got)
	}
	b.awaitText("[aria-labelledby=card-models] tbody", "Wavelet scattering network")
	b.awaitText("[aria-labelledby=card-backups]", "No backup is known")
	b.awaitText("[aria-labelledby=card-webhooks]", "Nobody is told of changes")
	b.accessible("operation")
	b.script(`document.documentElement.dataset.theme = "light"`)
	b.accessible("operation, light")
}

func TestIndexesAreBuiltAnew(t *testing.T) {
	b := open(t, "#/operation", b0(t))
	b.within(row("collections", hostile), "Reindex…")
	b.await(`document.querySelector("dialog[open] select")`)
	b.accessible("reindexing")
	b.do(chromedp.SetValue(chromedp.CSS("dialog select"), "graph"))
	b.script(`document.querySelector("dialog select").dispatchEvent(new Event("change"))`)
	b.answers("Reindex")
	b.awaitText("#toasts", "The reindex of "+hostile+" is done") // first, for it does not stay
	b.awaitText("[aria-labelledby=card-jobs] tr", "graph, recall@10")
	b.await(row("collections", hostile) + `?.textContent.includes("graph")`)
	b.within(`[...document.querySelectorAll("[aria-labelledby=card-jobs] tr")].find((r) => r.innerText.includes("reindex"))`, "Details")
	b.awaitText("dialog[open]", "Queries a second")
	b.accessible("a job's details")
	b.press(kb.Escape)
	b.await(`!document.querySelector("dialog")`)
}

func TestTheStoreIsCompactedAndVerified(t *testing.T) {
	b := open(t, "#/operation", b0(t))
	b.card("storage", "Compact now")
	b.answers("Cancel")
	b.card("storage", "Compact now")
	b.answers("Compact")
	b.awaitText("#toasts", "The compact is done")
	b.card("verification", "Verify now")
	b.awaitText("#toasts", "The verify is done")
	b.awaitText("[aria-labelledby=card-verification]", "Embedded again")
	b.awaitText("[aria-labelledby=card-verification]", "Nothing is wrong")
	b.dismiss()
	b.accessible("after a verification")
}

// What a verification finds is named with what is wrong with it.
func TestWhatAVerificationFindsIsShown(t *testing.T) {
	w := operated(t, true)
	rotten := ""
	err := filepath.WalkDir(filepath.Join(w.dir, "data", "originals"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || rotten != "" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil || len(content) == 0 {
			return err
		}
		rotten, content[len(content)/2] = path, content[len(content)/2]^1
		return errors.Join(os.Remove(path), os.WriteFile(path, content, 0o600))
	})
	if err != nil || rotten == "" {
		t.Fatalf("no original was damaged: %v", err)
	}
	b := openOn(t, w, "#/operation", "")
	b.settled()
	b.card("verification", "Verify now")
	b.awaitText("[aria-labelledby=card-verification] tbody", filepath.Base(rotten))
	b.dismiss()
	b.bothThemes("a verification with a finding")
}

func TestWhatTheServerRefusesIsSaid(t *testing.T) {
	b := open(t, "#/operation", b0(t))
	b.expect("409")
	b.card("backups", "Back up all")
	b.awaitText("#toasts [role=alert]", "no folder for backups is configured")
	b.accessible("after a refusal")
}

// Make, see once, rotate and end, without a mouse.
func TestKeysAreMadeShownOnceRotatedAndEnded(t *testing.T) {
	b := open(t, "#/operation", b0(t))
	b.settled()
	b.script(`document.querySelector("[data-is=make]").focus()`)
	b.press(kb.Enter)
	b.await(`document.activeElement.id === "key-name"`)
	b.accessible("making a key")
	name := `<b>scanner</b>` + rand.Text()[:4]
	b.press(name)
	for range 3 { // read is chosen, then write, label
		b.press(kb.Tab)
	}
	b.press(" ", kb.Enter)
	b.await(`document.querySelector("#token")`)
	token := value[string](b, `document.querySelector("#token").value`)
	if !strings.HasPrefix(token, "nc_") {
		t.Errorf("the token: got %q", token)
	}
	b.awaitText("dialog[open]", "read, label")
	b.await(`document.activeElement.innerText === "Copy"`)
	b.accessible("a token")
	b.press(kb.Enter)
	b.awaitText("dialog[open] [role=status]", "")
	b.press(kb.Escape)
	b.await(`!document.querySelector("dialog") && document.activeElement.dataset.is === "make"`)
	b.await(row("keys", name))
	kept := value[string](b, `document.documentElement.outerHTML + [...document.querySelectorAll("input")].map((i) => i.value) + JSON.stringify([location.href, {...localStorage}, {...sessionStorage}])`)
	if strings.Contains(kept, token) {
		t.Error("the token is in the page after its dialog was closed")
	}
	b.script(row("keys", name) + `.querySelector("[data-is^=rotate]").focus()`)
	b.press(kb.Enter)
	b.await(`document.querySelector("dialog[open] select")`)
	b.accessible("rotating a key")
	b.answers("Rotate")
	b.await(`document.querySelector("#token")?.value.startsWith("nc_")`)
	if again := value[string](b, `document.querySelector("#token").value`); again == token {
		t.Error("a rotated key: got the same token")
	}
	b.answers("Done")
	b.await(row("keys", name) + `?.textContent.includes("is valid until")`)
	b.within(row("keys", name), "End")
	b.answers("End the key")
	b.await(row("keys", name) + `?.textContent.includes("ended")`)
	if title := value[string](b, "document.title"); strings.Contains(title, "scanner") {
		t.Errorf("the title: got %q", title)
	}
}

// A card that the key does not allow says so; the others are as they are.
func TestAReaderSeesWhatAReaderMay(t *testing.T) {
	b := open(t, "#/operation", theWorld(t).read)
	b.expect("403")
	b.settled()
	for _, card := range []string{"keys", "backups", "webhooks"} {
		b.awaitText("[aria-labelledby=card-"+card+"]", "Your key does not allow this")
	}
	b.await(row("collections", radiographs))
	b.accessible("a reader's")
	b.card("verification", "Verify now")
	b.awaitText("#toasts [role=alert]", "Your key does not allow this")
	b.script(`document.querySelector("#toasts [role=alert] [aria-label=Dismiss]").click()`)
	b.await(`!document.querySelector("#toasts [role=alert]")`)
	b.within(row("collections", radiographs), "Reindex…")
	b.answers("Reindex")
	b.awaitText("#toasts [role=alert]", "Your key does not allow this")
}

// What renews itself leaves the focus and what is unfolded where they are, and says
// nothing to those who listen.
func TestRenewingDisturbsNobody(t *testing.T) {
	b := open(t, "#/operation", b0(t))
	b.settled()
	b.script(row("collections", radiographs) + `.querySelector("button").focus()`)
	b.script(`window.heard = []; new MutationObserver(() => heard.push(document.querySelector("#announce").textContent)).observe(document.querySelector("#announce"), { childList: true, characterData: true, subtree: true });
		window.before = ` + row("collections", radiographs))
	b.script(`(async () => { // an answer that differs
		const was = fetch;
		window.fetch = async (path, o) => {
			const a = await was(path, o);
			if (path !== "/v1/collections") return a;
			const said = await a.json();
			for (const c of said.collections) c.status.index.rows += 1;
			return new Response(JSON.stringify(said), { headers: { "Content-Type": "application/json" } });
		};
	})()`)
	b.press("r")
	b.await(`!before.isConnected && document.activeElement.dataset.is === "reindex-` + radiographs + `"`)
	if heard := value[[]string](b, "heard"); len(heard) > 0 {
		t.Errorf("renewing was announced: %q", heard)
	}
}

// While the server is gone what was shown stays, and then goes on.
func TestAServerThatIsGoneIsSaidAndComesBack(t *testing.T) {
	b := open(t, "#/operation", b0(t))
	b.settled()
	b.script(`window.there = fetch; window.fetch = () => Promise.reject(new TypeError("gone"))`)
	b.press("r")
	b.awaitText(".lost", "The server cannot be reached")
	b.await(row("collections", radiographs))
	b.accessible("an unreachable server")
	b.script(`window.fetch = there`)
	b.await(`document.querySelector(".lost").hidden`)
}

// operated is a small server of its own without keys, with a folder for backups, a
// second model and webhooks to this machine; with data it has the hostile images.
func operated(t *testing.T, data bool) *world {
	t.Helper()
	w := theWorld(t)
	dir, err := os.MkdirTemp(w.dir, "operated")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("models: %s\nbackup: {folder: %s}\nwebhooks: {allow_networks: [127.0.0.0/8]}\n", filepath.Join(dir, "models"), filepath.Join(dir, "backups"))
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), os.Mkdir(filepath.Join(dir, "backups"), 0o700)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NEARCASE_CONFIG", config)
	own := &world{dir: dir, binary: w.binary}
	if data {
		_, err := own.run("ingest", "--collection", hostile, filepath.Join(w.dir, "hostile", "labels.csv"))
		if err := errors.Join(err, anotherModel(testData(t), filepath.Join(dir, "models", "resnet18-layer3"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := own.serve(); err != nil {
		t.Fatal(err)
	}
	return own
}

func TestOperationNeedsNoCollection(t *testing.T) {
	b := openOn(t, operated(t, false), "#/operation", "")
	b.settled()
	b.awaitText("[aria-labelledby=card-health] .verdict", "Ready")
	for _, card := range []string{"collections", "storage", "reembedding"} {
		b.awaitText("[aria-labelledby=card-"+card+"]", "There is no collection yet")
	}
	b.awaitText("[aria-labelledby=card-keys]", "There is no key")
	b.accessible("operation without a collection")
	b.fits("operation without a collection")
	b.goTo("#/query")
	b.awaitText("main", "There is no collection yet")
	b.accessible("no collection")
}

func TestABackupIsMade(t *testing.T) {
	b := openOn(t, operated(t, true), "#/operation", "")
	b.settled()
	b.card("backups", "Back up all")
	b.awaitText("#toasts", "The backup is done")
	b.await(`[...document.querySelectorAll("[aria-labelledby=card-backups] tbody tr")].some((r) => r.innerText.includes("full") && r.innerText.includes("whole"))`)
	b.card("backups", "Back up what has changed")
	b.await(`[...document.querySelectorAll("[aria-labelledby=card-backups] tbody tr")].some((r) => r.innerText.includes("incremental"))`)
	b.dismiss()
	b.accessible("backups")
}

// Embed by another model, change to it, go back, and drop it.
func TestAnotherModelIsTakenUpAndLeft(t *testing.T) {
	b := openOn(t, operated(t, true), "#/operation", "")
	b.settled()
	b.within(row("reembedding", hostile), "Embed again…")
	b.await(`document.querySelector("dialog[open] select")?.value === "resnet18-layer3"`)
	b.accessible("choosing a model")
	b.answers("Embed")
	says := func(text string) {
		b.t.Helper()
		b.await(row("reembedding", hostile) + `?.textContent.includes(` + quoted(text) + `)`)
	}
	says("nearest are the same")
	b.dismiss()
	b.accessible("embedded by another model")
	b.within(row("reembedding", hostile), "Switch the model")
	b.answers("Switch the model")
	says("scatter from before is kept")
	b.await(row("collections", hostile) + `?.textContent.includes("resnet18-layer3")`)
	b.within(row("reembedding", hostile), "Switch back")
	b.answers("Switch back")
	b.await(row("collections", hostile) + `?.textContent.includes("scatter")`)
	b.within(row("reembedding", hostile), "Drop the one before")
	b.answers("Drop")
	says("nothing has begun")
}

// The first key closes the server, and the page asks for it.
func TestTheFirstKeyClosesTheServer(t *testing.T) {
	b := openOn(t, operated(t, false), "#/operation", "")
	b.settled()
	b.card("keys", "Make a key…")
	b.awaitText("dialog[open]", "From now on everybody needs one")
	b.typed("#key-name", "first")
	b.mouse(`document.querySelector("dialog [value=admin]")`)
	b.answers("Make the key")
	b.await(`document.querySelector("#token")?.value.startsWith("nc_")`)
	token := value[string](b, `document.querySelector("#token").value`)
	b.answers("Done")
	b.await(`document.querySelector("#key")`)
	b.typed("#key", token+kb.Enter)
	b.await(row("keys", "first"))
}

func TestAJobIsCancelled(t *testing.T) {
	var job struct{ ID, State string }
	theWorld(t).answer(t, "POST", "/v1/collections/cxr/evaluate?background=true", `{"task":"finding","rounds":10000,"folds":140,"learning_curve":true,"without_leak":true}`, &job)
	b := open(t, "#/operation", b0(t))
	b.settled()
	b.await(`document.querySelector("[aria-labelledby=card-jobs] progress")`)
	b.accessible("a job that runs")
	b.card("jobs", "Cancel")
	b.answers("Cancel the job")
	b.await(row("jobs", "evaluate") + `?.textContent.includes("cancelled")`)
	theWorld(t).answer(t, "GET", "/v1/jobs/"+job.ID, "", &job)
	if job.State != "cancelled" {
		t.Errorf("the job is %s, want cancelled", job.State)
	}
}

// Messages that a receiver never takes are not lost out of sight.
func TestAWebhookThatFailsSaysWhy(t *testing.T) {
	w := operated(t, true)
	var made json.RawMessage
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(receiver.Close)
	w.answer(t, http.MethodPost, "/v1/webhooks", `{"url":`+quoted(receiver.URL+"/receiver")+`}`, &made)
	b := openOn(t, w, "#/operation", "")
	b.settled()
	b.card("webhooks", "Test")
	b.awaitText("#toasts", "The test was not taken")
	b.await(`document.querySelector("[aria-labelledby=card-webhooks] tbody").innerText.includes("/receiver")`)
	b.dismiss()
	b.accessible("a webhook")
}
