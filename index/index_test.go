package index

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSpecsOutOfRangeAreRefusedByName(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
		want string // part of the error, or empty for none
	}{
		{"the zero value", Spec{}, ""},
		{"the exact engine", Spec{Engine: "exact"}, ""},
		{"the graph at its limits", Spec{Engine: "coder", M: 256, EfSearch: 65536, Candidates: 65536}, ""},
		{"an unknown engine", Spec{Engine: "hsnw"}, `engine "hsnw"`},
		{"an engine in capitals", Spec{Engine: "Exact"}, `engine "Exact"`},
		{"negative M", Spec{M: -1}, "m -1"},
		{"large M", Spec{M: 257}, "m 257"},
		{"negative EfSearch", Spec{EfSearch: -1}, "ef_search -1"},
		{"large EfSearch", Spec{EfSearch: 65537}, "ef_search 65537"},
		{"negative Candidates", Spec{Candidates: -1}, "candidates -1"},
		{"large Candidates", Spec{Candidates: 65537}, "candidates 65537"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.spec, 4)
			if c.want == "" && err == nil {
				return
			}
			if c.want == "" || !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New(%+v) = %v, want ErrSpec with %q", c.spec, err, c.want)
			}
		})
	}
}

func TestDimensionsOutOfRangeAreRefused(t *testing.T) {
	for _, dimension := range []int{-1, 0, 65537} {
		if _, err := New(Spec{}, dimension); !errors.Is(err, ErrDimension) {
			t.Errorf("New(Spec{}, %d) = %v, want ErrDimension", dimension, err)
		}
	}
	for _, dimension := range []int{1, 65536} {
		if _, err := New(Spec{}, dimension); err != nil {
			t.Errorf("New(Spec{}, %d) = %v, want no error", dimension, err)
		}
	}
}

func TestSpecReadsJSONAndYAML(t *testing.T) {
	const text = `{"engine":"coder","m":1,"ef_search":2,"candidates":3}`
	want := Spec{Engine: EngineCoder, M: 1, EfSearch: 2, Candidates: 3}
	var fromJSON, fromYAML Spec
	if err := json.Unmarshal([]byte(text), &fromJSON); err != nil || fromJSON != want {
		t.Errorf("json.Unmarshal(%s) = %+v, %v, want %+v", text, fromJSON, err, want)
	}
	if err := yaml.Unmarshal([]byte(text), &fromYAML); err != nil || fromYAML != want {
		t.Errorf("yaml.Unmarshal(%s) = %+v, %v, want %+v", text, fromYAML, err, want)
	}
	if got, err := json.Marshal(want); err != nil || string(got) != text {
		t.Errorf("json.Marshal(%+v) = %s, %v, want %s", want, got, err, text)
	}
}
