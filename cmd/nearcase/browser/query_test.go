package browser

import (
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"

	"nearcase/api/apitest"
)

// Where the query view's answers are.
const (
	casesShown    = `document.querySelectorAll(".cases li").length > 0 && !document.querySelector(".similar-body[aria-busy]")`
	evidence      = `document.querySelector(".evidence .weighed tbody tr") && !document.querySelector(".evidence[aria-busy]")`
	probabilities = evidence + ` && document.querySelector(".evidence .gauge.strong")`
	imageShown    = `document.querySelector(".picture .stage img")?.naturalWidth > 0 && !document.querySelector(".picture .viewer[aria-busy]")`
)

// newest asks by the case of the collection that was stored last.
func (b *tab) newest() {
	b.t.Helper()
	b.await(`document.querySelectorAll(".recent a").length > 0`)
	b.click(".recent li:first-child a")
	b.await(casesShown)
	b.await(imageShown)
}

func cxrFile(t testing.TB, name string) string {
	return filepath.Join(testData(t), "cxr", name)
}

func dicomFile(t testing.TB, name string) string {
	return filepath.Join(testData(t), "dicom", "pydicom", "src", "pydicom", "data", "test_files", name)
}

func TestAStoredCaseIsAskedByAndWhatItRestsOnIsSaid(t *testing.T) {
	b := open(t, "#/query/cxr", b0(t))
	b.settled()
	b.accessible("the start of a query")
	b.newest()
	b.await(evidence)
	b.awaitText(".sentence", "most similar labelled cases of other patients")
	b.awaitText(".sentence", "not a diagnosis")
	b.awaitText(".similar", "20 cases")
	if classes := value[int](b, `document.querySelectorAll(".weighed tbody tr").length`); classes != 2 {
		t.Errorf("there are rows of %d classes, want 2", classes)
	}
	b.click(".evidence details summary")
	b.awaitText(".known", "scatter")
	b.accessible("an answer, dark")
	b.press("t")
	b.await(`document.documentElement.dataset.theme === "light"`)
	b.accessible("an answer, light")
}

// Who asks before probes have been fitted gets probabilities as soon as they are, of each
// task, also where nobody can say how unusual what is asked about is.
func TestProbabilitiesFollowWhenTheProbesHaveBeenFitted(t *testing.T) {
	b := open(t, "", b0(t))
	b.settled()
	toLabel(t, b.w, "fitted-soon", append(single, map[string]any{"name": "side", "classes": []string{"left", "right"}}), 30, 30)
	var page struct {
		Instances []struct {
			ID     string
			Labels map[string]struct{ Classes []string }
		}
	}
	b.w.ask(t, "GET", "/v1/collections/fitted-soon/instances?limit=100", nil, &page)
	var labels []map[string]any
	for _, one := range page.Instances {
		side := map[string]string{"normal": "left", "pneumonia": "right"}[one.Labels["finding"].Classes[0]]
		labels = append(labels, map[string]any{"instance": one.ID, "task": "side", "classes": []string{side}})
	}
	b.w.ask(t, "POST", "/v1/collections/fitted-soon/labels", map[string]any{"labels": labels}, nil)
	b.goTo("#/query/fitted-soon?instance=" + page.Instances[0].ID)
	b.await(evidence)
	b.await(`document.querySelector(".evidence .gauge.strong") || document.querySelector(".evidence").innerText.includes("have been fitted")`)
	b.accessible("an answer before the probes have been fitted")
	for _, task := range []string{"finding", "side"} { // at once: others' turns are long
		b.w.ask(t, "POST", "/v1/collections/fitted-soon/probes/"+task+"/retrain", map[string]any{}, nil)
		b.await(`![...document.querySelectorAll(".evidence p")].some((p) => p.innerText.includes("have been fitted") && p.innerText.includes(` + quoted(task) + `))`) // then nothing is drawn anew
		b.click(".evidence #tab-" + task)
		b.await(probabilities)
		b.awaitText(".evidence", "Unusual:")
	}
	b.await(`!document.querySelector(".evidence").innerText.includes("have been fitted")`)
	b.await(`document.activeElement.matches(".evidence [role=tab]")`)
}

