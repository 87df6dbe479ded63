package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// generator makes requests of a contract, valid ones and others. The same random
// numbers make the same request.
type generator struct {
	*rand.Rand
	operations []asking
	known      map[string][]any // values that mean something, by name
	files      [][]byte
}

// asking is an operation as it is asked for.
type asking struct {
	method, path string
	*openapi3.Operation
}

// request is one that was made.
type request struct {
	operation string
	method    string
	url       string
	header    map[string][]string
	body      []byte
}

func (r request) String() string {
	header := maps.Clone(r.header)
	delete(header, "Authorization")
	return fmt.Sprintf("%s %s %v %.600q", r.method, r.url, header, r.body)
}

// follows reports whether the answer to a request has no end: changes as they come.
func (r request) follows() bool {
	return r.operation == "listChanges" && strings.Contains(strings.Join(r.header["Accept"], ","), "ndjson")
}

// askings are the operations of a contract, in order.
func askings(doc *openapi3.T) (all []asking) {
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for _, method := range slices.Sorted(maps.Keys(item.Operations())) {
			o := item.Operations()[method]
			o.Parameters = slices.Concat(item.Parameters, o.Parameters)
			all = append(all, asking{method, path, o})
		}
	}
	return all
}

// chance reports true in so many of 100 cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// pick returns one of some.
func pick[T any](g *generator, all []T) T { return all[g.IntN(len(all))] }

// next makes a request.
func (g *generator) next() request {
	o := pick(g, g.operations)
	r := request{operation: o.OperationID, method: o.method, header: map[string][]string{}}
	path, query := o.path, url.Values{}
	for _, p := range o.Parameters {
		switch p.Value.In {
		case openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(g.segment(o.path, p.Value)))
		case openapi3.ParameterInQuery:
			if p.Value.Required || g.chance(25) || p.Value.Name == "confirm" && g.chance(80) {
				query.Add(p.Value.Name, g.text(p.Value, 85))
			}
		case openapi3.ParameterInHeader:
			if p.Value.Required || g.chance(20) {
				r.header[p.Value.Name] = []string{printable(g.text(p.Value, 85))}
			}
		}
	}
	g.spoilQuery(query)
	if r.url = path; len(query) > 0 {
		r.url += "?" + query.Encode()
	}
	if o.RequestBody != nil && !g.chance(2) {
		r.body = g.body(o.RequestBody.Value.Content, r.header)
	}
	g.spoil(&r)
	return r
}

// segment is a part of a path: one that is there, if any is known, or another.
func (g *generator) segment(path string, p *openapi3.Parameter) string {
	before, _, _ := strings.Cut(path, "{"+p.Name+"}")
	if ids := g.known[before]; len(ids) > 0 && g.chance(70) {
		return fmt.Sprint(pick(g, ids))
	}
	return g.text(p, 90)
}

// text is the value of a parameter, a valid one in so many of 100 cases.
func (g *generator) text(p *openapi3.Parameter, valid int) string {
	if !g.chance(valid) {
		return g.odd()
	}
	if p.Example != nil && len(g.known[p.Name]) == 0 && g.chance(80) {
		return fmt.Sprint(p.Example)
	}
	if p.Schema == nil {
		return g.odd()
	}
	value := g.value(p.Name, p.Schema, 0)
	if many, ok := value.([]any); ok {
		texts := make([]string, len(many))
		for i := range many {
			texts[i] = fmt.Sprint(many[i])
		}
		return strings.Join(texts, ",")
	}
	if text, err := json.Marshal(value); err == nil && strings.HasPrefix(string(text), "{") {
		return string(text)
	}
	return fmt.Sprint(value)
}

// spoilQuery sometimes adds a parameter that is unknown, or one twice.
func (g *generator) spoilQuery(query url.Values) {
	if g.chance(3) {
		query.Add(g.odd(), g.odd())
	}
	if names := slices.Sorted(maps.Keys(query)); len(names) > 0 && g.chance(3) {
		query.Add(pick(g, names), g.odd())
	}
}

