package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"
)

// How often it is kept how far an import is.
const (
	keepsImages = 1000
	keepsEvery  = 5 * time.Second
)

// keptImport is how far an import is.
type keptImport struct {
	Imported
	Last string `json:"last"` // image that was stored last
	// Seen are the first 8 bytes of the digests by which the rows of a CSV are
	// called, one after the other.
	Seen []byte `json:"seen,omitempty"`
}

// importJob is Import as a job. Begun again it goes on after the image that it
// knows to be stored, if that is still where it was, and otherwise from the
// beginning: what is stored already is not stored twice.
func (s *Service) importJob(ctx context.Context, t *turn) (_ any, err error) {
	var r ImportRequest
	if err := t.parameters(&r); err != nil {
		return nil, err
	}
	source, err := s.openImport(ctx, t.job.Collection, r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	done := keptImport{Imported: Imported{Counts: map[string]int{}}}
	if before := (keptImport{}); t.before(&before) && before.isAt(source.Images) {
		done = before
	}
	t.progress(done.Images, source.Count)
	o := IngestOptions{Replace: r.Replace, Repeats: source.Rows, Source: r.Source, seen: done.seen()}
	all := s.Ingest(ctx, t.job.Collection, after(source.Images, done.Images), o)
	if err := done.take(t, all, source.Count, source.Rows); err != nil {
		return nil, errors.Join(err, t.keep(done))
	}
	return done.Imported, nil
}

// isAt reports whether the image that was stored last is where it was.
func (k keptImport) isAt(images iter.Seq[Image]) bool {
	n := 0
	for image := range images {
		if n++; n == k.Images {
			return image.Name == k.Last
		}
	}
	return false
}

// after leaves out the first n images.
func after(images iter.Seq[Image], n int) iter.Seq[Image] {
	return func(yield func(Image) bool) {
		at := 0
		for image := range images {
			if at++; at > n && !yield(image) {
				return
			}
		}
	}
}

// take counts what becomes of the images, and keeps that now and then.
func (k *keptImport) take(t *turn, items iter.Seq2[Item, error], total int, rows bool) error {
	kept, at := k.Images, time.Now()
	for item, err := range items {
		if err != nil {
			return err
		}
		if errors.Is(item.Err, context.Canceled) {
			continue // the end of the sequence says so
		}
		k.add(item)
		k.Last = item.Name
		if digest, ok := repeated(item.ID); ok && rows {
			k.Seen = append(k.Seen, digest...)
		}
		t.progress(k.Images, total)
		if k.Images-kept >= t.jobs.keeps || time.Since(at) >= keepsEvery {
			if err := t.keep(k); err != nil {
				return err
			}
			kept, at = k.Images, time.Now()
		}
	}
	return nil
}

// shortly are the first 8 bytes of a digest, in hex: enough to tell the images of
// one import from each other.
func shortly(digest string) string { return digest[:min(len(digest), 16)] }

// repeated returns shortly of the digest that an ID is made of, and false for an
// ID that was given.
func repeated(id string) ([]byte, bool) {
	digest, n, numbered := strings.Cut(id, "-")
	if numbered && strings.Trim(n, "0123456789") != "" || len(digest) != 64 {
		return nil, false
	}
	b, err := hex.DecodeString(shortly(digest))
	return b, err == nil
}

// seen counts the digests.
func (k keptImport) seen() map[string]int {
	seen := map[string]int{}
	for digest := range slices.Chunk(k.Seen, 8) {
		seen[hex.EncodeToString(digest)]++
	}
	return seen
}

// openImport opens what is to be imported, and checks that the collection knows
// what a CSV says.
func (s *Service) openImport(ctx context.Context, collection string, r ImportRequest) (Source, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return Source{}, err
	}
	source, err := s.OpenFolder(r)
	if err != nil {
		return Source{}, err
	}
	_, err = source.Declare(c.Tasks, false)
	for _, t := range source.Tasks {
		_, unknown := c.Task(t.Name)
		err = errors.Join(err, unknown)
	}
	if err != nil {
		return Source{}, errors.Join(err, source.Close())
	}
	return source, nil
}

// table reads a CSV below the folder. Its files are relative to it, and below the
// folder too.
func (w within) table(name string) (Source, error) {
	f, _, err := w.open(name)
	if err != nil {
		return Source{}, err
	}
	defer f.Close()
	d, err := readDataset(io.LimitReader(f, maxCSVBytes), path.Dir(name))
	if err != nil {
		return Source{}, fmt.Errorf("%w: %s: %w", ErrSource, name, err)
	}
	at := func(row []string) string { return path.Join(d.dir, strings.TrimSpace(row[d.file])) }
	d.stat = func(row []string) (fs.FileInfo, error) {
		if path.IsAbs(strings.TrimSpace(row[d.file])) {
			return nil, fmt.Errorf("%w: %.200q: use a path relative to the CSV", ErrFolder, row[d.file])
		}
		return w.check(at(row))
	}
	if err := d.check(); err != nil {
		return Source{}, fmt.Errorf("%w: %s: %w", ErrSource, name, err)
	}
	images := func(yield func(Image) bool) {
		for _, row := range d.rows {
			im := d.image(row, w.maxBytes)
			im.Read = func() ([]byte, error) { return w.read(at(row)) }
			if !yield(im) {
				return
			}
		}
	}
	return Source{Images: images, Count: len(d.rows), Tasks: d.declared(), Rows: true, path: name, dataset: d}, nil
}
