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
	"strings"
)

// newOrigin is the endpoint that o names.
func newOrigin(o Options) (origin, error) {
	if folder, ok := strings.CutPrefix(o.Endpoint, "file://"); ok {
		return mirror{filepath.FromSlash(strings.TrimPrefix(folder, "localhost"))}, nil
	}
	if !strings.Contains(o.Endpoint, "://") {
		return mirror{o.Endpoint}, nil
	}
	base, err := url.Parse(o.Endpoint)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%w: endpoint %q is not a web address", ErrSource, o.Endpoint)
	}
	if err := secure(base); err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	return newClient(base, o), nil
}

// mirror is a folder that holds repositories as {repository}/{path}. It is of one
// revision and knows no digests.
type mirror struct{ folder string }

func (m mirror) open(repository string) (*os.Root, error) {
	root, err := os.OpenRoot(filepath.Join(m.folder, filepath.FromSlash(repository)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the mirror %s has no folder %s", ErrNotFound, m.folder, repository)
	}
	return root, err
}

// Local plans to take a model from a folder of this machine: the graphs named, with
// their data and, unless they come alone, the settings beside them. What the record
// of an earlier pull tells of the folder's source is kept.
func Local(ctx context.Context, folder string, alone bool, graphs ...string) (Plan, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return Plan{}, fmt.Errorf("hub: %w", err)
	}
	m := mirror{filepath.Dir(absolute)}
	p := Plan{Source: folder, Name: nameOf(filepath.Base(absolute)), Repository: filepath.Base(absolute), Page: absolute, from: m}
	if r, ok := ReadRecord(absolute); ok { // of an earlier pull
		p.Source, p.Page, p.Revision, p.Commit = r.Source, r.Page, r.Revision, r.Commit
		p.Licence, p.Gated, p.Entry = r.Licence, r.Gated, r.Entry
	}
	l, err := m.list(ctx, p.Repository, "")
	if err != nil {
		return Plan{}, fmt.Errorf("hub: %w", err)
	}
	at := map[string]File{}
	for _, f := range l.files {
		at[f.Path] = f
	}
	for _, g := range graphs {
		if _, ok := at[g]; !ok || !isLocal(g) {
			return Plan{}, fmt.Errorf("hub: %w: %s in %s", ErrNotFound, g, folder)
		}
	}
	p.Files = gather(at, !alone, graphs)
	return p, nil
}

func (m mirror) list(ctx context.Context, repository, _ string) (listing, error) {
	root, err := m.open(repository)
	if err != nil {
		return listing{}, err
	}
	defer root.Close()
	l := listing{page: filepath.Join(m.folder, filepath.FromSlash(repository))}
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil || len(l.files) > maxFiles {
			return errors.Join(err, ctx.Err())
		}
		if e.IsDir() && strings.HasPrefix(path.Base(name), ".") && name != "." {
			return fs.SkipDir
		}
		// A link may be one into a cache of the hub; the root keeps it inside.
		if info, err := fs.Stat(root.FS(), name); err == nil && info.Mode().IsRegular() {
			l.files = append(l.files, File{Path: name, Bytes: info.Size()})
		}
		return nil
	})
	return l, err
}

func (m mirror) fetch(ctx context.Context, p Plan, f File, to string, count func(int64)) (pieced bool, err error) {
	if p.Repository == "" {
		return false, fmt.Errorf("%w: %s is on the network, the endpoint is the folder %s", ErrSource, p.Page, m.folder)
	}
	root, err := m.open(p.Repository)
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
