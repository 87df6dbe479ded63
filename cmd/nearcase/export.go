package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nearcase/api"
)

type exportCommand struct {
	Collection string   `short:"c" default:"default" help:"Collection."`
	Output     string   `short:"o" required:"" help:"File to write; - is the standard output." placeholder:"FILE"`
	Format     string   `help:"npz, jsonl or parquet (default: by the file's extension)."`
	Task       []string `short:"t" help:"Tasks to export the labels of (default: all)." sep:"none"`
	filterFlags
	WithoutVectors bool `help:"Leave the vectors out."`
	Force          bool `short:"f" help:"Replace a file that is there."`
}

func (exportCommand) Help() string {
	return `Writes what is known of each image, and which images are of one patient, so that
every figure can be computed anew: docs/export.md has an example in Python. The
file appears under its name once it is whole.

  nearcase export --collection cxr --output cxr.npz
  nearcase export --collection cxr --where Modality=CR|DX --output cxr.parquet
  nearcase export --collection cxr --format jsonl --without-vectors --output - | head`
}

func (q exportCommand) Run(ctx context.Context, s *session) error {
	o, err := q.options()
	if err != nil {
		return err
	}
	if q.Output == "-" {
		return s.with(existing, func(p operations, _ config) error {
			_, err := p.Export(ctx, q.Collection, o, s.stdout, s.progress("export"))
			return err
		})
	}
	if err := q.vacant(); err != nil {
		return err
	}
	return s.with(existing, func(p operations, _ config) error {
		var e api.Exported
		err := q.write(func(w io.Writer) (err error) {
			e, err = p.Export(ctx, q.Collection, o, w, s.progress("export"))
			return err
		})
		if err != nil {
			return err
		}
		return s.print(e, func(w io.Writer) {
			fmt.Fprintf(w, "%s: %d images of %s, labels up to %d\n", q.Output, e.Instances, e.Collection, e.Watermark)
		})
	})
}

func (q exportCommand) options() (api.ExportOptions, error) {
	o := api.ExportOptions{Format: q.Format, Tasks: q.Task, WithoutVectors: q.WithoutVectors}
	if o.Format == "" {
		formats := map[string]string{".npz": api.NPZ, ".jsonl": api.JSONLines, ".ndjson": api.JSONLines, ".parquet": api.Parquet}
		o.Format = formats[strings.ToLower(filepath.Ext(q.Output))]
	}
	if o.Format == "" {
		return o, fmt.Errorf("--output %s tells no format by .npz, .jsonl or .parquet: name one with --format", q.Output)
	}
	var err error
	o.Filter, err = q.filter()
	return o, err
}

// vacant refuses to replace what is there, unless that is wanted.
func (q exportCommand) vacant() error {
	found, err := os.Lstat(q.Output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !found.Mode().IsRegular():
		return fmt.Errorf("%s is there and no regular file", q.Output)
	case !q.Force:
		return fmt.Errorf("%s is there already: replace it with --force", q.Output)
	}
	return nil
}

// write makes the file beside where it is to be, and puts it there once it is
// whole. Only its owner may read it.
func (q exportCommand) write(fill func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(q.Output), ".export-*")
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<20)
	if err = fill(b); err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = q.vacant() // still
	}
	if err == nil {
		err = os.Rename(f.Name(), q.Output)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
