package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every sentence of docs/durability.md names tests, and they are there.
func TestEachPromiseHasItsTest(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "durability.md"))
	if err != nil {
		t.Fatal(err)
	}
	promised, _, ok := strings.Cut(string(text), "## What is not promised")
	if !ok {
		t.Fatal("docs/durability.md does not say what is not promised")
	}
	named := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)[A-Za-z]+)`")
	sources := map[string]string{}
	for line := range strings.Lines(promised) {
		if !strings.HasPrefix(line, "- ") {
			continue
		}
		tests := named.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 {
			t.Errorf("no test is named for: %s", line)
		}
		for _, test := range tests {
			folder, name := test[1], test[2]
			if sources[folder] == "" {
				sources[folder] = testsOf(t, filepath.Join(root, filepath.FromSlash(folder)))
			}
			if !strings.Contains(sources[folder], "func "+name+"(") {
				t.Errorf("there is no %s in %s: %s", name, folder, line)
			}
		}
	}
}

// testsOf returns the text of all test files of a folder.
func testsOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}
