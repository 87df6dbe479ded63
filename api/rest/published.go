package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"nearcase/api/rest/reference"
)

// edition is the contract in one form, which does not change while the program
// runs.
type edition struct {
	mediaType, policy string
	text              []byte
	tag               string
}

func newEdition(mediaType, policy string, text []byte) edition {
	digest := sha256.Sum256(text)
	return edition{mediaType, policy, text, `"` + hex.EncodeToString(digest[:16]) + `"`}
}

// published are the editions of the contract: as JSON, and as a page for people.
var published = sync.OnceValues(func() (asJSON, asPage edition) {
	doc := readContract()
	text, err := json.Marshal(doc)
	var whole any
	if err == nil {
		err = json.Unmarshal(text, &whole)
	}
	if err == nil {
		text, err = json.Marshal(withoutGo(whole))
	}
	if err != nil {
		panic(fmt.Sprintf("openapi.yaml, which is part of the program: %v", err)) // tests write the same
	}
	page, err := reference.Render(doc)
	if err != nil {
		panic(fmt.Sprintf("the reference, which is part of the program: %v", err)) // likewise
	}
	return newEdition(echo.MIMEApplicationJSON, "", append(text, '\n')), newEdition(echo.MIMETextHTMLCharsetUTF8, page.Policy, page.HTML)
})

// withoutGo removes what of a document concerns this program alone.
func withoutGo(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, one := range v {
			if strings.HasPrefix(key, "x-go-") {
				delete(v, key)
				continue
			}
			v[key] = withoutGo(one)
		}
	case []any:
		for i := range v {
			v[i] = withoutGo(v[i])
		}
	}
	return value
}

// Contract answers with the contract as JSON.
func (s handlers) Contract(c echo.Context, p ContractParams) error {
	asJSON, _ := published()
	return asJSON.send(c, p.IfNoneMatch)
}

// Reference answers with the contract as a page.
func (s handlers) Reference(c echo.Context, p ReferenceParams) error {
	_, asPage := published()
	return asPage.send(c, p.IfNoneMatch)
}

// send answers with an edition, or that the sender has it.
func (e edition) send(c echo.Context, has string) error {
	h := c.Response().Header()
	h.Set("ETag", e.tag)
	h.Set("Cache-Control", "no-cache") // may be kept, and is asked about
	if e.policy != "" {
		h.Set("Content-Security-Policy", e.policy)
	}
	if names(has, e.tag) {
		return c.NoContent(http.StatusNotModified)
	}
	h.Set(echo.HeaderContentType, e.mediaType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(e.text)))
	c.Response().WriteHeader(http.StatusOK)
	_, err := slowly{c}.Write(e.text)
	return err
}
