package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/embed/onnx/onnxtest"
)

func TestWhatHappensIsTold(t *testing.T) {
	onnxtest.Require(t)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "collections", "create", "cxr")
	out := succeed(t, "--data", data, "changes")
	text, next, found := strings.Cut(out, "next: ")
	if !found || !strings.Contains(text, "collection.created cxr") {
		t.Errorf("changes: printed %q, want the collection and a cursor", out)
	}
	if out := succeed(t, "--data", data, "changes", "--since", strings.TrimSpace(next)); !strings.HasPrefix(out, "next: ") {
		t.Errorf("changes since then: printed %q, want none", out)
	}
	if code, _, errs := nearcase(t, "--data", data, "changes", "--follow"); code == 0 || !strings.Contains(errs, "--server") {
		t.Errorf("changes --follow of a data directory: got %d %q", code, errs)
	}
	var made api.MadeWebhook
	out = succeed(t, "--json", "--data", data, "webhooks", "create", "https://receiver.example/", "--type", "study.complete")
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Secret == "" {
		t.Fatalf("webhooks create: printed %s, %v", out, err)
	}
	url, kill := startServer(t.Context(), t, data)
	defer kill()
	if out := succeed(t, "--server", url, "webhooks"); !strings.Contains(out, made.ID) || !strings.Contains(out, "study.complete") || strings.Contains(out, "whsec_") {
		t.Errorf("webhooks: printed %s", out)
	}
	succeed(t, "--server", url, "webhooks", "update", made.ID, "--stop", "--type=")
	if out := succeed(t, "--server", url, "webhooks", "show", made.ID); !strings.Contains(out, "disabled") || !strings.Contains(out, "all") {
		t.Errorf("webhooks show: printed %s, want it disabled and of all types", out)
	}
	succeed(t, "--server", url, "webhooks", "delete", made.ID)
	if code, _, errs := nearcase(t, "--server", url, "webhooks", "test", made.ID); code == 0 || !strings.Contains(errs, "no such webhook") {
		t.Errorf("webhooks test of none: got %d %q", code, errs)
	}
	if code, _, errs := nearcase(t, "--server", url, "jobs", "wait", "none"); code == 0 || !strings.Contains(errs, "no such job") {
		t.Errorf("jobs wait of none: got %d %q", code, errs)
	}
	if out := succeed(t, "--server", url, "jobs"); !strings.HasPrefix(out, "JOB") {
		t.Errorf("jobs: printed %q", out)
	}
}
