package embed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder writes a model folder below dir and returns its path.
func folder(t *testing.T, dir, name, manifest, graph string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	write(t, filepath.Join(path, manifestName), manifest)
	if graph != "" {
		write(t, filepath.Join(path, "weights", "visual.onnx"), graph)
	}
	return path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withDigest is clipManifest with the digest of a graph.
func withDigest(digest string) string {
	return strings.Replace(clipManifest, strings.Repeat("0123456789abcdef", 4), digest, 1)
}

func TestReadFolderReturnsTheGraphAndItsDigest(t *testing.T) {
	want := digest([]byte("graph"))
	for _, manifest := range []string{withDigest(want), strings.Replace(clipManifest, "sha256", "# sha256", 1)} {
		m, graph, got, err := ReadFolder(folder(t, t.TempDir(), "clip-vit-b-32", manifest, "graph"))
		if err != nil || m.Name != "clip-vit-b-32" || string(graph) != "graph" || got != want {
			t.Errorf("ReadFolder = %q, %q, %s, %v; want the manifest, %q, %s", m.Name, graph, got, err, "graph", want)
		}
	}
}

func TestReadFolderSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	linked := folder(t, dir, "linked", withDigest(digest([]byte("graph"))), "")
	write(t, filepath.Join(dir, "elsewhere", "visual.onnx"), "graph")
	if err := os.Symlink("../elsewhere", filepath.Join(linked, "weights")); err != nil {
		t.Fatal(err)
	}
	directory := folder(t, dir, "directory", clipManifest, "")
	if err := os.MkdirAll(filepath.Join(directory, "weights", "visual.onnx"), 0o755); err != nil {
		t.Fatal(err)
	}
	empty := folder(t, dir, "empty", clipManifest, "")
	write(t, filepath.Join(empty, "weights", "visual.onnx"), "")
	for _, c := range []struct {
		name, path string
		want       error
		says       string
	}{
		{"no folder", filepath.Join(dir, "nowhere"), fs.ErrNotExist, "nowhere"},
		{"no manifest", filepath.Join(dir, "elsewhere"), fs.ErrNotExist, "manifest.yaml"},
		{"no graph", folder(t, dir, "a", clipManifest, ""), fs.ErrNotExist, "visual.onnx"},
		{"a bad manifest", folder(t, dir, "b", "name: x", "graph"), ErrManifest, "dimension"},
		{"another graph", folder(t, dir, "c", clipManifest, "graph"), ErrManifest, digest([]byte("graph"))},
		{"no file named", folder(t, dir, "d", strings.Replace(clipManifest, "file:", "# file:", 1), "graph"), ErrManifest, "file: missing"},
		{"an empty graph", empty, ErrManifest, "is empty"},
		{"a directory for a graph", directory, ErrManifest, "no regular file"},
		{"a link out of the folder", linked, nil, "escapes"},
	} {
		_, _, _, err := ReadFolder(c.path)
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: ReadFolder: %v, want %v saying %q", c.name, err, c.want, c.says)
		}
	}
}

func TestListFolderFindsTheModels(t *testing.T) {
	dir := t.TempDir()
	named := func(name string) string { return strings.Replace(clipManifest, "clip-vit-b-32", name, 1) }
	folder(t, dir, "b", named("b"), "")
	folder(t, dir, "a", named("a"), "graph")
	write(t, filepath.Join(dir, "notes.txt"), "no folder")
	write(t, filepath.Join(dir, "other", "readme.txt"), "no manifest")
	manifests, err := ListFolder(dir)
	if err != nil || len(manifests) != 2 || manifests[0].Name != "a" || manifests[1].Name != "b" {
		t.Errorf("ListFolder = %+v, %v; want a and b", manifests, err)
	}

	folder(t, dir, "c", named("somebody-else"), "")
	folder(t, dir, "d", "name: [", "")
	manifests, err = ListFolder(dir)
	if len(manifests) != 2 || !errors.Is(err, ErrManifest) {
		t.Errorf("ListFolder with two bad folders = %d manifests, %v; want 2 and %v", len(manifests), err, ErrManifest)
	}
	for _, says := range []string{filepath.Join(dir, "c"), "somebody-else", filepath.Join(dir, "d")} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ListFolder: %v, want it to name %s", err, says)
		}
	}
}

func TestListFolderOfAMissingFolderIsEmpty(t *testing.T) {
	manifests, err := ListFolder(filepath.Join(t.TempDir(), "nowhere"))
	if err != nil || len(manifests) != 0 {
		t.Errorf("ListFolder = %v, %v; want nothing", manifests, err)
	}
}
