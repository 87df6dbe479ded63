package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"nearcase/store"
)

// Reader reads a backup part by part, in memory that does not depend on what it
// says of itself. Nothing of it is sure before Next has returned io.EOF.
type Reader struct {
	sealed *unsealer
	zip    *zstd.Decoder
	tar    *tar.Reader
	header store.Backup
	part   *reading // nil between parts
	of     tally
	ended  bool
	last   store.Backup
}

// Part is a file of a backup; it can be read until the next is asked for.
type Part struct {
	Name string
	Size int64
	io.Reader
}

// reading is a part that is being read.
type reading struct {
	Part
	sum hash.Hash
}

const (
	ageMagic  = "age-encryption.org/v1"
	maxHeader = 1 << 20
	maxWindow = 32 << 20
)

// NewReader begins to read a backup. One that is not a backup is store.ErrBackup,
// one of another format store.ErrFormat, and one that is encrypted for none of the
// identities store.ErrKey. Close must be called.
func NewReader(r io.Reader, ids Identities) (*Reader, error) {
	b := &Reader{}
	opened, err := opened(bufio.NewReaderSize(r, 1<<16), ids)
	if err != nil {
		return nil, err
	}
	b.sealed = &unsealer{r: opened, sum: sha256.New()}
	b.zip, err = zstd.NewReader(b.sealed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, unusable(err)
	}
	b.tar = tar.NewReader(b.zip)
	if err := b.begin(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// opened decrypts what is encrypted.
func opened(r *bufio.Reader, ids Identities) (io.Reader, error) {
	begins, err := r.Peek(len(ageMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(begins) != ageMagic {
		return r, nil
	}
	if len(ids.all) == 0 {
		return nil, fmt.Errorf("%w: the backup is encrypted: name the file with an identity of age", store.ErrKey)
	}
	plain, err := age.Decrypt(r, ids.all...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, fmt.Errorf("%w: the backup is encrypted for others than the identities given", store.ErrKey)
	}
	if err != nil {
		return nil, unusable(err)
	}
	return plain, nil
}

// unusable is what has gone wrong in reading a backup.
func unusable(err error) error {
	if errors.Is(err, store.ErrBackup) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut short", store.ErrBackup)
	}
	return fmt.Errorf("%w: %w", store.ErrBackup, err)
}

// begin reads what the backup says it is.
func (b *Reader) begin() error {
	p, err := b.next()
	if err != nil {
		return unusable(err)
	}
	if p.Name != headerName || p.Size > maxHeader {
		return fmt.Errorf("%w: it does not begin with %s", store.ErrBackup, headerName)
	}
	data, err := io.ReadAll(p)
	if err == nil {
		b.header, err = store.ParseBackup(data)
	}
	if err != nil && !errors.Is(err, store.ErrFormat) {
		return unusable(err)
	}
	return err
}

// Header is what the backup says it is: ID, base, time and program.
func (b *Reader) Header() store.Backup { return b.header }

// next goes to the next file of the archive, whatever it is.
func (b *Reader) next() (*reading, error) {
	if err := b.finish(); err != nil {
		return nil, err
	}
	h, err := b.tar.Next()
	if err != nil {
		return nil, err
	}
	for record := range h.PAXRecords {
		if record != "path" && record != "size" {
			return nil, fmt.Errorf("%w: %.80q has a record %.40q", store.ErrBackup, h.Name, record)
		}
	}
	if h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR && h.Format != tar.FormatPAX {
		return nil, fmt.Errorf("%w: %.80q is no regular file", store.ErrBackup, h.Name)
	}
	sum := sha256.New()
	b.part = &reading{Part{h.Name, h.Size, io.TeeReader(content{b.tar}, sum)}, sum}
	return b.part, nil
}

// content is that of a part; what fails in reading it is store.ErrBackup.
type content struct{ r io.Reader }

func (c content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unusable(err)
	}
	return n, err
}

// finish reads the rest of a part.
func (b *Reader) finish() error {
	if b.part == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, b.part); err != nil {
		return err
	}
	b.of.add(b.part.Name, b.part.Size, hex.EncodeToString(b.part.sum.Sum(nil)))
	b.part = nil
	return nil
}

// Next returns the next part. After the last it is io.EOF, and the backup is whole
// and as it was written; anything else that is wrong with it is store.ErrBackup.
func (b *Reader) Next() (Part, error) {
	if b.ended {
		return Part{}, io.EOF
	}
	if err := b.finish(); err != nil {
		return Part{}, unusable(err)
	}
	before := b.of.hex()
	p, err := b.next()
	if err != nil {
		return Part{}, unusable(err)
	}
	if p.Name == manifestName {
		if err := b.end(p, before); err != nil {
			return Part{}, unusable(err)
		}
		b.ended = true
		return Part{}, io.EOF
	}
	if err := checkPart(p.Name, p.Size); err != nil {
		return Part{}, err
	}
	return p.Part, nil
}

// end reads the manifest and what comes after it, and checks both.
func (b *Reader) end(p *reading, sum string) error {
	if p.Size > store.MaxManifest {
		return fmt.Errorf("%w: a manifest of %d bytes", store.ErrBackup, p.Size)
	}
	var data bytes.Buffer // as large as there are bytes, not as is said
	if _, err := io.Copy(&data, p); err != nil {
		return err
	}
	m, err := store.ParseBackup(data.Bytes())
	if err != nil {
		return err
	}
	if m.ID != b.header.ID || m.Base != b.header.Base || m.Parts != b.of.parts || m.Bytes != b.of.bytes || m.SHA256 != sum {
		return fmt.Errorf("%w: its manifest is of other parts", store.ErrBackup)
	}
	b.part = nil
	if _, err := b.tar.Next(); !errors.Is(err, io.EOF) {
		return errors.Join(fmt.Errorf("%w: something follows the manifest", store.ErrBackup), err)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(b.zip, 1))
	if n > 0 {
		return fmt.Errorf("%w: something follows the archive", store.ErrBackup)
	}
	if err != nil {
		return err
	}
	if !b.sealed.whole {
		return fmt.Errorf("%w: it has no seal", store.ErrBackup)
	}
	b.last = m
	return nil
}

// Manifest is what the backup holds, once Next has returned io.EOF.
func (b *Reader) Manifest() store.Backup { return b.last }

// Close ends reading.
func (b *Reader) Close() { b.zip.Close() }

// unsealer checks the seal at the end of what goes through it, and leaves it out.
type unsealer struct {
	r     io.Reader
	sum   hash.Hash
	buf   []byte // read, and not handed out
	room  [1 << 16]byte
	err   error // of r
	whole bool  // the seal is right
}

func (u *unsealer) Read(p []byte) (int, error) {
	for u.err == nil && len(u.buf) <= sealLen {
		n := copy(u.room[:], u.buf)
		m, err := u.r.Read(u.room[n:])
		u.buf, u.err = u.room[:n+m], err
	}
	if n := copy(p, u.buf[:max(len(u.buf)-sealLen, 0)]); n > 0 {
		u.sum.Write(p[:n])
		u.buf = u.buf[n:]
		return n, nil
	}
	if u.err != nil && !errors.Is(u.err, io.EOF) {
		return 0, u.err
	}
	if u.err != nil && !u.whole && !bytes.Equal(u.buf, sealOf(u.sum.Sum(nil))) {
		return 0, fmt.Errorf("%w: it is cut short, or was changed", store.ErrBackup)
	}
	u.whole = u.err != nil
	return 0, u.err
}
