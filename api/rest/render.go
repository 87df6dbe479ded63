package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// Headers about instances.
const (
	headETag        = "ETag"
	headIfMatch     = "If-Match"
	headIfNoneMatch = "If-None-Match"
	headFingerprint = "Nearcase-Fingerprint"
	headModel       = "Nearcase-Model"
)

// etag is the entity tag of an instance: its key, quoted.
func etag(key store.Key) string { return `"` + strconv.FormatUint(uint64(key), 10) + `"` }

// vectorTag is the entity tag of an instance's vector by a model, which another may
// take the place of while the instance keeps its key.
func vectorTag(key store.Key, fingerprint string) string {
	return fmt.Sprintf(`"%d-%.12s"`, key, fingerprint)
}

// tagged sets the entity tag of an answer about an instance.
func tagged(c echo.Context, key store.Key) { c.Response().Header().Set(headETag, etag(key)) }

// names reports whether a header of entity tags (RFC 9110, 13.1) has one, or is the
// asterisk.
func names(header, tag string) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	for one := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == tag {
			return true
		}
	}
	return false
}

// expected returns the key that a change expects of an instance by its conditions
// (RFC 9110, 13.1.1 and 13.1.2): 0 is any, and store.ErrChanged that they do not
// hold. It holds them until the change is made, which fails if the key is another
// by then.
func (s *Server) expected(c echo.Context, collection, id string) (store.Key, error) {
	match, none := c.Request().Header.Get(headIfMatch), c.Request().Header.Get(headIfNoneMatch)
	switch {
	case match == "" && none == "":
		return 0, nil
	case match != "" && none != "", none != "" && strings.TrimSpace(none) != "*":
		return 0, problem.New(problem.HeaderInvalid, "give If-Match with the ETag of the instance, or If-None-Match: *")
	case none != "":
		return store.Missing, nil
	}
	found, err := s.service.Catalog.Instance(c.Request().Context(), collection, id)
	if errors.Is(err, store.ErrInstance) {
		return 0, fmt.Errorf("instance %q: %w: it is not there", id, store.ErrChanged)
	}
	if err != nil {
		return 0, err
	}
	if !names(match, etag(found.Key)) || strings.HasPrefix(strings.TrimSpace(match), "W/") {
		return 0, fmt.Errorf("instance %q: %w: its ETag is %s", id, store.ErrChanged, etag(found.Key))
	}
	return found.Key, nil
}

// isKnown reports whether the sender has what an instance is asked for already, and
// answers so. What it has stays the same while the instance has its key. Browsers
// keep none of it, as workstations are shared: see secure. What keeps it on purpose,
// a viewer in its memory or a client in a file, need not fetch it again.
func (s *Server) isKnown(c echo.Context, collection, id string) (bool, error) {
	return s.isKnownBy(c, collection, id, etag)
}

// isKnownBy is isKnown of what has another entity tag than the instance.
func (s *Server) isKnownBy(c echo.Context, collection, id string, tag func(store.Key) string) (bool, error) {
	found, err := s.service.Catalog.Instance(c.Request().Context(), collection, id)
	if err != nil {
		return false, err
	}
	c.Response().Header().Set(headETag, tag(found.Key))
	c.Response().Header().Add(echo.HeaderVary, "Accept, Authorization")
	if header := c.Request().Header.Get(headIfNoneMatch); header == "" || !names(header, tag(found.Key)) {
		return false, nil
	}
	return true, c.NoContent(http.StatusNotModified)
}

// picture sends a picture.
func picture(c echo.Context, r api.Rendered) error {
	tagged(c, r.Key)
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, r.MediaType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(r.Data)))
	c.Response().WriteHeader(http.StatusOK)
	_, err := slowly{c}.Write(r.Data)
	return err
}

// parseWindow reads a window as PS3.18, 8.3.5.1.4 has it: centre, width and, if it
// is not linear, the function.
func parseWindow(text string, o *api.RenderOptions) error {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	if len(parts) < 2 || len(parts) > 3 {
		return fmt.Errorf("window=%.80q: use centre,width or centre,width,function", text)
	}
	centre, err := strconv.ParseFloat(parts[0], 64)
	width, err2 := strconv.ParseFloat(parts[1], 64)
	if err != nil || err2 != nil || !(width > 0) {
		return fmt.Errorf("window=%.80q: centre and width are numbers, and the width is positive", text)
	}
	o.Window.Centre, o.Window.Width = centre, width
	if len(parts) == 3 {
		functions := map[string]string{"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
		if o.Window.Function = functions[parts[2]]; o.Window.Function == "" {
			return fmt.Errorf("window=%.80q: the function is linear, linear-exact or sigmoid", text)
		}
	}
	return nil
}

// parseViewport reads the width and height that a picture must fit into.
func parseViewport(text string, o *api.RenderOptions) error {
	if text == "" {
		return nil
	}
	width, height, ok := strings.Cut(text, ",")
	w, err := strconv.ParseUint(width, 10, 31)
	h, err2 := strconv.ParseUint(height, 10, 31)
	if !ok || err != nil || err2 != nil || w == 0 || h == 0 {
		return fmt.Errorf("viewport=%.80q: use width,height in pixels", text)
	}
	o.Width, o.Height = int(w), int(h)
	return nil
}
