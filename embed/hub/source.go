package hub

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// Resolve finds out what a source has and which of it a model needs. A source is
// a name of the catalogue, a repository of the hub as organisation/name, with
// @revision and the prefix hf: if wanted, the repository's page, or the HTTPS
// address of an ONNX file. Nothing is fetched but the list.
func Resolve(ctx context.Context, source string, o Options) (Plan, error) {
	o = o.withDefaults()
	if o.SHA256 != "" && !isHex(o.SHA256, 64) {
		return Plan{}, fmt.Errorf("hub: %w: sha256 %q is not 64 lower-case hex digits", ErrSource, o.SHA256)
	}
	from, err := newOrigin(o)
	if err != nil {
		return Plan{}, fmt.Errorf("hub: %w", err)
	}
	p, err := parse(source, o)
	if err != nil {
		return Plan{}, fmt.Errorf("hub: %w", err)
	}
	p.from = from
	if p.address != "" {
		return p, nil
	}
	if err := p.fill(ctx, o); err != nil {
		return Plan{}, fmt.Errorf("hub: %s: %w", p.Source, err)
	}
	return p, nil
}

// parse reads a source without asking anybody.
func parse(source string, o Options) (Plan, error) {
	p := Plan{Source: bare(source)}
	if e, ok := Lookup(source); ok {
		if e.Repository == "" {
			return p, fmt.Errorf("%w: %s is on no hub: fetch it from %s, then use nearcase models add", ErrSource, e.Name, e.Page)
		}
		p.Entry, p.Name, p.Repository, p.Revision = &e, e.Name, e.Repository, e.Revision
		return p.revised(o)
	}
	if strings.Contains(source, "://") {
		return p.web(source, o)
	}
	repository, revision, _ := strings.Cut(strings.TrimPrefix(source, "hf:"), "@")
	if !isRepository(repository) {
		return p, fmt.Errorf("%w: %q is no name of the catalogue (nearcase models list --available), no organisation/name and no https:// address",
			ErrSource, source)
	}
	p.Repository, p.Revision = repository, revision
	return p.revised(o)
}

func (p Plan) revised(o Options) (Plan, error) {
	if o.Revision != "" {
		p.Revision = o.Revision
	}
	if p.Revision == "" {
		p.Revision = "main"
	}
	if p.Name == "" {
		p.Name = nameOf(path.Base(p.Repository))
	}
	if len(p.Revision) > 200 || strings.ContainsFunc(p.Revision, isControl) {
		return p, fmt.Errorf("%w: revision %q", ErrSource, p.Revision)
	}
	return p, nil
}

// web reads a source that is a web address: a page of the endpoint, or a file.
func (p Plan) web(source string, o Options) (Plan, error) {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" {
		return p, fmt.Errorf("%w: %q is not a web address", ErrSource, p.Source)
	}
	if err := secure(u); err != nil {
		return p, err
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	if base, err := url.Parse(o.Endpoint); err == nil && base.Host == u.Host && len(segments) >= 2 && !strings.HasSuffix(u.Path, ".onnx") {
		return p.page(segments, o)
	}
	file := path.Base(u.Path)
	if !strings.HasSuffix(file, ".onnx") || !isLocal(file) {
		return p, fmt.Errorf("%w: %s does not name an .onnx file", ErrSource, p.Source)
	}
	p.Name = nameOf(strings.TrimSuffix(file, ".onnx"))
	p.Page, p.address, p.find = p.Source, source, nowhere
	p.Files = []File{{Path: file, Bytes: -1, SHA256: o.SHA256}}
	return p, nil
}

// nowhere finds nothing: beside the address of a file no other is known.
func nowhere(name string) (File, error) {
	return File{}, fmt.Errorf("%w: %s: of an address the graph alone is fetched; fetch both by hand, then use nearcase models add", ErrNotFound, name)
}

