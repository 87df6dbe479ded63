package rest

import (
	"cmp"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// SetBodyTimeout sets how long a server waits for some more of a body. It must
// not have had a request yet.
func SetBodyTimeout(s *Server, d time.Duration) { s.bodyTimeout = d }

// SetNow gives a server's memory of answers a clock. It must not have had a request
// yet.
func SetNow(s *Server, now func() time.Time) { s.answers.now = now }

// DigestOf is what tells a request with a body that comes in pieces from others.
func DigestOf(method, path, mediaType string, pieces [][]byte) string {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Content-Type", mediaType)
	d := digestRequest(echo.New().NewContext(r, nil))
	for _, p := range pieces {
		_, _ = d.Write(p)
	}
	return d.sum()
}

// ContractText is openapi.yaml.
var ContractText = contractText

// router knows the routes of the contract.
var router = sync.OnceValue(func() *echo.Echo {
	e := echo.New()
	RegisterHandlers(e, handlers{})
	return e
})

// Asked returns the operation of the contract that a request is for, nil for none.
func Asked(method string, u *url.URL) *openapi3.Operation {
	c := router().NewContext(nil, nil)
	router().Router().Find(method, cmp.Or(u.RawPath, u.Path), c)
	o := contract()[route{method, c.Path()}]
	if o == nil || slices.Contains(c.ParamValues(), "") {
		return nil
	}
	return o.Operation
}

// Routes returns the routes that a server has, and Operations those of the
// contract, each sorted and as METHOD /path.
func Routes(s *Server) (all []string) {
	for _, r := range s.echo.Routes() {
		all = append(all, r.Method+" "+r.Path)
	}
	slices.Sort(all)
	return all
}

func Operations() (all []string) {
	for r := range contract() {
		all = append(all, r.method+" "+r.path)
	}
	slices.Sort(all)
	return all
}
