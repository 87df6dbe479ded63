package reference

import (
	"cmp"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// contents is what the page says, in its order.
type contents struct {
	Title, Version string
	About          []paragraph
	Style          template.CSS
	Tags           []tag
	Schemas        []schema
}

type tag struct {
	Name       string
	About      []paragraph
	Operations []operation
}

type operation struct {
	ID, Method, Path, Summary, Scope string
	About                            []paragraph
	Parameters                       []row
	Bodies                           []body
	BodyRequired                     bool
	Examples                         []example
	Answers                          []answer
}

// body is what a request may carry, or an answer does, of one media type.
type body struct {
	MediaType string
	IsProblem bool
	Type      []span
	Rows      []row // of an object that has no name
}

type answer struct {
	Status  string
	About   []paragraph
	Headers []row
	Bodies  []body
}

type schema struct {
	Name  string
	About []paragraph
	Type  []span // of what is no object
	Rows  []row
}

func newContents(doc *openapi3.T) contents {
	c := contents{Title: doc.Info.Title, Version: doc.Info.Version, About: prose(doc.Info.Description), Style: template.CSS(style)}
	byTag := map[string][]operation{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for _, method := range methodsOf(item) {
			o := item.Operations()[method]
			byTag[o.Tags[0]] = append(byTag[o.Tags[0]], newOperation(method, path, item, o))
		}
	}
	for _, t := range doc.Tags {
		c.Tags = append(c.Tags, tag{t.Name, prose(t.Description), byTag[t.Name]})
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		s := doc.Components.Schemas[name].Value
		described := schema{Name: name, About: prose(s.Description), Rows: rows(s)}
		if len(described.Rows) == 0 {
			described.Type = typeOf(doc.Components.Schemas[name])
		}
		c.Schemas = append(c.Schemas, described)
	}
	return c
}

// methodsOf returns the methods of a path in the order in which they are shown.
func methodsOf(item *openapi3.PathItem) []string {
	order := "GET HEAD POST PUT PATCH DELETE"
	methods := slices.Collect(maps.Keys(item.Operations()))
	slices.SortFunc(methods, func(a, b string) int { return cmp.Compare(strings.Index(order, a), strings.Index(order, b)) })
	return methods
}

func newOperation(method, path string, item *openapi3.PathItem, o *openapi3.Operation) operation {
	parameters := slices.Concat(item.Parameters, o.Parameters)
	made := operation{ID: o.OperationID, Method: method, Path: path, Summary: o.Summary, About: prose(o.Description)}
	made.Scope, _ = o.Extensions["x-scope"].(string)
	for _, p := range parameters {
		described := row{Name: p.Value.Name, Where: p.Value.In, Required: p.Value.Required, About: prose(p.Value.Description)}
		if p.Value.Schema != nil {
			described.Type, described.Bounds = typeOf(p.Value.Schema), bounds(p.Value.Schema.Value)
		}
		made.Parameters = append(made.Parameters, described)
	}
	if o.RequestBody != nil {
		made.Bodies, made.BodyRequired = bodies(o.RequestBody.Value.Content), o.RequestBody.Value.Required
	}
	made.Examples = examples(made, parameters, o)
	for _, status := range slices.Sorted(maps.Keys(o.Responses.Map())) {
		made.Answers = append(made.Answers, newAnswer(status, o.Responses.Value(status).Value))
	}
	return made
}

// requestID is a header that every answer has, which the introduction says.
const requestID = "X-Request-Id"

func newAnswer(status string, r *openapi3.Response) answer {
	a := answer{Status: status, Bodies: bodies(r.Content)}
	if r.Description != nil {
		a.About = prose(*r.Description)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		if name == requestID {
			continue
		}
		h := r.Headers[name].Value
		a.Headers = append(a.Headers, row{Name: name, Required: h.Required, Type: typeOf(h.Schema), About: prose(h.Description)})
	}
	return a
}

func bodies(content openapi3.Content) (all []body) {
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		b := body{MediaType: mediaType, IsProblem: mediaType == "application/problem+json"}
		if s := content[mediaType].Schema; s != nil {
			if b.Type = typeOf(s); s.Ref == "" {
				b.Rows = rows(s.Value)
			}
		}
		all = append(all, b)
	}
	return all
}
