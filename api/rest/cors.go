package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"nearcase/store"
)

// Methods and headers of requests that pages of the origins allowed may send,
// and headers of answers that they may read. They send keys, not cookies.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Accept, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
	corsExposed = "ETag, Location, Retry-After, X-Request-Id, Idempotency-Replayed, Warning, Nearcase-Frames, Nearcase-Window"
)

// CheckOrigin returns store.ErrInvalid for what is not an origin: a scheme and
// a host, without a path.
func CheckOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || origin != u.Scheme+"://"+u.Host {
		return fmt.Errorf("origin %q: %w: use one such as https://app.example", origin, store.ErrInvalid)
	}
	return nil
}

// shares lets pages of the origins allowed read an answer, and answers what
// their browsers ask before (the Fetch standard, 3.2). It reports whether that
// was it.
func (g *gatekeeper) shares(c echo.Context) (answered bool, err error) {
	if len(g.Origins) == 0 {
		return false, nil
	}
	r, h := c.Request(), c.Response().Header()
	h.Add(echo.HeaderVary, echo.HeaderOrigin)
	origin := r.Header.Get(echo.HeaderOrigin)
	if !slices.Contains(g.Origins, origin) {
		return false, nil
	}
	h.Set(echo.HeaderAccessControlAllowOrigin, origin)
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method != http.MethodOptions || r.Header.Get(echo.HeaderAccessControlRequestMethod) == "" {
		h.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
		return false, nil
	}
	h.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
	h.Set(echo.HeaderAccessControlAllowHeaders, corsHeaders)
	h.Set(echo.HeaderAccessControlMaxAge, "600")
	return true, c.NoContent(http.StatusNoContent)
}
