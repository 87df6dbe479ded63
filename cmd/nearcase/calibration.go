package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"nearcase/embed/onnx"
)

// tuned is how a graph runs fastest on a machine.
type tuned struct {
	Threads int          `json:"threads"`
	Batch   int          `json:"batch"`
	Trials  []onnx.Trial `json:"trials"`
}

// calibrations are what has been measured, kept in the data directory. It is
// derived: a file that cannot be read is as none.
type calibrations struct{ path string }

func (c config) calibrations() calibrations {
	return calibrations{filepath.Join(c.Data, "calibration.json")}
}

func (c calibrations) read() map[string]tuned {
	all := map[string]tuned{}
	content, err := os.ReadFile(c.path)
	if err != nil || json.Unmarshal(content, &all) != nil {
		return map[string]tuned{}
	}
	return all
}

// write adds one measurement, if there is a data directory to keep it in.
func (c calibrations) write(key string, t tuned) error {
	all := c.read()
	all[key] = t
	content, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	temporary := c.path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return os.Rename(temporary, c.path)
}

// machine names what a measurement is true of besides the graph.
func machine() string {
	return fmt.Sprintf("%d × %s, ONNX Runtime %s", runtime.GOMAXPROCS(0), processor(), onnx.RuntimeVersion())
}

// processor is the name that Linux has for the processor, or the architecture's.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// each is how long each way to run a graph is tried.
const each = 240 * time.Millisecond

// tune sets how many threads share a run and how many pictures go through it
// together: as the configuration says, or as measured on this machine for the
// graph of that digest. Only a command that works for long measures; others
// take what one of these has found.
func (m models) tune(o onnx.Options, digest string, open func(onnx.Options) (*onnx.Session, error)) (onnx.Options, error) {
	key := fmt.Sprintf("%.16s %s, %s", digest, strings.Join(m.config.Providers, "+"), machine())
	t, known := m.config.calibrations().read()[key]
	if !known && m.measures && (m.config.Threads == 0 || m.config.Batch == 0) {
		tried, trials, err := onnx.Calibrate(context.Background(), o, runtime.GOMAXPROCS(0), each, open)
		if err != nil {
			return o, err
		}
		t = tuned{tried.Threads, tried.Batch, trials}
		if err := m.config.calibrations().write(key, t); err != nil {
			return o, fmt.Errorf("keep the calibration: %w", err)
		}
	}
	o.Threads, o.Batch = cmp.Or(m.config.Threads, t.Threads), cmp.Or(m.config.Batch, t.Batch)
	return o, nil
}
