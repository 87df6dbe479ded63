package main

import (
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/embed/onnx/onnxtest"
)

// shadesOf are pictures of a colour by its name.
func shadesOf(t *testing.T, name string, n int) []byte {
	low, high := uint8(10+9*n), uint8(245-12*n)
	c := map[string]color.RGBA{"red": {high, low, low, 255}, "green": {low, high, low, 255}, "blue": {low, low, high, 255}}[name]
	return apitest.Plain(c)
}

// towers is a data directory with pictures of three colours, four patients of
// each, in collection "default" of a model of two towers; and the flags for it.
func towers(t *testing.T) (in func(args ...string) []string) {
	t.Helper()
	onnxtest.Require(t)
	models, pictures := t.TempDir(), t.TempDir()
	if err := apitest.TwoTowers(filepath.Join(models, "towers")); err != nil {
		t.Fatal(err)
	}
	rows, files := "file,patient_id,colour\n", map[string][]byte{}
	for _, name := range []string{"red", "green", "blue"} {
		for n := range 4 {
			file := fmt.Sprintf("%s%d.png", name, n)
			files[file] = shadesOf(t, name, n)
			rows += fmt.Sprintf("%s,%s-%d,%s\n", file, name, n, name)
		}
	}
	files["labels.csv"] = []byte(rows)
	lay(t, pictures, files)
	limits := file(t, "c.yaml", []byte("threads: 1\nbatch: 4"))
	place := []string{"--config", limits, "--data", filepath.Join(t.TempDir(), "data"), "--models-dir", models}
	in = func(args ...string) []string { return append(append([]string{}, place...), args...) }
	succeed(t, in("ingest", "--model", "towers", filepath.Join(pictures, "labels.csv"))...)
	return in
}

func answered[T any](t *testing.T, args ...string) (v T) {
	t.Helper()
	out := succeed(t, append([]string{"--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("nearcase %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return v
}

// A folder as Hugging Face lays it out is a model that answers texts.
func TestTextsFindTheirPictures(t *testing.T) {
	in := towers(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{in("models", "list"), []string{"towers", fmt.Sprint(apitest.TowerDimension)}},
		{in("models", "inspect", "towers"), []string{"onnx/vision_model.onnx", "onnx/text_model.onnx", "fingerprint of text", "preprocessor_config.json"}},
	} {
		out := succeed(t, c.args...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("nearcase %s printed %q, want %q in it", strings.Join(c.args, " "), out, want)
			}
		}
	}
	for _, name := range []string{"red", "green", "blue"} {
		out := strings.Split(succeed(t, in("similar", "--text", "a photo of "+name, "-k", "4")...), "\n")
		if len(out) < 5 || !strings.Contains(out[1], name+"0.png") || !strings.Contains(out[4], "colour="+name) {
			t.Errorf("similar to a text of %s printed %q, want four of it, the purest first", name, out)
		}
		got := answered[api.Similar](t, in("similar", "--text", name)...)
		if len(got.Cases) != 12 || got.Cases[3].Labels["colour"][0] != name || got.Cases[4].Labels["colour"][0] == name || got.Query.Excluded != 0 {
			t.Errorf("similar to a text of %s: got %+v, want those of its colour before all others", name, got.Cases)
		}
	}
}

// Zero-shot scores stand beside votes and probe, and know colours without a
// label.
func TestClassesAreScoredByTheirNames(t *testing.T) {
	in := towers(t)
	for _, name := range []string{"red", "green", "blue"} {
		path := file(t, "x.png", shadesOf(t, name, 5))
		for prompts, args := range map[string][]string{
			"[{}]":                           in("classify", path),
			"[a photo of a {}, bright]":      in("classify", "--prompt", "a photo of a {}, bright", path),
			"[a photo of {} an image of {}]": in("classify", "--prompt", "a photo of {}", "--prompt", "an image of {}", path),
		} {
			if out := succeed(t, args...); !strings.Contains(out, "ZERO-SHOT") {
				t.Errorf("classify printed %q, want a column ZERO-SHOT", out)
			}
			z := answered[api.Classification](t, args...).Tasks[0].ZeroShot
			if z == nil || len(z.Prediction) != 1 || z.Prediction[0] != name || z.Scores[0].Class != name || fmt.Sprint(z.Prompts) != prompts {
				t.Fatalf("classify a picture of %s with %s: zero-shot %+v", name, prompts, z)
			}
			sum := 0.0
			for _, s := range z.Scores {
				sum += s.Score
			}
			if len(z.Scores) != 3 || math.Abs(sum-1) > 1e-6 {
				t.Errorf("scores %+v sum to %g, want three that sum to 1", z.Scores, sum)
			}
		}
	}
}

func TestTextsOverHTTP(t *testing.T) {
	in := towers(t)
	here := answered[api.Similar](t, in("similar", "--text", "a photo of green")...)
	path := file(t, "x.png", shadesOf(t, "green", 5))
	local := answered[api.Classification](t, in("classify", "--prompt", "an image of {}", path)...)
	url, _, stop := serving(t, in("serve", "--listen", "127.0.0.1:0")...)
	there := answered[api.Similar](t, "--server", url, "similar", "--text", "a photo of green")
	if fmt.Sprint(there.Cases) != fmt.Sprint(here.Cases) || here.Cases[0].Labels["colour"][0] != "green" {
		t.Errorf("similar to a text: got %+v over HTTP and %+v from the directory, want both green first", there.Cases, here.Cases)
	}
	served := answered[api.Classification](t, "--server", url, "classify", "--prompt", "an image of {}", path)
	if fmt.Sprint(*served.Tasks[0].ZeroShot) != fmt.Sprint(*local.Tasks[0].ZeroShot) {
		t.Errorf("zero-shot: got %+v over HTTP and %+v from the directory", *served.Tasks[0].ZeroShot, *local.Tasks[0].ZeroShot)
	}
	stop()
}

func TestTextsThatCannotBeAskedAreRefused(t *testing.T) {
	in := towers(t)
	labels := phantoms(t, 4)
	succeed(t, in("ingest", "-c", "plain", labels)...)
	path := file(t, "x.png", shadesOf(t, "red", 5))
	for _, c := range []struct {
		fact string
		args []string
		want string
	}{
		{"a text to a model without a text tower", in("similar", "-c", "plain", "--text", "red"), "no text tower"},
		{"prompts to a model without a text tower", in("classify", "-c", "plain", "--prompt", "a photo of {}", path), "no text tower"},
		{"a text and an image", in("similar", "--text", "red", path), "name one image"},
		{"a prompt without a place for the class", in("classify", "--prompt", "a photo", path), "{}"},
		{"a text that is too long", in("similar", "--text", strings.Repeat("red ", 2000)), "the limit is 4096"},
		{"a text to classify", in("classify", "--text", "red"), "--text"},
		{"nothing", in("similar"), "--text"},
	} {
		code, out, errs := nearcase(t, c.args...)
		if code == 0 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit status %d, printed %q, want an error with %q", c.fact, code, out+errs, c.want)
		}
	}
}
