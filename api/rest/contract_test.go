package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"nearcase/api"
	"nearcase/api/keys"
	"nearcase/api/problem"
	"nearcase/api/rest"
)

// document reads the contract.
func document(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(rest.ContractText)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// conforms fails unless an answer is one that the contract has for the operation,
// or a problem where there is no such operation.
func (a answer) conforms(o *openapi3.Operation) {
	a.t.Helper()
	if err := a.departs(o); err != nil {
		a.t.Errorf("%s: got %d %.2000s, which departs from the contract: %v", a.asked, a.status, a.body, err)
	}
}

func (a answer) departs(o *openapi3.Operation) error {
	if o == nil {
		if a.status < 400 || a.header.Get("Content-Type") != problem.MediaType {
			return fmt.Errorf("%s without an operation", a.header.Get("Content-Type"))
		}
		return nil
	}
	r := o.Responses.Status(a.status)
	if r == nil && a.status >= 400 {
		r = o.Responses.Default()
	}
	if r == nil {
		return fmt.Errorf("%s has no answer with this status", o.OperationID)
	}
	if err := a.departsInHeaders(r.Value.Headers); err != nil {
		return err
	}
	return a.departsInBody(r.Value.Content)
}

func (a answer) departsInHeaders(headers openapi3.Headers) error {
	for name, h := range headers {
		text := a.header.Get(name)
		if text == "" {
			if h.Value.Required {
				return fmt.Errorf("header %s is missing", name)
			}
			continue
		}
		var value any = text
		if number, err := strconv.ParseFloat(text, 64); err == nil && h.Value.Schema.Value.Type.Is("integer") {
			value = number
		}
		if err := h.Value.Schema.Value.VisitJSON(value, openapi3.VisitAsResponse()); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

func (a answer) departsInBody(content openapi3.Content) error {
	if len(content) == 0 {
		if len(a.body) > 0 {
			return fmt.Errorf("a body where none belongs")
		}
		return nil
	}
	m := content.Get(a.header.Get("Content-Type"))
	if m == nil {
		return fmt.Errorf("content type %q is not among %v", a.header.Get("Content-Type"), slices.Collect(maps.Keys(content)))
	}
	if m.Schema == nil {
		return nil
	}
	var value any
	if err := json.Unmarshal(a.body, &value); err != nil {
		return err
	}
	return shortly(m.Schema.Value.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.MultiErrors()))
}

// shortly says what departs from a schema without the schema.
func shortly(err error) error {
	if several, ok := errors.AsType[openapi3.MultiError](err); ok {
		var all []error
		for _, one := range several[:min(5, len(several))] {
			all = append(all, shortly(one))
		}
		return errors.Join(all...)
	}
	if fault, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return fmt.Errorf("/%s: %s", strings.Join(fault.JSONPointer(), "/"), fault.Reason)
	}
	return err
}

func TestTheContractIsValid(t *testing.T) {
	doc := document(t)
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	scopes := []string{"public", "read", "write", "label", "admin"}
	seen := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			scope, _ := o.Extensions["x-scope"].(string)
			if !slices.Contains(scopes, scope) || seen[o.OperationID] || o.OperationID == "" || o.Summary == "" || len(o.Tags) != 1 || o.Responses.Default() == nil {
				t.Errorf("%s %s: got ID %q, summary %q, tags %v and scope %q, want an ID of its own, a summary, one tag, a scope and a default answer",
					method, path, o.OperationID, o.Summary, o.Tags, scope)
			}
			seen[o.OperationID] = true
			for _, p := range o.Parameters {
				if p.Value.Description == "" {
					t.Errorf("%s %s: parameter %s is not described", method, path, p.Value.Name)
				}
			}
		}
	}
}

