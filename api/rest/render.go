package rest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
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
	headFrames      = "Nearcase-Frames"
	headWindow      = "Nearcase-Window"
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
	return unchanged(c, tag(found.Key))
}

// unchanged sets the entity tag of an answer, and answers if the sender has what it is
// of already.
func unchanged(c echo.Context, tag string) (bool, error) {
	c.Response().Header().Set(headETag, tag)
	c.Response().Header().Add(echo.HeaderVary, "Accept, Authorization")
	if header := c.Request().Header.Get(headIfNoneMatch); header == "" || !names(header, tag) {
		return false, nil
	}
	return true, c.NoContent(http.StatusNotModified)
}

// RenderImage shows an image that is not stored.
func (s handlers) RenderImage(c echo.Context, p RenderImageParams) error {
	o, err := renderOptions(p.Frame, p.Window, string(p.Levels), p.Viewport)
	if err != nil {
		return err
	}
	data, err := s.image(c)
	if err != nil {
		return err
	}
	r, err := s.service.RenderImage(c.Request().Context(), data, o)
	if err != nil {
		return inBody{err}
	}
	return picture(c, r)
}

// image reads a body that is an image, or a form of one.
func (s *Server) image(c echo.Context) ([]byte, error) {
	switch t := mediaType(c); {
	case t == echo.MIMEMultipartForm:
		limited(c, s.MaxImageBytes+maxJSON)
		return s.imagePart(c)
	case isImage(t):
		image, large, err := readImage(limited(c, s.MaxImageBytes+1), s.MaxImageBytes)
		return image, cmp.Or(large, err)
	}
	return nil, unacceptable(c, "multipart/form-data, application/dicom, image/* and application/octet-stream")
}

// imagePart reads the one part of a form, which is an image.
func (s *Server) imagePart(c echo.Context) (image []byte, err error) {
	parts, err := c.Request().MultipartReader()
	if err != nil {
		return nil, problem.New(problem.MultipartInvalid, err.Error())
	}
	for found := false; ; found = true {
		part, err := parts.NextPart()
		switch {
		case err == io.EOF && !found:
			return nil, problem.New(problem.NoImages, "send it as a part named image")
		case err == io.EOF:
			return image, nil
		case err != nil:
			return nil, received(err, problem.MultipartInvalid)
		case found || part.FormName() != partImage:
			return nil, problem.New(problem.MultipartInvalid, fmt.Sprintf("part %q; the form has one part, image", part.FormName()))
		}
		var large error
		if image, large, err = readImage(part, s.MaxImageBytes); cmp.Or(large, err) != nil {
			return nil, cmp.Or(large, err)
		}
	}
}

// renderOptions reads the parameters that say how an image is shown.
func renderOptions(frame int, window, levels, viewport string) (api.RenderOptions, error) {
	o := api.RenderOptions{Frame: frame, Levels: levels}
	if err := errors.Join(parseWindow(window, &o), parseViewport(viewport, &o)); err != nil {
		return o, problem.New(problem.QueryParameter, err.Error())
	}
	return o, nil
}

// picture sends a picture, of what is stored with its entity tag.
func picture(c echo.Context, r api.Rendered) error {
	h := c.Response().Header()
	if r.Key != 0 {
		tagged(c, r.Key)
	}
	if r.Frames > 0 {
		h.Set(headFrames, strconv.Itoa(r.Frames))
	}
	if r.Window.Width > 0 {
		h.Set(headWindow, windowText(r.Window))
	}
	h.Set(echo.HeaderContentType, r.MediaType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(r.Data)))
	c.Response().WriteHeader(http.StatusOK)
	_, err := slowly{c}.Write(r.Data)
	return err
}

// windowFunctions are those of a window by their names in PS3.18.
var windowFunctions = map[string]string{"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}

// windowText writes a window as parseWindow reads it, without the function where that
// is linear.
func windowText(w api.Window) string {
	text := strconv.FormatFloat(w.Centre, 'g', -1, 64) + "," + strconv.FormatFloat(w.Width, 'g', -1, 64)
	for name, function := range windowFunctions {
		if function == w.Function && name != "linear" {
			text += "," + name
		}
	}
	return text
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
		if o.Window.Function = windowFunctions[parts[2]]; o.Window.Function == "" {
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
