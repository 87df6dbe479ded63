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
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// RecordName is the file in a model's folder that says where it came from.
const RecordName = "source.json"

// Record is what RecordName holds: the plan that was carried out, with the digest
// that every file had when it came.
type Record struct {
	Plan
	Endpoint string    `json:"endpoint,omitempty"` // that had the repository
	Pulled   time.Time `json:"pulled,omitzero"`
	Added    time.Time `json:"added,omitzero"` // from a folder of this machine
}

// Pull fetches what Resolve has planned and makes it the model folder models/name,
// as Place does: whole, checked, or not at all. A pull that was broken off, or that
// Check refused, goes on where it stopped when the same is asked for again. Every file has the SHA-256 or
// the git digest that the hub gives it, or else ErrDigest.
func Pull(ctx context.Context, p Plan, models, name string, o Options) (Record, error) {
	o = o.withDefaults()
	r := p.record(o)
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
		r.done(w.done)
		if err := r.finish(folder, o); err != nil {
			return err
		}
		return w.forget(folder)
	})
	return r, err
}

// record is what is known before a plan is carried out.
func (p Plan) record(o Options) Record {
	switch {
	case p.address != "":
		return Record{Plan: p}
	case !p.local():
		return Record{Plan: p, Endpoint: bare(o.Endpoint)}
	case p.Repository != "":
		return Record{Plan: p, Endpoint: bare(p.earlier.Endpoint), Pulled: p.earlier.Pulled}
	case p.earlier != nil:
		return Record{Plan: p, Pulled: p.earlier.Pulled}
	}
	return Record{Plan: p}
}

// done notes what has come, and when.
func (r *Record) done(files []File) {
	now := time.Now().UTC().Truncate(time.Second)
	r.Files = files
	if r.local() {
		r.Added = now
	} else {
		r.Pulled = now
	}
}

// local reports whether the plan is of a folder of this machine.
func (p Plan) local() bool {
	m, ok := p.from.(mirror)
	return ok && p.address == "" && m.alone
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

// prune removes what is not of the source: the extra files of an earlier pull.
func (w *work) prune(folder string) error {
	planned := map[string]bool{}
	for _, f := range w.plan.Files {
		planned[f.Path] = true
	}
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		name = strings.TrimSuffix(strings.TrimSuffix(filepath.ToSlash(name), partial), tagged)
		if _, err := w.plan.find(name); err == nil || planned[name] {
			return nil
		}
		return os.Remove(path)
	})
}

// files fetches one after the other, and behind graphs the files with their data.
func (w *work) files(ctx context.Context, folder string) error {
	for _, f := range w.plan.Files {
		if _, ok := w.Extra[f.Path]; ok || f.guessed && w.External != nil {
			w.expect(-f.Bytes)
			continue
		}
		if err := w.take(ctx, f, folder); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	if w.External == nil {
		return nil
	}
	for _, f := range slices.Clone(w.done) {
		if !strings.HasSuffix(f.Path, ".onnx") {
			continue
		}
		if err := w.data(ctx, f.Path, folder); err != nil {
			return fmt.Errorf("hub: %s: %w", f.Path, err)
		}
	}
	return nil
}

// take fetches a file to its place.
func (w *work) take(ctx context.Context, f File, folder string) error {
	path := filepath.Join(folder, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	got, err := w.file(ctx, f, path)
	if err == nil {
		w.done = append(w.done, got)
	}
	return err
}

// data fetches the files that a graph says its data is in.
func (w *work) data(ctx context.Context, graph, folder string) error {
	locations, err := w.External(filepath.Join(folder, filepath.FromSlash(graph)))
	if err != nil {
		return err
	}
	for _, location := range locations {
		name := path.Join(path.Dir(graph), location)
		if !isLocal(name) {
			return fmt.Errorf("%w: its data is in %q", ErrInsecure, location)
		}
		if slices.ContainsFunc(w.done, func(f File) bool { return f.Path == name }) {
			continue
		}
		f, err := w.plan.find(name)
		if err == nil {
			err = w.fits(f)
		}
		if err == nil {
			err = w.take(ctx, f, folder)
		}
		if err != nil {
			return fmt.Errorf("its data: %w", err)
		}
	}
	return nil
}

// fits checks that a file that was not planned, or only by its name, leaves the
// model within its limit, and counts it in.
func (w *work) fits(f File) error {
	sum := f.Bytes
	for _, d := range w.done {
		sum += d.Bytes
	}
	if sum > w.Bytes {
		return fmt.Errorf("%w: %d bytes with %s, the limit is %d", ErrTooLarge, sum, f.Path, w.Bytes)
	}
	w.expect(f.Bytes)
	return nil
}

// expect corrects how many bytes there will be, where that is known.
func (w *work) expect(n int64) {
	if w.total >= 0 {
		w.total = max(0, w.total+n)
	}
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

const maxRecord = 4 << 20 // bytes

// ReadRecord returns the record of a model's folder, and false where it has none
// that can be read: it was neither pulled nor added.
func ReadRecord(folder string) (Record, bool) {
	var r Record
	name := filepath.Join(folder, RecordName)
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return r, false
	}
	f, err := os.Open(name)
	if err != nil {
		return r, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	return r, err == nil && len(text) <= maxRecord && json.Unmarshal(text, &r) == nil
}
