package rest_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

func TestWebhooksOverHTTP(t *testing.T) {
	w := open(t, api.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, rest.Options{})
	w.fill(1)
	sent := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent <- r.Header.Get("webhook-signature") }))
	defer receiver.Close()
	a := w.json(http.MethodPost, "/v1/webhooks", `{"url":"`+receiver.URL+`","types":["job.ended"]}`).want(201)
	made := decoded[api.MadeWebhook](a)
	path := "/v1/webhooks/" + made.ID
	if !strings.HasPrefix(made.Secret, "whsec_") || a.header.Get("Location") != path {
		t.Errorf("webhook: got %+v at %s, want its secret", made, a.header.Get("Location"))
	}
	list := decoded[struct{ Webhooks []api.Webhook }](w.get("/v1/webhooks").want(200))
	if len(list.Webhooks) != 2 || strings.Contains(string(w.get(path).body), "whsec_") {
		t.Errorf("webhooks: got %+v, want both without secrets", list)
	}
	if d := decoded[api.Delivery](w.send(http.MethodPost, path+"/test", "", "").want(200)); d.Status != 200 || d.Problem != "" {
		t.Errorf("test: got %+v", d)
	}
	if got := <-sent; !strings.HasPrefix(got, "v1,") || strings.Contains(got, " ") {
		t.Errorf("signature: got %q, want one", got)
	}
	if rotated := decoded[api.MadeWebhook](w.send(http.MethodPost, path+"/rotate", "", "").want(200)); rotated.Secret == made.Secret || rotated.Rotated.IsZero() {
		t.Errorf("rotate: got %+v", rotated)
	}
	w.send(http.MethodPost, path+"/test", "", "").want(200)
	if got := <-sent; len(strings.Fields(got)) != 2 {
		t.Errorf("signature once the secret is rotated: got %q, want two", got)
	}
	if changed := decoded[api.Webhook](w.json(http.MethodPatch, path, `{"enabled":false,"types":[]}`).want(200)); changed.Disabled == "" || len(changed.Types) != 0 {
		t.Errorf("patch: got %+v, want it stopped", changed)
	}
	if letters := w.get(path + "/dead-letters").want(200); strings.TrimSpace(string(letters.body)) != `{"dead_letters":[]}` {
		t.Errorf("dead letters: got %s, want none", letters.body)
	}
	w.send(http.MethodPost, path+"/dead-letters/none", "", "").problem(404, "webhook_not_found")
	w.send(http.MethodDelete, path+"/dead-letters/none", "", "").problem(404, "webhook_not_found")
	w.send(http.MethodDelete, path, "", "").want(204)
	w.get(path).problem(404, "webhook_not_found")
	for body, code := range map[string]problem.Code{
		`{"url":"http://example.org/"}`:                              "webhook_url",
		`{"url":"https://169.254.169.254/latest"}`:                   "webhook_address",
		`{"url":"https://receiver.example/","secret":"x"}`:           "webhook_secret",
		`{"url":"https://receiver.example/","types":["all"]}`:        "invalid",
		`{"url":"https://receiver.example/","collections":["../x"]}`: "invalid",
	} {
		w.json(http.MethodPost, "/v1/webhooks", body).problem(422, code)
	}
	w.json(http.MethodPost, "/v1/webhooks", `{"url":"https://receiver.example/","since":"x"}`).problem(400, "cursor_invalid")
	w.json(http.MethodPost, "/v1/webhooks", `{"uri":"https://receiver.example/"}`).problem(400, "json_invalid")
}