// spoil sometimes changes what a request is as such.
func (g *generator) spoil(r *request) {
	if g.chance(2) {
		r.method = pick(g, []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
	}
	if g.chance(15) {
		r.header["Accept"] = []string{pick(g, []string{"*/*", "text/html", "text/csv", "application/json", "application/dicom+json", "image/png", "multipart/related; type=\"application/dicom\"",
			"application/x-ndjson", "application/fhir+json", ";", "a/b;q=2", printable(g.odd())})}
	}
	if g.chance(5) {
		r.header[pick(g, []string{"X-Request-Id", "X-Forwarded-For", "If-Match", "If-None-Match", "Idempotency-Key", "Range", "Content-Encoding", "Origin", "Cookie"})] = []string{printable(g.odd())}
	}
	if len(r.body) == 0 {
		return
	}
	if g.chance(4) {
		r.header["Content-Type"] = []string{pick(g, []string{"application/json", "multipart/form-data", "multipart/form-data; boundary=b", "text/plain", "image/png", "application/zip", "", printable(g.odd())})}
	}
	if g.chance(10) {
		r.body = g.spoilt(r.body)
	}
}

// spoilt changes a few bytes, or leaves some out.
func (g *generator) spoilt(body []byte) []byte {
	body = slices.Clone(body)
	for range 1 + g.IntN(4) {
		body[g.IntN(len(body))] = byte(g.Uint32())
	}
	if g.chance(40) {
		body = body[:g.IntN(len(body))]
	}
	return body
}

// body makes a body of one of some media types.
func (g *generator) body(content openapi3.Content, header map[string][]string) []byte {
	mediaType := pick(g, slices.Sorted(maps.Keys(content)))
	schema := content[mediaType].Schema
	header["Content-Type"] = []string{strings.Replace(mediaType, "*", "png", 1)}
	switch {
	case strings.HasPrefix(mediaType, "multipart/form-data") && schema != nil:
		return g.form(schema.Value, header)
	case strings.HasPrefix(mediaType, "multipart/"):
		return g.related(header)
	case strings.HasSuffix(mediaType, "json") && !strings.HasSuffix(mediaType, "x-ndjson") || mediaType == "application/x-ndjson" && g.chance(10):
		return g.example(content[mediaType])
	case strings.HasSuffix(mediaType, "x-ndjson"):
		var lines []byte
		for range g.IntN(5) {
			lines = append(append(lines, g.json(g.lines(content[mediaType]))...), '\n')
		}
		return lines
	}
	return pick(g, g.files)
}

// lines is the schema of a line, or of any of what the contract has.
func (g *generator) lines(m *openapi3.MediaType) *openapi3.SchemaRef {
	if m.Schema != nil {
		return m.Schema
	}
	return g.known["line"][g.IntN(len(g.known["line"]))].(*openapi3.SchemaRef)
}

// example is JSON: an example of the contract, or what its schema has.
func (g *generator) example(m *openapi3.MediaType) []byte {
	if names := slices.Sorted(maps.Keys(m.Examples)); len(names) > 0 && g.chance(30) {
		if text, err := json.Marshal(m.Examples[pick(g, names)].Value.Value); err == nil {
			return text
		}
	}
	if m.Schema == nil {
		return []byte(g.odd())
	}
	return g.json(m.Schema)
}

// json is what a schema has as text, sometimes with one thing wrong.
func (g *generator) json(schema *openapi3.SchemaRef) []byte {
	value := g.value("", schema, 0)
	if g.chance(30) {
		value = g.mutated(value)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return []byte("{}")
	}
	if g.chance(3) {
		text = append(text, g.odd()...)
	}
	return text
}

// form is a multipart body of the parts that a schema names, in any order.
func (g *generator) form(schema *openapi3.Schema, header map[string][]string) []byte {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	header["Content-Type"] = []string{w.FormDataContentType()}
	names := slices.Sorted(maps.Keys(schema.Properties))
	for range 1 + g.IntN(4) {
		name := pick(g, names)
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q; filename=%q", name, "../"+name)}})
		if err != nil {
			return nil
		}
		property := schema.Properties[name]
		if property.Value.Type == nil || g.chance(5) {
			_, _ = part.Write(pick(g, g.files))
			continue
		}
		_, _ = part.Write(g.json(property))
	}
	if g.chance(95) {
		_ = w.Close()
	}
	return b.Bytes()
}

// related is a multipart body of files, as STOW-RS has them.
func (g *generator) related(header map[string][]string) []byte {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	header["Content-Type"] = []string{`multipart/related; type="application/dicom"; boundary=` + w.Boundary()}
	for range g.IntN(4) {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/dicom"}})
		if err != nil {
			return nil
		}
		_, _ = part.Write(pick(g, g.files))
	}
	_ = w.Close()
	return b.Bytes()
}
