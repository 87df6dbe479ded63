package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"nearcase/embed"
	"nearcase/store"
)

// RenderOptions say how a stored image is shown. The zero value is as the file
// says, at its full size.
type RenderOptions struct {
	// Frame of a file with several, from 1; 0 is the instance's own.
	Frame int
	// Width and Height, if both are positive, are what the picture must fit into; it
	// keeps its proportions and is never enlarged.
	Width, Height int
	// Levels is what becomes black and white where no window does: window, full or
	// percentile; empty is window.
	Levels string
	// Window takes the place of a DICOM file's windows.
	Window Window
}

// Window is a range of values that becomes all grey levels, if Width is positive.
type Window struct {
	Centre, Width float64
	// Function is LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1); empty is LINEAR.
	Function string
}

// Rendered is a picture of a stored instance.
type Rendered struct {
	// Key of the instance: while it has this key, the picture stays the same.
	Key       store.Key
	MediaType string
	Data      []byte
}

const (
	mimePNG  = "image/png"
	mimeJPEG = "image/jpeg"
)

// Render returns an instance as a PNG file, as it is to be seen: a DICOM file by
// its windows, palettes and photometric interpretation (see embed.Image.Picture).
// Without an original it is store.ErrOriginal; a view or a frame that there is not
// is embed.ErrView.
func (s *Service) Render(ctx context.Context, collection, id string, o RenderOptions) (Rendered, error) {
	found, err := s.Catalog.Instance(ctx, collection, id)
	if err != nil {
		return Rendered{}, err
	}
	p, err := s.picture(ctx, collection, found.Instance, o)
	if err != nil {
		return Rendered{}, err
	}
	data, err := p.PNG()
	return Rendered{found.Key, mimePNG, data}, err
}

const (
	thumbnailSide    = 256
	thumbnailQuality = 85
)

// Thumbnail returns an instance as a JPEG file of at most 256 × 256 pixels. It is
// kept beside the store until the instance goes, and made anew when it is damaged.
func (s *Service) Thumbnail(ctx context.Context, collection, id string) (Rendered, error) {
	found, err := s.Catalog.Instance(ctx, collection, id)
	if err != nil {
		return Rendered{}, err
	}
	r := Rendered{Key: found.Key, MediaType: mimeJPEG}
	r.Data, err = s.Catalog.Thumbnail(ctx, collection, found.Key)
	if err == nil || !errors.Is(err, store.ErrDerived) {
		return r, err
	}
	p, err := s.picture(ctx, collection, found.Instance, RenderOptions{Width: thumbnailSide, Height: thumbnailSide})
	if err != nil {
		return Rendered{}, err
	}
	if r.Data, err = p.JPEG(thumbnailQuality); err != nil {
		return Rendered{}, err
	}
	if err := s.Catalog.SaveThumbnail(ctx, collection, found.Key, r.Data); err != nil && !errors.Is(err, store.ErrInstance) {
		s.Logger.Warn("thumbnail not kept", "collection", collection, "error", err)
	}
	return r, nil
}

// picture is an instance as it is to be shown.
func (s *Service) picture(ctx context.Context, collection string, i store.Instance, o RenderOptions) (shown *embed.Picture, err error) {
	view := embed.View{Levels: o.Levels, Centre: o.Window.Centre, Width: o.Window.Width, Function: o.Window.Function}
	err = s.withPicture(ctx, collection, i, o.Frame, view, func(p *embed.Picture) error {
		if shown = p; o.Width > 0 && o.Height > 0 {
			shown = p.Within(o.Width, o.Height)
		}
		return nil
	})
	return shown, err
}

// withPicture reads and decodes a frame of an instance's original, 0 being the instance's
// own, and calls use: all in a turn to use the processor, so that no more of them are in
// memory than there are turns.
func (s *Service) withPicture(ctx context.Context, collection string, i store.Instance, frame int, v embed.View, use func(*embed.Picture) error) error {
	if err := s.embedding(ctx); err != nil {
		return err
	}
	defer s.embedded()
	data, err := s.original(ctx, collection, i.ID)
	if err != nil {
		return err
	}
	img, err := embed.Open(data, s.Limits)
	if err != nil {
		return err
	}
	p, err := img.Picture(cmp.Or(frame, i.Frame, 1)-1, v)
	if err != nil {
		return err
	}
	return use(p)
}

func (s *Service) original(ctx context.Context, collection, id string) ([]byte, error) {
	f, err := s.Catalog.Original(ctx, collection, id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read original: %w", err)
	}
	return data, nil
}