// Names are snake_case, but for those of other standards, what is described is so
// without names of Go, and nothing is defined that is not used.
func TestTheContractIsWrittenAlike(t *testing.T) {
	text, err := json.Marshal(document(t))
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	snake, foreign := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`), []string{"Value", "BulkDataURI", "InlineBinary", "resourceType"}
	words := regexp.MustCompile(`\b[a-z]+\.[A-Z][a-z]|\bnil\b|\b[A-Z][a-z]+[A-Z][a-z]+\b`)
	var walk func(at string, value any)
	walk = func(at string, value any) {
		switch v := value.(type) {
		case map[string]any:
			properties, _ := v["properties"].(map[string]any)
			for name := range properties {
				if !snake.MatchString(name) && !slices.Contains(foreign, name) {
					t.Errorf("%s: got a property %s, want snake_case", at, name)
				}
			}
			if d, ok := v["description"].(string); ok && words.MatchString(strings.ReplaceAll(d, "DiagnosticReport", "")) && !strings.Contains(d, "`") {
				t.Errorf("%s: got a description with a name of Go: %s", at, d)
			}
			for key, one := range v {
				walk(at+"/"+key, one)
			}
		case []any:
			for i, one := range v {
				walk(fmt.Sprint(at, "/", i), one)
			}
		}
	}
	walk("", whole)
	for kind, components := range whole["components"].(map[string]any) {
		for name := range components.(map[string]any) {
			if kind != "securitySchemes" && !strings.Contains(string(text), `"#/components/`+kind+"/"+name+`"`) && !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("components/%s/%s: it is not used", kind, name)
			}
		}
	}
}

func TestRoutesAreTheContractsOperations(t *testing.T) {
	w := open(t, api.Options{}, rest.Options{})
	if got, want := rest.Routes(w.server), rest.Operations(); !slices.Equal(got, want) {
		t.Errorf("routes: got %q, want %q", got, want)
	}
}

// Every example of a body is answered as the contract says for what goes well. The
// world has what it takes: collection cases of i0 to i19, tasks finding and marks.
func TestExamplesOfTheContractWork(t *testing.T) {
	for path, item := range document(t).Paths.Map() {
		for method, o := range item.Operations() {
			if o.RequestBody == nil {
				continue
			}
			m := o.RequestBody.Value.Content["application/json"]
			if m == nil {
				continue
			}
			if len(m.Examples) == 0 {
				t.Errorf("%s %s: got no example of a body", method, path)
			}
			for name, example := range m.Examples {
				t.Run(o.OperationID+" "+name, func(t *testing.T) { executes(t, method, path, item, o, example.Value) })
			}
		}
	}
}

func executes(t *testing.T, method, path string, item *openapi3.PathItem, o *openapi3.Operation, example *openapi3.Example) {
	body, err := json.Marshal(example.Value)
	if err != nil {
		t.Fatal(err)
	}
	if example.Summary == "" {
		t.Errorf("example %s: got no summary", body)
	}
	w, key := keyed(t, rest.Options{})
	w.fill(20)
	path = strings.ReplaceAll(path, "{key}", key)
	for _, p := range slices.Concat(item.Parameters, o.Parameters) {
		if p.Value.In == openapi3.ParameterInPath {
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(fmt.Sprint(p.Value.Example)))
		}
	}
	if a := w.json(method, path, string(body)); a.status/100 != 2 {
		t.Errorf("%s %s: got %d %s, want it done", a.asked, body, a.status, a.body)
	}
}

// keyed is a world with a key for everything, which its requests have, and the key's
// ID.
func keyed(t *testing.T, o rest.Options) (w *world, id string) {
	a := api.Options{OpenModel: openTwo, Privacy: api.Privacy{Key: bytes.Repeat([]byte{7}, 32)}, Folders: map[string]string{"incoming": incoming(t, 2)}, Backups: api.Backups{Folder: t.TempDir()}}
	var issued keys.Issued
	w = openWith(t, t.TempDir(), a, func(w *world) rest.Options {
		ring, err := keys.Open(t.Context(), w.catalog)
		if err == nil {
			issued, err = ring.CreateKey(t.Context(), keys.New{Name: "all", Grant: keys.Grant{Scopes: []keys.Scope{keys.Admin, keys.Write, keys.Label, keys.Read}}})
		}
		if err != nil {
			t.Fatal(err)
		}
		o.Access.Keys = ring
		return o
	})
	w.http.Transport = bearer{issued.Token, w.http.Transport}
	return w, issued.Key.ID
}

// bearer adds a key to every request.
type bearer struct {
	key string
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.RoundTripper.RoundTrip(r)
}

