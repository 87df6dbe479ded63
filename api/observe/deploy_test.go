package observe_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nearcase/api/observe"
)

var used = regexp.MustCompile(`\b(?:nearcase|go|process)_[a-z0-9_]+`)

// metricsIn are the names of the metrics in expressions of Prometheus. Those of a
// histogram have one that is its own.
func metricsIn(text string) map[string]bool {
	names := map[string]bool{}
	for _, name := range used.FindAllString(text, -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && strings.HasSuffix(base, "_seconds") {
				name = base
			}
		}
		names[name] = true
	}
	return names
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// expressions are those of the panels and variables of the dashboard.
func expressions(t *testing.T) string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Definition string }
		}
	}
	if err := json.Unmarshal(read(t, "../../deploy/grafana.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range dashboard.Panels {
		for _, e := range p.Targets {
			all = append(all, e.Expr)
		}
	}
	for _, v := range dashboard.Templating.List {
		all = append(all, v.Definition)
	}
	return strings.Join(all, "\n")
}

// The dashboard and the alert rules use metrics that there are, and the dashboard
// shows all of the program's own.
func TestDashboardAndAlertsUseTheMetricsThereAre(t *testing.T) {
	names := open(t, observe.Options{}).Names()
	shown := metricsIn(expressions(t))
	for file, uses := range map[string]map[string]bool{
		"grafana.json": shown,
		"alerts.yaml":  metricsIn(string(read(t, "../../deploy/alerts.yaml"))),
	} {
		if len(uses) < 5 {
			t.Errorf("deploy/%s: only %d metrics were found in it", file, len(uses))
		}
		for _, name := range slices.Sorted(maps.Keys(uses)) {
			if !names[name] {
				t.Errorf("deploy/%s uses %s, which is no metric", file, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if strings.HasPrefix(name, "nearcase_") && !shown[name] {
			t.Errorf("deploy/grafana.json does not show %s", name)
		}
	}
}

// Names are those that Prometheus recommends: the unit at the end, and _total of
// what only grows. The manual names each.
func TestMetricsAreNamedAsPrometheusSaysAndDescribed(t *testing.T) {
	manual := string(read(t, "../../docs/operations.md"))
	for name := range open(t, observe.Options{}).Names() {
		if !strings.HasPrefix(name, "nearcase_") {
			continue
		}
		if strings.Contains(name, "milli") || strings.Contains(name, "_ms") || strings.HasSuffix(name, "_mb") {
			t.Errorf("metric %s is not in base units", name)
		}
		if !strings.Contains(manual, "`"+name+"`") {
			t.Errorf("docs/operations.md does not describe %s", name)
		}
	}
}
