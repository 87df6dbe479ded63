package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/minio/sio"

	"nearcase/store/disk"
)

// writer is a new file that is encrypted as it is written: from its beginning to its
// end, but for the first 64 KiB, which may be written at any time before Sync and
// Close. After those nothing can be.
type writer struct {
	f     disk.File
	v     *Vault
	k     *dataKey
	h     header
	nonce [12]byte // of the stream

	first []byte         // the first package, which is written last
	rest  io.WriteCloser // the others; nil until there are any
	end   int64          // of what was written
	at    int64          // where Write writes
	done  bool
	err   error // the first
}

func newWriter(f disk.File, v *Vault, k *dataKey, name string) *writer {
	return &writer{f: f, v: v, k: k, h: newHeader(k, name), nonce: [12]byte(random(nonceSize)), first: []byte{0}, end: 1}
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (n int, err error) {
	n, err = w.WriteAt(p, w.at)
	w.at += int64(n)
	return n, err
}

// WriteAt implements io.WriterAt.
func (w *writer) WriteAt(p []byte, off int64) (n int, err error) {
	if w.done || off < 0 {
		return 0, w.unsupported("write")
	}
	for len(p) > 0 && w.err == nil {
		var some int
		if at := off + int64(n) + 1; at < payloadSize {
			some = w.begin(p, int(at))
		} else if w.end = max(w.end, payloadSize); at == w.end {
			some = w.goOn(p)
		} else {
			w.err = w.unsupported("write elsewhere than at the end of")
		}
		n, p = n+some, p[some:]
	}
	return n, w.err
}

// begin writes into the first package.
func (w *writer) begin(p []byte, at int) int {
	n := min(len(p), payloadSize-at)
	if more := at + n - len(w.first); more > 0 {
		w.first = append(w.first, make([]byte, more)...)
	}
	w.end = max(w.end, int64(at+n))
	return copy(w.first[at:], p[:n])
}

// goOn writes into the others.
func (w *writer) goOn(p []byte) (n int) {
	if w.rest == nil {
		c := w.h.config(w.k, 1)
		c.Nonce = &w.nonce
		w.rest, w.err = sio.EncryptWriter(io.NewOffsetWriter(w.f, headerSize+packageSize), c)
	}
	if w.err == nil {
		n, w.err = w.rest.Write(p)
	}
	w.end += int64(n)
	return n
}

// finish writes what has not been: the end, and then the beginning.
func (w *writer) finish() error {
	if w.done || w.err != nil {
		return w.err
	}
	w.done = true
	if w.rest != nil {
		w.err = w.rest.Close()
	}
	if w.err == nil {
		w.err = w.finishFirst()
	}
	return w.err
}

func (w *writer) finishFirst() error {
	c := w.h.config(w.k, 0)
	c.Nonce = &w.nonce
	sealed := &capped{b: w.h.bytes(), max: headerSize + packageSize}
	first, err := sio.EncryptWriter(sealed, c)
	if err != nil {
		return err
	}
	if w.rest == nil {
		if _, err = first.Write(w.first); err == nil {
			err = first.Close()
		}
	} else { // it is not the last: a byte more tells so, and goes nowhere
		_, err = first.Write(append(append(w.first, make([]byte, payloadSize-len(w.first))...), 0))
	}
	if err == nil {
		_, err = w.f.WriteAt(sealed.b, 0)
	}
	w.first = nil
	return err
}

// capped is what is written up to a bound.
type capped struct {
	b   []byte
	max int
}

func (c *capped) Write(p []byte) (int, error) {
	if len(c.b)+len(p) > c.max {
		return 0, io.ErrShortWrite
	}
	c.b = append(c.b, p...)
	return len(p), nil
}

// Sync implements disk.File. What is yet to get its name is brought to the disk
// when it does: see files.Rename.
func (w *writer) Sync() error {
	if err := w.finish(); err != nil {
		return err
	}
	if w.v.postpone(w.f.Name()) {
		return nil
	}
	return w.f.Sync()
}

// Close implements io.Closer.
func (w *writer) Close() error { return errors.Join(w.finish(), w.f.Close()) }

func (w *writer) Name() string { return w.f.Name() }

// Stat implements disk.File: the size is that of the data so far.
func (w *writer) Stat() (fs.FileInfo, error) {
	info, err := w.f.Stat()
	if err != nil {
		return nil, err
	}
	return sized{info, w.end - 1}, nil
}

// Seek implements io.Seeker.
func (w *writer) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += w.at
	case io.SeekEnd:
		offset += w.end - 1
	}
	if offset < 0 || whence > io.SeekEnd {
		return w.at, fmt.Errorf("seek %s to %d: %w", w.f.Name(), offset, fs.ErrInvalid)
	}
	w.at = offset
	return offset, nil
}

func (w *writer) Read([]byte) (int, error) { return 0, w.unsupported("read") }

func (w *writer) ReadAt([]byte, int64) (int, error) { return 0, w.unsupported("read") }

func (w *writer) Truncate(int64) error { return w.unsupported("truncate") }

func (w *writer) unsupported(what string) error {
	return &fs.PathError{Op: what, Path: w.f.Name(), Err: errors.ErrUnsupported}
}
