package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nearcase/store/disk"
)

// suffix ends the names of files; before it is the number of the first line.
const suffix = ".jsonl"

func fileName(first int64) string { return fmt.Sprintf("%016d%s", first, suffix) }

// file is a file of a record.
type file struct {
	path  string
	first int64
}

// files returns those of a folder, first lines first.
func files(in disk.FS, dir string) (all []file, err error) {
	entries, err := in.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), suffix)
		first, bad := strconv.ParseInt(digits, 10, 64)
		if !ok || bad != nil || e.Name() != fileName(first) {
			continue
		}
		all = append(all, file{filepath.Join(dir, e.Name()), first})
	}
	slices.SortFunc(all, func(a, b file) int { return int(min(max(a.first-b.first, -1), 1)) })
	return all, nil
}

// raw is a line with its bytes.
type raw struct {
	Line
	bytes []byte // valid until the next one
}

// errTorn is a last line without its line feed.
var errTorn = fmt.Errorf("%w: the last line is incomplete", ErrTampered)

// scan reads lines for their form, in memory of one line. It ends with the
// first that has none.
func scan(r io.Reader) iter.Seq2[raw, error] {
	return func(yield func(raw, error) bool) {
		for b := bufio.NewReaderSize(r, maxLine+1); ; {
			line, err := b.ReadSlice('\n')
			switch {
			case err == io.EOF && len(line) == 0:
				return
			case err == io.EOF:
				yield(raw{}, errTorn)
				return
			case errors.Is(err, bufio.ErrBufferFull):
				yield(raw{}, fmt.Errorf("%w: a line has more than %d bytes", ErrTampered, maxLine))
				return
			case err != nil:
				yield(raw{}, err)
				return
			}
			line = bytes.TrimSuffix(line, []byte("\n"))
			l, err := decode(line)
			if !yield(raw{l, line}, err) || err != nil {
				return
			}
		}
	}
}

// Lines returns the lines of a folder, oldest first, as they are there: see
// Verify. It ends with an error or with a line that is just being written.
func Lines(dir string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		all, err := files(disk.System{}, dir)
		if err != nil {
			yield(Line{}, fmt.Errorf("read audit log: %w", err))
			return
		}
		for i, f := range all {
			if !f.lines(i == len(all)-1, yield) {
				return
			}
		}
	}
}

// lines yields the lines of a file, and reports whether more are wanted.
func (f file) lines(isLast bool, yield func(Line, error) bool) bool {
	opened, err := disk.Open(disk.System{}, f.path)
	if err != nil {
		return yield(Line{}, err)
	}
	defer opened.Close()
	for r, err := range scan(opened) {
		if isLast && errors.Is(err, errTorn) {
			return true
		}
		if err != nil {
			yield(Line{}, fmt.Errorf("%s: %w", filepath.Base(f.path), err))
			return false
		}
		if !yield(r.Line, nil) {
			return false
		}
	}
	return true
}