func TestAnAddressOpensItsQueryAgain(t *testing.T) {
	b := open(t, "#/query/cxr", b0(t))
	b.settled()
	b.newest()
	b.put(`.similar-head input[min="1"]`, "7")
	b.awaitText(".similar", "7 cases")
	b.put("#group", "patient")
	b.press("x")
	b.await(`document.querySelector(".addfilter input[value=normal]")`)
	b.click(".addfilter input[value=normal]")
	b.clickText("Apply")
	b.await(casesShown + ` && [...document.querySelectorAll(".cases .labels")].every((l) => l.innerText.includes("normal"))`)
	address := value[string](b, "location.hash")
	for _, part := range []string{"instance=", "k=7", "filter="} {
		if !strings.Contains(address, part) {
			t.Errorf("the address is %s, want %s in it", address, part)
		}
	}
	ids := value[string](b, `[...document.querySelectorAll(".cases li")].map((c) => c.dataset.id).join()`)
	again := open(t, address, b0(t))
	again.await(casesShown)
	if got := value[string](again, `[...document.querySelectorAll(".cases li")].map((c) => c.dataset.id).join()`); got != ids {
		t.Errorf("opened again the cases are %s, want %s", got, ids)
	}
	again.awaitText(".asking .chip", "finding: normal")
	again.clickText("×")
	again.await(casesShown + ` && !location.hash.includes("filter=")`)
}

// All of it by keys: to a case, its comparison, marks, and the refined answer.
func TestCasesAreComparedAndMarkedByKeys(t *testing.T) {
	b := open(t, "#/query/cxr", b0(t))
	b.settled()
	b.await(`document.querySelectorAll(".recent a").length > 0`)
	b.tabTo(".recent a")
	b.press(kb.Enter)
	b.await(casesShown)
	b.tabTo(".cases .open")
	b.press(kb.ArrowRight, kb.ArrowRight)
	b.await(`document.activeElement.closest("li") === document.querySelectorAll(".cases li")[2]`)
	b.press(kb.Enter)
	b.await(`document.querySelector("dialog .beside-one:last-child img").naturalWidth`)
	b.awaitText("dialog h2", "Case 3 of 20")
	b.accessible("a comparison")
	b.press("j")
	b.awaitText("dialog h2", "Case 4 of 20")
	b.await(`document.querySelector("dialog .beside-one:last-child img").naturalWidth`)
	b.press("+")
	b.await(`new Set([...document.querySelectorAll("dialog .viewer-zoom")].map((z) => z.innerText)).size === 1`)
	b.press("a", kb.Escape)
	b.await(`!document.querySelector("dialog") && document.activeElement.closest("li") === document.querySelectorAll(".cases li")[3]`)
	b.press(kb.ArrowRight, "n")
	b.await(`document.querySelectorAll(".marks .chip").length === 2`)
	b.script("scrollTo(0, 0)")
	b.accessible("marks")
	before := value[string](b, `document.querySelector(".cases").innerText`)
	b.press("f")
	b.awaitText(".similar", "refined")
	b.await(casesShown)
	if after := value[string](b, `document.querySelector(".cases").innerText`); after == before {
		t.Error("after refining the cases are the same")
	}
	if hash := value[string](b, "location.hash"); !strings.Contains(hash, "like=") || !strings.Contains(hash, "unlike=") {
		t.Errorf("the address is %s, want the marks in it", hash)
	}
	b.tabTo(".marks .chip button")
	b.press(kb.Enter)
	b.await(`document.querySelectorAll(".marks .chip").length === 1 && document.activeElement !== document.body`)
	asked := value[string](b, `new URLSearchParams(location.hash.split("?")[1]).get("instance")`)
	b.tabTo(".cases .open")
	b.press("u")
	b.await(`new URLSearchParams(location.hash.split("?")[1]).get("instance") !== ` + quoted(asked))
	b.await(casesShown)
}

func TestAnImageThatIsNotStoredIsAskedBy(t *testing.T) {
	b := open(t, "#/query/cxr", b0(t))
	b.settled()
	b.upload("#files", cxrFile(t, "PNEUMONIA/"+leftOver(t)))
	b.await(casesShown)
	b.await(evidence)
	b.await(imageShown)
	b.awaitText(".asking", "not in the address")
	if said := b.text(".sentence"); strings.Contains(said, "other patients") || !strings.Contains(said, "most similar labelled cases") {
		t.Errorf("of an image of nobody knows whom it says %q", said)
	}
	b.accessible("an uploaded image")
	hash := value[string](b, "location.hash")
	if strings.Contains(hash, "person") || strings.Contains(value[string](b, "document.title"), "person") {
		t.Errorf("the address %s or the title names the file", hash)
	}
	b.goTo("#/operation/cxr")
	b.await(`document.querySelector("main h1").innerText === "Operation"`)
	b.settled()
	b.script("history.back()")
	b.await(casesShown)
	elsewhere := open(t, hash, b0(t))
	elsewhere.awaitText("main", "This address is of an image that is not stored")
	elsewhere.upload("#files", cxrFile(t, "PNEUMONIA/"+leftOver(t)))
	elsewhere.await(casesShown)
}

