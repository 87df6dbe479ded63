package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nearcase/api"
)

// What is asked through a server has the answer of the data directory: the
// same commands, once with --data and once with --server.
func TestBothFacesAnswerAlike(t *testing.T) {
	labels := phantoms(t, 12)
	// One key, so that patients have the same names and fall into the same folds.
	t.Setenv("NEARCASE_PRIVACY_KEY_FILE", file(t, "patient.key", []byte(strings.Repeat("5a", keyBytes))))
	byData, served := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "served")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, kill := startServer(ctx, t, served)
	image := file(t, "x.png", onePhantom())
	for _, args := range [][]string{
		{"collections", "create", "c", "--task", "view=ap|pa"},
		{"ingest", "-c", "c", labels},
		{"similar", "-c", "c", "--json", image},
		{"similar", "-c", "c", "--json", "--labelled", "finding=haze|nodules", "--group-by", "patient", image},
		{"similar", "-c", "c", "--json", "--like", "ID", "--filter", `{"task":"finding","has":["haze","nodules"]}`, "--where", "width=64|128"},
		{"list", "-c", "c", "--json", "--sort", "name", "--descending", "--count"},
		{"list", "-c", "c", "-n", "1000", "--sort", "id", "--filter", `{"not":{"task":"finding","has":["haze"]}}`},
		{"delete", "-c", "c", "--where", "id=ID", "--dry-run"},
		{"delete", "-c", "c", "--filter", `{"task":"finding","labelled":false}`, "--expected", "0"},
		{"probes", "retrain", "-c", "c", "finding"},
		{"probes", "retrain", "-c", "c", "devices"},
		{"classify", "-c", "c", "--json", image},
		{"label", "-c", "c", "ID", "view=pa", "finding=haze"},
		{"label", "-c", "c", "ID", "finding=odd", "--new-classes"},
		{"classify", "-c", "c", "--json", image},
		{"label", "-c", "c", "--remove", "ID", "finding"},
		{"evaluate", "-c", "c", "--json", "--task", "finding"},
		{"review", "-c", "c", "--json", "--task", "finding"},
		{"review", "-c", "c", "--task", "devices", "-k", "label_errors,novel", "--csv", "-"},
		{"reindex", "-c", "c", "--engine", "graph"},
		{"reindex", "-c", "c", "--engine", "coder"},
		{"collections", "show", "c", "--json"},
		{"collections"},
		{"models"},
		{"version", "--json"},
		{"collections", "drop", "c", "--confirm", "c"},
	} {
		want := stable(t, succeed(t, on("--data", byData, args, firstIn(t, byData))...))
		got := stable(t, succeed(t, on("--server", url, args, firstIn(t, byData))...))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("nearcase %s (-data +server):\n%s", strings.Join(args, " "), diff)
		}
	}
	kill()
}

// on completes a command line; ID stands for a stored instance.
func on(flag, place string, args []string, id string) []string {
	all := []string{flag, place}
	for _, a := range args {
		if a == "ID" {
			a = id
		}
		all = append(all, a)
	}
	return all
}

// firstIn returns the ID of an instance of collection c, or "".
func firstIn(t *testing.T, data string) string {
	t.Helper()
	code, out, _ := nearcase(t, "--data", data, "similar", "-c", "c", "--json", "-k", "1", file(t, "y.png", onePhantom()))
	var answer api.Similar
	if code != 0 || json.Unmarshal([]byte(out), &answer) != nil || len(answer.Cases) == 0 {
		return ""
	}
	return answer.Cases[0].ID
}

// precise are numbers with more digits than sums in another order have in common.
var precise = regexp.MustCompile(`-?[0-9]+\.[0-9]{10,}(e-?[0-9]+)?`)

// rounded returns a number with nine digits.
func rounded(number string) string {
	x, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return number
	}
	return strconv.FormatFloat(x, 'g', 9, 64)
}

// varying are the JSON keys whose values differ from run to run: times, IDs of
// requests, and the order in which images arrived.
var varying = regexp.MustCompile(`"(created|added|time|took_seconds|request_id|key)":`)

// stable leaves out what differs from run to run, and the last digits.
func stable(t *testing.T, out string) string {
	t.Helper()
	var lines []string
	for l := range strings.Lines(out) {
		if varying.MatchString(l) || strings.Contains(l, "created   ") {
			continue
		}
		if before, _, ok := strings.Cut(l, " in "); ok {
			l = before
		}
		if strings.HasPrefix(l, "before ") || strings.HasPrefix(l, "now ") { // queries a second
			l = strings.TrimRight(strings.TrimSpace(l), "0123456789")
		}
		lines = append(lines, precise.ReplaceAllStringFunc(strings.TrimSpace(l), rounded))
	}
	return strings.Join(lines, "\n")
}
