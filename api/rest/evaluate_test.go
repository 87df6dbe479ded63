package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"nearcase/api"
)

// evaluation posts one and asks for a media type.
func (w *world) evaluation(accept, query, body string) answer {
	w.t.Helper()
	r := w.request(http.MethodPost, "/v1/collections/cases/evaluate"+query, "application/json", strings.NewReader(body))
	r.Header.Set("Accept", accept)
	return w.do(r)
}

func TestAnEvaluationIsAReportForThoseWhoAskForOne(t *testing.T) {
	w := cases(t, 20)
	const body = `{"task":"finding","rounds":100,"methods":["votes","ridge"]}`
	page := w.evaluation("text/html,application/xhtml+xml,*/*;q=0.8", "", body)
	if got := page.header.Get("Content-Type"); page.status != 200 || got != "text/html; charset=utf-8" || !strings.Contains(string(page.body), "<title>Evaluation of finding") {
		t.Errorf("page: status %d, %s, %.100s", page.status, got, page.body)
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "sandbox") || strings.Contains(policy, "script") {
		t.Errorf("policy of the page: %s", policy)
	}
	table := w.evaluation("text/csv", "", body)
	if table.status != 200 || !strings.HasPrefix(string(table.body), "network,method,class,measure,value") || !strings.Contains(string(table.body), "\ncases,ridge,,auc_macro,") {
		t.Errorf("table: status %d, %.200s", table.status, table.body)
	}
	e := decoded[api.Evaluation](w.evaluation("application/json", "", body).want(200))
	if len(e.Results) != 2 || e.Results[0].Method != "20-NN" || e.Methods == "" || e.Collection != "cases" {
		t.Errorf("JSON: %d results, methods %.40q", len(e.Results), e.Methods)
	}
}

func TestWhatCannotBeEvaluatedIsAProblem(t *testing.T) {
	w := cases(t, 6)
	w.evaluation("text/html", "", `{"task":"finding","folds":1}`).problem(422, "query_invalid")
	w.evaluation("text/html", "?background=true", `{"task":"finding"}`).problem(400, "query_parameter")
	w.evaluation("*/*", "", `{"task":"finding","folds":9}`).problem(422, "labels_insufficient")
	w.evaluation("*/*", "", `{"task":"marks"}`).problem(422, "labels_insufficient")
	w.evaluation("*/*", "", `{"task":"x"}`).problem(422, "task_not_found")
	w.evaluation("*/*", "", `{"task":"finding","collections":["x"]}`).problem(404, "collection_not_found")
	w.evaluation("*/*", "", `{"task":"finding","images":false}`).problem(400, "json_invalid")
}