// leftOver is the name of a radiograph with pneumonia that is not in the world.
func leftOver(t testing.TB) string {
	t.Helper()
	all, err := fs.ReadDir(os.DirFS(cxrFile(t, "PNEUMONIA")), ".")
	if err != nil || len(all) < 1000 {
		t.Fatalf("radiographs: %d, %v", len(all), err)
	}
	return all[len(all)-1].Name()
}

func TestImagesAreDroppedAndPasted(t *testing.T) {
	picture, err := os.ReadFile(cxrFile(t, "PNEUMONIA/"+leftOver(t)))
	if err != nil {
		t.Fatal(err)
	}
	bits, _ := json.Marshal(picture) // base64
	for name, event := range map[string]string{
		"drop":  `new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: data})`,
		"paste": `new ClipboardEvent("paste", {bubbles: true, cancelable: true, clipboardData: data})`,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, "#/query/cxr", b0(t))
			b.settled()
			b.await(`document.querySelector(".zone")`)
			b.script(`{
				const data = new DataTransfer();
				data.items.add(new File([Uint8Array.from(atob(` + string(bits) + `), (c) => c.charCodeAt(0))], "x.jpeg", {type: "image/jpeg"}));
				document.body.dispatchEvent(` + event + `);
			}`)
			b.await(casesShown)
			b.await(imageShown)
		})
	}
}

// A study as it lies on a disk: its folders are walked, and what is no image of it, such
// as a DICOMDIR, is left out.
func TestAFolderIsDropped(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "study")
	for name, from := range map[string]string{"DICOMDIR": "CT_small.dcm", "series-1/1.dcm": "CT_small.dcm", "series-2/1.dcm": "MR_small.dcm"} {
		content, err := os.ReadFile(dicomFile(t, from))
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700), os.WriteFile(filepath.Join(folder, name), content, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, "#/query/dicom", b0(t))
	b.settled()
	b.await(`document.querySelector(".zone")`)
	for _, step := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
		call(b, input.DispatchDragEvent, input.DispatchDragEventParams{Type: step, X: 640, Y: 400, Data: &input.DragData{Files: []string{folder}, DragOperationsMask: 1}})
	}
	b.await(`document.querySelectorAll(".files li").length === 2`)
	b.await(casesShown)
	b.await(imageShown)
	b.accessible("a folder that was dropped")
}

func TestAFolderIsAskedImageByImage(t *testing.T) {
	b := open(t, "#/query/dicom", b0(t))
	b.expect("the server responded with a status of 4")
	b.settled()
	b.upload("#files", dicomFile(t, "CT_small.dcm"), dicomFile(t, "MR_small.dcm"), dicomFile(t, "rtplan.dcm"), cxrFile(t, "../README.md"))
	b.await(casesShown)
	b.await(`document.querySelectorAll(".files li").length === 4`)
	b.accessible("a folder")
	b.tabTo(".files")
	b.press(kb.End)
	b.awaitText(".similar", "no image")
	b.awaitText(".hint", "no image in it")
	b.accessible("a file without an image")
	b.press(kb.Home, kb.ArrowDown, kb.ArrowDown)
	b.awaitText(".similar", "Code image_unknown")
	b.press(kb.Home)
	b.await(casesShown)
}

func TestHostileNamesAndClassesAreText(t *testing.T) {
	b := open(t, "#/query/hostile", b0(t))
	b.settled()
	b.newest()
	b.await(evidence)
	b.awaitText(".weighed", hostileClass)
	b.awaitText(".cases", "onerror")
	b.click(".cases li:first-child .open")
	b.await(`document.querySelector("dialog .beside-one:last-child img").naturalWidth`)
	b.awaitText("dialog", "onerror")
	if n := value[int](b, `document.querySelectorAll("main img[onerror], main script, dialog img[onerror], dialog script").length`); n != 0 || strings.Contains(value[string](b, "document.title"), "owned") {
		t.Errorf("%d elements are of names and classes", n)
	}
	b.accessible("hostile names")
}

