package hub

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// RecordName is the file in a model's folder that says where it came from.
const RecordName = "source.json"

// Record is what RecordName holds: the plan that was carried out, with the digest
// of every file.
type Record struct {
	Plan
	Endpoint string    `json:"endpoint"`
	Pulled   time.Time `json:"pulled"`
}

// Pull fetches what Resolve has planned and makes it the model folder models/name,
// as Place does: whole, checked, or not at all. A pull that was broken off, or that
// Check refused, goes on where it stopped when the same is asked for again. Every file has the SHA-256 or
// the git digest that the hub gives it, or else ErrDigest.
func Pull(ctx context.Context, p Plan, models, name string, o Options) (Record, error) {
	o = o.withDefaults()
	r := Record{Plan: p, Endpoint: redacted(o.Endpoint)}
	if p.from == nil {
		return r, fmt.Errorf("hub: %w: a plan that nobody made", ErrSource)
	}
	_, remote := p.from.(*client)
	w := &work{Options: o, plan: p, total: p.Bytes()}
	err := Place(ctx, models, name, Placing{Force: o.Force, Keep: remote}, func(folder string) error {
		if err := w.prepare(folder); err != nil {
			return err
		}
		if err := w.files(ctx, folder); err != nil {
			return err
		}
		r.Files, r.Pulled = w.done, time.Now().UTC().Truncate(time.Second)
		if err := r.finish(folder, o); err != nil {
			return err
		}
		return w.forget(folder)
	})
	return r, err
}

// work is a pull on its way.
type work struct {
	Options
	plan        Plan
	done        []File
	came, total int64
}

// mark is the file that says of which plan the files in a folder are.
func mark(folder string) string { return filepath.Join(filepath.Dir(folder), "plan.json") }

// forget makes the next pull start anew: what has been fetched takes its place now.
func (w *work) forget(folder string) error { return os.Remove(mark(folder)) }

// prepare empties the folder of what another plan left there.
func (w *work) prepare(folder string) error {
	plan, err := json.Marshal(w.plan)
	if err != nil {
		return err
	}
	if before, err := os.ReadFile(mark(folder)); err == nil && bytes.Equal(before, plan) {
		return w.prune(folder)
	}
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o755)); err != nil {
		return err
	}
	return os.WriteFile(mark(folder), plan, 0o644)
}

// prune removes what the plan has not fetched: the extra files of an earlier pull.
func (w *work) prune(folder string) error {
	planned := map[string]bool{}
	for _, f := range w.plan.Files {
		path := filepath.Join(folder, filepath.FromSlash(f.Path))
		planned[path], planned[path+partial], planned[path+tagged] = true, true, true
	}
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || planned[path] {
			return err
		}
		return os.Remove(path)
	})
}

// files fetches one after the other.
func (w *work) files(ctx context.Context, folder string) error {
	for _, f := range w.plan.Files {
		if _, ok := w.Extra[f.Path]; ok {
			continue
		}
		path := filepath.Join(folder, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
		got, err := w.file(ctx, f, path)
		if err != nil {
			return fmt.Errorf("hub: %w", err)
		}
		w.done = append(w.done, got)
	}
	return nil
}

// file fetches one file and checks it. A wrong digest of a file that was put
// together from several answers is given one more chance.
func (w *work) file(ctx context.Context, f File, path string) (File, error) {
	if got, err := sum(path); err == nil && f.known() && f.matches(got) == nil {
		w.count(got.Bytes)
		return f.with(got), nil
	}
	for first := true; ; first = false {
		if err := ignoreMissing(os.Remove(path)); err != nil {
			return f, err
		}
		pieced, err := w.plan.from.fetch(ctx, w.plan, f, path, w.count)
		if err != nil {
			return f, err
		}
		got, err := sum(path)
		if err != nil {
			return f, err
		}
		if err = f.matches(got); err == nil {
			return f.with(got), nil
		}
		w.count(-got.Bytes)
		if err = errors.Join(err, os.Remove(path)); !first || !pieced {
			return f, err
		}
	}
}

func (w *work) count(n int64) {
	w.came += n
	if w.Progress != nil {
		w.Progress(w.came, w.total)
	}
}

// matches returns an ErrDigest unless got is f.
func (f File) matches(got File) error {
	if f.SHA256 != "" && f.SHA256 != got.SHA256 {
		return fmt.Errorf("%w: %s has the SHA-256 %s, %s is expected", ErrDigest, f.Path, got.SHA256, f.SHA256)
	}
	if f.Blob != "" && f.Blob != got.Blob {
		return fmt.Errorf("%w: %s has the git digest %s, %s is expected", ErrDigest, f.Path, got.Blob, f.Blob)
	}
	return nil
}

// with is f with what has been found out of it.
func (f File) with(got File) File {
	f.Bytes, f.SHA256 = got.Bytes, got.SHA256
	return f
}

// sum returns the size and both digests of the file at path.
func sum(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	digest, blob := sha256.New(), sha1.New()
	fmt.Fprintf(blob, "blob %d\x00", info.Size())
	n, err := io.Copy(io.MultiWriter(digest, blob), f)
	return File{Bytes: n, SHA256: hex.EncodeToString(digest.Sum(nil)), Blob: hex.EncodeToString(blob.Sum(nil))}, err
}

// finish adds the extra files and the record, and asks Check.
func (r Record) finish(folder string, o Options) error {
	for _, name := range slices.Sorted(maps.Keys(o.Extra)) {
		if !isLocal(name) || strings.ContainsRune(name, '/') {
			return fmt.Errorf("hub: %w: extra file %q", ErrName, name)
		}
		if err := os.WriteFile(filepath.Join(folder, name), o.Extra[name], 0o644); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, RecordName), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	if o.Check == nil {
		return nil
	}
	return o.Check(folder)
}

// redacted is an endpoint without a password.
func redacted(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil {
		return u.Redacted()
	}
	return endpoint
}

// ReadRecord returns the record of a model's folder, and false where it has none
// that can be read: it was not pulled.
func ReadRecord(folder string) (Record, bool) {
	var r Record
	text, err := os.ReadFile(filepath.Join(folder, RecordName))
	return r, err == nil && len(text) <= maxListing && json.Unmarshal(text, &r) == nil
}
