package rest

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/dicomweb"
	"nearcase/api/problem"
	"nearcase/store"
)

// open opens what is kept of a file.
func (s *Server) open(ctx context.Context, collection string, f api.DICOMFile) (*dicomweb.File, error) {
	data, err := s.service.DICOMBytes(ctx, collection, f)
	if err != nil {
		return nil, err
	}
	return dicomweb.Open(data, s.service.Limits)
}

// retrieve sends the files of a place as they are kept or in explicit VR little
// endian (PS3.18 10.4): 200, or 206 where some are not kept. What goes wrong once
// the answer has begun cuts the connection.
func (s *Server) retrieve(c echo.Context, p place) error {
	ctx := c.Request().Context()
	choices, err := dicomweb.Accepts(accept(c), dicomweb.Offer{Type: dicomweb.DICOM, Parts: true, Single: p.instance != ""})
	if err != nil {
		return err
	}
	files, err := s.files(ctx, p)
	if err != nil {
		return err
	}
	have, err := s.retained(ctx, p, files)
	if err != nil {
		return err
	}
	if p.instance != "" {
		return s.sendFile(c, p, have[0], choices)
	}
	status := http.StatusOK
	if len(have) < len(files) {
		status = http.StatusPartialContent
	}
	return s.sendFiles(c, p, have, choices, status)
}

// sendFiles sends files as the parts of an answer.
func (s *Server) sendFiles(c echo.Context, p place, files []api.DICOMFile, choices []dicomweb.Choice, status int) error {
	w := dicomweb.NewWriter(slowly{c}, dicomweb.DICOM)
	c.Response().Header().Set(echo.HeaderContentType, w.ContentType())
	c.Response().WriteHeader(status)
	for _, f := range files {
		if err := s.sendPart(c.Request().Context(), w, p, f, choices); err != nil {
			return err
		}
	}
	return w.Close()
}

// retained returns those of the files that are kept; none is store.ErrOriginal.
func (s *Server) retained(ctx context.Context, p place, files []api.DICOMFile) (have []api.DICOMFile, err error) {
	collection, err := s.service.Collection(ctx, p.collection)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Original() != "" && !collection.DiscardOriginals {
			have = append(have, f)
		}
	}
	if len(have) == 0 {
		return nil, fmt.Errorf("%d files: %w", len(files), store.ErrOriginal)
	}
	return have, nil
}

// sendPart sends one of several files. One that cannot be had in the syntax asked
// for is sent as it is kept: its part says so.
func (s *Server) sendPart(ctx context.Context, w *dicomweb.Writer, p place, f api.DICOMFile, choices []dicomweb.Choice) error {
	file, err := s.open(ctx, p.collection, f)
	if err != nil {
		return err
	}
	var data []byte
	var form dicomweb.Choice
	err = s.service.Compute(ctx, func() (err error) {
		if data, form, err = file.Whole(choices, s.MaxImageBytes); err != nil {
			data, form.Syntax = file.AsKept()
		}
		return nil
	})
	if err != nil {
		return err
	}
	part, err := w.Part(form.Syntax, "")
	if err == nil {
		_, err = part.Write(data)
	}
	return err
}

// sendFile sends a file, by itself or as the only part.
func (s *Server) sendFile(c echo.Context, p place, f api.DICOMFile, choices []dicomweb.Choice) error {
	file, err := s.open(c.Request().Context(), p.collection, f)
	if err != nil {
		return err
	}
	var data []byte
	var form dicomweb.Choice
	err = s.service.Compute(c.Request().Context(), func() (err error) {
		data, form, err = file.Whole(choices, s.MaxImageBytes)
		return err
	})
	if err != nil {
		return err
	}
	return send(c, form, func(yield func([]byte) error) error { return yield(data) })
}

// send answers with what parts yields: parts of a multipart body, or the one by
// itself.
func send(c echo.Context, form dicomweb.Choice, parts func(yield func([]byte) error) error) error {
	if !form.Parts {
		h := c.Response().Header()
		h.Set(echo.HeaderContentType, mime.FormatMediaType(form.Type, map[string]string{"transfer-syntax": form.Syntax}))
		h.Set(echo.HeaderContentDisposition, "attachment")
		return parts(func(data []byte) error {
			h.Set(echo.HeaderContentLength, strconv.Itoa(len(data)))
			c.Response().WriteHeader(http.StatusOK)
			_, err := slowly{c}.Write(data)
			return err
		})
	}
	w := dicomweb.NewWriter(slowly{c}, form.Type)
	c.Response().Header().Set(echo.HeaderContentType, w.ContentType())
	err := parts(func(data []byte) error {
		if !c.Response().Committed {
			c.Response().WriteHeader(http.StatusOK)
		}
		part, err := w.Part(form.Syntax, "")
		if err == nil {
			_, err = part.Write(data)
		}
		return err
	})
	if err != nil {
		return err
	}
	return w.Close()
}