func TestWithoutImagesAQuerySaysWhatToDo(t *testing.T) {
	theWorld(t).ask(t, "POST", "/v1/collections", map[string]any{"name": "query-bare", "model": "scatter"}, nil)
	b := open(t, "#/query/query-bare", b0(t))
	b.settled()
	b.awaitText("main", "Store images first")
	b.accessible("an empty collection")
	b.expect("404")
	b.goTo("#/query/cxr?instance=gone")
	b.awaitText("main", "not in the collection")
}

func TestWordsAreAskedByWhereTheModelKnowsThem(t *testing.T) {
	plain := open(t, "#/query/cxr", b0(t))
	plain.settled()
	plain.await(`document.querySelectorAll(".recent a").length > 0`)
	if plain.text(".words") != "" {
		t.Error("words can be asked by, of a model that knows none")
	}
	w := colours(t)
	b := openOn(t, w, "#/query/colours", w.admin)
	b.await(`document.querySelector("#words")`)
	b.accessible("words")
	b.typed("#words", "a photo of red"+kb.Enter)
	b.await(casesShown)
	b.awaitText(".cases li:first-child", "red")
	b.accessible("an answer to words")
	b.click(".cases li:first-child [title='Use as query']")
	b.await(evidence)
	b.awaitText(".weighed thead", "Zero-shot")
	b.accessible("zero-shot")
	b.expect("413")
	b.goTo("#/query/colours")
	b.await(`document.querySelector("#files")`)
	b.upload("#files", cxrFile(t, "PNEUMONIA/"+leftOver(t)))
	b.awaitText(".similar", "Code image_too_large")
	b.awaitText(".hint", "smaller image")
	b.accessible("an image that is too large")
}

// colours is a server of pictures of three colours and a model with a text tower that
// takes no image beyond 4 KiB, until the test ends.
func colours(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	models := filepath.Join(dir, "models")
	if err := apitest.TwoTowers(filepath.Join(models, "towers")); err != nil {
		t.Fatal(err)
	}
	rows := [][]string{{"file", "patient_id", "colour"}}
	for name, c := range map[string]color.RGBA{"red": {R: 1, A: 255}, "green": {G: 1, A: 255}, "blue": {B: 1, A: 255}} {
		for n := range uint8(4) {
			shade := 245 - 12*n
			file := filepath.Join(dir, fmt.Sprintf("%s%d.png", name, n))
			if err := os.WriteFile(file, apitest.Plain(color.RGBA{c.R * shade, c.G * shade, c.B * shade, 255}), 0o600); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, []string{file, fmt.Sprint(name, n), name})
		}
	}
	list, err := sheet(filepath.Join(dir, "labels.csv"), rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NEARCASE_MODELS", models)
	t.Setenv("NEARCASE_LIMITS_IMAGE_BYTES", "4096")
	w := &world{dir: dir, binary: theWorld(t).binary}
	if _, err := w.run("ingest", "--collection", "colours", "--model", "towers", list); err != nil {
		t.Fatal(err)
	}
	if w.admin, err = w.run("keys", "create", "--name", "admin", "--scope", "admin"); err != nil {
		t.Fatal(err)
	}
	before := len(cleanup)
	if err := w.serve(); err != nil {
		t.Fatal(err)
	}
	end := cleanup[before:]
	cleanup = cleanup[:before:before]
	t.Cleanup(func() {
		for _, f := range end {
			f()
		}
	})
	return w
}

// A file whose compression this server has no codec for is said to be that, and one of a
// kind that is no picture, too.
func TestAFileWithoutACodecIsSaidToBeOne(t *testing.T) {
	t.Setenv("NEARCASE_CHARLS", filepath.Join(t.TempDir(), "libcharls.so.2"))
	w := operated(t, true)
	b := openOn(t, w, "#/query/"+hostile, "")
	b.settled()
	b.expect("415")
	b.upload("#files", dicomFile(t, "MR_small_jpeg_ls_lossless.dcm"))
	b.awaitText(".hint", "lacks a library")
	b.accessible("no codec")
	video := filepath.Join(t.TempDir(), "video.dcm")
	if err := os.WriteFile(video, apitest.Bad(t)["a DICOM file of MPEG-2"], 0o600); err != nil {
		t.Fatal(err)
	}
	b.goTo("#/query/" + hostile)
	b.upload("#files", video)
	b.awaitText(".hint", "another transfer syntax")
}
