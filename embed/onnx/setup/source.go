package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"nearcase/embed/onnx"
)

const (
	wrapper = "github.com/yalue/onnxruntime_go"  // the Go module that carries libraries
	bundle  = "onnxruntime-node@" + onnx.Version // the npm package that carries the others

	attempts = 3
	patience = 10 * time.Minute // for one run of npm or go
	pause    = 3 * time.Second  // before another
)

// source says where a platform's library of the pinned release comes from:
// from a file of the wrapper's module or from a file of the npm package.
type source struct {
	module, bundled string
	digest          string // SHA-256 of the library, in hexadecimal
}

// sourceOf returns the source for a platform named as by the Go command.
func sourceOf(goos, goarch string) (source, bool) {
	s, known := map[string]source{
		"linux-amd64": {
			bundled: "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
			digest:  "53ef1ac028dd1b05554b8da28d9159eb3876f99868193d2aaa6e67f0243c23d4",
		},
		"linux-arm64": {
			module: "test_data/onnxruntime_arm64.so",
			digest: "7954e8bdedb497f830c6a679e818d98399b7f4d81ade1126c3e0be74d28111ab",
		},
		"darwin-arm64": {
			module: "test_data/onnxruntime_arm64.dylib",
			digest: "9626bbdd201fbed7e3addcbd9fc7e97ec4954c03afcf40a9883af50498bffb06",
		},
	}[goos+"-"+goarch]
	return s, known
}

// fetch puts the library at target.
func (s source) fetch(ctx context.Context, target string, out io.Writer) error {
	if s.module != "" {
		return s.copy(ctx, target)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("npm is needed once to fetch ONNX Runtime: install it, or name a library of release %s by %s",
			onnx.Version, onnx.Variable)
	}
	fmt.Fprintf(out, "fetching %s by npm (86 MB, once): its library runs the networks, and this system has none\n", bundle)
	return s.download(ctx, npm, target)
}

// copy takes the library from the module that the build has fetched anyway.
func (s source) copy(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	folder, err := output(ctx, exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", wrapper))
	if err != nil {
		return err
	}
	if folder == "" {
		return fmt.Errorf("the module %s is not in the module cache: run `go mod download`", wrapper)
	}
	file, err := os.Open(filepath.Join(folder, filepath.FromSlash(s.module)))
	if err != nil {
		return err
	}
	defer file.Close()
	return place(target, s.digest, func(w io.Writer) error {
		_, err := io.Copy(w, file)
		return err
	})
}

// download takes the library from the npm package. npm compares the package to
// the digest of its registry; ours is of the library itself.
func (s source) download(ctx context.Context, npm, target string) error {
	folder, err := os.MkdirTemp("", "nearcase-setup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := retry(ctx, attempts, pause, func() error { return pack(ctx, npm, folder, patience) }); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("npm pack %s left %d archives, want 1", bundle, len(archives))
	}
	archive, err := os.Open(archives[0])
	if err != nil {
		return err
	}
	defer archive.Close()
	return place(target, s.digest, func(w io.Writer) error { return unpack(archive, s.bundled, w) })
}

// pack has npm put the package's archive into folder. It runs no script of the
// package, whose own would download more.
func pack(ctx context.Context, npm, folder string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	command := exec.CommandContext(ctx, npm, "pack", bundle, "--pack-destination", folder, "--ignore-scripts", "--loglevel=error")
	command.Dir = folder
	_, err := output(ctx, command)
	return err
}

// output runs a command and returns its standard output without the space
// around it. Its errors carry the end of what the command said.
func output(ctx context.Context, command *exec.Cmd) (string, error) {
	var said strings.Builder
	command.Stderr = &said
	command.WaitDelay = time.Second // a child of its may keep the pipes open
	out, err := command.Output()
	if err == nil {
		return strings.TrimSpace(string(out)), nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	text := strings.TrimSpace(said.String())
	return "", fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, text[max(0, len(text)-1000):])
}

// retry calls try until it succeeds, at most n times with a pause between, and
// returns its last error.
func retry(ctx context.Context, n int, pause time.Duration, try func() error) error {
	for i := 1; ; i++ {
		err := try()
		if err == nil || i == n {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}
