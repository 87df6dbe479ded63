package api

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearcase/embed"
	"nearcase/store"
)

// Source is images to ingest from files. It has been checked as far as that is
// possible without reading the images.
type Source struct {
	// Images yields the images in a fixed order; it can be ranged over again.
	Images iter.Seq[Image]
	Count  int
	// Tasks are those that a CSV labels for, with the classes that occur.
	Tasks []store.Task
	// Rows tells that every image is a row of a CSV, and so an instance of its
	// own even when another has the same content.
	Rows bool

	path    string
	dataset *dataset
	file    *os.File // of an archive
	root    *os.Root // of an allowed folder
}

// Close releases what is open of the source, whose images cannot be read then.
func (s Source) Close() (err error) {
	if s.file != nil {
		err = s.file.Close()
	}
	if s.root != nil {
		err = errors.Join(err, s.root.Close())
	}
	return err
}

// OpenSource opens a path to ingest: an image, a folder of images with its
// subfolders, a zip archive of images, or a CSV. No image larger than maxBytes
// is read. In folders and archives an image is known by its extension, and
// others, as DICOM files often are, by how they begin.
//
// A CSV has a header with a column file, relative to the CSV; the columns
// patient_id, study_id, series_id and instance_id are optional and every other
// column is a task. A cell may hold several labels separated by '|'; an empty
// one says nothing, and a lone '|' that no class is present. Every row is
// checked first: all that is wrong is reported with its row number (the header
// is row 1) and nothing is returned.
func OpenSource(path string, maxBytes int64) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Source{}, fmt.Errorf("%w: %w", ErrSource, err)
	}
	switch {
	case info.IsDir():
		return folderSource(path, maxBytes)
	case strings.EqualFold(filepath.Ext(path), ".csv"):
		return csvSource(path, maxBytes)
	case strings.EqualFold(filepath.Ext(path), ".zip"):
		return archiveSource(path, maxBytes)
	}
	one := func(yield func(Image) bool) { yield(fileImage(path, filepath.Base(path), maxBytes)) }
	return Source{Images: one, Count: 1}, nil
}

func fileImage(path, name string, maxBytes int64) Image {
	return Image{Name: name, Read: func() ([]byte, error) { return ReadFile(path, maxBytes) }}
}

// ReadFile reads a regular file of at most maxBytes.
func ReadFile(path string, maxBytes int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrSource, path)
	}
	if info.Size() > maxBytes {
		return nil, fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrSource, path, info.Size(), maxBytes)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxBytes))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	return data, nil
}

// extensions of files that are images.
var extensions = []string{".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm", ".dicom"}

func hasImageExtension(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// isImageFile reports whether a file is an image by its extension or by how it
// begins.
func isImageFile(path string) bool {
	if hasImageExtension(path) {
		return true
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, headBytes))
	return embed.MediaType(head) != ""
}

// folderSource walks a folder twice: once to count and to find out that all of
// it can be read, and once for each use of Images.
func folderSource(root string, maxBytes int64) (Source, error) {
	s := Source{}
	walk := func(visit func(path string) error) error {
		return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return fmt.Errorf("%w: %w", ErrSource, err)
			}
			if strings.HasPrefix(d.Name(), ".") && path != root {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if !d.Type().IsRegular() || !isImageFile(path) {
				return nil
			}
			return visit(path)
		})
	}
	if err := walk(func(string) error { s.Count++; return nil }); err != nil {
		return Source{}, err
	}
	if s.Count == 0 {
		return Source{}, fmt.Errorf("%w: no images in %s (looked for %s, and for how files of other names begin)", ErrSource, root, strings.Join(extensions, " "))
	}
	s.Images = func(yield func(Image) bool) {
		err := walk(func(path string) error {
			name, err := filepath.Rel(root, path)
			if err == nil && !yield(fileImage(path, filepath.ToSlash(name), maxBytes)) {
				err = fs.SkipAll
			}
			return err
		})
		if err != nil { // changed since it was counted
			yield(Image{Name: root, Read: func() ([]byte, error) { return nil, err }})
		}
	}
	return s, nil
}
