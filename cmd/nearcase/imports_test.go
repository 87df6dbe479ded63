package main

import (
	"encoding/json"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The import map: which packages of the project each may import, and the one
// package (with its subpackages' tests) that may import a third-party module.
var (
	arrows = map[string][]string{
		"cmd/nearcase":             {"api", "api/audit", "api/keys", "api/oidc", "api/observe", "api/client", "api/rest", "cmd/nearcase/phantom", "embed", "embed/hub", "embed/onnx", "embed/scatter", "embed/text", "probe", "probe/eval", "probe/eval/report", "store", "store/backup", "store/local", "store/vault"},
		"cmd/nearcase/browser":     {},
		"cmd/nearcase/browser/axe": {},
		"cmd/nearcase/phantom":     {},
		"api":                      {"api/webhook", "embed", "probe", "probe/eval", "probe/eval/report", "store", "store/backup"},
		"api/apitest":              {"api", "embed", "embed/dicom/dataset"},
		"api/rest":                 {"api", "api/audit", "api/dicomweb", "api/fhir", "api/keys", "api/problem", "api/rest/page", "api/rest/reference", "probe/eval/report", "store", "store/backup"},
		"api/rest/page":            {},
		"api/rest/reference":       {},
		"api/client":               {"api", "api/keys", "api/problem", "store"},
		"api/client/crash":         {"api", "api/client", "cmd/nearcase/phantom", "store"},
		"api/client/crash/crasher": {"api/client/crash"},
		"api/client/load":          {"index/peers/plot"},
		"api/observe":              {"api"},
		"api/audit":                {"store/disk"},
		"api/webhook":              {},
		"api/keys":                 {"store"},
		"api/oidc":                 {"api/keys", "store"},
		"api/dicomweb":             {"api", "embed", "embed/dicom", "embed/dicom/dataset", "store"},
		"api/fhir":                 {"api", "store"},
		"api/problem":              {"api", "api/dicomweb", "api/keys", "api/webhook", "embed", "probe", "probe/eval", "store"},
		"embed":                    {"embed/dicom", "embed/dicom/dataset", "embed/jpeg"},
		"embed/dicom":              {"embed/dicom/dataset", "embed/jpeg", "embed/native"},
		"embed/dicom/dataset":      {},
		"embed/hub":                {},
		"embed/jpeg":               {},
		"embed/native":             {},
		"embed/text":               {},
		"embed/onnx":               {},
		"embed/onnx/onnxtest":      {"embed/onnx"},
		"embed/onnx/setup":         {"embed/onnx"},
		"embed/scatter":            {"embed"},
		"index":                    {"index/simd"},
		"index/peers/bench":        {"index", "index/peers/dataset", "index/peers/plot", "index/simd", "store", "store/local"},
		"index/peers/dataset":      {},
		"index/peers/plot":         {},
		"index/simd":               {},
		"store":                    {},
		"store/backup":             {"store", "store/disk"},
		"store/disk":               {},
		"store/disk/faulty":        {"store/disk"},
		"store/local":              {"index", "store", "store/backup", "store/disk", "store/vault"},
		"store/local/fixture":      {"store", "store/local", "store/vault"},
		"store/local/powerloss":    {},
		"store/storetest":          {"store"},
		"store/vault":              {"store", "store/disk"},
		"probe":                    {"probe/dense"},
		"probe/dense":              {},
		"probe/eval":               {},
		"probe/eval/report":        {"probe/eval"},
	}
	owners = map[string]string{
		"github.com/alecthomas/kong":        "cmd/nearcase",
		"github.com/jotaen/kong-completion": "cmd/nearcase",
		"github.com/prometheus":             "api/observe",
		"go.opentelemetry.io/otel":          "api/observe",
		"github.com/caarlos0/env/v11":       "cmd/nearcase",
		"github.com/coreos/go-oidc/v3":      "api/oidc",
		"github.com/coder/hnsw":             "index",
		"github.com/dgraph-io/badger/v4":    "store/local",
		"filippo.io/age":                    "store/backup",
		"github.com/klauspost/compress":     "store/backup",
		"github.com/dgraph-io/ristretto/v2": "store/local",
		"github.com/minio/sio":              "store/vault",
		"github.com/hanwen/go-fuse/v2":      "store/local/powerloss",
		"github.com/getkin/kin-openapi":     "api/rest api/rest/reference",
		"github.com/oapi-codegen/runtime":   "api/rest",
		"github.com/labstack/echo/v4":       "api/rest",
		"github.com/schollz/progressbar/v3": "cmd/nearcase",
		"github.com/yalue/onnxruntime_go":   "embed/onnx",
		"go.yaml.in/yaml/v3":                "cmd/nearcase embed",
		"golang.org/x/image":                "embed",
		"golang.org/x/sync":                 "api store/local",
		"golang.org/x/sys":                  "cmd/nearcase embed embed/hub embed/jpeg index/simd probe probe/dense store/local",
		"golang.org/x/term":                 "cmd/nearcase",
		"golang.org/x/time":                 "api/oidc api/rest",
		"golang.org/x/text":                 "embed/dicom/dataset embed/text",
		"github.com/rivo/uniseg":            "embed/text",
		"github.com/parquet-go/parquet-go":  "api",
		"gonum.org/v1/gonum":                "probe",
		"google.golang.org/protobuf":        "api/apitest embed/onnx embed/scatter",
	}
)

// Every import is in the map, and the map has no arrow that nothing uses.
func TestImportsKeepToTheMap(t *testing.T) {
	used := map[string]map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "nearcase/")
		allowed, known := arrows[name]
		if !known {
			t.Errorf("package %s is not in the import map", name)
		}
		used[name] = map[string]bool{}
		for _, path := range p.Imports {
			if rest, ok := strings.CutPrefix(path, "nearcase/"); ok {
				used[name][rest] = true
				if !slices.Contains(allowed, rest) {
					t.Errorf("%s imports %s, which the import map does not allow", name, rest)
				}
			} else if strings.Contains(strings.Split(path, "/")[0], ".") {
				checkOwner(t, name, path)
			}
		}
	}
	for name, to := range arrows {
		for _, a := range to {
			if !used[name][a] {
				t.Errorf("the import map allows %s to import %s, which it does not", name, a)
			}
		}
	}
}

func checkOwner(t *testing.T, name, path string) {
	t.Helper()
	for _, module := range slices.Collect(maps.Keys(owners)) {
		if path == module || strings.HasPrefix(path, module+"/") {
			if !slices.Contains(strings.Fields(owners[module]), name) {
				t.Errorf("%s imports %s, which belongs to %s", name, path, owners[module])
			}
			return
		}
	}
	t.Errorf("%s imports %s, which no package owns", name, path)
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "nearcase/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
