package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"nearcase/embed"
	"nearcase/store"
)

// ErrFolder is a folder that is not among those allowed, or a path that is not
// below it.
var ErrFolder = errors.New("not in an allowed folder")

// ImportRequest names images that lie in one of Options.Folders.
type ImportRequest struct {
	// Folder is the name of one that is allowed.
	Folder string `json:"folder"`
	// Path is that of an image, a zip archive, a CSV (see OpenSource), whose files
	// lie below the folder too, or a folder below it, with slashes and without "."
	// and ".."; empty is the folder itself.
	Path string `json:"path,omitempty"`
	// Recursive takes the images in subfolders too.
	Recursive bool `json:"recursive,omitempty"`
	// Patient, Study and Series of all of the images, where the files do not say;
	// and their labels.
	Patient string              `json:"patient,omitempty"`
	Study   string              `json:"study,omitempty"`
	Series  string              `json:"series,omitempty"`
	Labels  map[string][]string `json:"labels,omitempty"`
	// Replace and Source are as in IngestOptions.
	Replace bool   `json:"replace,omitempty"`
	Source  string `json:"source,omitempty"`
}

// Imported says what became of the images of an ImportRequest.
type Imported struct {
	Images int `json:"images"`
	// Counts are the files by what became of them; those that are no image are
	// counted as without_image.
	Counts map[string]int `json:"counts"`
	// Failed are the first of those that could not be stored.
	Failed []ImportFailure `json:"failed,omitempty"`
}

// ImportFailure is a file that could not be stored.
type ImportFailure struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

const (
	// WithoutImage counts files that were found where images are and are none.
	WithoutImage = "without_image"
	maxFailures  = 1000 // that are named
	maxBelow     = 1_000_000
)

// within is a folder that nothing outside is reached from. Symbolic links are not
// followed, not even to what is within.
type within struct {
	root     *os.Root
	maxBytes int64
}

// folder opens an allowed folder. The caller closes its root.
func (s *Service) folder(name string) (within, error) {
	at, ok := s.Folders[name]
	if !ok {
		return within{}, fmt.Errorf("folder %.80q: %w: allowed are %s", name, ErrFolder, listed(slices.Sorted(maps.Keys(s.Folders))))
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return within{}, fmt.Errorf("%w: folder %s cannot be opened: %w", ErrSource, name, reason(err))
	}
	limit := s.Limits.Bytes
	if limit <= 0 {
		limit = 256 << 20
	}
	return within{root, limit}, nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// reason is an error of a file without its path.
func reason(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// check returns what a path below the folder is, or why it is not to be used.
func (w within) check(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
		return nil, fmt.Errorf("%w: path %.200q: use one below the folder, with slashes, in which no part is . or .. or empty", ErrFolder, name)
	}
	var info fs.FileInfo
	for at := range prefixes(name) {
		var err error
		if info, err = w.root.Lstat(at); err != nil {
			return nil, fmt.Errorf("%w: path %.200q: %w", ErrSource, name, reason(err))
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%w: path %.200q: neither a file nor a folder; symbolic links are not followed", ErrFolder, name)
		}
	}
	return info, nil
}

// prefixes yields a path's beginnings, the shortest first.
func prefixes(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, c := range name {
			if c == '/' && !yield(name[:i]) {
				return
			}
		}
		yield(name)
	}
}

// open opens a regular file, which is the one that a look at it has found.
func (w within) open(name string) (*os.File, int64, error) {
	seen, err := w.check(name)
	if err != nil {
		return nil, 0, err
	}
	f, err := w.root.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrSource, reason(err))
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || !os.SameFile(seen, info)) {
		err = errors.New("not a regular file, or another than it was")
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%w: %w", ErrSource, err), f.Close())
	}
	return f, info.Size(), nil
}

// read reads an image.
func (w within) read(name string) ([]byte, error) {
	f, size, err := w.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > w.maxBytes {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", embed.ErrTooLarge, size, w.maxBytes)
	}
	data, err := io.ReadAll(io.LimitReader(f, w.maxBytes))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, reason(err))
	}
	return data, nil
}

// FolderImage returns an image that lies in an allowed folder, which is looked at
// when the image is read.
func (s *Service) FolderImage(folder, name string) Image {
	return Image{Name: path.Base(name), Read: func() ([]byte, error) {
		w, err := s.folder(folder)
		if err != nil {
			return nil, err
		}
		defer w.root.Close()
		return w.read(name)
	}}
}

