// Package backup is the form of a backup as a file or a stream: a tar archive,
// compressed by Zstandard and perhaps encrypted by age, which their own programs
// can read:
//
//	age --decrypt -i key.txt FILE | zstd --decompress | tar --list
//
// The archive begins with backup.json, which says what it is, and ends with
// manifest.json, which says what must have been in it: store.Backup. In between are
//
//	log/N                the pairs of the log, by key: see AppendPair
//	kept/N               of an incremental backup, which of the older keys are
//	                     still there, by 256 of them
//	originals/xx/SHA256  images as received
//	documents/KIND/NAME  NAME in hex
//	derived/NUMBER/NAME  what was derived from the log of a collection
//	files/PATH           what else is in the data directory
//	tails/FROM/PATH      of a file that has grown since the base, what is new
//
// After the last Zstandard frame comes a skippable one with the SHA-256 of all
// before, so that no byte can be changed or be missing unnoticed.
package backup

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"nearcase/store"
)

const (
	headerName   = "backup.json"
	manifestName = "manifest.json"
)

// The kinds of parts, which their names begin with.
const (
	Log       = "log/"
	KeptKeys  = "kept/"
	Originals = "originals/"
	Documents = "documents/"
	Derived   = "derived/"
	Files     = "files/"
	Tails     = "tails/"
)

// MaxLog bounds the size of a part with pairs.
const MaxLog = 16 << 20

// kind is what a part of a kind may be.
type kind struct {
	name *regexp.Regexp // without what it begins with
	size int64
}

var (
	below = `[a-z0-9][a-z0-9._-]{0,99}(/[a-z0-9][a-z0-9._-]{0,99})?`
	kinds = map[string]kind{
		Log:       {regexp.MustCompile(`^[0-9]{8}$`), MaxLog},
		KeptKeys:  {regexp.MustCompile(`^[0-9]{8}$`), MaxLog},
		Originals: {regexp.MustCompile(`^[0-9a-f]{2}/[0-9a-f]{64}$`), 8 << 30},
		Documents: {regexp.MustCompile(`^[a-z]{1,32}/([0-9a-f]{2}){1,120}$`), 64 << 20},
		Derived:   {regexp.MustCompile(`^[1-9][0-9]{0,9}/d-[a-z0-9._-]{1,100}$`), 1<<30 + 48},
		Files:     {regexp.MustCompile(`^` + below + `$`), 8 << 30},
		Tails:     {regexp.MustCompile(`^(0|[1-9][0-9]{0,15})/` + below + `$`), 8 << 30},
	}
)

// KindOf returns the kind of a part and the rest of its name.
func KindOf(name string) (kind, rest string) {
	at := strings.IndexByte(name, '/') + 1
	return name[:at], name[at:]
}

// checkPart refuses names and sizes that no part has.
func checkPart(name string, size int64) error {
	of, rest := KindOf(name)
	k, ok := kinds[of]
	if !ok || !k.name.MatchString(rest) {
		return fmt.Errorf("%w: it has a part %.80q", store.ErrBackup, name)
	}
	if size < 0 || size > k.size {
		return fmt.Errorf("%w: part %s has %d bytes, there can be %d", store.ErrBackup, name, size, k.size)
	}
	return nil
}

// AppendPair appends a key and its value as parts have them: the length of the key
// and that of the value as uvarints, the key, and the value.
func AppendPair(b, key, value []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(append(b, key...), value...)
}

// Pairs calls f for the pairs of a part; f may keep neither key nor value.
func Pairs(b []byte, f func(key, value []byte) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		value, m := binary.Uvarint(b[max(n, 0):])
		rest := uint64(len(b) - max(n, 0) - max(m, 0))
		if n <= 0 || m <= 0 || key == 0 || key > rest || value > rest-key {
			return fmt.Errorf("%w: the lengths of a pair do not fit", store.ErrBackup)
		}
		b = b[n+m:]
		if err := f(b[:key], b[key:key+value]); err != nil {
			return err
		}
		b = b[key+value:]
	}
	return nil
}
