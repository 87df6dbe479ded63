package rest

import (
	"cmp"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/store"
)

// DescribeInstance answers with one instance.
func (s handlers) DescribeInstance(c echo.Context, name CollectionName, id InstanceID) error {
	found, err := s.service.Instance(c.Request().Context(), name, id)
	if err != nil {
		return err
	}
	tagged(c, found.Key)
	return reply(c, http.StatusOK, found)
}

// DeleteInstance answers when it is gone.
func (s handlers) DeleteInstance(c echo.Context, name CollectionName, id InstanceID, _ DeleteInstanceParams) error {
	key, err := s.expected(c, name, id)
	if err != nil {
		return err
	}
	if err := s.service.Catalog.DeleteIf(c.Request().Context(), name, id, key); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// DownloadOriginal sends an image as it was received. What it is was found out from
// its content when it was stored, and browsers are told to take it for nothing
// else and not to show it within a page.
func (s handlers) DownloadOriginal(c echo.Context, name CollectionName, id InstanceID, _ DownloadOriginalParams) error {
	if known, err := s.isKnown(c, name, id); known || err != nil {
		return err
	}
	found, err := s.service.Instance(c.Request().Context(), name, id)
	if err != nil {
		return err
	}
	image, err := s.service.Original(c.Request().Context(), name, id)
	if err != nil {
		return err
	}
	defer image.Close()
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, cmp.Or(found.MediaType, echo.MIMEOctetStream))
	h.Set(echo.HeaderContentDisposition, "attachment")
	c.Response().WriteHeader(http.StatusOK)
	_, err = io.Copy(slowly{c}, image)
	return err
}

// RenderInstance shows an image.
func (s handlers) RenderInstance(c echo.Context, name CollectionName, id InstanceID, p RenderInstanceParams) error {
	o, err := renderOptions(p.Frame, p.Window, string(p.Levels), p.Viewport)
	if err != nil {
		return err
	}
	if known, err := s.isKnown(c, name, id); known || err != nil {
		return err
	}
	r, err := s.service.Render(c.Request().Context(), name, id, o)
	if err != nil {
		return err
	}
	return picture(c, r)
}

// DownloadThumbnail shows an image in small.
func (s handlers) DownloadThumbnail(c echo.Context, name CollectionName, id InstanceID, _ DownloadThumbnailParams) error {
	if known, err := s.isKnown(c, name, id); known || err != nil {
		return err
	}
	r, err := s.service.Thumbnail(c.Request().Context(), name, id)
	if err != nil {
		return err
	}
	return picture(c, r)
}

// DescribeVector answers with an embedding, as JSON or as its bytes.
func (s handlers) DescribeVector(c echo.Context, name CollectionName, id InstanceID, _ DescribeVectorParams) error {
	of, err := s.service.Catalog.Collection(c.Request().Context(), name)
	if err != nil {
		return err
	}
	tag := func(key store.Key) string { return vectorTag(key, of.Fingerprint) }
	if known, err := s.isKnownBy(c, name, id, tag); known || err != nil {
		return err
	}
	v, err := s.service.Vector(c.Request().Context(), name, id)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(headETag, vectorTag(v.Key, v.Fingerprint))
	h.Set(headModel, v.Model)
	h.Set(headFingerprint, v.Fingerprint)
	if accepted(c, echo.MIMEOctetStream) == "" {
		return reply(c, http.StatusOK, v)
	}
	h.Set(echo.HeaderContentType, echo.MIMEOctetStream)
	c.Response().WriteHeader(http.StatusOK)
	_, err = slowly{c}.Write(v.Bytes())
	return err
}
