package rest_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

const mimeLines = "application/x-ndjson"

// imageLine is a line of a batch with picture n.
func imageLine(t testing.TB, n int) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"id": fmt.Sprint("b", n), "patient": fmt.Sprint("p", n), "image": picture(t, uint64(n)), "labels": map[string][]string{"finding": {[]string{"dark", "light"}[n%2]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// batchOf is n lines of which every hundredth is bad.
func batchOf(t testing.TB, n int) string {
	t.Helper()
	bad := []string{
		`{"image":"bm8gaW1hZ2U="}`, `{"id":"x"}`, `{`, `{"image":"x"}`, `{"vector":[1,2],"fingerprint":"f"}`, `{"folder":"none","path":"a.png"}`,
		`{"image":"","path":"a.png"}`, `{"imaeg":"eA=="}`, `{"image":"eA==","labels":{"age":["7"]}}`, `{"vector":[1]}`,
	}
	var b strings.Builder
	for i := range n {
		if i%100 == 50 {
			b.WriteString(bad[i/100%len(bad)] + "\n")
		} else {
			b.WriteString(imageLine(t, i) + "\n")
		}
	}
	return b.String()
}

// A batch of 1,000 with 10 bad items: 990 stored, 10 named, 207; the same batch
// again: no change and the same answer.
func TestABatchIsStoredSaveWhatIsBad(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	w.fill(0)
	body := batchOf(t, 1000)
	first := w.with(http.MethodPost, at+"/instances", mimeLines, body, "Idempotency-Key", "batch-1").want(207)
	got := decoded[problem.Batch](first)
	if got.Counts != (problem.Counts{OK: 990, Failed: 10}) || len(got.Items) != 1000 {
		t.Fatalf("got %+v and %d items, want 990 and 10 of 1,000", got.Counts, len(got.Items))
	}
	for i, item := range got.Items {
		bad := i%100 == 50
		if item.Index != i || (item.Problem != nil) != bad || (item.Status == "created") == bad || (item.ETag != "") == bad || !bad && item.ID != fmt.Sprint("b", i) {
			t.Fatalf("item %d: got %+v", i, item)
		}
	}
	before := decoded[api.Collection](w.get(at).want(200)).Status
	if before.Instances != 990 || before.Labelled["finding"]["dark"]+before.Labelled["finding"]["light"] != 990 {
		t.Errorf("stored: got %+v, want 990, labelled", before)
	}
	again := w.with(http.MethodPost, at+"/instances", mimeLines, body, "Idempotency-Key", "batch-1").want(207)
	if !bytes.Equal(again.body, first.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the same again: got %.300s, want the same answer", again.body)
	}
	anew := decoded[problem.Batch](w.send(http.MethodPost, at+"/instances", mimeLines, body).want(207))
	if anew.Counts != got.Counts {
		t.Errorf("the same without a key: got %+v, want %+v", anew.Counts, got.Counts)
	}
	for i, item := range anew.Items {
		want := got.Items[i]
		if item.Problem == nil && item.Status != "unchanged" || item.ID != want.ID || item.ETag != want.ETag || (item.Problem == nil) != (want.Problem == nil) {
			t.Fatalf("item %d without a key: got %+v after %+v, want it unchanged", i, item, want)
		}
	}
	if after := decoded[api.Collection](w.get(at).want(200)).Status; after.Head != before.Head || after.LabelHead != before.LabelHead || after.Instances != 990 {
		t.Errorf("the same again: got head %d and %d instances, want no change from %d", after.Head, after.Instances, before.Head)
	}
}

func TestALineMayHaveAVectorOrAPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.png"), picture(t, 5), 0o600); err != nil {
		t.Fatal(err)
	}
	w := open(t, api.Options{Folders: map[string]string{"incoming": dir}}, rest.Options{})
	w.fill(2)
	v := decoded[api.Vector](w.get(at + "/instances/i1/vector").want(200))
	vector, err := json.Marshal(v.Vector)
	if err != nil {
		t.Fatal(err)
	}
	lines := fmt.Sprintf("{\"vector\":%s,\"fingerprint\":%q,\"id\":\"v\"}\n\n  \n{\"folder\":\"incoming\",\"path\":\"a.png\"}\r\n%s", vector, v.Fingerprint, imageLine(t, 9))
	got := decoded[problem.Batch](w.send(http.MethodPost, at+"/instances", mimeLines, lines).want(200))
	if got.Counts.OK != 3 || got.Items[0].ID != "v" || got.Items[2].ID != "b9" {
		t.Errorf("got %+v", got)
	}
	w.get(at+"/instances/v/original").problem(404, "original_not_stored")
	if again := decoded[api.Vector](w.get(at + "/instances/v/vector").want(200)); fmt.Sprint(again.Vector) != fmt.Sprint(v.Vector) {
		t.Errorf("the vector: got %v, want %v", again.Vector, v.Vector)
	}
}

