package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"nearcase/api"
	"nearcase/store"
)

// Put stores one image under its ID in place of what is there, if o.IfKey allows
// it, and returns the instance and whether nothing was there.
func (c *Client) Put(ctx context.Context, name string, image api.Image, o api.IngestOptions) (i api.Instance, created bool, err error) {
	content, err := image.Read()
	if err != nil {
		return i, false, err
	}
	f := newForm()
	if err := f.image(image, content); err != nil {
		return i, false, err
	}
	mediaType, body, err := f.close()
	if err != nil {
		return i, false, err
	}
	r := collection(http.MethodPut, name, "instances", image.ID).carrying(mediaType, body).once()
	r.header = conditions(o.IfKey)
	if o.Source != "" {
		r.query = url.Values{"source": {o.Source}}
	}
	answer, err := c.send(ctx, r)
	if err != nil {
		return i, false, err
	}
	i, err = decoded[api.Instance](c, answer)
	return i, answer.StatusCode == http.StatusCreated, err
}

// conditions are the headers by which a key is expected.
func conditions(key store.Key) http.Header {
	switch key {
	case 0:
		return nil
	case store.Missing:
		return http.Header{"If-None-Match": {"*"}}
	}
	return http.Header{"If-Match": {tag(key)}}
}

// tag is the entity tag of an instance with a key, and keyOf undoes it; it is 0 for
// what is none.
func tag(key store.Key) string { return `"` + strconv.FormatUint(uint64(key), 10) + `"` }

func keyOf(tag string) store.Key {
	n, _ := strconv.ParseUint(strings.Trim(tag, `"`), 10, 64)
	return store.Key(n)
}

// Render returns an instance as a PNG file, as it is to be seen.
func (c *Client) Render(ctx context.Context, name, id string, o api.RenderOptions) (api.Rendered, error) {
	r := collection(http.MethodGet, name, "instances", id, "rendered")
	r.query = url.Values{}
	if o.Frame != 0 {
		r.query.Set("frame", strconv.Itoa(o.Frame))
	}
	if o.Levels != "" {
		r.query.Set("levels", o.Levels)
	}
	if o.Width > 0 && o.Height > 0 {
		r.query.Set("viewport", fmt.Sprintf("%d,%d", o.Width, o.Height))
	}
	if w := o.Window; w.Width > 0 {
		text := fmt.Sprintf("%g,%g", w.Centre, w.Width)
		if w.Function != "" {
			text += "," + strings.ReplaceAll(strings.ToLower(w.Function), "_", "-")
		}
		r.query.Set("window", text)
	}
	return c.picture(ctx, r)
}

// Thumbnail returns an instance as a JPEG file of at most 256 × 256 pixels.
func (c *Client) Thumbnail(ctx context.Context, name, id string) (api.Rendered, error) {
	return c.picture(ctx, collection(http.MethodGet, name, "instances", id, "thumbnail"))
}

func (c *Client) picture(ctx context.Context, r request) (api.Rendered, error) {
	answer, err := c.send(ctx, r)
	if err != nil {
		return api.Rendered{}, err
	}
	defer answer.Body.Close()
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "image/") {
		return api.Rendered{}, c.strange(answer)
	}
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return api.Rendered{}, c.unanswered(err)
	}
	return api.Rendered{Key: keyOf(answer.Header.Get("ETag")), MediaType: answer.Header.Get("Content-Type"), Data: data}, nil
}

// Vector returns the embedding of an instance, at unit length.
func (c *Client) Vector(ctx context.Context, name, id string) (api.Vector, error) {
	return ask[api.Vector](ctx, c, collection(http.MethodGet, name, "instances", id, "vector"))
}

// Import stores the images of a folder that the server allows, in a job of the
// server.
func (c *Client) Import(ctx context.Context, name string, r api.ImportRequest, progress func(done, total int)) (api.Imported, error) {
	return inBackground[api.Imported](ctx, c, collection(http.MethodPost, name, "imports").once(), r, progress)
}
