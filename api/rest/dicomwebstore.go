package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/dicomweb"
	"nearcase/api/problem"
)

// storing is a STOW-RS request: files on their way in, and what they said that
// they are.
type storing struct {
	next     func() (sent, error) // the next file, io.EOF after the last
	study    string
	maxImage int64
	maxFiles int

	mu         sync.Mutex
	references []dicomweb.Reference // of the files so far
	fault      error                // why the body could not be read to its end
}

// sent is a file on its way in, with why it cannot be stored if that is known.
type sent struct {
	io.Reader
	refused error
}

// storeFiles stores the files of a request while they arrive (PS3.18 10.5): 200 if
// all are stored, 202 if some are, and 409 if none is. The answer says of each
// what became of it.
func (s *Server) storeFiles(c echo.Context, p place) error {
	form, err := jsonForm(c)
	if err != nil {
		return err
	}
	in, err := s.storing(c, p)
	if err != nil {
		return err
	}
	outcomes, err := s.take(c, p, in)
	if err != nil {
		return err
	}
	stored := 0
	for _, o := range outcomes {
		if o.Refused == nil {
			stored++
		}
	}
	status := http.StatusAccepted
	switch stored {
	case len(outcomes):
		status = http.StatusOK
	case 0:
		status = http.StatusConflict
	}
	return write(c, status, form, dicomweb.Stored(outcomes, s.base(c, p), p.study))
}

// storing takes the body of a request.
func (s *Server) storing(c echo.Context, p place) (*storing, error) {
	if n := c.Request().ContentLength; n > s.MaxBody {
		return nil, problem.New(problem.BodyTooLarge, fmt.Sprintf("%d bytes, the limit is %d", n, s.MaxBody))
	}
	contentType := c.Request().Header.Get(echo.HeaderContentType)
	t, err := dicomweb.ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	in := &storing{study: p.study, maxImage: s.MaxImageBytes, maxFiles: s.MaxFiles}
	body := limited(c, s.MaxBody)
	if t.Type == dicomweb.DICOM {
		in.next = alone(body)
		return in, nil
	}
	parts, err := dicomweb.NewReader(body, contentType)
	if err == nil && parts.Type != dicomweb.DICOM && parts.Type != "" {
		err = fmt.Errorf("%w: parts of %s; this route takes %s alone or as parts", dicomweb.ErrMediaType, parts.Type, dicomweb.DICOM)
	}
	in.next = func() (sent, error) { return part(parts) }
	return in, err
}

// alone returns a body that is a file, and io.EOF thereafter.
func alone(body io.Reader) func() (sent, error) {
	return func() (sent, error) {
		one := body
		if body = nil; one == nil {
			return sent{}, io.EOF
		}
		return sent{Reader: one}, nil
	}
}

// part returns the next part. One of another type is nothing that can be stored.
func part(parts *dicomweb.Reader) (sent, error) {
	p, err := parts.Next()
	if err != nil {
		return sent{}, err
	}
	s := sent{Reader: p}
	if p.Type != dicomweb.DICOM && p.Type != "" {
		s.refused = fmt.Errorf("%w: a part of %s, not %s", dicomweb.ErrMediaType, p.Type, dicomweb.DICOM)
	}
	return s, nil
}

// images yields the files. What is wrong with the body ends them.
func (in *storing) images(yield func(api.Image) bool) {
	for n := 0; ; n++ {
		file, err := in.next()
		if err == nil && n >= in.maxFiles {
			err = problem.New(problem.TooManyImages, fmt.Sprintf("the limit is %d", in.maxFiles))
		}
		var i api.Image
		if err == nil {
			i, err = in.image(file)
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			in.mu.Lock()
			in.fault = err
			in.mu.Unlock()
			return
		}
		if !yield(i) {
			return
		}
	}
}

// image reads a file, and whether it may be stored here. The error is one of the
// body.
func (in *storing) image(file sent) (api.Image, error) {
	var content []byte
	var reference dicomweb.Reference
	refused := file.refused
	if refused == nil {
		read, large, err := readImage(file, in.maxImage)
		if err != nil {
			return api.Image{}, err
		}
		if content, refused = read, large; large == nil {
			reference, refused = identify(content, in.study, in.maxImage)
		}
	}
	in.mu.Lock()
	in.references = append(in.references, reference)
	in.mu.Unlock()
	if refused != nil {
		return unreadable(api.Image{}, refused), nil
	}
	return api.Image{Read: func() ([]byte, error) { return content, nil }, Held: len(content)}, nil
}

// identify is dicomweb.Identify with a plain error.
func identify(content []byte, study string, maxBytes int64) (dicomweb.Reference, error) {
	r, refused := dicomweb.Identify(content, study, maxBytes)
	if refused == nil {
		return r, nil
	}
	return r, refused
}

// take stores the files and returns what became of each. The error is one of the
// whole request, nothing of which is stored then.
func (s *Server) take(c echo.Context, p place, in *storing) ([]dicomweb.Outcome, error) {
	collection, err := s.service.Collection(c.Request().Context(), p.collection)
	if err != nil {
		return nil, err
	}
	changed := s.service.Privacy.Originals != api.Received || collection.DiscardOriginals
	var outcomes []dicomweb.Outcome
	stored := false
	for item, err := range s.service.Ingest(c.Request().Context(), p.collection, in.images, api.IngestOptions{}) {
		if err != nil {
			err = s.halt(c, err)
			if !stored || gone(c) {
				return nil, err
			}
			s.failed(c, err)
			return append(outcomes, dicomweb.Outcome{Refused: dicomweb.Reference{}.Refuse(err)}), nil
		}
		o := in.outcome(item, changed)
		saw(c.Request().Context(), item.ID)
		stored = stored || o.Refused == nil
		outcomes = append(outcomes, o)
	}
	return in.ended(outcomes, stored)
}

// ended adds to the outcomes why the body could not be read to its end. Where
// nothing is stored that is the error.
func (in *storing) ended(outcomes []dicomweb.Outcome, stored bool) ([]dicomweb.Outcome, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.fault != nil && !stored:
		return nil, faultOf(in.fault)
	case in.fault != nil:
		outcomes = append(outcomes, dicomweb.Outcome{Refused: dicomweb.Reference{}.Refuse(faultOf(in.fault))})
	case len(outcomes) == 0:
		return nil, problem.New(problem.NoImages, "send each as a part of "+dicomweb.DICOM)
	}
	return outcomes, nil
}

// faultOf is what is wrong with a body.
func faultOf(err error) error {
	if errors.Is(err, dicomweb.ErrSyntax) {
		return err
	}
	return received(err, problem.MultipartInvalid)
}

// outcome is what became of a file.
func (in *storing) outcome(item api.Item, changed bool) dicomweb.Outcome {
	in.mu.Lock()
	defer in.mu.Unlock()
	o := dicomweb.Outcome{Reference: in.references[item.Index], Changed: changed}
	if item.Err != nil {
		o.Refused = o.Refuse(item.Err)
	}
	return o
}
