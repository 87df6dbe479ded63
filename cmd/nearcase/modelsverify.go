package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"nearcase/embed"
	"nearcase/embed/onnx"
	"nearcase/embed/scatter"
)

// goldenName is the file of a model's recorded vectors.
const goldenName = "golden.json"

const maxSmall = 64 << 20 // bytes of a file beside a graph

type modelsVerify struct {
	Models []string `arg:"" optional:"" help:"Models (default: all there are)." placeholder:"NAME"`
	Update bool     `help:"Record anew what has changed. Vectors stored before can then no longer be compared."`
}

func (modelsVerify) Help() string {
	return `Opens each model and runs it on pictures that the program draws, and on texts if
it takes some. The first time their vectors are recorded in the model's folder,
as golden.json; later they are compared, so that a changed graph, runtime or
preprocessing is noticed before it mixes vectors.

  nearcase models verify
  nearcase models verify clip-vit-b32 --update`
}

// verified is the outcome for one model.
type verified struct {
	Model    string `json:"model"`
	Result   string `json:"result"` // recorded, unchanged, changed, recorded anew or failed
	Vectors  int    `json:"vectors,omitempty"`
	Runtime  string `json:"runtime,omitempty"`          // that was used now
	Recorded string `json:"recorded_runtime,omitempty"` // that recorded
	Detail   string `json:"detail,omitempty"`
}

func (q modelsVerify) Run(ctx context.Context, s *session) error {
	if s.Server != "" {
		return errors.New("models verify works on this machine, not on --server")
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	m := models{config: c}
	if len(q.Models) == 0 {
		names, err := m.names()
		if err != nil {
			return err
		}
		q.Models = append([]string{scatter.Manifest().Name}, names...)
	}
	var results []verified
	var bad []error
	for _, name := range q.Models {
		v, err := m.verify(ctx, name, q.Update)
		if v.Result == "recorded anew" {
			fmt.Fprintf(s.stderr, "warning: %s gives other vectors than were recorded: collections made with it before refuse it, or mix vectors if they do not notice\n", name)
		}
		if err != nil {
			v.Detail = err.Error()
			bad = append(bad, fmt.Errorf("model %s: %w", name, err))
		}
		results = append(results, v)
	}
	return errors.Join(s.print(results, func(w io.Writer) { printVerified(w, results) }), errors.Join(bad...))
}

// verify compares a model to its record, which it makes where there is none.
func (m models) verify(ctx context.Context, name string, update bool) (v verified, err error) {
	v = verified{Model: name, Result: "failed"}
	model, err := m.open(name)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	v.Runtime = onnx.RuntimeVersion()
	path := filepath.Join(m.config.Models, name, goldenName)
	golden, err := readGolden(path)
	if errors.Is(err, fs.ErrNotExist) {
		v.Result = "recorded"
		return v, v.record(ctx, model, path)
	}
	if err != nil {
		return v, err
	}
	v.Vectors, v.Recorded, v.Result = len(golden.Vectors), golden.Runtime, "unchanged"
	if err = model.Verify(ctx, golden); err == nil {
		return v, nil
	}
	if errors.Is(err, embed.ErrChanged) {
		v.Result = "changed"
		if update {
			v.Detail, v.Result = err.Error(), "recorded anew"
			return v, v.record(ctx, model, path)
		}
		return v, err
	}
	v.Result = "failed"
	return v, err
}

// record writes what the model gives now.
func (v *verified) record(ctx context.Context, model *embed.Model, path string) error {
	golden, err := model.Record(ctx)
	if err != nil {
		v.Result = "failed"
		return err
	}
	golden.Runtime = v.Runtime
	v.Vectors = len(golden.Vectors)
	content, err := json.Marshal(golden)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		return err
	}
	return replace(path, append(content, '\n'))
}

// replace gives the file at path a new content, whole or not at all.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// readSmall reads a file that is no graph.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSmall {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", path, maxSmall)
	}
	return os.ReadFile(path)
}

func readGolden(path string) (g embed.Golden, err error) {
	content, err := readSmall(path)
	if err != nil {
		return g, err
	}
	if err := json.Unmarshal(content, &g); err != nil {
		return g, fmt.Errorf("%s cannot be read, remove it to record anew: %w", path, err)
	}
	return g, nil
}

func printVerified(w io.Writer, results []verified) {
	t := table(w, "MODEL", "RESULT", "VECTORS", "RECORDED WITH", "RUNTIME", "")
	for _, v := range results {
		t.row(v.Model, v.Result, v.Vectors, cmp.Or(v.Recorded, "-"), cmp.Or(v.Runtime, "-"), v.Detail)
	}
	t.flush()
}
