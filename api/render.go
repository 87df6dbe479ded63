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

// Rendered is a picture of a stored instance, or of an image that is not stored.
type Rendered struct {
	// Key of the instance: while it has this key, the picture stays the same. It is 0
	// of what is not stored.
	Key       store.Key
	MediaType string
	Data      []byte
	// Frames is how many the file has, and Window the range of values that became all
	// grey levels, of a DICOM file of which there is one. A thumbnail tells neither.
	Frames int
	Window Window
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
	r, err := s.rendered(ctx, o, found.Instance.Frame, func() ([]byte, error) { return s.original(ctx, collection, id) })
	r.Key = found.Key
	return r, err
}

// RenderImage is Render for an image file, of which nothing is stored. Frame 0 is the
// first.
func (s *Service) RenderImage(ctx context.Context, data []byte, o RenderOptions) (Rendered, error) {
	return s.rendered(ctx, o, 1, func() ([]byte, error) { return data, nil })
}

// rendered shows a file, of which one frame is meant if none is asked for.
func (s *Service) rendered(ctx context.Context, o RenderOptions, own int, read func() ([]byte, error)) (r Rendered, err error) {
	r.MediaType = mimePNG
	err = s.withImage(ctx, read, func(img *embed.Image) error {
		p, err := img.Picture(cmp.Or(o.Frame, own, 1)-1, o.view())
		if err != nil {
			return err
		}
		r.Frames = img.Frames()
		if w := p.VOI; w != nil {
			r.Window = Window{w.Centre, w.Width, w.Function}
		}
		r.Data, err = o.fitted(p).PNG()
		return err
	})
	return r, err
}

// view is how the options have an image decoded.
func (o RenderOptions) view() embed.View {
	return embed.View{Levels: o.Levels, Centre: o.Window.Centre, Width: o.Window.Width, Function: o.Window.Function}
}

// fitted is a picture in the size that the options ask for.
func (o RenderOptions) fitted(p *embed.Picture) *embed.Picture {
	if o.Width > 0 && o.Height > 0 {
		return p.Within(o.Width, o.Height)
	}
	return p
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
	err = s.withPicture(ctx, collection, i, o.Frame, o.view(), func(p *embed.Picture) error {
		shown = o.fitted(p)
		return nil
	})
	return shown, err
}

// withPicture reads and decodes a frame of an instance's original, 0 being the instance's
// own, and calls use: see withImage.
func (s *Service) withPicture(ctx context.Context, collection string, i store.Instance, frame int, v embed.View, use func(*embed.Picture) error) error {
	return s.withImage(ctx, func() ([]byte, error) { return s.original(ctx, collection, i.ID) }, func(img *embed.Image) error {
		p, err := img.Picture(cmp.Or(frame, i.Frame, 1)-1, v)
		if err != nil {
			return err
		}
		return use(p)
	})
}

// withImage reads and opens an image file and calls use: all in a turn to use the
// processor, so that no more of them are in memory than there are turns.
func (s *Service) withImage(ctx context.Context, read func() ([]byte, error), use func(*embed.Image) error) error {
	if err := s.embedding(ctx); err != nil {
		return err
	}
	defer s.embedded()
	data, err := read()
	if err != nil {
		return err
	}
	img, err := embed.Open(data, s.Limits)
	if err != nil {
		return err
	}
	return use(img)
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
