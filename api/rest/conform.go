package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
)

// conforms reports how a JSON body departs from the contract of the operation
// asked for. The body has been decoded before, so that it is JSON.
func conforms(c echo.Context, body []byte) error {
	o := asked(c)
	if o == nil || o.RequestBody == nil {
		return nil
	}
	return o.check(o.RequestBody.Value.Content.Get(echo.MIMEApplicationJSON), nil, body)
}

// conformsPart is conforms for a JSON part of a form.
func conformsPart(c echo.Context, part string, body []byte) error {
	o := asked(c)
	if o == nil || o.RequestBody == nil {
		return nil
	}
	return o.check(o.RequestBody.Value.Content.Get(echo.MIMEMultipartForm), []string{part}, body)
}

// check holds a JSON value to the schema of a media type, or of what is within it
// at a path of property names. No schema holds for everything.
func (o *operation) check(m *openapi3.MediaType, within []string, body []byte) error {
	if m == nil || m.Schema == nil {
		return nil
	}
	schema := m.Schema.Value
	for _, name := range within {
		property := schema.Properties[name]
		if property == nil {
			return nil
		}
		schema = property.Value
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return explain(err)
	}
	options := []openapi3.SchemaValidationOption{openapi3.VisitAsRequest()}
	if len(body) <= maxTold {
		options = append(options, openapi3.MultiErrors())
	}
	if err := schema.VisitJSON(value, options...); err != nil {
		return o.bodyProblem(err)
	}
	return nil
}

const (
	// mostFaults is how many faults of one body are told, and maxTold how large it
	// may be for more than the first to be looked for.
	mostFaults = 5
	maxTold    = 64 << 10
)

// bodyProblem says what a body should be and is not, place by place. What is
// missing, unknown or of another kind is a fault of the JSON; a value out of its
// bounds is one of what is asked.
func (o *operation) bodyProblem(err error) *problem.Problem {
	code, texts := o.bounds, []string(nil)
	for _, fault := range faults(err) {
		if own, ok := fault.Schema.Extensions["x-problem"].(string); ok && code == o.bounds {
			code = problem.Code(own)
		}
		switch fault.SchemaField {
		case "type", "nullable", "required", "properties", "additionalProperties":
			code = problem.JSONInvalid
		}
		if len(texts) < mostFaults {
			texts = append(texts, fmt.Sprintf("%s: %s", pointer(fault.JSONPointer()), reason(fault)))
		}
	}
	return problem.New(code, strings.Join(texts, "; "))
}

// faults are the departures from a schema that an error tells of.
func faults(err error) (all []*openapi3.SchemaError) {
	if several, ok := errors.AsType[openapi3.MultiError](err); ok {
		for _, one := range several {
			all = append(all, faults(one)...)
		}
		return all
	}
	if fault, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return []*openapi3.SchemaError{fault}
	}
	return []*openapi3.SchemaError{{Schema: &openapi3.Schema{}, SchemaField: "type", Reason: "not as the contract has it"}}
}

// pointer is a JSON pointer (RFC 6901), of names of no more than a few bytes.
func pointer(path []string) string {
	var b strings.Builder
	for _, name := range path {
		fmt.Fprintf(&b, "/%.64s", strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

// reason says what is wrong in words. A value is named only where it is a number
// or should have been one of a few words: others may be identifiers of patients.
func reason(fault *openapi3.SchemaError) string {
	text := fmt.Sprintf("%.300s", fault.Reason)
	switch value := fault.Value.(type) {
	case float64:
		return fmt.Sprintf("%s, not %g", text, value)
	case string:
		if fault.SchemaField == "enum" {
			return fmt.Sprintf("%.40q is not among %s", value, words(fault.Schema.Enum))
		}
	}
	return text
}

func words(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), ", ")
}

// parameterProblem says what is wrong with a parameter.
func parameterProblem(p *openapi3.Parameter, err error) *problem.Problem {
	name := p.Name
	if p.In == openapi3.ParameterInHeader {
		name = "header " + name
	}
	code := problem.QueryParameter
	if unread, ok := errors.AsType[*openapi3filter.ParseError](err); ok {
		return problem.New(code, fmt.Sprintf("%s=%.80q cannot be read", name, fmt.Sprint(unread.Value)))
	}
	switch {
	case errors.Is(err, openapi3filter.ErrInvalidRequired):
		return problem.New(code, name+" is missing")
	case errors.Is(err, openapi3filter.ErrInvalidEmptyValue):
		return problem.New(code, name+" is empty")
	}
	return problem.New(code, name+": "+reason(faults(err)[0]))
}
