package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/textproto"

	"nearcase/api"
)

// form is a multipart body in the making.
type form struct {
	body   bytes.Buffer
	writer *multipart.Writer
}

func newForm() *form {
	f := &form{}
	f.writer = multipart.NewWriter(&f.body)
	return f
}

// part adds a part. It has no file name: those may name patients.
func (f *form) part(name, mediaType string, content []byte) error {
	w, err := f.writer.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"`},
		"Content-Type":        {mediaType},
	})
	if err == nil {
		_, err = w.Write(content)
	}
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return nil
}

func (f *form) file(name string, content []byte) error {
	return f.part(name, "application/octet-stream", content)
}

func (f *form) json(name string, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return f.part(name, "application/json", content)
}

// close returns the body and its media type.
func (f *form) close() (mediaType string, body []byte, err error) {
	if err := f.writer.Close(); err != nil {
		return "", nil, fmt.Errorf("encode request: %w", err)
	}
	return f.writer.FormDataContentType(), f.body.Bytes(), nil
}

// metadata describes the image that follows it.
type metadata struct {
	ID      string         `json:"id,omitempty"`
	Patient string         `json:"patient,omitempty"`
	Study   string         `json:"study,omitempty"`
	Series  string         `json:"series,omitempty"`
	Name    string         `json:"name,omitempty"`
	Labels  map[string]any `json:"labels,omitempty"`
}

// said is what is known of an image.
func said(i api.Image) metadata {
	labels := map[string]any{}
	for task, classes := range i.Labels {
		labels[task] = all(classes)
	}
	for task, said := range i.Said {
		said.Classes = all(said.Classes)
		labels[task] = said
	}
	return metadata{i.ID, i.Patient, i.Study, i.Series, i.Name, labels}
}

// all returns a list that is [] in JSON when it has nothing: the contract knows no
// null.
func all[T any](list []T) []T { return append([]T{}, list...) }

// image adds an image with what is known of it.
func (f *form) image(i api.Image, content []byte) error {
	if err := f.json("metadata", said(i)); err != nil {
		return err
	}
	return f.file("image", content)
}
