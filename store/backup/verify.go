package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"

	"nearcase/store"
)

// Verify reads all of a backup, without keeping any of it, and returns its manifest
// if it is whole and as it was written. Of a full one the log's pairs are counted
// and summed too; those of an incremental one are when it is restored.
func Verify(r io.Reader, ids Identities) (store.Backup, error) {
	b, err := NewReader(r, ids)
	if err != nil {
		return store.Backup{}, err
	}
	defer b.Close()
	v := verifier{log: sha256.New()}
	for {
		p, err := b.Next()
		if errors.Is(err, io.EOF) {
			m := b.Manifest()
			return m, v.end(m)
		}
		if err == nil {
			err = v.part(p)
		}
		if err != nil {
			return b.Header(), unusable(err)
		}
	}
}

// verifier is what has been read of a backup.
type verifier struct {
	log interface {
		io.Writer
		Sum([]byte) []byte
	}
	pairs, originals, others int
}

func (v *verifier) part(p Part) error {
	switch kind, rest := KindOf(p.Name); kind {
	case Log:
		data, err := io.ReadAll(p)
		if err != nil {
			return err
		}
		v.log.Write(data) // never fails
		return Pairs(data, func(_, _ []byte) error { v.pairs++; return nil })
	case Originals:
		h := sha256.New()
		if _, err := io.Copy(h, p); err != nil {
			return err
		}
		if v.originals++; hex.EncodeToString(h.Sum(nil)) != path.Base(rest) {
			v.others++
		}
	}
	return nil
}

// end checks what was read by what the manifest says.
func (v *verifier) end(m store.Backup) error {
	switch {
	case v.originals != m.Originals || v.others > m.Damaged:
		return fmt.Errorf("%w: %d originals, %d of them of another content; there were %d and %d things damaged", store.ErrBackup, v.originals, v.others, m.Originals, m.Damaged)
	case m.IsFull() && (v.pairs != m.Pairs || hex.EncodeToString(v.log.Sum(nil)) != m.Log):
		return fmt.Errorf("%w: its log is not the one that was written", store.ErrBackup)
	}
	return nil
}
