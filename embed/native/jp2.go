package native

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// signature starts a JP2 file (T.800, I.5.1).
const signature = "\x00\x00\x00\x0cjP  \r\n\x87\n"

// codestreamOf returns data, or the first codestream of a JP2 file.
func codestreamOf(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte(signature)) {
		return data, nil
	}
	for rest := data[len(signature):]; len(rest) > 0; {
		kind, body, next, err := box(rest)
		if err != nil {
			return nil, err
		}
		switch kind {
		case "jp2c":
			return body, nil
		case "jp2h":
			if err := parseHeader(body); err != nil {
				return nil, err
			}
		}
		rest = next
	}
	return nil, fmt.Errorf("%w: a JP2 file without a codestream", ErrCorrupt)
}

// parseHeader refuses a palette: the codestream's samples are not the image's.
func parseHeader(rest []byte) error {
	for len(rest) > 0 {
		kind, _, next, err := box(rest)
		if err != nil {
			return err
		}
		if kind == "pclr" {
			return fmt.Errorf("%w: a JP2 file with a palette", ErrUnsupported)
		}
		rest = next
	}
	return nil
}

// box returns the first box of data and what follows it (T.800, I.4). A length
// of 0 reaches to the end.
func box(data []byte) (kind string, body, rest []byte, err error) {
	if len(data) < 8 {
		return "", nil, nil, fmt.Errorf("%w: a box of %d bytes", ErrCorrupt, len(data))
	}
	kind = string(data[4:8])
	size, header := uint64(binary.BigEndian.Uint32(data)), uint64(8)
	switch {
	case size == 0:
		size = uint64(len(data))
	case size == 1 && len(data) >= 16:
		size, header = binary.BigEndian.Uint64(data[8:]), 16
	}
	if size < header || size > uint64(len(data)) {
		return "", nil, nil, fmt.Errorf("%w: box %q of %d bytes where %d are left", ErrCorrupt, kind, size, len(data))
	}
	return kind, data[header:size], data[size:], nil
}