// OpenFolder finds the images that a request names. The source is to be closed.
func (s *Service) OpenFolder(r ImportRequest) (source Source, err error) {
	w, err := s.folder(r.Folder)
	if err != nil {
		return Source{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.root.Close())
		}
	}()
	name := r.Path
	if name == "" {
		name = "."
	}
	info, err := w.check(name)
	if err != nil {
		return Source{}, err
	}
	switch {
	case info.IsDir():
		source, err = w.folder(name, r.Recursive)
	case strings.EqualFold(path.Ext(name), ".zip"):
		source, err = w.archive(name)
	case strings.EqualFold(path.Ext(name), ".csv"):
		source, err = w.table(name)
	default:
		source = Source{Count: 1, Images: func(yield func(Image) bool) { yield(w.image(name)) }}
	}
	source.root, source.Images = w.root, described(source.Images, r)
	return source, err
}

// described says of all images what a request says of them, where a CSV does not.
func described(images iter.Seq[Image], r ImportRequest) iter.Seq[Image] {
	return func(yield func(Image) bool) {
		for i := range images {
			i.Patient, i.Study, i.Series = cmp.Or(i.Patient, r.Patient), cmp.Or(i.Study, r.Study), cmp.Or(i.Series, r.Series)
			if i.Labels == nil {
				i.Labels = r.Labels
			}
			if !yield(i) {
				return
			}
		}
	}
}

func (w within) image(name string) Image {
	return Image{Name: name, Read: func() ([]byte, error) { return w.read(name) }}
}

func (w within) archive(name string) (Source, error) {
	f, size, err := w.open(name)
	if err != nil {
		return Source{}, err
	}
	s, err := archive(f, size, w.maxBytes)
	if err != nil {
		return Source{}, errors.Join(err, f.Close())
	}
	s.file = f
	return s, nil
}

// folder walks a folder twice, as folderSource does.
func (w within) folder(dir string, recursive bool) (Source, error) {
	s := Source{}
	count := func(string) error {
		if s.Count++; s.Count > maxBelow {
			return fmt.Errorf("%w: more than %d images, which is the limit: name a folder within", ErrSource, maxBelow)
		}
		return nil
	}
	if err := w.walk(dir, recursive, count); err != nil {
		return Source{}, err
	}
	if s.Count == 0 {
		return Source{}, fmt.Errorf("%w: no images in the folder", ErrSource)
	}
	s.Images = func(yield func(Image) bool) {
		err := w.walk(dir, recursive, func(name string) error {
			if !yield(w.image(name)) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil { // changed since it was counted
			yield(Image{Name: dir, Read: func() ([]byte, error) { return nil, err }})
		}
	}
	return s, nil
}

// walk visits the images in a folder by name. What begins with a dot is left out,
// and so is all that is neither a regular file nor a folder.
func (w within) walk(dir string, recursive bool, visit func(name string) error) error {
	return fs.WalkDir(w.root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("%w: %.200q: %w", ErrSource, name, reason(err))
		case name == dir:
			return nil
		case d.IsDir() && (!recursive || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), ".") || !d.Type().IsRegular() || !w.isImage(name):
			return nil
		}
		return visit(name)
	})
}

func (w within) isImage(name string) bool {
	if hasImageExtension(name) {
		return true
	}
	f, _, err := w.open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, headBytes))
	return embed.MediaType(head) != ""
}

// Import stores the images of a folder that is allowed. It can be repeated, which
// stores nothing twice. Images that cannot be stored are counted and do not stop
// the others.
func (s *Service) Import(ctx context.Context, collection string, r ImportRequest, progress func(done, total int)) (done Imported, err error) {
	source, err := s.openImport(ctx, collection, r)
	if err != nil {
		return Imported{}, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	return s.importAll(ctx, collection, source, r, progress)
}

func (s *Service) importAll(ctx context.Context, collection string, source Source, r ImportRequest, progress func(done, total int)) (Imported, error) {
	done := Imported{Counts: map[string]int{}}
	for item, err := range s.Ingest(ctx, collection, source.Images, IngestOptions{Replace: r.Replace, Repeats: source.Rows, Source: r.Source}) {
		if err != nil {
			return done, err
		}
		if errors.Is(item.Err, context.Canceled) {
			continue // the end of the sequence says so
		}
		done.add(item)
		if progress != nil {
			progress(done.Images, source.Count)
		}
	}
	return done, nil
}

// add counts what became of an image.
func (d *Imported) add(item Item) {
	d.Images++
	status := string(item.Status)
	if errors.Is(item.Err, embed.ErrNoPixels) {
		status = WithoutImage
	}
	d.Counts[status]++
	if status == string(store.Failed) && len(d.Failed) < maxFailures {
		d.Failed = append(d.Failed, ImportFailure{item.Name, item.Err.Error()})
	}
}
