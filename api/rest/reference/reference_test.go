package reference_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"nearcase/api/rest/reference"
)

const contract = `
openapi: 3.1.0
info: {title: A & B, version: v1, description: "First **bold** and ` + "`code <b>`" + `.\n\nSecond, see https://example.org/x."}
tags: [{name: things, description: What there is.}, {name: nothing}]
paths:
  /things/{id}:
    parameters: [{name: id, in: path, required: true, description: Which., schema: {type: string, maxLength: 9}, example: a/b}]
    put:
      operationId: putThing
      tags: [things]
      summary: Put <script>alert(1)</script>
      x-scope: write
      parameters: [{name: If-Match, in: header, required: true, description: What it is now., schema: {type: string}, example: '"1"'}]
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Thing'}
            examples: {one: {summary: One of them, value: {name: it's, size: 3}}}
      responses:
        '200': {description: It is there., content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}
        default: {description: It is not.}
components:
  schemas:
    Thing:
      type: object
      required: [name]
      properties:
        size: {type: integer, minimum: 1, maximum: 5}
        kind: {type: string, enum: ['', small, large]}
        parts: {type: array, items: {type: object, properties: {weight: {type: number, exclusiveMinimum: 0}}}}
        name: {type: [string, 'null']}
`

func render(t *testing.T, text string) reference.Page {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := reference.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPageSaysWhatTheContractSays(t *testing.T) {
	page := string(render(t, contract).HTML)
	for _, want := range []string{
		"<title>A &amp; B v1: reference</title>", "<strong>bold</strong>", "<code>code &lt;b&gt;</code>", `<a href="https://example.org/x">https://example.org/x</a>.`,
		`<article id="putThing">`, "Put &lt;script&gt;", `<span class="scope" title="What a key must allow">write</span>`, "at most 9 characters",
		"-X PUT &#34;$NEARCASE/things/a%2Fb&#34;", "If-Match: &#34;1&#34;", `{&#34;name&#34;:&#34;it&#39;\&#39;&#39;s&#34;,&#34;size&#34;:3}`,
		`<a href="#schema-Thing">Thing</a>`, "at least 1; at most 5", "small | large", "list of object", "more than 0", "One of them",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page: got none of %s in\n%s", want, page)
		}
	}
	if strings.Contains(page, "tag-nothing") {
		t.Errorf("page: got a tag without operations")
	}
	if at := strings.Index(page, `<article id="schema-Thing">`); strings.Index(page[at:], "<code>name</code>") > strings.Index(page[at:], "<code>kind</code>") {
		t.Errorf("properties: got kind before name, want what is required first")
	}
}

// The page has no script and no style but the one that its policy names, and links
// lead to what is there.
func TestAPageNeedsNothingElse(t *testing.T) {
	p := render(t, contract)
	_, after, _ := bytes.Cut(p.HTML, []byte("<style>"))
	style, _, _ := bytes.Cut(after, []byte("</style>"))
	digest := sha256.Sum256(style)
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'"; !strings.Contains(p.Policy, want) || strings.Contains(p.Policy, "unsafe") {
		t.Errorf("policy: got %s, want %s", p.Policy, want)
	}
	for _, bad := range []string{"<script", "style=", "src=", "url(", "@import", "<link", "ZgotmplZ"} {
		if bytes.Contains(p.HTML, []byte(bad)) {
			t.Errorf("page: got %s in it", bad)
		}
	}
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllSubmatch(p.HTML, -1) {
		if !bytes.Contains(p.HTML, []byte(`id="`+string(link[1])+`"`)) {
			t.Errorf("link: got #%s, which is nowhere", link[1])
		}
	}
}
