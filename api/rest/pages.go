package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
	"nearcase/api/rest/page"
)

// Index shows the page to a browser, and names the routes to all others.
func (s handlers) Index(c echo.Context, p IndexParams) error {
	c.Response().Header().Add("Vary", "Accept")
	if wantsPage(c.Request()) {
		home, _ := page.Named(page.Home)
		return sendFile(c, home, p.IfNoneMatch)
	}
	var routes []string
	for r, o := range contract() {
		routes = append(routes, o.path+" "+r.method)
	}
	slices.Sort(routes)
	for i, r := range routes {
		path, method, _ := strings.Cut(r, " ")
		routes[i] = method + " " + path
	}
	return reply(c, http.StatusOK, map[string]any{"name": "nearcase", "version": s.Options.Version, "routes": routes})
}

// PageFile answers with a script, style or picture of the page.
func (s handlers) PageFile(c echo.Context, name string, p PageFileParams) error {
	f, ok := page.Named(name)
	if !ok {
		return problem.New(problem.RouteNotFound, "")
	}
	return sendFile(c, f, p.IfNoneMatch)
}

// early is PageFile before the server is open.
func (s handlers) early(name string) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Add("Vary", "Accept")
		return s.PageFile(c, name, PageFileParams{c.Request().Header.Get("If-None-Match")})
	}
}

// wantsPage reports whether a request is a browser's, which alone names HTML among
// what it accepts.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func sendFile(c echo.Context, f page.File, has string) error {
	return edition{f.MediaType, page.Policy, f.Content, f.Tag}.send(c, has)
}
