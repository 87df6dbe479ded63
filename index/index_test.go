package index

import (
	"encoding/json"
	"errors"
	"math"
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
		{"the graph at its limits", Spec{Engine: "graph", M: 256, EfConstruction: 65536, EfSearch: 65536, Recall: 0.999}, ""},
		{"coder at its limits", Spec{Engine: "coder", M: 256, EfSearch: 65536, Candidates: 65536}, ""},
		{"an unknown engine", Spec{Engine: "hsnw"}, `engine "hsnw"`},
		{"an engine in capitals", Spec{Engine: "Exact"}, `engine "Exact"`},
		{"negative M", Spec{M: -1}, "m -1"},
		{"large M", Spec{M: 257}, "m 257"},
		{"negative EfConstruction", Spec{EfConstruction: -1}, "ef_construction -1"},
		{"large EfConstruction", Spec{EfConstruction: 65537}, "ef_construction 65537"},
		{"negative EfSearch", Spec{EfSearch: -1}, "ef_search -1"},
		{"large EfSearch", Spec{EfSearch: 65537}, "ef_search 65537"},
		{"negative Recall", Spec{Recall: -0.1}, "recall -0.1"},
		{"a Recall of all", Spec{Recall: 1}, "recall 1"},
		{"a Recall that is no number", Spec{Recall: math.NaN()}, "recall NaN"},
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
	const text = `{"engine":"graph","m":1,"ef_construction":2,"ef_search":3,"recall":0.5,"candidates":4}`
	want := Spec{Engine: EngineGraph, M: 1, EfConstruction: 2, EfSearch: 3, Recall: 0.5, Candidates: 4}
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

func TestStatsDescribeTheIndex(t *testing.T) {
	vectors := clustered(300, 24)
	for _, c := range []struct {
		spec Spec
		want Stats
	}{
		{Spec{}, Stats{Engine: EngineExact, Len: 290, Rows: 300}},
		{Spec{Engine: EngineGraph}, Stats{Engine: EngineGraph, Len: 290, Rows: 300, M: 16, EfConstruction: 200, Ef: 80}},
		{
			Spec{Engine: EngineGraph, M: 5, EfConstruction: 30, EfSearch: 7},
			Stats{Engine: EngineGraph, Len: 290, Rows: 300, M: 5, EfConstruction: 30, Ef: 7},
		},
		{Spec{Engine: EngineCoder}, Stats{Engine: EngineCoder, Len: 290, Rows: 300, M: 64, Ef: 20}},
	} {
		x := filledWith(t, c.spec, vectors)
		for key := range uint64(10) {
			x.Remove(key)
		}
		got := x.Stats()
		if got.Bytes < 300*24*4 || got.Bytes > 10<<20 {
			t.Errorf("%+v: Stats().Bytes = %d, want about what the vectors take", c.spec, got.Bytes)
		}
		got.Bytes = 0
		if got != c.want {
			t.Errorf("%+v: Stats() = %+v, want %+v", c.spec, got, c.want)
		}
	}
}

func TestChoosePrefersTheScanWhileItIsFast(t *testing.T) {
	const most = chooseCodes / 512
	for _, c := range []struct {
		n, dimension int
		want         string
	}{
		{0, 512, EngineExact}, {1000, 512, EngineExact}, {most, 512, EngineExact}, {most + 1, 512, EngineGraph},
		{most + 1, 449, EngineGraph}, {most + 1, 448, EngineExact}, {1 << 30, 2048, EngineGraph},
	} {
		if got := Choose(c.n, c.dimension); got != c.want {
			t.Errorf("Choose(%d, %d) = %s, want %s", c.n, c.dimension, got, c.want)
		}
	}
}
