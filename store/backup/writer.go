package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"nearcase/store"
)

// Writer writes a backup, in memory that does not depend on its size. After an
// error what was written is worth nothing.
type Writer struct {
	out    *sealer
	secret io.WriteCloser // nil if it is not encrypted
	zip    *zstd.Encoder
	tar    *tar.Writer
	of     tally
	header store.Backup
}

// NewWriter begins a backup that is encrypted for some recipients, public keys of
// age; none leaves it as it is. Of header the ID, the base, the program and the
// time count.
func NewWriter(w io.Writer, recipients []string, header store.Backup) (*Writer, error) {
	b := &Writer{header: header}
	if len(recipients) > 0 {
		to, err := parseRecipients(recipients)
		if err != nil {
			return nil, err
		}
		if b.secret, err = age.Encrypt(w, to...); err != nil {
			return nil, fmt.Errorf("encrypt: %w", err)
		}
		w = b.secret
	}
	b.out = &sealer{w: w, sum: sha256.New()}
	var err error
	if b.zip, err = zstd.NewWriter(b.out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2)); err != nil {
		return nil, err
	}
	b.tar = tar.NewWriter(b.zip)
	first := store.Backup{Format: store.BackupFormat, ID: header.ID, Base: header.Base, Created: header.Created, Program: header.Program}
	data, err := json.Marshal(first)
	if err == nil {
		err = b.put(headerName, data)
	}
	return b, err
}

// put writes a part that is in memory.
func (b *Writer) put(name string, data []byte) error {
	_, err := b.write(name, int64(len(data)), bytes.NewReader(data))
	return err
}

// Put is Part for what is in memory.
func (b *Writer) Put(name string, data []byte) (sum string, err error) {
	return b.Part(name, int64(len(data)), bytes.NewReader(data))
}

// Part writes a part of a size, for which r must suffice, and returns its SHA-256 in
// hex.
func (b *Writer) Part(name string, size int64, r io.Reader) (sum string, err error) {
	if err := checkPart(name, size); err != nil {
		return "", err
	}
	return b.write(name, size, r)
}

func (b *Writer) write(name string, size int64, r io.Reader) (string, error) {
	err := b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: b.header.Created.Truncate(time.Second)})
	if err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(b.tar, h), io.LimitReader(r, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	b.of.add(name, size, sum)
	return sum, nil
}

// Close writes the manifest, to which it adds what parts there are, and what ends a
// backup.
func (b *Writer) Close(manifest *store.Backup) error {
	manifest.Parts, manifest.Bytes, manifest.SHA256 = b.of.parts, b.of.bytes, b.of.hex()
	data, err := json.MarshalIndent(manifest, "", " ")
	if err == nil && len(data) > store.MaxManifest {
		err = fmt.Errorf("a manifest of %d bytes: there can be %d", len(data), store.MaxManifest)
	}
	if err == nil {
		err = b.put(manifestName, data)
	}
	if err == nil {
		err = b.tar.Close()
	}
	if err != nil {
		b.Abandon()
		return fmt.Errorf("end the backup: %w", err)
	}
	err = b.zip.Close()
	if err == nil {
		err = b.out.seal()
	}
	if err == nil && b.secret != nil {
		err = b.secret.Close()
	}
	return err
}

// Abandon ends a backup that cannot be ended otherwise. What was written is
// refused by whoever reads it.
func (b *Writer) Abandon() {
	b.out.broken = errors.New("abandoned")
	_ = b.zip.Close()
}

// tally is what parts there are.
type tally struct {
	parts int
	bytes int64
	sum   hash.Hash
}

func (t *tally) add(name string, size int64, sum string) {
	if t.sum == nil {
		t.sum = sha256.New()
	}
	t.parts, t.bytes = t.parts+1, t.bytes+size
	fmt.Fprintf(t.sum, "%s %d %s\n", name, size, sum)
}

func (t *tally) hex() string {
	if t.sum == nil {
		return ""
	}
	return hex.EncodeToString(t.sum.Sum(nil))
}

// The seal is a skippable frame (RFC 8878, 3.1.2): its magic number, the length of
// the rest, sealMagic, and the SHA-256 of all before the frame.
const (
	skippable = 0x184D2A5E
	sealMagic = "NCBACKUP"
	sealLen   = 8 + len(sealMagic) + sha256.Size
)

func sealOf(sum []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, skippable)
	b = binary.LittleEndian.AppendUint32(b, uint32(sealLen-8))
	return append(append(b, sealMagic...), sum...)
}

// sealer writes the seal after what goes through it.
type sealer struct {
	w      io.Writer
	sum    hash.Hash
	broken error
}

func (s *sealer) Write(p []byte) (int, error) {
	if s.broken != nil {
		return 0, s.broken
	}
	s.sum.Write(p)
	n, err := s.w.Write(p)
	if err != nil {
		s.broken = err
	}
	return n, err
}

func (s *sealer) seal() error {
	_, err := s.w.Write(sealOf(s.sum.Sum(nil)))
	return err
}
