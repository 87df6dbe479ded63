package rest_test

import (
	"bytes"
	"net/http"
	"testing"

	"pgregory.net/rapid"

	"nearcase/api/rest"
)

func FuzzLines(f *testing.F) {
	h := handler(f)
	for _, seed := range []string{
		"", "\n", "{}", "{}\r\n\r\n{}", `{"image":"eA=="}`, imageLine(f, 1) + "\n" + imageLine(f, 2), `{"vector":[1,2],"fingerprint":"f"}`, `{"vector":[1e999]}`,
		`{"folder":"a","path":"b"}`, `{"image":"eA==","path":"b"}`, `{"instance":"i0","task":"finding","classes":["dark"]}`, "[", `{"labels":{"finding":{"classes":["dark"]}}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		lawful(t, lines, serve(h, at+"/instances", mimeLines, lines))
		lawful(t, lines, serve(h, at+"/labels", mimeLines, lines))
	})
}

// A request's digest depends on its bytes, not on how they come, and on a form's
// content, not on its boundary.
func TestTheDigestOfARequestIsThatOfItsContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		boundaries := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zA-Z0-9'+_=-]{1,70}`), 2, 2, func(s string) string { return s }).Draw(t, "boundaries")
		parts := rapid.SliceOfN(rapid.SliceOf(rapid.SampledFrom([]byte("a-\r\nb"))), 0, 4).Draw(t, "parts")
		form := func(boundary string) []byte {
			var b bytes.Buffer
			for _, p := range parts {
				b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=image\r\n\r\n")
				b.Write(p)
				b.WriteString("\r\n")
			}
			b.WriteString("--" + boundary + "--\r\n")
			return b.Bytes()
		}
		digest := func(mediaType string, body []byte) string {
			var pieces [][]byte
			for len(body) > 0 {
				n := rapid.IntRange(1, len(body)).Draw(t, "piece")
				pieces, body = append(pieces, body[:n]), body[n:]
			}
			return rest.DigestOf(http.MethodPost, "/a", mediaType, pieces)
		}
		one, two := form(boundaries[0]), form(boundaries[1])
		a, b := digest("multipart/form-data; boundary=\""+boundaries[0]+"\"", one), digest("multipart/form-data; boundary=\""+boundaries[1]+"\"", two)
		for _, boundary := range boundaries { // a part may say what the other form's delimiter is
			for _, p := range parts {
				if bytes.Contains(p, []byte("--"+boundary)) {
					return
				}
			}
		}
		if a != b {
			t.Fatalf("of the same form with boundaries %q: got %s and %s", boundaries, a, b)
		}
		changed := append(bytes.Clone(one[:len(one)-4]), "x--\r\n"...)
		first, second := digest("text/plain", one), digest("text/plain", one)
		if first != second || first == digest("text/plain", changed) {
			t.Fatal("of other bodies: got a digest that depends on how they come, or not on their bytes")
		}
	})
}
