package rest

import (
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"

	"nearcase/api/problem"
)

//go:generate go tool oapi-codegen -config oapi.yaml -o contract.gen.go openapi.yaml

// contractText is the contract: every operation with all that it takes and
// answers.
//
//go:embed openapi.yaml
var contractText []byte

// contract is the contract as it is enforced, read once. It does not change.
var contract = sync.OnceValue(func() map[route]*operation {
	return operationsOf(readContract())
})

// readContract reads the contract for who changes what is read.
func readContract() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData(contractText)
	if err != nil {
		panic(fmt.Sprintf("openapi.yaml, which is part of the program: %v", err)) // tests read the same
	}
	return doc
}

// route is how echo names what a request asks for.
type route struct{ method, path string }

// operation is one of the contract's.
type operation struct {
	*openapi3.Operation
	path string // as the contract has it
	// Scope is what a key must allow: read, write, label or admin, and public for
	// none.
	Scope  string
	query  []string     // names of the query parameters
	bounds problem.Code // of values in a body that are out of their bounds
	spans  bool         // it leaves out what is of collections that who asks may not see
	heavy  bool         // it decodes, embeds or goes through much
	// attributes tells that query parameters of other names are attributes of DICOM,
	// which it checks itself.
	attributes bool
}

// operationsOf returns the operations of a document by echo's routes.
func operationsOf(doc *openapi3.T) map[route]*operation {
	all := map[route]*operation{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			o.Parameters = append(slices.Clone(item.Parameters), o.Parameters...)
			all[route{method, echoPath(path)}] = newOperation(path, o)
		}
	}
	return all
}

func newOperation(path string, o *openapi3.Operation) *operation {
	made := &operation{Operation: o, path: path, bounds: "invalid"}
	made.Scope, _ = o.Extensions["x-scope"].(string)
	made.spans, _ = o.Extensions["x-spans"].(bool)
	made.heavy, _ = o.Extensions["x-heavy"].(bool)
	made.attributes, _ = o.Extensions["x-attributes"].(bool)
	for _, p := range o.Parameters {
		if p.Value.In == openapi3.ParameterInQuery {
			made.query = append(made.query, p.Value.Name)
		}
	}
	if o.RequestBody != nil {
		if code, ok := o.RequestBody.Value.Extensions["x-problem"].(string); ok {
			made.bounds = problem.Code(code)
		}
	}
	return made
}

// echoPath is a path of the contract as echo writes it.
func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// identify finds the operation that a request asks for. A part of its path that
// is empty is no such route.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		o := contract()[route{c.Request().Method, c.Path()}]
		if o == nil {
			return next(c) // which says that there is none
		}
		if slices.Contains(c.ParamValues(), "") {
			return echo.ErrNotFound
		}
		c.Set(operationKey, o)
		return next(c)
	}
}

// asked returns the operation that a request asks for, nil for none.
func asked(c echo.Context) *operation {
	o, _ := c.Get(operationKey).(*operation)
	return o
}

// validate refuses parameters that the contract does not have, or not so. Bodies
// are checked as they are read: see decode.
func (s *Server) validate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if o := asked(c); o != nil {
			if err := o.checkParameters(c.Request()); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// checkParameters checks the parameters of a request but those in its path: what
// these name is there or is not.
func (o *operation) checkParameters(r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.New(problem.QueryParameter, err.Error())
	}
	if !o.attributes {
		if err := checkQuery(query, o.query); err != nil {
			return err
		}
	}
	// Without a route kin-openapi checks by its own validator, which compiles
	// nothing for each request.
	input := &openapi3filter.RequestValidationInput{
		Request: r, QueryParams: query, Options: &openapi3filter.Options{SkipSettingDefaults: true},
	}
	for _, p := range o.Parameters {
		if p.Value.In == openapi3.ParameterInPath {
			continue
		}
		if err := openapi3filter.ValidateParameter(r.Context(), input, p.Value); err != nil {
			return parameterProblem(p.Value, err)
		}
	}
	return nil
}

// checkQuery refuses query parameters that are not among those known, and those
// given twice.
func checkQuery(query url.Values, known []string) error {
	for name, values := range query {
		if !slices.Contains(known, name) {
			return problem.New(problem.QueryParameter, fmt.Sprintf("unknown query parameter %.80q%s", name, among(known)))
		}
		if len(values) > 1 {
			return problem.New(problem.QueryParameter, fmt.Sprintf("query parameter %q is given %d times", name, len(values)))
		}
	}
	return nil
}

func among(known []string) string {
	if len(known) == 0 {
		return "; this route takes none"
	}
	return "; this route takes " + strings.Join(known, ", ")
}
