package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"nearcase/store/disk"
)

// writer puts lines into files. One goroutine at a time uses it.
type writer struct {
	seal *Seal
	in   disk.FS
	dir  string
	max  int64 // bytes of a file

	head  disk.File
	last  disk.File // the file of the last lines; nil before the first line
	size  int64     // of last, up to the last whole line
	known int64     // of size, what the head says is durable, at the start

	n      int64 // of the last line
	hash   string
	synced int64 // the last line that is durable
	torn   bool  // last may have more than size bytes
	spare  bool  // there is a reserve
	broken error // what is durable is not known any more
}

// reserveName is a file whose place is given up so that deletions, which have
// to be recorded, are still possible on a full disk. What need not be durable is
// not written until there is one again.
const (
	reserveName = "reserve"
	reserveLen  = 1 << 20
)

// open reads what there is and returns how many bytes were cut off. Where it
// fails nothing has changed.
func (w *writer) open(dir string, s *Seal, o Options) (cut int64, err error) {
	w.seal, w.in, w.dir, w.max = s, o.Files, dir, o.MaxFile
	if err := errors.Join(makeDir(w.in, dir), disk.Sweep(w.in, dir)); err != nil {
		return 0, err
	}
	all, err := files(w.in, dir)
	if err != nil {
		return 0, err
	}
	var h head
	if w.head, h, err = s.openHead(w.in, dir, len(all) == 0); err != nil {
		return 0, err
	}
	if cut, err = w.resume(all, h); err != nil {
		return 0, errors.Join(err, w.closeFiles())
	}
	return cut, nil
}

// resume follows the newest file that has lines to its end, and cuts off what
// comes after. A newer one without lines is what a crash left.
func (w *writer) resume(all []file, h head) (cut int64, err error) {
	w.hash = digest(nil)
	var empty []file
	for i := len(all) - 1; i >= 0 && w.size == 0; i-- {
		after, err := w.follow(all[i], h)
		if err != nil {
			return 0, err
		}
		cut += after
		if w.size == 0 {
			err = w.last.Close()
			w.last, empty = nil, append(empty, all[i])
		}
		if err != nil {
			return 0, err
		}
	}
	if w.n < h.n {
		return 0, fmt.Errorf("%w: it ends with line %d, there were %d", ErrTampered, w.n, h.n)
	}
	for _, f := range empty {
		if err := w.in.Remove(f.path); err != nil {
			return 0, err
		}
	}
	return cut, errors.Join(w.mend(), w.renew(), w.sync(), w.spared(), w.in.SyncDir(w.dir))
}

// renew writes again what may not be durable. After an fsync that failed, the system
// takes for written what is not, and the next would leave it out.
func (w *writer) renew() error {
	if w.last == nil {
		return nil
	}
	_, err := io.Copy(io.NewOffsetWriter(w.last, w.known), io.NewSectionReader(w.last, w.known, w.size-w.known))
	return err
}

// follow follows a file to its end, and returns how many bytes there are after
// the last line.
func (w *writer) follow(f file, h head) (after int64, err error) {
	if w.last, err = w.in.OpenFile(f.path, os.O_RDWR, 0); err != nil {
		return 0, err
	}
	c := chain{seal: w.seal, head: h, n: f.first - 1}
	if c.n == h.n {
		c.hash = h.hash
	}
	for l, err := range scan(w.last) {
		if err == nil {
			err = c.follow(l)
		}
		if errors.Is(err, ErrTampered) && c.n >= h.n {
			break // a crash left it
		}
		if err != nil {
			return 0, fmt.Errorf("%s, after line %d: %w", filepath.Base(f.path), c.n, err)
		}
		if w.size += int64(len(l.bytes)) + 1; l.N <= h.n {
			w.known = w.size
		}
	}
	if w.torn = true; w.size > 0 {
		w.n, w.hash = c.n, c.hash
	}
	info, err := w.last.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size() - w.size, nil
}