// bare returns an address without what may be secret: user, query and fragment. What
// is no address stays.
func bare(address string) string {
	if !strings.Contains(address, "://") {
		return address
	}
	u, err := url.Parse(address)
	if err != nil { // the error would tell it
		scheme, _, _ := strings.Cut(address, "://")
		return scheme + "://"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}

// page reads the path of a repository's page: organisation/name/tree/revision.
func (p Plan) page(segments []string, o Options) (Plan, error) {
	p.Repository = segments[0] + "/" + segments[1]
	if len(segments) >= 4 && segments[2] == "tree" {
		p.Revision = segments[3]
	} else if len(segments) > 2 {
		return p, fmt.Errorf("%w: %s is not a repository's page", ErrSource, p.Source)
	}
	if !isRepository(p.Repository) {
		return p, fmt.Errorf("%w: %q is not organisation/name", ErrSource, p.Repository)
	}
	return p.revised(o)
}

// fill asks the origin for the list and chooses from it.
func (p *Plan) fill(ctx context.Context, o Options) error {
	l, err := p.from.list(ctx, p.Repository, p.Revision)
	if err != nil {
		return err
	}
	file, digest := o.File, o.SHA256
	if p.Entry != nil && file == "" {
		file = p.Entry.File
		if digest == "" && p.Revision == p.Entry.Revision {
			digest = p.Entry.SHA256
		}
	}
	if p.Files, err = choose(l.files, file); err != nil {
		return err
	}
	p.find = among(l.files)
	p.Commit, p.Licence, p.Gated, p.Page = l.commit, l.licence, l.gated, l.page
	if p.Entry != nil {
		p.Licence, p.Gated = p.Entry.Licence, l.gated || p.Entry.Gated
	}
	if n := p.Bytes(); n > o.Bytes {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, n, o.Bytes)
	}
	return p.demand(digest)
}

// among finds the files of a repository by their names.
func among(files []File) func(name string) (File, error) {
	at := map[string]File{}
	for _, f := range files {
		at[f.Path] = f
	}
	return func(name string) (File, error) {
		f, ok := at[name]
		if !ok {
			return f, fmt.Errorf("%w: the repository has no %s", ErrNotFound, name)
		}
		return f, nil
	}
}

// demand makes the main graph's digest the one that somebody named.
func (p *Plan) demand(digest string) error {
	for i := range p.Files {
		f := &p.Files[i]
		if digest == "" || !strings.HasSuffix(f.Path, ".onnx") {
			continue
		}
		if f.SHA256 != "" && f.SHA256 != digest {
			return fmt.Errorf("%w: the hub gives %s the SHA-256 %s, %s is expected", ErrDigest, f.Path, f.SHA256, digest)
		}
		f.SHA256 = digest
		return nil
	}
	return nil
}

// isRepository reports whether s is organisation/name as the hub has them.
func isRepository(s string) bool {
	organisation, name, ok := strings.Cut(s, "/")
	return ok && isSegment(organisation) && isSegment(name)
}

func isSegment(s string) bool {
	return len(s) >= 1 && len(s) <= 96 && strings.Trim(s, letters+".-") == "" &&
		strings.IndexByte(letters, s[0]) >= 0 && !strings.Contains(s, "..")
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// isName reports whether s can be a model's name, which is a folder's.
func isName(s string) bool {
	return len(s) >= 1 && len(s) <= 64 && strings.IndexByte(letters, s[0]) >= 0 && strings.Trim(s, letters+".-") == ""
}

// nameOf makes a model's name of what a server calls it.
func nameOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters+".-", r) {
			return r
		}
		return '-'
	}, s)
	s = strings.TrimLeft(s, ".-")
	return s[:min(64, len(s))]
}

// isLocal reports whether name is a clean path that stays in its folder on every
// operating system and is no device there.
func isLocal(name string) bool {
	if !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name || len(name) > 255 ||
		strings.ContainsAny(name, `\:*?"<>|`) || strings.ContainsFunc(name, isControl) {
		return false
	}
	for s := range strings.SplitSeq(name, "/") {
		stem, _, _ := strings.Cut(strings.ToUpper(s), ".")
		device := len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && stem[3] >= '0' && stem[3] <= '9'
		if device || stem == "CON" || stem == "PRN" || stem == "AUX" || stem == "NUL" || strings.TrimRight(s, ". ") != s {
			return false
		}
	}
	return true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func isHex(s string, n int) bool { return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" }
