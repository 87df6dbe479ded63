package faulty

import (
	"errors"
	"io"
	"os"

	"nearcase/store/disk"
)

// file is an open file. It has the method Fd of the one that it is.
type file struct {
	*os.File
	fs      *FS
	node    *node
	appends bool
}

var _ disk.File = (*file)(nil)

// Read implements disk.File.
func (o *file) Read(b []byte) (n int, err error) {
	err = o.fs.do(Read, o.Name(), func() (err error) {
		n, err = o.File.Read(b)
		return err
	})
	return n, err
}

// ReadAt implements disk.File.
func (o *file) ReadAt(b []byte, at int64) (n int, err error) {
	err = o.fs.do(Read, o.Name(), func() (err error) {
		n, err = o.File.ReadAt(b, at)
		return err
	})
	return n, err
}

// Write implements disk.File.
func (o *file) Write(b []byte) (n int, err error) {
	write := func(b []byte) error {
		at, err := o.place()
		if err == nil {
			err = o.node.dirty(min(at, o.node.now()), at+int64(len(b)))
		}
		if err == nil {
			n, err = o.File.Write(b)
		}
		return err
	}
	err = o.fs.do(Write, o.Name(), func() error { return write(b) }, func() {
		at, _ := o.place()
		_ = write(o.fs.short(b, at))
	})
	return n, err
}

// short is what a write that fails has written. Within one sector it is all or
// nothing.
func (f *FS) short(b []byte, at int64) []byte {
	if at/sectorLen == (at+int64(len(b))-1)/sectorLen {
		return b[:f.random.IntN(2)*len(b)]
	}
	return b[:f.random.IntN(len(b)+1)]
}

// place is where the next byte is written.
func (o *file) place() (int64, error) {
	if o.appends {
		return o.node.now(), nil
	}
	return o.File.Seek(0, io.SeekCurrent)
}

// WriteAt implements disk.File.
func (o *file) WriteAt(b []byte, at int64) (n int, err error) {
	write := func(b []byte) error {
		err := o.node.dirty(min(at, o.node.now()), at+int64(len(b)))
		if err == nil {
			n, err = o.File.WriteAt(b, at)
		}
		return err
	}
	err = o.fs.do(Write, o.Name(), func() error { return write(b) }, func() { _ = write(o.fs.short(b, at)) })
	return n, err
}

// ReadFrom is the one of any io.Writer.
func (o *file) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{o}, r)
}

// WriteTo is the one of any io.Reader.
func (o *file) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{o})
}

// WriteString is Write.
func (o *file) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// Seek implements disk.File.
func (o *file) Seek(offset int64, whence int) (at int64, err error) {
	err = o.fs.do(Seek, o.Name(), func() (err error) {
		at, err = o.File.Seek(offset, whence)
		return err
	})
	return at, err
}

// Stat implements disk.File.
func (o *file) Stat() (info os.FileInfo, err error) {
	err = o.fs.do(Stat, o.Name(), func() (err error) {
		info, err = o.File.Stat()
		return err
	})
	return info, err
}

// Sync implements disk.File.
func (o *file) Sync() error {
	return o.fs.do(Sync, o.Name(), func() error { o.node.synced(); return nil }, func() { o.node.unsynced() })
}

// Truncate implements disk.File.
func (o *file) Truncate(size int64) error {
	return o.fs.do(Truncate, o.Name(), func() error {
		if err := o.node.dirty(min(size, o.node.now()), o.node.now()); err != nil {
			return err
		}
		return o.File.Truncate(size)
	})
}

// Close implements disk.File. The file is closed whatever happens.
func (o *file) Close() error {
	err := o.File.Close()
	return errors.Join(o.fs.do(Close, o.Name(), func() error { return nil }), err)
}
