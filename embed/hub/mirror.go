package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// newOrigin is the endpoint that o names.
func newOrigin(o Options) (origin, error) {
	if folder, ok := strings.CutPrefix(o.Endpoint, "file://"); ok {
		return mirror{filepath.FromSlash(strings.TrimPrefix(folder, "localhost")), path.Dir(o.File), false}, nil
	}
	if !strings.Contains(o.Endpoint, "://") {
		return mirror{o.Endpoint, path.Dir(o.File), false}, nil
	}
	base, err := url.Parse(o.Endpoint)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%w: endpoint %q is not a web address", ErrSource, bare(o.Endpoint))
	}
	if err := secure(base); err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	base.RawQuery, base.Fragment = "", "" // paths follow
	return newClient(base, o), nil
}

// mirror is a folder that holds repositories as {repository}/{path}. It is of one
// revision and knows no digests.
type mirror struct {
	folder string
	also   string // folder of a repository whose files are listed beside the usual
	alone  bool   // whether folder is a model's own, not one of repositories
}

func (m mirror) open(repository string) (*os.Root, error) {
	root, err := os.OpenRoot(filepath.Join(m.folder, filepath.FromSlash(repository)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the mirror %s has no folder %s", ErrNotFound, m.folder, repository)
	}
	return root, err
}

// Local plans to take a model from a folder of this machine: the files named and,
// unless they come alone, the settings beside them. Nothing else there is looked at.
// What the record of an earlier pull tells of the folder's source is kept.
func Local(folder string, alone bool, files ...string) (Plan, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return Plan{}, fmt.Errorf("hub: %w", err)
	}
	m := mirror{folder: absolute, alone: true}
	p := Plan{Source: absolute, Name: nameOf(filepath.Base(absolute)), from: m, find: m.find}
	if !alone {
		if r, ok := ReadRecord(absolute); ok {
			p.recall(r)
		}
		files = slices.Concat(settings(), files)
	}
	lower := map[string]bool{}
	for i, name := range files {
		f, err := m.find(name)
		if !alone && i < len(settings()) && errors.Is(err, ErrNotFound) || lower[strings.ToLower(name)] {
			continue
		}
		if err != nil {
			return Plan{}, fmt.Errorf("hub: %w", err)
		}
		lower[strings.ToLower(name)] = true
		p.Files = append(p.Files, f)
	}
	return p, nil
}

// recall takes over what the record of the source's folder tells of where it came from.
func (p *Plan) recall(r Record) {
	p.Source, p.Page, p.Revision, p.Commit = bare(r.Source), bare(r.Page), r.Revision, r.Commit
	p.Licence, p.Gated, p.Entry, p.earlier = r.Licence, r.Gated, r.Entry, &r
	if isRepository(r.Repository) {
		p.Repository = r.Repository
	}
}

// find returns a file of the folder itself.
func (m mirror) find(name string) (File, error) {
	if !isLocal(name) {
		return File{}, fmt.Errorf("%w: the file %q", ErrInsecure, name)
	}
	root, err := os.OpenRoot(m.folder)
	if err != nil {
		return File{}, err
	}
	defer root.Close()
	info, err := root.Stat(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return File{}, fmt.Errorf("%w: %s has no file %s", ErrNotFound, m.folder, name)
	}
	if err != nil {
		return File{}, err
	}
	return File{Path: name, Bytes: info.Size()}, nil
}

// list lists the folders where repositories have what a model needs: their own, onnx
// and that of the file that was asked for.
func (m mirror) list(ctx context.Context, repository, _ string) (listing, error) {
	root, err := m.open(repository)
	if err != nil {
		return listing{}, err
	}
	defer root.Close()
	l := listing{page: filepath.Join(m.folder, filepath.FromSlash(repository))}
	folders := []string{".", "onnx", m.also}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		files, err := regular(ctx, root, folder, maxFiles)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return listing{}, err
		}
		l.files = append(l.files, files...)
	}
	return l, nil
}

// regular lists the files of one folder, which has at most limit. A link may be one into a cache of the hub;
// the root keeps it inside.
func regular(ctx context.Context, root *os.Root, folder string, limit int) (files []File, err error) {
	f, err := root.Open(filepath.FromSlash(folder))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(limit + 1)
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case len(entries) > limit:
		return nil, fmt.Errorf("%w: %s has more than %d files", ErrTooLarge, f.Name(), limit)
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		if info, err := root.Stat(filepath.FromSlash(name)); err == nil && info.Mode().IsRegular() {
			files = append(files, File{Path: name, Bytes: info.Size()})
		}
	}
	return files, ctx.Err()
}

// source opens the folder that a plan's files lie in.
func (m mirror) source(p Plan) (*os.Root, error) {
	if p.local() {
		return os.OpenRoot(m.folder)
	}
	return m.open(p.Repository)
}

func (m mirror) fetch(ctx context.Context, p Plan, f File, to string, count func(int64)) (pieced bool, err error) {
	if p.address != "" {
		return false, fmt.Errorf("%w: %s is on the network, the endpoint is the folder %s", ErrSource, p.Page, m.folder)
	}
	root, err := m.source(p)
	if err != nil {
		return false, err
	}
	defer root.Close()
	from, err := root.Open(filepath.FromSlash(f.Path))
	if err != nil {
		return false, err
	}
	defer from.Close()
	return false, copyTo(ctx, from, to, f.Bytes, count)
}

// copyTo makes the file at path of the n bytes of r.
func copyTo(ctx context.Context, r io.Reader, path string, n int64, count func(int64)) (err error) {
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for left := n; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		came, err := io.CopyN(w, r, min(left, 16<<20))
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		left -= came
		count(came)
	}
	return w.Sync()
}
