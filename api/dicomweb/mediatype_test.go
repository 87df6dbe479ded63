package dicomweb

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestMediaTypesAreReadAsClientsWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		`application/dicom`: "application/dicom map[]",
		`Multipart/Related; type="application/dicom"; boundary="a b;c"`: "multipart/related map[boundary:a b;c type:application/dicom]",
		`multipart/related;type=application/dicom+json;boundary=x`:      "multipart/related map[boundary:x type:application/dicom+json]",
		`multipart/related; type=image/jpeg; transfer-syntax=*;`:        "multipart/related map[transfer-syntax:* type:image/jpeg]",
		`a/b; c="say \"hello\""`:                                        `a/b map[c:say "hello"]`,
	} {
		m, err := ParseMediaType(text)
		if got := fmt.Sprint(m.Type, " ", m.Params); err != nil || got != want {
			t.Errorf("ParseMediaType(%s) = %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "dicom", "/", "a/", "a/b/c", "a/b; c", "a/b; =c", "a/b; c=1; C=2", "a /b", "a/b; " + strings.Repeat("c", mostHeader)} {
		if _, err := ParseMediaType(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("ParseMediaType(%.40q): %v, want %v", text, err, ErrSyntax)
		}
	}
}

func TestAcceptChoosesAmongOffers(t *testing.T) {
	files := []Offer{{DICOM, true, true}}
	frames := []Offer{{OctetStream, true, true}, {"image/jls", true, true}}
	pictures := []Offer{{JPEG, false, true}, {PNG, false, true}}
	for _, c := range []struct {
		accept string
		offers []Offer
		want   string
	}{
		{"", files, "[{application/dicom true }]"},
		{"*/*", files, "[{application/dicom true }]"},
		{"application/dicom", files, "[{application/dicom false }]"},
		{"application/*", files, "[{application/dicom false }]"},
		{`multipart/related; type="application/dicom"`, files, "[{application/dicom true }]"},
		{`multipart/related; type=application/dicom; transfer-syntax=*`, files, "[{application/dicom true *}]"},
		{"multipart/related", files, "[{application/dicom true }]"},
		{"multipart/*", files, "[{application/dicom true }]"},
		{`application/dicom; transfer-syntax=1.2;q=0.5, multipart/related; type="application/dicom"`, files, "[{application/dicom true } {application/dicom false 1.2}]"},
		{`multipart/related; type="image/jls"`, frames, "[{image/jls true }]"},
		{`multipart/related; type="image/*", application/octet-stream`, frames, "[{image/jls true } {application/octet-stream false }]"},
		{"*/*", frames, "[{application/octet-stream true } {image/jls true }]"},
		{"image/png;q=0.9, image/jpeg;q=0.1", pictures, "[{image/png false } {image/jpeg false }]"},
		{"image/webp, image/*;q=0.2", pictures, "[{image/jpeg false } {image/png false }]"},
	} {
		got, err := Accepts(c.accept, c.offers...)
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("Accepts(%q) = %v, %v, want %s", c.accept, got, err, c.want)
		}
	}
	for accept, want := range map[string]error{
		"image/webp": ErrAccept, "multipart/related; type=text/xml": ErrAccept, "application/dicom;q=0": ErrAccept,
		"*/*;q=2": ErrSyntax, "x": ErrSyntax, strings.Repeat("a/b,", 100): ErrSyntax,
	} {
		if _, err := Accepts(accept, files...); !errors.Is(err, want) {
			t.Errorf("Accepts(%.40q): %v, want %v", accept, err, want)
		}
	}
}

func FuzzAccept(f *testing.F) {
	f.Add(`multipart/related; type="application/dicom"; transfer-syntax=*, */*;q=0.1`)
	f.Add(`a/b; c="\"`)
	f.Fuzz(func(t *testing.T, header string) {
		choices, err := Accepts(header, Offer{DICOM, true, true}, Offer{PNG, false, true})
		if (err == nil) == (len(choices) == 0) {
			t.Errorf("Accepts(%q) = %v, %v, want either", header, choices, err)
		}
		for _, c := range choices {
			if c.Type != DICOM && (c.Type != PNG || c.Parts) {
				t.Errorf("Accepts(%q) = %v, which is not offered", header, c)
			}
		}
		m, err := ParseMediaType(header)
		if err == nil && (m.Type != strings.ToLower(m.Type) || !strings.Contains(m.Type, "/")) {
			t.Errorf("ParseMediaType(%q) = %v", header, m)
		}
	})
}
