package rest

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"mime/multipart"
	"strings"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// maxMetadata is how many bytes the description of an image may have.
const maxMetadata = 64 << 10

// Names of the parts of a multipart body.
const (
	partImage    = "image"
	partMetadata = "metadata"
	partQuery    = "query"
)

// upload reads the images of a request one by one, as they are asked for.
type upload struct {
	c        echo.Context
	parts    *multipart.Reader // nil when the body is one image
	body     io.Reader
	maxImage int64
	maxFiles int
	count    int
	// unpacked yields the images of an archive that has arrived; nil if none is
	// being unpacked.
	unpacked func() (api.Image, bool)
	stop     func()
	lines    *lineReader // nil unless the body is one of lines
	service  *api.Service
}

// upload takes the body of a request with images.
func (s *Server) upload(c echo.Context) (*upload, error) {
	if n := c.Request().ContentLength; n > s.MaxBody {
		return nil, problem.New(problem.BodyTooLarge, fmt.Sprintf("%d bytes, the limit is %d", n, s.MaxBody))
	}
	u := &upload{c: c, body: limited(c, s.MaxBody), maxImage: s.MaxImageBytes, maxFiles: s.MaxFiles, service: s.service}
	switch t := mediaType(c); {
	case t == echo.MIMEMultipartForm:
		parts, err := c.Request().MultipartReader()
		if err != nil {
			return nil, problem.New(problem.MultipartInvalid, err.Error())
		}
		u.parts = parts
	case t == mimeLines:
		u.lines = newLineReader(u.body, s.maxImageLine())
	case !isImage(t) && t != mimeZip:
		return nil, unacceptable(c, "multipart/form-data, application/x-ndjson, application/dicom, application/zip, image/* and application/octet-stream")
	}
	return u, nil
}

const (
	mimeDICOM = "application/dicom"
	mimeZip   = "application/zip"
)

// isImage reports whether a body of this type is taken for an image. What it
// is gets found out from its content.
func isImage(mediaType string) bool {
	return strings.HasPrefix(mediaType, "image/") || mediaType == mimeDICOM || mediaType == echo.MIMEOctetStream
}

// images yields the images in order. One that cannot be stored fails when it
// is read. Where the body itself is at fault the last image says so and is none.
func (u *upload) images(yield func(api.Image) bool) {
	defer u.leave()
	for {
		image, err := u.next()
		if err == io.EOF {
			return
		}
		if err != nil {
			yield(unreadable(api.Image{}, err))
			return
		}
		if !yield(image) {
			return
		}
	}
}

func unreadable(i api.Image, err error) api.Image {
	i.Read = func() ([]byte, error) { return nil, err }
	return i
}

// next returns the next image, io.EOF after the last.
func (u *upload) next() (api.Image, error) {
	if u.unpacked != nil {
		if image, ok := u.unpacked(); ok {
			return u.counted(image)
		}
		u.leave()
	}
	if u.lines != nil {
		return u.line()
	}
	if u.parts == nil {
		return u.single()
	}
	return u.formImage()
}

// formImage returns the next image of a form, with the metadata before it.
func (u *upload) formImage() (api.Image, error) {
	part, err := u.part()
	if err != nil {
		return api.Image{}, err
	}
	var m metadata
	var fault error
	if part.FormName() == partMetadata {
		m, fault = readMetadata(u.c, part)
		if part, err = u.part(); err == io.EOF {
			err = problem.New(problem.MultipartInvalid, "metadata without an image after it")
		}
		if err != nil {
			return api.Image{}, err
		}
	}
	if part.FormName() != partImage {
		return api.Image{}, problem.New(problem.MultipartInvalid,
			fmt.Sprintf("part %q where an image belongs; parts are image, each with metadata before it or without", part.FormName()))
	}
	return u.read(m.image(), part, fault)
}

func readMetadata(c echo.Context, r io.Reader) (m metadata, fault error) {
	text, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	if err != nil {
		return m, received(err, problem.MultipartInvalid)
	}
	if len(text) > maxMetadata {
		return m, problem.New(problem.JSONInvalid, fmt.Sprintf("metadata of more than %d bytes", maxMetadata))
	}
	if fault = decodeJSON(bytes.NewReader(text), &m); fault == nil {
		fault = conformsPart(c, partMetadata, text)
	}
	return m, fault
}

// single returns a body that is one image, and io.EOF thereafter.
func (u *upload) single() (api.Image, error) {
	if u.body == nil {
		return api.Image{}, io.EOF
	}
	body := u.body
	u.body = nil
	return u.read(api.Image{}, body, nil)
}

// part returns the next part, io.EOF after the last.
func (u *upload) part() (*multipart.Part, error) {
	part, err := u.parts.NextPart()
	if err != nil && err != io.EOF { // a body that ends early wraps io.EOF
		return nil, received(err, problem.MultipartInvalid)
	}
	return part, err
}

// read completes an image with its content. The error is one of the body; what
// is only wrong with this image fails when it is read.
func (u *upload) read(i api.Image, from io.Reader, fault error) (api.Image, error) {
	if fault != nil {
		return u.counted(unreadable(i, fault))
	}
	content, large, err := readImage(from, u.maxImage)
	switch {
	case large != nil:
		return u.counted(unreadable(i, large))
	case err != nil:
		return i, err
	case api.IsArchive(content):
		return u.unpack(i, content)
	}
	i.Read, i.Held = func() ([]byte, error) { return content, nil }, len(content)
	return u.counted(i)
}

// counted is an image that still may come.
func (u *upload) counted(i api.Image) (api.Image, error) {
	if u.count++; u.count > u.maxFiles {
		return i, problem.New(problem.TooManyImages, fmt.Sprintf("the limit is %d", u.maxFiles))
	}
	return i, nil
}

// unpack begins with the images of an archive. What is said of the archive is
// said of each of them.
func (u *upload) unpack(of api.Image, content []byte) (api.Image, error) {
	if of.ID != "" {
		return u.counted(unreadable(of, problem.New(problem.MultipartInvalid, "an archive cannot have the id of an instance")))
	}
	images, err := api.Archive(content, u.maxImage)
	if err != nil {
		return u.counted(unreadable(of, err))
	}
	next, stop := iter.Pull(images)
	u.stop = stop
	u.unpacked = func() (api.Image, bool) {
		image, ok := next()
		image.Patient, image.Study, image.Series, image.Labels, image.Said = of.Patient, of.Study, of.Series, of.Labels, of.Said
		return image, ok
	}
	return u.next()
}

// leave ends the work on an archive.
func (u *upload) leave() {
	if u.unpacked != nil {
		u.stop()
		u.unpacked, u.stop = nil, nil
	}
}

// readImage reads an image of at most so many bytes. It tells an image that is
// too large from a body that cannot be read.
func readImage(r io.Reader, most int64) (content []byte, large, err error) {
	content, err = io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, nil, received(err, problem.MultipartInvalid)
	}
	if int64(len(content)) > most {
		return nil, problem.New(problem.ImageTooLarge, fmt.Sprintf("more than %d bytes, which is the limit", most)), nil
	}
	return content, nil, nil
}