// frames sends frames of a file, as they are kept or as pixel cells.
func (s *Server) frames(c echo.Context, p place, list string) error {
	f, err := s.openAt(c.Request().Context(), p)
	if err != nil {
		return err
	}
	numbers, err := dicomweb.ParseFrames(list, f.Frames())
	if err != nil {
		return err
	}
	return s.sendFrames(c, f, numbers)
}

// openAt opens what is kept of the file at a place.
func (s *Server) openAt(ctx context.Context, p place) (*dicomweb.File, error) {
	f, err := s.first(ctx, p)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, p.collection, f)
}

func (s *Server) sendFrames(c echo.Context, f *dicomweb.File, numbers []int) error {
	offers := f.FrameOffers()
	for i := range offers {
		offers[i].Single = len(numbers) == 1
	}
	choices, err := dicomweb.Accepts(accept(c), offers...)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	var form dicomweb.Choice
	err = s.service.Compute(ctx, func() (err error) {
		form, err = f.FrameForm(choices, numbers[0])
		return err
	})
	if err != nil {
		return err
	}
	return send(c, form, func(yield func([]byte) error) error {
		for _, n := range numbers {
			if err := s.yieldFrame(ctx, f, n, form, yield); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Server) yieldFrame(ctx context.Context, f *dicomweb.File, n int, form dicomweb.Choice, yield func([]byte) error) (err error) {
	var data []byte
	if err = s.service.Compute(ctx, func() (err error) { data, err = f.Frame(n, form); return err }); err != nil {
		return err
	}
	return yield(data)
}

// bulk sends what metadata referred to. Pixel data are all frames.
func (s *Server) bulk(c echo.Context, p place, path string) error {
	f, err := s.openAt(c.Request().Context(), p)
	if err != nil {
		return err
	}
	if path == dicomweb.PixelData && f.Frames() > 0 {
		numbers := make([]int, f.Frames())
		for n := range numbers {
			numbers[n] = n
		}
		return s.sendFrames(c, f, numbers)
	}
	data, err := f.Bulk(path)
	if err != nil {
		return err
	}
	choices, err := dicomweb.Accepts(accept(c), dicomweb.Offer{Type: dicomweb.OctetStream, Parts: true, Single: true})
	if err != nil {
		return err
	}
	form := choices[0]
	form.Syntax = ""
	return send(c, form, func(yield func([]byte) error) error { return yield(data) })
}

// thumbnail is how large thumbnails are unless a viewport is asked for.
var thumbnail = dicomweb.Rendering{Width: 128, Height: 128}

// render sends a frame of a file, or of the first of a study or series, as a JPEG
// or PNG. No list of frames is the first.
func (s *Server) render(c echo.Context, p place, list string, r dicomweb.Rendering) error {
	choices, err := dicomweb.Accepts(accept(c), dicomweb.Offer{Type: dicomweb.JPEG, Single: true}, dicomweb.Offer{Type: dicomweb.PNG, Single: true})
	if err != nil {
		return err
	}
	given, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return problem.New(problem.QueryParameter, err.Error())
	}
	if err := r.Parse(given); err != nil {
		return err
	}
	picture, err := s.pictureOf(c.Request().Context(), p, list, r, choices[0].Type)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, choices[0].Type)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(picture)))
	c.Response().WriteHeader(http.StatusOK)
	_, err = slowly{c}.Write(picture)
	return err
}

func (s *Server) pictureOf(ctx context.Context, p place, list string, r dicomweb.Rendering, mediaType string) (picture []byte, err error) {
	frame, err := oneFrame(list)
	if err != nil {
		return nil, err
	}
	f, err := s.first(ctx, p)
	if err != nil {
		return nil, err
	}
	data, err := s.service.DICOMBytes(ctx, p.collection, f)
	if err != nil {
		return nil, err
	}
	err = s.service.Compute(ctx, func() (err error) {
		picture, err = r.Render(data, frame, mediaType, s.service.Limits)
		return err
	})
	return picture, err
}

// oneFrame reads a list of one frame, which is from 1, as a number from 0.
func oneFrame(list string) (int, error) {
	if list == "" {
		return 0, nil
	}
	numbers, err := dicomweb.ParseFrames(list, dicomweb.MostFrames)
	if err == nil && len(numbers) > 1 {
		err = fmt.Errorf("%w: %d frames, one is rendered at a time", dicomweb.ErrSyntax, len(numbers))
	}
	if err != nil {
		return 0, err
	}
	return numbers[0], nil
}
