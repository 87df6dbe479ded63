package client

import (
	"context"
	"errors"
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
	r.query = rendering(o)
	return c.picture(ctx, r)
}

// RenderImage is Render for an image file, of which nothing is stored.
func (c *Client) RenderImage(ctx context.Context, data []byte, o api.RenderOptions) (api.Rendered, error) {
	r := request{method: http.MethodPost, path: []string{"v1", "render"}, query: rendering(o)}
	return c.picture(ctx, r.carrying("application/octet-stream", data).repeatable())
}

// rendering are the parameters that say how an image is shown.
func rendering(o api.RenderOptions) url.Values {
	q := url.Values{}
	if o.Frame != 0 {
		q.Set("frame", strconv.Itoa(o.Frame))
	}
	if o.Levels != "" {
		q.Set("levels", o.Levels)
	}
	if o.Width > 0 && o.Height > 0 {
		q.Set("viewport", fmt.Sprintf("%d,%d", o.Width, o.Height))
	}
	if w := o.Window; w.Width > 0 {
		text := fmt.Sprintf("%g,%g", w.Centre, w.Width)
		if w.Function != "" {
			text += "," + strings.ReplaceAll(strings.ToLower(w.Function), "_", "-")
		}
		q.Set("window", text)
	}
	return q
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
	shown := api.Rendered{Key: keyOf(answer.Header.Get("ETag")), MediaType: answer.Header.Get("Content-Type"), Data: data}
	shown.Frames, _ = strconv.Atoi(answer.Header.Get("Nearcase-Frames"))
	shown.Window, err = shownBy(answer.Header.Get("Nearcase-Window"))
	if err != nil {
		return api.Rendered{}, fmt.Errorf("%s: %w: %w", c.base.Redacted(), ErrAnswer, err)
	}
	return shown, nil
}

// shownBy reads the window that an answer tells; none where it tells none.
func shownBy(text string) (w api.Window, err error) {
	if text == "" {
		return w, nil
	}
	centre, rest, _ := strings.Cut(text, ",")
	width, function, named := strings.Cut(rest, ",")
	w.Function = "LINEAR"
	if named {
		w.Function = strings.ReplaceAll(strings.ToUpper(function), "-", "_")
	}
	var err2 error
	w.Centre, err = strconv.ParseFloat(centre, 64)
	w.Width, err2 = strconv.ParseFloat(width, 64)
	return w, errors.Join(err, err2)
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
