package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"nearcase/store"
	"nearcase/store/disk"
)

// reader is an encrypted file that is read. It is safe for concurrent use but for
// Read and Seek.
type reader struct {
	f    disk.File
	name string // in the data directory
	k    *dataKey
	h    header
	size int64 // of the data
	at   int64 // where Read reads

	mu     sync.Mutex // guards what follows
	cached int64      // a package that has been read
	opened []byte     // its bytes
}

// newReader checks the header and the end of a file: what is cut off or goes on is
// store.ErrDamaged.
func newReader(f disk.File, name string, k *dataKey, h header, size int64) (*reader, error) {
	r := &reader{f: f, name: name, k: k, h: h, cached: -1}
	n, ok := dataSize(size)
	if !ok {
		return nil, fmt.Errorf("%s: %w: %d bytes are no encrypted file", name, store.ErrDamaged, size)
	}
	r.size = n
	last := n / payloadSize // of the data's n bytes and the one before them
	b, final, err := r.load(last)
	if err != nil {
		return nil, err
	}
	if !final || last*payloadSize+int64(len(b)) != n+1 {
		return nil, fmt.Errorf("%s: %w: its end is missing", name, store.ErrDamaged)
	}
	r.cached, r.opened = last, b
	return r, nil
}

// load reads and decrypts a package.
func (r *reader) load(i int64) (b []byte, final bool, err error) {
	sealed := make([]byte, packageSize)
	n, err := r.f.ReadAt(sealed, headerSize+i*packageSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	b, final, err = openPackage(r.h.config(r.k, uint32(i)), sealed[:n])
	if err != nil {
		return nil, false, fmt.Errorf("%s: from byte %d: %w", r.name, i*payloadSize, err)
	}
	return b, final, nil
}

// part returns a package.
func (r *reader) part(i int64) ([]byte, error) {
	r.mu.Lock()
	if r.cached == i {
		defer r.mu.Unlock()
		return r.opened, nil
	}
	r.mu.Unlock()
	b, final, err := r.load(i)
	if err != nil {
		return nil, err
	}
	if last := (r.size) / payloadSize; final != (i == last) {
		return nil, fmt.Errorf("%s: %w: it ends elsewhere", r.name, store.ErrDamaged)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cached, r.opened = i, b
	return b, nil
}

// ReadAt implements io.ReaderAt.
func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s at %d: %w", r.name, off, fs.ErrInvalid)
	}
	for n < len(p) && off+int64(n) < r.size {
		at := off + int64(n) + 1 // after the byte before the data
		b, err := r.part(at / payloadSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b[at%payloadSize:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (n int, err error) {
	n, err = r.ReadAt(p, r.at)
	if r.at += int64(n); n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 || whence > io.SeekEnd {
		return r.at, fmt.Errorf("seek %s to %d: %w", r.name, offset, fs.ErrInvalid)
	}
	r.at = offset
	return offset, nil
}

func (r *reader) Close() error { return r.f.Close() }

func (r *reader) Name() string { return r.f.Name() }

func (r *reader) Sync() error { return r.f.Sync() }

// Stat implements disk.File: the size is that of the data.
func (r *reader) Stat() (fs.FileInfo, error) {
	info, err := r.f.Stat()
	if err != nil {
		return nil, err
	}
	return sized{info, r.size}, nil
}

func (r *reader) Write([]byte) (int, error) { return 0, r.readOnly() }

func (r *reader) WriteAt([]byte, int64) (int, error) { return 0, r.readOnly() }

func (r *reader) Truncate(int64) error { return r.readOnly() }

// readOnly is what is said of changing a file that is encrypted.
func (r *reader) readOnly() error {
	return &fs.PathError{Op: "write", Path: r.f.Name(), Err: errors.ErrUnsupported}
}

// sized is a fs.FileInfo with the size of the data.
type sized struct {
	fs.FileInfo
	size int64
}

func (s sized) Size() int64 { return s.size }
