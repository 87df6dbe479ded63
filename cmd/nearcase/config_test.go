package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func example(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example is the defaults, key by key: reading it over nothing gives them,
// and writing them gives no key that the example lacks.
func TestExampleConfigurationEqualsTheDefaults(t *testing.T) {
	var got config
	if err := parseConfig(example(t), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults(), got); diff != "" {
		t.Errorf("config.example.yaml differs from the defaults (-default +example):\n%s", diff)
	}
	written, err := yaml.Marshal(defaults())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keyNames(t, example(t)), keyNames(t, written); got != want {
		t.Errorf("keys of config.example.yaml:\n%s\nkeys of the configuration:\n%s", got, want)
	}
}

// Every key is explained: a comment stands before it or before its group.
func TestExampleConfigurationExplainsEveryKey(t *testing.T) {
	explained := false
	for n, l := range strings.Split(string(example(t)), "\n") {
		text := strings.TrimSpace(l)
		switch {
		case text == "":
			explained = false
		case strings.HasPrefix(text, "#"):
			explained = true
		case !explained:
			t.Errorf("line %d, %q, has no comment before it in its paragraph", n+1, l)
		}
	}
}

func keyNames(t *testing.T, b []byte) string {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal(b, &node); err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(prefix string, n *yaml.Node)
	walk = func(prefix string, n *yaml.Node) {
		for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
			names = append(names, prefix+n.Content[i].Value)
			walk(prefix+n.Content[i].Value+".", n.Content[i+1])
		}
	}
	walk("", node.Content[0])
	return strings.Join(names, "\n")
}

func TestConfigurationIsRefused(t *testing.T) {
	for _, c := range []struct{ fact, text, want string }{
		{"an unknown key", "dta: x", "dta"},
		{"an unknown nested key", "votes: {k: 3}", "field k not found"},
		{"a wrong type", "batch: many", "many"},
		{"a negative batch", "batch: -1", "batch is -1"},
		{"an unknown engine", "index: {engine: magic}", `index.engine is "magic"`},
		{"two documents", "batch: 4\n---\nbatch: 5", "more than one document"},
		{"not a number", "votes: {temperature: .nan}", "votes.temperature"},
	} {
		path := t.TempDir() + "/config.yaml"
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadConfig(path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("loadConfig with %s: got error %v, want one about %q", c.fact, err, c.want)
		}
	}
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	path := t.TempDir() + "/config.yaml"
	if err := os.WriteFile(path, []byte("batch: 4\nvotes: {neighbours: 5}"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NEARCASE_VOTES_NEIGHBOURS", "7")
	c, err := loadConfig(path)
	if err != nil || c.Batch != 4 || c.Votes.Neighbours != 7 {
		t.Errorf("loadConfig: got batch %d, neighbours %d, error %v, want 4 and 7", c.Batch, c.Votes.Neighbours, err)
	}
	t.Setenv("NEARCASE_BATCH", "x")
	if _, err := loadConfig(path); err == nil {
		t.Error("loadConfig with NEARCASE_BATCH=x: got no error")
	}
	t.Setenv("NEARCASE_BATCH", "5")
	t.Setenv("NEARCASE_BACTH", "6")
	if _, err := loadConfig(path); err == nil || !strings.Contains(err.Error(), "NEARCASE_BACTH") {
		t.Errorf("loadConfig with NEARCASE_BACTH set: got error %v, want one that names it", err)
	}
}

func FuzzConfig(f *testing.F) {
	b, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("votes: {temperature: .inf}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := defaults()
		if parseConfig(b, &c) == nil && c.check() == nil && (c.Batch < 0 || c.Votes.Neighbours < 1) {
			t.Errorf("accepted %+v", c)
		}
	})
}
