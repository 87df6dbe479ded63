// Package reference renders a contract, an OpenAPI 3.1 document, for people: one
// page of HTML that needs no script and nothing from elsewhere.
package reference

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed page.html
var markup string

//go:embed page.css
var style string

// Page is a rendered contract.
type Page struct {
	HTML []byte
	// Policy is the content security policy of the page: it allows its own style
	// by digest, and nothing else.
	Policy string
}

// Render renders a document. Its operations come tag by tag in the order of the
// document's tags, and those of a tag in the order of their paths.
func Render(doc *openapi3.T) (Page, error) {
	t, err := template.New("page").Parse(markup)
	if err != nil {
		return Page{}, fmt.Errorf("reference: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, newContents(doc)); err != nil {
		return Page{}, fmt.Errorf("reference: %w", err)
	}
	digest := sha256.Sum256([]byte(style))
	return Page{b.Bytes(), "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}, nil
}