func TestALineThatIsTooLongIsItsOwnFault(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{MaxImageBytes: 10_000})
	w.fill(0)
	long := `{"image":"` + strings.Repeat("A", 200_000) + `"}`
	large := `{"image":"` + base64.StdEncoding.EncodeToString(make([]byte, 10_001)) + `"}`
	got := decoded[problem.Batch](w.send(http.MethodPost, at+"/instances", mimeLines, imageLine(t, 1)+"\n"+long+"\n"+large+"\n"+imageLine(t, 2)+"\n").want(207))
	if got.Counts != (problem.Counts{OK: 2, Failed: 2}) || got.Items[1].Problem.Code != problem.ImageTooLarge || got.Items[2].Problem.Code != problem.ImageTooLarge || got.Items[3].ID != "b2" {
		t.Errorf("got %+v, want the lines around the long ones", got)
	}
	w.send(http.MethodPost, at+"/instances", mimeLines, long).problem(413, problem.ImageTooLarge)
	w.send(http.MethodPost, at+"/instances", mimeLines, "").problem(400, problem.NoImages)
	w.send(http.MethodPost, "/v1/collections/none/instances", mimeLines, imageLine(t, 1)).problem(404, "collection_not_found")
}

// What became of an image is told while the next are still on their way.
func TestABatchIsAnsweredWhileItArrives(t *testing.T) {
	w := cases(t, 0)
	from, to := io.Pipe()
	r := w.request(http.MethodPost, at+"/instances", mimeLines, from)
	r.Header.Set("Accept", mimeLines)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for n := range 64 { // as many as may be ahead
			fmt.Fprintln(to, imageLine(t, n))
		}
	}()
	response, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answers := bufio.NewScanner(response.Body)
	var first problem.Item
	if !answers.Scan() || json.Unmarshal(answers.Bytes(), &first) != nil || first.ID != "b0" || first.Status != "created" {
		t.Fatalf("the first line: got %q, want what became of b0", answers.Text())
	}
	<-sent
	fmt.Fprintln(to, `{"image":"eA=="}`)
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for answers.Scan() {
		lines = append(lines, answers.Text())
	}
	if len(lines) != 65 || lines[64] != `{"counts":{"ok":64,"failed":1}}` || !strings.Contains(lines[63], "image_unknown") || response.StatusCode != 200 {
		t.Errorf("got %d lines, the last %q", len(lines), lines[max(0, len(lines)-2):])
	}
}

// Who sends everything before it reads anything is not waited for.
func TestASenderMayReadLast(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	w.fill(0)
	body := strings.Repeat(`{"image":"eA==","name":"`+strings.Repeat("n", 1000)+`"}`+"\n", 3000) // more than buffers hold
	a := w.with(http.MethodPost, at+"/instances", mimeLines, body, "Accept", mimeLines)
	if a.status != 200 || !bytes.HasSuffix(a.body, []byte("{\"counts\":{\"ok\":0,\"failed\":3000}}\n")) {
		t.Errorf("got %d %.100s…%s", a.status, a.body, a.body[max(0, len(a.body)-100):])
	}
}

