package onnx

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// includes bounds how deep the linker's configuration may nest.
const includes = 4

// folders lists the system's library folders without repetition: those that
// the dynamic linker is configured with, then the usual ones.
func (s surroundings) folders() []string {
	var all []string
	if s.goos == "linux" {
		all = s.configured("etc/ld.so.conf", includes)
	}
	for _, folder := range s.usual() {
		all = append(all, filepath.Join(s.root, folder))
	}
	var folders []string
	for _, folder := range all {
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return folders
}

func (s surroundings) usual() []string {
	if s.goos == "darwin" {
		return []string{"opt/homebrew/lib", "usr/local/lib"}
	}
	triple := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[s.goarch]
	return []string{
		"usr/local/lib", filepath.Join("usr/local/lib", triple),
		"usr/lib", filepath.Join("usr/lib", triple), "usr/lib64",
	}
}

// configured reads the folders of a file in the format of ldconfig(8): one
// folder a line, `include` with patterns, comments after a number sign. They
// are what the linker's cache is made of. Files that cannot be read count as
// empty, as they do for ldconfig.
func (s surroundings) configured(file string, depth int) []string {
	text, err := os.ReadFile(filepath.Join(s.root, file))
	if err != nil || depth == 0 {
		return nil
	}
	var folders []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "include":
			folders = append(folders, s.included(file, words[1:], depth-1)...)
		case filepath.IsAbs(words[0]):
			folders = append(folders, filepath.Join(s.root, words[0]))
		}
	}
	return folders
}

// included reads the files that match patterns, which are relative to the
// folder of file unless absolute.
func (s surroundings) included(file string, patterns []string, depth int) []string {
	var folders []string
	for _, pattern := range patterns {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(file), pattern)
		}
		matches, _ := filepath.Glob(filepath.Join(s.root, pattern)) // a malformed pattern matches nothing
		for _, match := range matches {
			inside, err := filepath.Rel(s.root, match)
			if err == nil {
				folders = append(folders, s.configured(inside, depth)...)
			}
		}
	}
	return folders
}