// What the contract bounds is refused by the place where it is.
func TestBodiesAreHeldToTheContract(t *testing.T) {
	w := cases(t, 1)
	for body, want := range map[string]struct {
		status int
		code   problem.Code
		detail string
	}{
		`{"instance":"i0","k":10001}`:                           {422, "query_invalid", "/k: number must be at most 10000, not 10001"},
		`{"instance":"i0","pool":"sum"}`:                        {422, "invalid", `/pool: "sum" is not among mean, max`},
		`{"INSTANCE":"i0"}`:                                     {400, "json_invalid", `"INSTANCE"`},
		`{"instance":null}`:                                     {400, "json_invalid", "/instance: "},
		`{"instance":"i0","exclude":{"patients":null}}`:         {400, "json_invalid", "/exclude/patients: "},
		`{"vector":[1` + strings.Repeat(",2", 100) + `],"K":1}`: {400, "json_invalid", `"K"`},
	} {
		if p := w.json(http.MethodPost, at+"/similar", body).problem(want.status, want.code); !strings.Contains(p.Detail, want.detail) {
			t.Errorf("similar %.80s: got %q, want %q in it", body, p.Detail, want.detail)
		}
	}
	mediaType, form := newForm(t).part("query", `{"k":-1}`).part("image", string(picture(t, 1))).close()
	if p := w.send(http.MethodPost, at+"/similar", mediaType, form).problem(422, "query_invalid"); !strings.Contains(p.Detail, "/k: ") {
		t.Errorf("a part of a form: got %q, want /k in it", p.Detail)
	}
	long := strings.Repeat("Mustermann", 1000)
	p := w.json(http.MethodPost, at+"/similar", `{"instance":"i0","`+long+`":1,"level":"`+long+`"}`).problem(400, "json_invalid")
	if len(p.Detail) > 600 {
		t.Errorf("a long name: got a detail of %d bytes", len(p.Detail))
	}
}

// What is short as text and large in memory is refused, and what is deep in no time.
func TestBodiesOfManyValuesAreRefused(t *testing.T) {
	w := cases(t, 1)
	for what, body := range map[string]string{
		"objects": `{"labels":[{}` + strings.Repeat(",{}", 1<<20) + `]}`,
		"strings": `{"labels":[{"instance":"i0","task":"marks","classes":[""` + strings.Repeat(`,""`, 4<<20) + `]}]}`,
	} {
		if p := w.json(http.MethodPost, at+"/labels", body).problem(413, problem.BodyTooLarge); !strings.Contains(p.Detail, "values") {
			t.Errorf("many %s: got %q, want that they are too many", what, p.Detail)
		}
	}
	many := `{"labels":[{}` + strings.Repeat(",{}", 100_000) + `]}`
	if p := w.json(http.MethodPost, at+"/labels", many).problem(400, "json_invalid"); !strings.Contains(p.Detail, "/labels/0/instance: ") {
		t.Errorf("many faults: got %q, want the first", p.Detail)
	}
	for _, deep := range []string{strings.Repeat(`{"not":`, 9000) + `{"field":"Modality","eq":"CR"}` + strings.Repeat("}", 9000), strings.Repeat("[", 9000) + strings.Repeat("]", 9000)} {
		if a := w.json(http.MethodPost, at+"/similar", `{"instance":"i0","filter":`+deep+`}`); a.status/100 != 4 {
			t.Errorf("a deep filter: got %d %s, want it refused", a.status, a.body)
		}
	}
}

func BenchmarkVectorQuery(b *testing.B) {
	h := handler(b)
	c := decoded[api.Collection](answer{t: b, body: get(h, at).Body.Bytes()})
	vector := strings.Repeat("0.12345678,", 511) + "0.1"
	for name, body := range map[string]string{
		"of 12":              `{"vector":[1,0,0,0,0,0,0,0,0,0,0,1],"fingerprint":"` + c.Fingerprint + `","k":10}`,
		"of 512, not fit":    `{"vector":[` + vector + `],"fingerprint":"` + c.Fingerprint + `","k":10}`,
		"of 512, not a list": `{"text":[` + vector + `]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serve(h, at+"/similar", "application/json", body)
			}
		})
	}
}
