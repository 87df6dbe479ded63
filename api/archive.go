package api

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"strings"

	"nearcase/embed"
)

const (
	maxEntries = 100_000 // of an archive
	headBytes  = 1024    // of a file, by which an image is recognised
)

// IsArchive reports whether data begins as a zip archive does.
func IsArchive(data []byte) bool { return bytes.HasPrefix(data, []byte("PK\x03\x04")) }

// Archive returns the images in a zip archive, a study as it is exported, in the
// order of the archive. Entries that are no image are left out. No entry that is
// larger than maxBytes is read. Entries that overlap, as those of bombs do, are
// ErrSource.
func Archive(data []byte, maxBytes int64) (iter.Seq[Image], error) {
	s, err := archive(bytes.NewReader(data), int64(len(data)), maxBytes)
	return s.Images, err
}

func archiveSource(path string, maxBytes int64) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return Source{}, fmt.Errorf("%w: %w", ErrSource, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return Source{}, errors.Join(fmt.Errorf("%w: %s: %w", ErrSource, path, err), f.Close())
	}
	s, err := archive(f, info.Size(), maxBytes)
	if err != nil {
		return Source{}, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	s.file = f
	return s, nil
}

func archive(r io.ReaderAt, size, maxBytes int64) (Source, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return Source{}, fmt.Errorf("%w: no zip archive: %w", ErrSource, err)
	}
	if len(z.File) > maxEntries {
		return Source{}, fmt.Errorf("%w: an archive of %d entries, the limit is %d", ErrSource, len(z.File), maxEntries)
	}
	var packed uint64
	var images []*zip.File
	for _, f := range z.File {
		if packed += f.CompressedSize64; packed > uint64(size) || f.CompressedSize64 > uint64(size) {
			return Source{}, fmt.Errorf("%w: the archive's entries overlap", ErrSource)
		}
		if isImageEntry(f) {
			images = append(images, f)
		}
	}
	if len(images) == 0 {
		return Source{}, fmt.Errorf("%w: no images in the archive of %d entries", ErrSource, len(z.File))
	}
	s := Source{Count: len(images)}
	s.Images = func(yield func(Image) bool) {
		for _, f := range images {
			if !yield(Image{Name: entryName(f), Read: func() ([]byte, error) { return readEntry(f, maxBytes) }}) {
				return
			}
		}
	}
	return s, nil
}

// isImageEntry reports whether an entry begins like an image. One that cannot be
// read counts as such where its name says so, that its failure is told.
func isImageEntry(f *zip.File) bool {
	name := path.Base(strings.ReplaceAll(f.Name, `\`, "/"))
	if f.FileInfo().IsDir() || strings.HasPrefix(name, ".") || strings.HasPrefix(f.Name, "__MACOSX/") {
		return false
	}
	if hasImageExtension(name) {
		return true
	}
	r, err := f.Open()
	if err != nil {
		return false
	}
	defer r.Close()
	head, _ := io.ReadAll(io.LimitReader(r, headBytes))
	return embed.MediaType(head) != ""
}

// entryName is what an entry is called: old archives say it in code page 437,
// of which the letters that are not ASCII are replaced.
func entryName(f *zip.File) string { return strings.ToValidUTF8(f.Name, "\uFFFD") }

func readEntry(f *zip.File, maxBytes int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: damaged in the archive: %w", ErrSource, err)
	case int64(len(data)) > maxBytes:
		return nil, fmt.Errorf("%w: more than %d bytes, which is the limit", embed.ErrTooLarge, maxBytes)
	}
	return data, nil
}
