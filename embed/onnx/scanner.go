package onnx

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// mostFields bounds the fields of one reading, and so its time: about a
	// second. Graphs have one field per weight at most, and only if their
	// writer did not pack them.
	mostFields = 1 << 24
	// longest is the most bytes of a name.
	longest = 1 << 12
	// window is how many bytes of a file are read at once.
	window = 1 << 14
	// head is the most bytes of a field's tag and length.
	head = 20
)

// errTruncated is a file that ends before its contents do.
var errTruncated = errors.New("truncated, or not in the ONNX format")

// A scanner reads the fields of a protocol buffer without holding more of it
// than a window, whatever its tensors weigh.
type scanner struct {
	file   io.ReaderAt
	size   int64
	buffer []byte // the bytes of file from start on
	start  int64
	fields int // read so far
}

func newScanner(file io.ReaderAt, size int64) *scanner {
	return &scanner{file: file, size: size}
}

// A span is the bytes [from, to) of a file.
type span struct{ from, to int64 }

func (s span) length() int64 { return s.to - s.from }

// A field of a message: a number, or bytes, which may be a message again.
type field struct {
	number protowire.Number
	kind   protowire.Type
	value  uint64 // if kind is VarintType
	body   span   // if kind is BytesType
	whole  span   // with the tag
}

// each calls visit for the fields of a message in their order until one fails.
// Fields of other wire types than number and bytes are passed over.
func (s *scanner) each(message span, visit func(field) error) error {
	for at := message.from; at < message.to; {
		f, err := s.field(at, message.to)
		if err != nil {
			return err
		}
		if f.kind == protowire.VarintType || f.kind == protowire.BytesType {
			if err := visit(f); err != nil {
				return err
			}
		}
		at = f.whole.to
	}
	return nil
}

// field reads the field at a place of a message that ends at end.
func (s *scanner) field(at, end int64) (field, error) {
	if s.fields++; s.fields > mostFields {
		return field{}, fmt.Errorf("it has more than %d fields", mostFields)
	}
	b, err := s.peek(at, min(head, end-at))
	if err != nil {
		return field{}, err
	}
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 {
		return field{}, errTruncated
	}
	f := field{number: number, kind: kind}
	var size uint64 // of what follows the tag
	switch m := 0; kind {
	case protowire.VarintType:
		f.value, m = protowire.ConsumeVarint(b[n:])
		size = uint64(m) // negative, and so beyond end, where there is none
	case protowire.BytesType:
		size, m = protowire.ConsumeVarint(b[n:])
		if m < 0 {
			return field{}, errTruncated
		}
		n += m
	case protowire.Fixed32Type:
		size = 4
	case protowire.Fixed64Type:
		size = 8
	default: // groups, which ONNX never had
		return field{}, errTruncated
	}
	if size > uint64(end-at-int64(n)) {
		return field{}, errTruncated
	}
	f.body = span{at + int64(n), at + int64(n) + int64(size)}
	f.whole = span{at, f.body.to}
	return f, nil
}

// peek returns n bytes, which stay as they are until the next call; n is at
// most the window.
func (s *scanner) peek(at, n int64) ([]byte, error) {
	if at < s.start || at+n > s.start+int64(len(s.buffer)) {
		if err := s.fill(at); err != nil {
			return nil, err
		}
	}
	if at+n > s.start+int64(len(s.buffer)) {
		return nil, errTruncated
	}
	return s.buffer[at-s.start : at-s.start+n], nil
}

// fill moves the window to a place.
func (s *scanner) fill(at int64) error {
	if s.buffer == nil {
		s.buffer = make([]byte, window)
	}
	s.buffer = s.buffer[:min(window, s.size-at)]
	s.start = at
	n, err := s.file.ReadAt(s.buffer, at)
	if n == len(s.buffer) {
		return nil
	}
	s.buffer = s.buffer[:0]
	if errors.Is(err, io.EOF) {
		return errTruncated
	}
	return err
}

// text returns the string of a field.
func (s *scanner) text(f field) (string, error) {
	if f.kind != protowire.BytesType {
		return "", errTruncated
	}
	if f.body.length() > longest {
		return "", fmt.Errorf("it has a name of %d bytes; at most %d are taken", f.body.length(), longest)
	}
	b, err := s.peek(f.body.from, f.body.length())
	return string(b), err
}
