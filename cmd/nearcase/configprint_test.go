package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is printed, read as a file, is the same configuration.
func TestPrintedConfigurationIsTheConfiguration(t *testing.T) {
	text := succeed(t, "config", "--data", "elsewhere")
	got := defaults()
	want, err := loadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if err := parseConfig([]byte(text), &got); err != nil {
		t.Fatalf("parse what nearcase config prints: %v\n%s", err, text)
	}
	want.Data = "elsewhere"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("nearcase config (-is +printed):\n%s", diff)
	}
}

func TestPrintedConfigurationSaysWhereValuesComeFrom(t *testing.T) {
	path := file(t, "config.yaml", []byte("votes: {neighbours: 7, temperature: 0.1}\nproviders: [cuda]\nprivacy: {fields: [Modality]}\n"))
	t.Setenv("NEARCASE_VOTES_TEMPERATURE", "0.2")
	text := succeed(t, "config", "--config", path, "--models-dir", "m")
	for _, want := range []string{
		"models: m # flag\n", "neighbours: 7 # file\n", "temperature: 0.2 # environment NEARCASE_VOTES_TEMPERATURE\n",
		"providers: [cuda] # file\n", "fields: # file\n", "batch: 0 # default\n", "refit_after: 5m0s # default\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nearcase config: got\n%s\nwant a line %q", text, want)
		}
	}
}

func TestPrintedConfigurationHidesSecrets(t *testing.T) {
	t.Setenv("NEARCASE_HUB_TOKEN", "hf_verysecret")
	t.Setenv("NEARCASE_HUB_ENDPOINT", "https://user:verysecret@mirror.example/models")
	for _, args := range [][]string{{"config"}, {"config", "--json"}} {
		text := succeed(t, args...)
		if strings.Contains(text, "verysecret") || !strings.Contains(text, hidden) {
			t.Errorf("nearcase %s: got %s, want the token hidden", strings.Join(args, " "), text)
		}
	}
	if text := succeed(t, "config"); !strings.Contains(text, "# environment NEARCASE_HUB_TOKEN") {
		t.Errorf("nearcase config: got %s, want where the token comes from", text)
	}
}

// Every variable that is said to set a value does, and none is missing.
func TestPrintedConfigurationNamesTheVariables(t *testing.T) {
	var settings []setting
	if err := json.Unmarshal([]byte(succeed(t, "config", "--json")), &settings); err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if want := envPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_")); s.Variable != want {
			t.Errorf("variable of %s: got %s, want %s", s.Key, s.Variable, want)
		}
		if s.Origin != "default" && os.Getenv(s.Variable) == "" {
			t.Errorf("origin of %s: got %s, want default", s.Key, s.Origin)
		}
	}
	if len(settings) < 40 {
		t.Errorf("nearcase config --json: got %d settings, want all", len(settings))
	}
}

func TestConfigCheckRefusesWhatLoadRefuses(t *testing.T) {
	succeed(t, "config", "check")
	code, _, stderr := nearcase(t, "config", "check", "--config", file(t, "config.yaml", []byte("bacth: 3")))
	if code != 1 || !strings.Contains(stderr, "bacth") {
		t.Errorf("nearcase config check of an unknown key: got status %d, %q, want 1 and its name", code, stderr)
	}
}
