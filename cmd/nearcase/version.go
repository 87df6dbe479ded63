package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"nearcase/api/client"
	"nearcase/embed/onnx"
)

// version of the program; released builds set it with -ldflags.
var version = "development"

type versions struct {
	Version     string `json:"version"`
	Commit      string `json:"commit"`
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	ONNXRuntime string `json:"onnxruntime"`
}

// currentVersions names what this program is made of. The runtime's is the
// loaded library's, or the one pinned if none is loaded.
func currentVersions() versions {
	v := versions{Version: version, Commit: "unknown", Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, ONNXRuntime: onnx.RuntimeVersion()}
	if v.ONNXRuntime == "" {
		v.ONNXRuntime = onnx.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	return v
}

// String names the program: one that was not released by its commit too.
func (v versions) String() string {
	if v.Version != "development" || v.Commit == "unknown" {
		return v.Version
	}
	return fmt.Sprintf("%s at commit %.12s", v.Version, v.Commit)
}

type versionCommand struct{}

func (versionCommand) Help() string {
	return `With --server the versions are the server's.

  nearcase version --json`
}

func (versionCommand) Run(ctx context.Context, s *session) error {
	v := currentVersions()
	if s.Server != "" {
		c, err := client.New(s.Server, client.Options{})
		if err != nil {
			return err
		}
		defer c.Close()
		named, err := c.Version(ctx)
		if err != nil {
			return err
		}
		v = versions{named["version"], named["commit"], named["go"], named["platform"], named["onnxruntime"]}
	}
	return s.print(v, func(w io.Writer) {
		t := table(w)
		t.row("nearcase", v.Version)
		t.row("commit", v.Commit)
		t.row("go", v.Go)
		t.row("platform", v.Platform)
		t.row("onnxruntime", v.ONNXRuntime)
		t.flush()
	})
}
