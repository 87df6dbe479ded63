package audit

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nearcase/store/disk"
)

// head is the last line that is durable.
type head struct {
	n    int64
	hash string // its digest, that of nothing for none
}

// The file of the head is one sector, which disks write wholly or not at all:
// number, digest and MAC, and spaces.
const (
	headName = "head"
	headLen  = 512
	headText = "%016d %64s "
)

// encodeHead returns the file.
func (s *Seal) encodeHead(h head) []byte {
	text := fmt.Appendf(nil, headText, h.n, h.hash)
	text = fmt.Appendf(text, "%x", s.heads.of(text))
	return fmt.Appendf(nil, "%-*s\n", headLen-1, text)
}

// decodeHead is the inverse of encodeHead.
func (s *Seal) decodeHead(b []byte) (h head, err error) {
	if len(b) == headLen {
		_, err = fmt.Sscanf(string(b), headText, &h.n, &h.hash)
	}
	if len(b) != headLen || err != nil || !hmac.Equal(b, s.encodeHead(h)) {
		return head{}, fmt.Errorf("%s: %w, or the key is another", headName, ErrTampered)
	}
	return h, nil
}

// readHead returns the head of a folder; fs.ErrNotExist if it has none.
func (s *Seal) readHead(in disk.FS, dir string) (h head, err error) {
	for range 3 { // a server may be writing it just now
		var b []byte
		if b, err = disk.ReadFile(in, filepath.Join(dir, headName)); err != nil {
			return h, err
		}
		if h, err = s.decodeHead(b); err == nil {
			return h, nil
		}
	}
	return h, err
}

// openHead opens the head for writing, and makes it for a new record.
func (s *Seal) openHead(in disk.FS, dir string, isNew bool) (disk.File, head, error) {
	path := filepath.Join(dir, headName)
	h, err := s.readHead(in, dir)
	if isNew && errors.Is(err, fs.ErrNotExist) {
		h = head{hash: digest(nil)}
		err = disk.WriteAtomic(in, path, s.encodeHead(h))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w: it is not there", headName, ErrTampered)
	}
	if err != nil {
		return nil, h, err
	}
	f, err := in.OpenFile(path, os.O_WRONLY, 0)
	return f, h, err
}
