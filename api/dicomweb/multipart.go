package dicomweb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
)

const (
	mostPartHeader = 16 << 10 // bytes of a part's headers
	// mostBoundary is more than the 70 characters of RFC 2046, 5.1.1: Orthanc has 73.
	mostBoundary = 200
)

// Reader reads a multipart/related body (RFC 2387) part by part, as it arrives.
type Reader struct {
	// Type is what the root part is said to be. The parts of a store request are all
	// of the root's type (8.7.3.7).
	Type string

	parts *multipart.Reader
	body  *ending
}

// ending reads a body and notices the mark that ends it: a body that ends within
// the headers of a part is not at its end.
type ending struct {
	io.Reader
	mark, tail []byte
	seen       bool
}

// Read implements io.Reader.
func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if !e.seen {
		joint := append(e.tail, p[:min(n, len(e.mark))]...)
		e.seen = bytes.Contains(joint, e.mark) || bytes.Contains(p[:n], e.mark)
		if n >= len(e.mark) {
			joint = p[:n]
		}
		e.tail = append(e.tail[:0], joint[max(0, len(joint)-len(e.mark)):]...)
	}
	return n, err
}

// NewReader reads a body by its content type. One that is not multipart/related is
// ErrMediaType, one without a boundary ErrSyntax.
func NewReader(body io.Reader, contentType string) (*Reader, error) {
	m, err := ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	if m.Type != Multipart {
		return nil, fmt.Errorf("%w: %s, not %s", ErrMediaType, m.Type, Multipart)
	}
	boundary := m.Params["boundary"]
	if len(boundary) < 1 || len(boundary) > mostBoundary {
		return nil, fmt.Errorf("%w: a boundary of %d bytes, use 1 to 70", ErrSyntax, len(boundary))
	}
	root, err := ParseMediaType(m.Params["type"])
	if m.Params["type"] != "" && err != nil {
		return nil, err
	}
	e := &ending{Reader: body, mark: []byte("--" + boundary + "--")}
	return &Reader{Type: root.Type, parts: multipart.NewReader(e, boundary), body: e}, nil
}

// Part is one part of a body. It ends where the next one is read.
type Part struct {
	MediaType
	io.Reader
}

// Next returns the next part, io.EOF after the last. A body that ends early is
// io.ErrUnexpectedEOF; what is no part is ErrSyntax.
func (r *Reader) Next() (*Part, error) {
	p, err := r.parts.NextRawPart()
	switch {
	case err == io.EOF && r.body.seen:
		return nil, err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("multipart body: %w", io.ErrUnexpectedEOF)
	case err != nil:
		return nil, fmt.Errorf("%w: multipart body: %w", ErrSyntax, err)
	}
	size := 0
	for name, values := range p.Header {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size > mostPartHeader {
		return nil, fmt.Errorf("%w: a part with headers of %d bytes, the limit is %d", ErrSyntax, size, mostPartHeader)
	}
	part := &Part{Reader: p, MediaType: MediaType{Type: r.Type}}
	if t := p.Header.Get("Content-Type"); t != "" {
		if part.MediaType, err = ParseMediaType(t); err != nil {
			return nil, err
		}
	}
	return part, nil
}

// Writer writes a multipart/related body.
type Writer struct {
	root  string
	parts *multipart.Writer
}

// NewWriter returns a writer of parts of a type.
func NewWriter(w io.Writer, mediaType string) *Writer {
	return &Writer{mediaType, multipart.NewWriter(w)}
}

// ContentType returns the body's.
func (w *Writer) ContentType() string {
	return fmt.Sprintf("%s; type=%q; boundary=%s", Multipart, w.root, w.parts.Boundary())
}

// Part begins a part, which ends where the next begins. Syntax and location may
// be empty.
func (w *Writer) Part(syntax, location string) (io.Writer, error) {
	h := textproto.MIMEHeader{"Content-Type": {w.root}}
	if syntax != "" {
		h.Set("Content-Type", w.root+"; transfer-syntax="+syntax)
	}
	if location != "" {
		h.Set("Content-Location", location)
	}
	return w.parts.CreatePart(h)
}

// Close ends the body.
func (w *Writer) Close() error { return w.parts.Close() }
