package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/dicomweb"
	"nearcase/api/fhir"
)

// ReportInstance classifies a stored instance and gives the answer back as a DICOM
// structured report or as a FHIR DiagnosticReport. The form is named by a parameter
// or, without one, by what is accepted; it is FHIR where both are.
func (s handlers) ReportInstance(c echo.Context, name CollectionName, id InstanceID, p ReportInstanceParams) error {
	form, err := reportForm(c, string(p.Format))
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	instance, err := s.service.Instance(ctx, name, id)
	if err != nil {
		return err
	}
	q := api.Query{Instance: instance.ID}
	if p.Tasks != "" {
		q.Tasks = strings.Split(p.Tasks, "|")
	}
	answer, err := s.service.Classify(ctx, name, q)
	if err != nil {
		return err
	}
	sawAnswer(ctx, answer)
	if form == dicomweb.DICOM {
		return s.structuredReport(c, instance, answer)
	}
	r, err := fhir.Report(fhir.Answer{Classification: answer, Image: instance.Instance, At: time.Now(), Software: s.service.Version})
	if err != nil {
		return err
	}
	return write(c, http.StatusOK, fhir.MediaType, r)
}

// reportForm returns the media type that is asked for.
func reportForm(c echo.Context, format string) (string, error) {
	switch format {
	case "sr":
		return dicomweb.DICOM, nil
	case "fhir":
		return fhir.MediaType, nil
	}
	choices, err := dicomweb.Accepts(accept(c), dicomweb.Offer{Type: fhir.MediaType, Single: true}, dicomweb.Offer{Type: dicomweb.DICOM, Single: true})
	if err != nil {
		return "", err
	}
	return choices[0].Type, nil
}

func (s *Server) structuredReport(c echo.Context, instance api.Instance, answer api.Classification) error {
	f, err := instance.DICOMFile()
	if err != nil {
		return err
	}
	data, err := s.service.DICOMBytes(c.Request().Context(), answer.Collection, f)
	if err != nil {
		return err
	}
	r := dicomweb.Report{Answer: answer, Image: f, Kept: data, At: time.Now(), Software: s.service.Version}
	sr, err := r.StructuredReport()
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, dicomweb.DICOM)
	h.Set(echo.HeaderContentDisposition, "attachment; filename=report.dcm")
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(sr)))
	c.Response().WriteHeader(http.StatusOK)
	_, err = slowly{c}.Write(sr)
	return err
}
