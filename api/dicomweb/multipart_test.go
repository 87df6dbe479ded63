package dicomweb

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// body makes a multipart body of lines, with line ends as they are on the wire.
func body(lines ...string) string { return strings.Join(lines, "\r\n") }

func TestPartsAreReadInTurn(t *testing.T) {
	const head = `multipart/related; type="application/dicom"; start="<a>"; boundary=XX`
	text := body("preamble", "--XX", "Content-Type: application/dicom; transfer-syntax=1.2.3", "Content-ID: <a>", "", "one", "--XX", "", "two\r\n--X", "--XX--", "epilogue")
	r, err := NewReader(strings.NewReader(text), head)
	if err != nil || r.Type != DICOM {
		t.Fatalf("NewReader = %+v, %v", r, err)
	}
	for _, want := range []struct{ content, syntax string }{{"one", "1.2.3"}, {"two\r\n--X", ""}} {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(p)
		if err != nil || string(content) != want.content || p.Params["transfer-syntax"] != want.syntax || p.Type != DICOM {
			t.Errorf("part %q, %v, of %s, want %+v", content, err, p.Type, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("Next at the end: %v, want %v", err, io.EOF)
	}
}

func TestBodiesThatAreNoneAreErrors(t *testing.T) {
	for head, want := range map[string]error{
		"application/dicom": ErrMediaType, "multipart/form-data; boundary=x": ErrMediaType, "multipart/related": ErrSyntax,
		"multipart/related; boundary=" + strings.Repeat("x", 201): ErrSyntax, `multipart/related; type="dicom"; boundary=x`: ErrSyntax, "": ErrSyntax,
	} {
		if _, err := NewReader(strings.NewReader(""), head); !errors.Is(err, want) {
			t.Errorf("NewReader of %.40q: %v, want %v", head, err, want)
		}
	}
	for text, want := range map[string]error{
		"": io.ErrUnexpectedEOF, body("--x", "", "one"): io.ErrUnexpectedEOF, body("--x", "Content-Type: application/dicom"): io.ErrUnexpectedEOF,
		body("--x", "Content-Type: dicom", "", "one", "--x--"): ErrSyntax, body("--x", "no header", "", "one", "--x--"): ErrSyntax,
		body("--x", "A: "+strings.Repeat("a", mostPartHeader), "", "one", "--x--"): ErrSyntax,
	} {
		if _, err := drain(text, "multipart/related; boundary=x"); !errors.Is(err, want) {
			t.Errorf("a body of %.60q: %v, want %v", text, err, want)
		}
	}
}

// drain reads all parts of a body.
func drain(text, head string) (parts [][]byte, err error) {
	r, err := NewReader(strings.NewReader(text), head)
	if err != nil {
		return nil, err
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return parts, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return parts, err
		}
		parts = append(parts, content)
	}
}

func TestWhatIsWrittenCanBeRead(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, OctetStream)
	for i, syntax := range []string{"1.2.840.10008.1.2.4.50", ""} {
		part, err := w.Part(syntax, []string{"", "http://x/y"}[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte{byte(i), '\r', '\n', '-', '-'}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	parts, err := drain(text, w.ContentType())
	if err != nil || len(parts) != 2 || !bytes.Equal(parts[1], []byte{1, '\r', '\n', '-', '-'}) {
		t.Errorf("read %q, %v", parts, err)
	}
	for _, want := range []string{"Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.50\r\n", "Content-Location: http://x/y\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}

func FuzzMultipart(f *testing.F) {
	f.Add("multipart/related; type=application/dicom; boundary=x", body("--x", "Content-Type: application/dicom", "", "one", "--x--"))
	f.Add(`multipart/related; boundary="--"`, "----\r\n\r\n------")
	f.Fuzz(func(t *testing.T, head, text string) {
		parts, err := drain(text, head)
		size := 0
		for _, p := range parts {
			size += len(p)
		}
		if size > len(text) {
			t.Errorf("%d bytes in parts of a body of %d, %v", size, len(text), err)
		}
	})
}
