package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"nearcase/store/disk"
)

// Report is what Verify has found in order.
type Report struct {
	Files int       `json:"files"`
	First int64     `json:"first"` // line
	Last  int64     `json:"last"`
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	// Head is the last line known to have been durable.
	Head int64 `json:"head"`
}

// Verify reads a whole folder, which a Log may have open, and returns what is
// in order in it. It is ErrTampered if a line was changed, removed, put in or
// put elsewhere, or if lines are missing at the end; or at the beginning, which
// is line first: 1, unless the files before are kept elsewhere.
func (s *Seal) Verify(dir string, first int64) (Report, error) {
	r, err := s.verify(dir, first)
	if err != nil {
		return r, fmt.Errorf("verify audit log %s: %w", dir, err)
	}
	return r, nil
}

func (s *Seal) verify(dir string, first int64) (r Report, err error) {
	h, err := s.readHead(disk.System{}, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if err != nil {
		return r, err
	}
	all, err := files(disk.System{}, dir)
	if err != nil {
		return r, err
	}
	c := chain{seal: s, head: h, n: first - 1}
	if first == 1 {
		c.hash = digest(nil)
	}
	r = Report{Head: h.n, First: first}
	for i, f := range all {
		if err := c.file(f, i == len(all)-1, &r); err != nil {
			return r, err
		}
	}
	if c.n < h.n {
		return r, fmt.Errorf("%w: it ends with line %d, there were %d", ErrTampered, c.n, h.n)
	}
	return r, nil
}

// chain is how far a record has been followed.
type chain struct {
	seal *Seal
	head head
	n    int64  // of the last line
	hash string // of the last line; empty if it is not known
}

// file follows the lines of one file.
func (c *chain) file(f file, isLast bool, r *Report) error {
	opened, err := disk.Open(disk.System{}, f.path)
	if err != nil {
		return err
	}
	defer opened.Close()
	name := filepath.Base(f.path)
	if f.first != c.n+1 {
		return fmt.Errorf("%s: %w: line %d should come here", name, ErrTampered, c.n+1)
	}
	for l, err := range scan(opened) {
		if isLast && errors.Is(err, errTorn) && c.n >= c.head.n {
			break // it is being written
		}
		if err == nil {
			err = c.follow(l)
		}
		if err != nil {
			return fmt.Errorf("%s, after line %d: %w", name, c.n, err)
		}
		if r.From.IsZero() {
			r.From = l.Time
		}
		r.Last, r.To = l.N, l.Time
	}
	r.Files++
	return nil
}

// follow takes the next line if it is that.
func (c *chain) follow(l raw) error {
	hash := digest(l.bytes)
	switch {
	case !c.seal.opened(l.bytes):
		return fmt.Errorf("%w: what the next line says does not fit its MAC", ErrTampered)
	case l.N != c.n+1:
		return fmt.Errorf("%w: the next line is number %d", ErrTampered, l.N)
	case c.hash != "" && l.Previous != c.hash:
		return fmt.Errorf("%w: line %d follows another line", ErrTampered, l.N)
	case l.N == c.head.n && hash != c.head.hash:
		return fmt.Errorf("%w: line %d is not the one that was written", ErrTampered, l.N)
	}
	c.n, c.hash = l.N, hash
	return nil
}