// An answer of lines is remembered as others are.
func TestLinesAreToldAgain(t *testing.T) {
	w := cases(t, 0)
	var answers [2]answer
	for n := range answers {
		answers[n] = w.with(http.MethodPost, at+"/instances", mimeLines, imageLine(t, 1)+"\n"+imageLine(t, 2), "Accept", mimeLines, "Idempotency-Key", "lines")
	}
	if again := answers[1]; !bytes.Equal(answers[0].body, again.body) || again.header.Get("Content-Type") != mimeLines || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: got %s %s, want %s", again.header.Get("Content-Type"), again.body, answers[0].body)
	}
}

func TestWhatComesBeforeAllImagesIsAnAnswerOfItsOwn(t *testing.T) {
	w := cases(t, 0)
	w.with(http.MethodPost, "/v1/collections/none/instances", mimeLines, imageLine(t, 1), "Accept", mimeLines).problem(404, "collection_not_found")
	w.with(http.MethodPost, at+"/instances", mimeLines, "", "Accept", mimeLines).problem(400, problem.NoImages)
}

type labelledLines struct {
	problem.Batch
	api.Labelled
}

func TestLabelsMayComeAsLines(t *testing.T) {
	w := cases(t, 4)
	lines := `{"instance":"i0","task":"finding","classes":["light"]}
{"instance":"i1","task":"finding","classes":["light"]}
{"instance":"nobody","task":"finding","classes":["light"]}
{"instance":"i2","task":"finding","classes":["grey"]}
{"instance":"i2"

{"instance":"i2","task":"finding","clases":["dark"]}
{"instance":"i3","task":"marks","classes":["a"],"reader":"r1"}`
	got := decoded[labelledLines](w.send(http.MethodPost, at+"/labels", mimeLines, lines).want(207))
	if got.Counts != (problem.Counts{OK: 3, Failed: 4}) || got.Labels != 3 || got.New != 1 || got.Changed != 1 || got.Unchanged != 1 || got.Watermark == 0 {
		t.Errorf("got %+v %+v", got.Counts, got.Labelled)
	}
	codes := map[int]problem.Code{2: "instance_not_found", 3: "class_not_found", 4: problem.JSONInvalid, 5: problem.JSONInvalid}
	for _, item := range got.Items {
		if item.Problem == nil || item.Problem.Code != codes[item.Index] {
			t.Errorf("item %d: got %+v, want %s", item.Index, item.Problem, codes[item.Index])
		}
		delete(codes, item.Index)
	}
	if len(codes) > 0 {
		t.Errorf("nothing was said of lines %v", codes)
	}
	w.send(http.MethodPost, at+"/labels", mimeLines, `{"instance":"i0","task":"finding","classes":["dark"]}`).want(200)
	w.send(http.MethodPost, at+"/labels", mimeLines, "").problem(400, problem.JSONInvalid)
	w.send(http.MethodPost, at+"/labels", mimeLines, `{"instance":"x","task":"finding","classes":["dark"]}`).problem(422, "instance_not_found")
	w.send(http.MethodPost, "/v1/collections/none/labels", mimeLines, `{"instance":"x"}`).problem(404, "collection_not_found")
}

func TestManyLinesOfLabels(t *testing.T) {
	w := cases(t, 20)
	var b strings.Builder
	for n := range 2500 {
		id := fmt.Sprint("i", n%20)
		if n%500 == 7 {
			id = "nobody"
		}
		fmt.Fprintf(&b, `{"instance":%q,"task":"marks","classes":["a"],"reader":"r%d"}`+"\n", id, n/20)
	}
	got := decoded[labelledLines](w.send(http.MethodPost, at+"/labels", mimeLines, b.String()).want(207))
	if got.Counts != (problem.Counts{OK: 2495, Failed: 5}) || got.New != 2495 || got.Items[4].Index != 2007 {
		t.Errorf("got %+v %+v, items %+v", got.Counts, got.Labelled, got.Items)
	}
}
