package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
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

// write adds one measurement, if there is a data directory to keep it in. Readers
// and other processes that write see one whole file or another.
func (c calibrations) write(key string, t tuned) error {
	all := c.read()
	all[key] = t
	content, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(c.path), ".calibration-*")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
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
// model's graph, which has that digest. Only a command that works for long
// measures; others take what one of these has found.
func (m models) tune(model string, o onnx.Options, digest string, open func(onnx.Options) (*onnx.Session, error)) (onnx.Options, error) {
	key := fmt.Sprintf("%.16s %s, %s", digest, strings.Join(m.config.Providers, "+"), machine())
	kept := m.config.calibrations()
	t, known := kept.read()[key]
	if m.measuring != nil && (!known || m.measuring.anew) && (m.config.Threads == 0 || m.config.Batch == 0) {
		var err error
		t, err = m.measuring.measure(model, key, kept, func(ctx context.Context) (tuned, error) {
			tried, trials, err := onnx.Calibrate(ctx, o, runtime.GOMAXPROCS(0), each, open)
			return tuned{tried.Threads, tried.Batch, trials}, err
		})
		if err != nil {
			return o, err
		}
	}
	o.Threads, o.Batch = cmp.Or(m.config.Threads, t.Threads), cmp.Or(m.config.Batch, t.Batch)
	return o, nil
}

// measuring is how one process finds out how models run fastest. It is safe for
// concurrent use.
type measuring struct {
	ctx  context.Context // ends it
	anew bool            // whatever has been kept
	// tell is told of a model that is being measured, and what it returns of how
	// that came out.
	tell func(model string) (outcome func(text string))
	// warn is told of what cannot be kept.
	warn func(err error)

	mu    sync.Mutex // two at a time would disturb each other
	found map[string]tuned
}

// measure returns what this process has found of a graph, or finds it out. What a
// busy machine says is used and not kept. Once the context has ended nothing is
// known, and is no error: who waits for the model gets it as it is.
func (m *measuring) measure(model, key string, kept calibrations, calibrate func(context.Context) (tuned, error)) (tuned, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t, ok := m.found[key]; ok || m.ctx.Err() != nil {
		return t, nil
	}
	outcome := m.tell(model)
	t, err := calibrate(m.ctx)
	if m.ctx.Err() != nil {
		outcome("interrupted")
		return tuned{}, nil
	}
	if err != nil {
		outcome("impossible")
		return tuned{}, err
	}
	m.found[key] = t
	if !t.isSteady() {
		outcome(t.String() + "; not kept, as other work made that uncertain")
		return t, nil
	}
	outcome(t.String())
	if err := kept.write(key, t); err != nil {
		m.warn(fmt.Errorf("the calibration of %s is not kept: %w", model, err))
	}
	return t, nil
}

// isSteady reports whether the rounds of every trial agree.
func (t tuned) isSteady() bool {
	return !slices.ContainsFunc(t.Trials, func(one onnx.Trial) bool { return !one.IsSteady() })
}

func (t tuned) String() string {
	text := fmt.Sprintf("%s, batch %d", count(t.Threads, "thread"), t.Batch)
	for _, one := range t.Trials {
		if one.Threads == t.Threads && one.Batch == t.Batch {
			text += fmt.Sprintf(", %.1f images/s", one.PerSecond)
		}
	}
	return text
}

// count puts a noun to a number.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}

// measure lets a command that works for long find out how models run fastest,
// until its context ends, and tells people of it.
func (s *session) measure(ctx context.Context, anew bool) {
	tell := func(model string) func(string) {
		if s.Quiet {
			return func(string) {}
		}
		fmt.Fprintf(s.stderr, "calibrating %s: ", model)
		return func(text string) { fmt.Fprintln(s.stderr, text) }
	}
	warn := func(err error) { fmt.Fprintln(s.stderr, "nearcase:", err) }
	s.measuring = &measuring{ctx: ctx, anew: anew, tell: tell, warn: warn, found: map[string]tuned{}}
}

// measureServing is measure for a server, which tells its log.
func (s *session) measureServing(ctx context.Context, logger *slog.Logger) {
	s.measure(ctx, false)
	s.measuring.tell = func(model string) func(string) {
		logger.Info("calibrating " + model)
		return func(text string) { logger.Info("calibrating " + model + ": " + text) }
	}
	s.measuring.warn = func(err error) { logger.Warn(err.Error()) }
}
