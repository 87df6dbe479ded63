package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/dicomweb"
	"nearcase/store"
)

// place is what the address of a DICOMweb request names; empty is all.
type place struct{ collection, study, series, instance string }

// base is the address of a collection's DICOMweb service, as the request names the
// server. A proxy that ends TLS is asked by https.
func (s *Server) base(c echo.Context, p place) string {
	scheme := "http"
	if c.IsTLS() || s.Access.BehindTLS {
		scheme = "https"
	}
	return scheme + "://" + c.Request().Host + "/v1/collections/" + url.PathEscape(p.collection) + "/dicomweb"
}

// accept is what a request accepts: a parameter counts in place of the header
// (PS3.18 8.3.3.1).
func accept(c echo.Context) string {
	if a := c.QueryParam("accept"); a != "" {
		return a
	}
	return c.Request().Header.Get(echo.HeaderAccept)
}

// jsonForm is the media type in which DICOM JSON is accepted.
func jsonForm(c echo.Context) (string, error) {
	choices, err := dicomweb.Accepts(accept(c), dicomweb.Offer{Type: dicomweb.JSON, Single: true}, dicomweb.Offer{Type: echo.MIMEApplicationJSON, Single: true})
	if err != nil {
		return "", err
	}
	return choices[0].Type, nil
}

// files returns the files of a place, in the order that they came; none is
// store.ErrInstance.
func (s *Server) files(ctx context.Context, p place) ([]api.DICOMFile, error) {
	if p.instance != "" {
		f, err := s.service.DICOMFile(ctx, p.collection, p.study, p.series, p.instance)
		return []api.DICOMFile{f}, err
	}
	var all []api.DICOMFile
	for f, err := range s.service.DICOMFiles(ctx, p.collection, p.study, p.series) {
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return nil, p.isEmpty()
	}
	return all, nil
}

// first returns the first file of a place; none is store.ErrInstance.
func (s *Server) first(ctx context.Context, p place) (api.DICOMFile, error) {
	if p.instance != "" {
		return s.service.DICOMFile(ctx, p.collection, p.study, p.series, p.instance)
	}
	for f, err := range s.service.DICOMFiles(ctx, p.collection, p.study, p.series) {
		return f, err
	}
	return api.DICOMFile{}, p.isEmpty()
}

func (p place) isEmpty() error {
	return fmt.Errorf("study %.64q, series %.64q: %w in it", p.study, p.series, store.ErrInstance)
}

// kept returns what is kept of a file, nil for nothing.
func (s *Server) kept(ctx context.Context, collection string, f api.DICOMFile) ([]byte, error) {
	data, err := s.service.DICOMBytes(ctx, collection, f)
	if errors.Is(err, store.ErrOriginal) {
		return nil, nil
	}
	return data, err
}

// search answers a QIDO-RS query of a level: 200, with an empty list for nothing.
func (s *Server) search(c echo.Context, level dicomweb.Level, p place) error {
	ctx := c.Request().Context()
	form, err := jsonForm(c)
	if err != nil {
		return err
	}
	q, err := s.searchOf(c, level, p)
	if err != nil {
		return err
	}
	found, more, err := dicomweb.Search(q, s.service.DICOMFiles(ctx, p.collection, q.Study, q.Series))
	if err != nil {
		return err
	}
	if more > 0 {
		c.Response().Header().Add("Warning", fmt.Sprintf(`299 nearcase "There are %d additional results that can be requested"`, more))
	}
	return writeList(c, form, len(found), func(i int) (dicomweb.Object, error) {
		return s.describe(ctx, p, q, found[i], s.base(c, p))
	})
}

// searchOf reads the query, whose patient may go by either name.
func (s *Server) searchOf(c echo.Context, level dicomweb.Level, p place) (dicomweb.Query, error) {
	given, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return dicomweb.Query{}, fmt.Errorf("%w: %w", dicomweb.ErrSyntax, err)
	}
	q, err := dicomweb.ParseQuery(level, p.study, p.series, given)
	if err != nil {
		return q, err
	}
	for _, id := range q.Patients() {
		name, err := s.service.CalledPatient(c.Request().Context(), p.collection, id)
		if err != nil {
			return q, err
		}
		q.AddPatient(name)
	}
	if q.Fuzzy {
		c.Response().Header().Add("Warning", `299 nearcase "The fuzzymatching parameter is not supported. Only literal matching has been performed."`)
	}
	return q, nil
}

func (s *Server) describe(ctx context.Context, p place, q dicomweb.Query, f dicomweb.Found, base string) (dicomweb.Object, error) {
	if f.Level == dicomweb.Instances {
		saw(ctx, f.File.ID)
	} else {
		sawStudy(ctx, f.File.Study)
	}
	data, err := s.kept(ctx, p.collection, f.File)
	if err != nil {
		return nil, err
	}
	return q.Describe(f, data, base)
}

// fileMetadata answers with the metadata of all files of a place, one by one.
func (s *Server) fileMetadata(c echo.Context, p place) error {
	ctx := c.Request().Context()
	form, err := jsonForm(c)
	if err != nil {
		return err
	}
	files, err := s.files(ctx, p)
	if err != nil {
		return err
	}
	return writeList(c, form, len(files), func(i int) (dicomweb.Object, error) {
		data, err := s.kept(ctx, p.collection, files[i])
		if err != nil {
			return nil, err
		}
		return dicomweb.Metadata(files[i], data, s.base(c, p))
	})
}

// writeList answers with a list of n objects, each of which is made when those
// before it are sent: there may be megabytes of each. What goes wrong once the
// answer has begun cuts the connection.
func writeList(c echo.Context, form string, n int, object func(i int) (dicomweb.Object, error)) error {
	out, before := lister{c, form}, "["
	for i := range n {
		o, err := object(i)
		if err != nil {
			return err
		}
		text, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("encode answer: %w", err)
		}
		if err := out.write(before, text); err != nil {
			return err
		}
		before = ","
	}
	return out.write(strings.TrimPrefix(before, ","), []byte("]\n"))
}

// lister writes an answer piece by piece, and begins it with the first.
type lister struct {
	c    echo.Context
	form string
}

func (l lister) write(before string, text []byte) error {
	if r := l.c.Response(); !r.Committed {
		r.Header().Set(echo.HeaderContentType, l.form)
		r.WriteHeader(http.StatusOK)
	}
	_, err := slowly{l.c}.Write(append([]byte(before), text...))
	return err
}