// mend cuts off what was not written wholly.
func (w *writer) mend() error {
	if !w.torn || w.last == nil {
		return nil
	}
	if err := w.last.Truncate(w.size); err != nil {
		return err
	}
	if _, err := w.last.Seek(w.size, io.SeekStart); err != nil {
		return err
	}
	w.torn = false
	return nil
}

// add writes entries, all or none. If they have to be durable the reserve is
// given up for them.
func (w *writer) add(entries []Entry, durable bool) error {
	if w.broken != nil {
		return w.broken
	}
	n, hash, text, err := w.lines(entries)
	if err != nil {
		return err
	}
	if !durable && !w.spare {
		if err := w.reserve(); err != nil {
			return err
		}
	}
	err = w.write(text)
	if errors.Is(err, syscall.ENOSPC) && durable && w.spare {
		w.spare = false
		if err = w.in.Remove(w.reservePath()); err == nil {
			err = w.write(text)
		}
	}
	if err != nil {
		return err
	}
	w.n, w.hash, w.size = n, hash, w.size+int64(len(text))
	return nil
}

// lines returns the lines that entries become, and the number and hash of the
// last of them.
func (w *writer) lines(entries []Entry) (n int64, hash string, text []byte, err error) {
	n, hash = w.n, w.hash
	for _, e := range entries {
		n++
		line, err := w.seal.encode(Line{N: n, Entry: e.clipped(), Previous: hash})
		if err != nil {
			return 0, "", nil, err
		}
		hash = digest(line)
		text = append(append(text, line...), '\n')
	}
	return n, hash, text, nil
}

// write appends to the last file, or to the next if that is full.
func (w *writer) write(text []byte) error {
	if err := w.mend(); err != nil {
		return err
	}
	if w.last == nil || w.size+int64(len(text)) > w.max && w.size > 0 {
		if err := w.next(); err != nil {
			return err
		}
	}
	_, err := w.last.Write(text)
	w.torn = err != nil
	return err
}

// next begins the next file. A file without lines, which a failure left, is
// used.
func (w *writer) next() error {
	if err := w.sync(); err != nil {
		return err
	}
	f, err := w.in.OpenFile(filepath.Join(w.dir, fileName(w.n+1)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := w.in.SyncDir(w.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	old := w.last
	w.last, w.size = f, 0
	if old == nil {
		return nil
	}
	return old.Close()
}

// sync makes all lines durable and then the head say so. The head may be older
// after a power failure, and never newer.
func (w *writer) sync() error {
	if w.broken != nil || w.n == w.synced || w.last == nil {
		return w.broken
	}
	if err := w.last.Sync(); err != nil {
		w.broken = fmt.Errorf("until the next start: %w", err) // what a failed fsync left is not known
		return w.broken
	}
	if _, err := w.head.WriteAt(w.seal.encodeHead(head{w.n, w.hash}), 0); err != nil {
		return err
	}
	w.synced = w.n
	return nil
}

// reserve makes the file that can be given up.
func (w *writer) reserve() error {
	info, err := w.in.Stat(w.reservePath())
	if err != nil || info.Size() != reserveLen {
		err = disk.WriteAtomic(w.in, w.reservePath(), make([]byte, reserveLen))
	}
	if w.spare = err == nil; !w.spare {
		_ = w.in.Remove(w.reservePath()) // a part of it is of no use
	}
	return err
}

func (w *writer) reservePath() string { return filepath.Join(w.dir, reserveName) }

// spared is reserve for the start, which needs none.
func (w *writer) spared() error {
	if err := w.reserve(); !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

// close makes everything durable, the head too.
func (w *writer) close() error {
	return errors.Join(w.mend(), w.sync(), w.head.Sync(), w.closeFiles())
}

func (w *writer) closeFiles() error {
	err := w.head.Close()
	if w.last != nil {
		err = errors.Join(err, w.last.Close())
	}
	return err
}
