// Package page is the page that the program serves at /: plain HTML, CSS and
// JavaScript modules, embedded as they are, that ask the public API alone. It
// needs nothing from elsewhere, and its policy lets nothing in.
//
// umap.js is umap-js 1.4.0 as its package has it (Apache-2.0, see umap.LICENSE).
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"sync"
)

// Policy is the content security policy of the page: its own origin's scripts,
// styles and answers, and pictures that its scripts have fetched.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Home is the name of the page itself.
const Home = "index.html"

//go:embed *.html *.css *.js *.svg *.LICENSE
var files embed.FS

// File is one of the page's.
type File struct {
	MediaType string
	Content   []byte
	Tag       string // an entity tag (RFC 9110, section 8.8.3)
}

var mediaTypes = map[string]string{
	".html":    "text/html; charset=utf-8",
	".css":     "text/css; charset=utf-8",
	".js":      "text/javascript; charset=utf-8",
	".svg":     "image/svg+xml",
	".LICENSE": "text/plain; charset=utf-8",
}

var all = sync.OnceValue(func() map[string]File {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("the page, which is part of the program: %v", err)) // tests read the same
	}
	read := map[string]File{}
	for _, e := range entries {
		content, err := files.ReadFile(e.Name())
		if err != nil {
			panic(fmt.Sprintf("the page, which is part of the program: %v", err)) // likewise
		}
		digest := sha256.Sum256(content)
		read[e.Name()] = File{mediaTypes[path.Ext(e.Name())], content, `"` + hex.EncodeToString(digest[:16]) + `"`}
	}
	return read
})

// Named returns the file of that name, and whether there is one.
func Named(name string) (File, bool) {
	f, ok := all()[name]
	return f, ok
}
