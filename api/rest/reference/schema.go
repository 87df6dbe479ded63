package reference

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// row describes a property, parameter or header.
type row struct {
	Name     string
	Where    string // of a parameter
	Required bool
	Type     []span
	Bounds   string
	About    []paragraph
	Rows     []row // of an object without a name
}

// rows describes the properties of an object, those that are required first.
func rows(s *openapi3.Schema) (all []row) {
	names := slices.Sorted(maps.Keys(s.Properties))
	slices.SortStableFunc(names, func(a, b string) int {
		return boolean(slices.Contains(s.Required, b)) - boolean(slices.Contains(s.Required, a))
	})
	for _, name := range names {
		p := s.Properties[name]
		described := row{Name: name, Required: slices.Contains(s.Required, name), Type: typeOf(p), Bounds: bounds(p.Value), About: prose(p.Value.Description)}
		if inner := nameless(p); inner != nil {
			described.Rows = rows(inner)
		}
		all = append(all, described)
	}
	return all
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// nameless returns the object without a name that a schema is, or is a list or map
// of; nil for none.
func nameless(s *openapi3.SchemaRef) *openapi3.Schema {
	switch {
	case s == nil || s.Ref != "":
		return nil
	case s.Value.Items != nil:
		return nameless(s.Value.Items)
	case s.Value.AdditionalProperties.Schema != nil:
		return nameless(s.Value.AdditionalProperties.Schema)
	}
	return s.Value
}

// typeOf says what kind of value a schema is of.
func typeOf(s *openapi3.SchemaRef) []span {
	if s.Ref != "" {
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		return []span{{Text: name, Link: "#schema-" + name}}
	}
	v := s.Value
	switch {
	case len(v.OneOf) > 0:
		return either(v.OneOf)
	case len(v.AnyOf) > 0:
		return either(v.AnyOf)
	case v.Items != nil:
		return append([]span{{Text: "list of "}}, typeOf(v.Items)...)
	case v.AdditionalProperties.Schema != nil:
		return append([]span{{Text: "map of "}}, typeOf(v.AdditionalProperties.Schema)...)
	case v.ContentMediaType != "":
		return []span{{Text: "file"}}
	case v.Type == nil:
		return []span{{Text: "any"}}
	}
	return []span{{Text: plain(v)}}
}

func either(schemas openapi3.SchemaRefs) (all []span) {
	for i, s := range schemas {
		if i > 0 {
			all = append(all, span{Text: " or "})
		}
		all = append(all, typeOf(s)...)
	}
	return all
}

// plain names a type with its format, without null.
func plain(v *openapi3.Schema) string {
	types := slices.DeleteFunc(slices.Clone(v.Type.Slice()), func(t string) bool { return t == "null" })
	text := strings.Join(types, " or ")
	if v.Format != "" && !strings.HasPrefix(v.Format, "int") && !strings.HasPrefix(v.Format, "uint") && v.Format != "float" {
		text += " (" + v.Format + ")"
	}
	return text
}

// bounds says within what a value must be; empty for nothing.
func bounds(v *openapi3.Schema) string {
	var all []string
	add := func(format string, value any) { all = append(all, fmt.Sprintf(format, value)) }
	if len(v.Enum) > 0 {
		all = append(all, words(v.Enum))
	}
	if v.Min != nil {
		add("at least %v", *v.Min)
	}
	if v.ExclusiveMin.Value != nil {
		add("more than %v", *v.ExclusiveMin.Value)
	}
	if v.Max != nil {
		add("at most %v", *v.Max)
	}
	if v.ExclusiveMax.Value != nil {
		add("less than %v", *v.ExclusiveMax.Value)
	}
	if v.MaxLength != nil {
		add("at most %d characters", *v.MaxLength)
	}
	if v.MaxItems != nil {
		add("at most %d of them", *v.MaxItems)
	}
	if v.MinItems > 0 {
		add("at least %d of them", v.MinItems)
	}
	if v.Pattern != "" {
		add("as %s", v.Pattern)
	}
	if v.Default != nil {
		add("default %v", v.Default)
	}
	return strings.Join(all, "; ")
}

// words are the values of an enumeration but the empty one.
func words(values []any) string {
	var all []string
	for _, v := range values {
		if text := fmt.Sprint(v); text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, " | ")
}
