//go:build !unix

package index

import "io"

// mapping is a file in memory; here it is read, not mapped.
type mapping struct{ bytes []byte }

func mapFile(f File, size int) (*mapping, error) {
	m := &mapping{make([]byte, size)}
	_, err := io.ReadFull(io.NewSectionReader(f, 0, int64(size)), m.bytes)
	return m, err
}
