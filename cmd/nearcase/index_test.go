package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/store/local"
)

func TestEnginesAreComparedOnACollection(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", phantoms(t, 12))
	bench := []string{"--data", data, "bench", "index", "--engine", "exact,graph", "--queries", "20", "--recall", "0.99"}
	var r local.Trials
	if out := succeed(t, append(bench, "--json")...); json.Unmarshal([]byte(out), &r) != nil || len(r.Trials) != 2 || r.Trials[1].Engine != "graph" || r.Trials[1].Recall < 0.9 {
		t.Errorf("bench index --json: got %s", out)
	}
	out := succeed(t, bench...)
	for _, want := range []string{"RECALL@10", "exact  ", "graph M 16", " s  "} {
		if !strings.Contains(out, want) {
			t.Errorf("bench index: got\n%swithout %q", out, want)
		}
	}
}

func TestShowTellsOfTheIndex(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", phantoms(t, 10))
	show := func() string { return succeed(t, "--data", data, "collections", "show", "default") }
	if out := show(); !strings.Contains(out, "exact (auto)") || !strings.Contains(out, "in memory") || !strings.Contains(out, "none") {
		t.Errorf("collections show of a small collection: got\n%s", out)
	}
	if out := succeed(t, "--data", data, "reindex", "--engine", "graph", "--m", "8"); !strings.Contains(out, "QUERIES/S") || !strings.Contains(out, "same ten nearest") {
		t.Errorf("reindex: got\n%s", out)
	}
	if out := show(); !strings.Contains(out, "M 8, ef_construction 200") || strings.Contains(out, "auto") {
		t.Errorf("collections show after reindex: got\n%s", out)
	}
}
