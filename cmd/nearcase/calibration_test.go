package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

// found is what a calibration may find: one trial, in rounds at these rates.
func found(fastest, slowest float64) tuned {
	return tuned{Threads: 2, Batch: 4, Trials: []onnx.Trial{{Threads: 2, Callers: 1, Batch: 4, PerSecond: fastest, Slowest: slowest}}}
}

// told is a measuring that writes what it says.
func told(ctx context.Context) (*measuring, *bytes.Buffer) {
	var b bytes.Buffer
	s := &session{stderr: &b}
	s.measure(ctx, false)
	return s.measuring, &b
}

// What a graph runs fastest with is kept once all rounds agree. What they do not
// agree on serves the process that measured.
func TestCalibrationIsKeptIfItIsCertain(t *testing.T) {
	kept := calibrations{filepath.Join(t.TempDir(), "calibration.json")}
	busy, idle := found(20, 10), found(20, 19)
	for _, c := range []struct {
		fact string
		gets tuned
		kept map[string]tuned
	}{
		{"a busy machine", busy, map[string]tuned{}},
		{"an idle machine", idle, map[string]tuned{"k": idle}},
		{"a busy machine again", busy, map[string]tuned{"k": idle}},
	} {
		m, _ := told(t.Context())
		got, err := m.measure("waves", "k", kept, func(context.Context) (tuned, error) { return c.gets, nil })
		if err != nil || !reflect.DeepEqual(got, c.gets) {
			t.Errorf("%s: got %+v, %v, want %+v", c.fact, got, err, c.gets)
		}
		if all := kept.read(); !reflect.DeepEqual(all, c.kept) {
			t.Errorf("%s: kept %+v, want %+v", c.fact, all, c.kept)
		}
	}
	if entries, _ := filepath.Glob(filepath.Join(filepath.Dir(kept.path), ".calibration-*")); len(entries) > 0 {
		t.Errorf("left behind: %q", entries)
	}
}

// A process measures a graph once, however often it is opened.
func TestCalibrationIsDoneOnceInAProcess(t *testing.T) {
	m, said := told(t.Context())
	kept := calibrations{filepath.Join(t.TempDir(), "calibration.json")}
	calls := 0
	for range 3 {
		if _, err := m.measure("waves", "k", kept, func(context.Context) (tuned, error) { calls++; return found(20, 10), nil }); err != nil {
			t.Fatal(err)
		}
	}
	want := "calibrating waves: 2 threads, batch 4, 20.0 images/s; not kept, as other work made that uncertain\n"
	if calls != 1 || said.String() != want {
		t.Errorf("measured %d times and said %q, want once and %q", calls, said, want)
	}
}

// A calibration that cannot be kept serves as well; only people hear of it.
func TestCalibrationThatCannotBeKeptIsAWarning(t *testing.T) {
	for fact, path := range map[string]string{
		"a file in place of the directory": filepath.Join(file(t, "data", nil), "calibration.json"),
		"a directory in place of the file": filepath.Join(t.TempDir()),
	} {
		m, said := told(t.Context())
		got, err := m.measure("waves", "k", calibrations{path}, func(context.Context) (tuned, error) { return found(20, 19), nil })
		if err != nil || got.Threads != 2 || !strings.Contains(said.String(), "the calibration of waves is not kept: ") {
			t.Errorf("%s: got %+v, %v and heard %q, want a warning", fact, got, err, said)
		}
	}
	m, said := told(t.Context())
	if _, err := m.measure("waves", "k", calibrations{"none/such/calibration.json"}, func(context.Context) (tuned, error) { return found(20, 19), nil }); err != nil || strings.Contains(said.String(), "not kept") {
		t.Errorf("without a data directory: %v, heard %q, want nothing said", err, said)
	}
}

// The end of the command ends a calibration, of which nothing is kept then.
func TestCalibrationEndsWithItsCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m, said := told(ctx)
	kept := calibrations{filepath.Join(t.TempDir(), "calibration.json")}
	got, err := m.measure("waves", "k", kept, func(ctx context.Context) (tuned, error) {
		cancel()
		return tuned{}, ctx.Err()
	})
	if err != nil || got.Batch != 0 || len(kept.read()) > 0 || said.String() != "calibrating waves: interrupted\n" {
		t.Errorf("interrupted: got %+v, %v, heard %q, want no result and nothing kept", got, err, said)
	}
	failing := errors.New("failing")
	m, _ = told(t.Context())
	if _, err := m.measure("waves", "k", kept, func(context.Context) (tuned, error) { return tuned{}, failing }); !errors.Is(err, failing) {
		t.Errorf("a graph that cannot be opened: got %v", err)
	}
}

// bench embed measures anew what is kept, and says what it found.
func TestBenchCalibratesAnew(t *testing.T) {
	onnxtest.Require(t)
	data, image := t.TempDir(), file(t, "x.png", onePhantom())
	bench := func(args ...string) (string, string) {
		t.Helper()
		code, out, errs := nearcase(t, append([]string{"--data", data, "bench", "embed", image}, args...)...)
		if code != 0 || !strings.Contains(out, "1 image of") {
			t.Fatalf("bench embed: exit status %d, printed %q and %q", code, out, errs)
		}
		return out, errs
	}
	for range 2 {
		if _, errs := bench(); strings.Count(errs, "calibrating scatter: ") != 1 || !strings.Contains(errs, "images/s") {
			t.Errorf("bench embed said %q, want how scatter runs fastest", errs)
		}
	}
	config := file(t, "c.yaml", []byte("threads: 1\nbatch: 4"))
	if out, errs := bench("--config", config); errs != "" || !strings.Contains(out, "batches of 4") {
		t.Errorf("bench embed with threads and batch said %q and %q, want no calibration", out, errs)
	}
	if _, errs := bench("--quiet"); errs != "" {
		t.Errorf("bench embed --quiet said %q", errs)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) > 1 {
		t.Errorf("the data directory has %v, %v, want calibration.json at most", entries, err)
	}
}

// A server tells its log of calibrations, which requests wait for, and of the
// models that are ready.
func TestCalibrationOfAServerIsLogged(t *testing.T) {
	onnxtest.Require(t)
	data, image := filepath.Join(t.TempDir(), "data"), file(t, "x.png", onePhantom())
	succeed(t, "--data", data, "ingest", image)
	url, log, stop := serving(t, "--data", data, "serve", "--listen", "127.0.0.1:0")
	succeed(t, "--server", url, "similar", file(t, "y.png", shadesOf(t, "red", 1)))
	stop()
	for _, want := range []string{"level=INFO msg=\"calibrating scatter\"", "level=INFO msg=\"calibrating scatter: ", " images/s"} {
		if !strings.Contains(log(), want) {
			t.Errorf("the log is %q, want %q in it", log(), want)
		}
	}
	var b bytes.Buffer
	s := &session{stderr: &b}
	c := defaults()
	c.Data = data
	service, done, err := s.openLocal(c, existing)
	if err != nil {
		t.Fatal(err)
	}
	warm(t.Context(), service, s.logger(c))
	if err := done(); err != nil || !strings.Contains(b.String(), "models are ready") {
		t.Errorf("warm: logged %q, %v, want that models are ready", b.String(), err)
	}
}
