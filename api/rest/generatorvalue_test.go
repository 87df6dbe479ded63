package rest_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// deepest is how deep values are made.
const deepest = 5

// value is one that a schema has, of a property of that name.
func (g *generator) value(name string, ref *openapi3.SchemaRef, depth int) any {
	s := ref.Value
	if pool := g.known[name]; len(pool) > 0 && !holds(s) && g.chance(85) {
		return pick(g, pool)
	}
	for _, choices := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf} {
		if len(choices) > 0 {
			return g.value(name, pick(g, choices), depth+1)
		}
	}
	if len(s.AllOf) > 0 {
		return g.value(name, s.AllOf[0], depth+1)
	}
	switch {
	case len(s.Enum) > 0:
		return pick(g, s.Enum)
	case s.Type == nil && len(s.Properties) == 0:
		return pick(g, []any{nil, true, 1.5, "x", []any{}, map[string]any{}})
	case s.Type.Includes("object") || len(s.Properties) > 0:
		return g.object(s, depth)
	case s.Type.Includes("array"):
		return g.list(name, s, depth)
	case s.Type.Includes("boolean"):
		return g.chance(50)
	case s.Type.Includes("integer"):
		return int64(g.number(s))
	case s.Type.Includes("number"):
		return g.number(s)
	}
	return g.string(s)
}

// holds reports whether a schema is of what has other values in it.
func holds(s *openapi3.Schema) bool {
	return s.Items != nil || len(s.Properties) > 0 || s.AdditionalProperties.Schema != nil || len(s.OneOf)+len(s.AnyOf)+len(s.AllOf) > 0
}

func (g *generator) object(s *openapi3.Schema, depth int) any {
	made := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		required := slices.Contains(s.Required, name)
		if required || depth < deepest && g.chance(max(20, 70/(1+len(s.Properties)))) {
			made[name] = g.value(name, s.Properties[name], depth+1)
		}
	}
	if more := s.AdditionalProperties.Schema; more != nil && depth < deepest {
		for range g.IntN(3) {
			name := fmt.Sprint(pick(g, g.known["keys"]))
			made[name] = g.value("", more, depth+1)
		}
	}
	return made
}

func (g *generator) list(name string, s *openapi3.Schema, depth int) any {
	n := int(s.MinItems)
	if depth < deepest {
		n += g.IntN(4)
	}
	if name == "vector" {
		n = 12
	}
	if s.MaxItems != nil {
		n = min(n, int(*s.MaxItems))
	}
	made := make([]any, n)
	for i := range made {
		made[i] = g.value(name, s.Items, depth+1)
	}
	return made
}

// number is within the bounds of a schema, often small and sometimes at a bound.
func (g *generator) number(s *openapi3.Schema) float64 {
	low, high := -10.0, 10.0
	if s.Min != nil {
		low, high = *s.Min, *s.Min+10
	}
	if s.Max != nil {
		high = min(*s.Max, low+10)
		if g.chance(5) {
			return *s.Max
		}
	}
	x := low + g.Float64()*(high-low)
	if s.Type.Includes("integer") {
		return math.Round(x)
	}
	return x
}

func (g *generator) string(s *openapi3.Schema) any {
	switch s.Format {
	case "date-time":
		return pick(g, []any{"2026-01-02T03:04:05Z", "1999-12-31T23:59:59.999+05:30"})
	case "byte":
		return pick(g, []any{"", "AAEC", "iVBORw0KGgo="})
	}
	text := g.odd()
	if s.MaxLength != nil {
		for len([]rune(text)) > int(*s.MaxLength) {
			text = text[:len(text)/2]
		}
	}
	if len(text) < int(s.MinLength) {
		text += strings.Repeat("x", int(s.MinLength))
	}
	return strings.ToValidUTF8(text, "?")
}

// odd is a string that somebody might send.
func (g *generator) odd() string {
	return pick(g, []string{
		"", "x", "0", "-1", "1e999", "null", "true", "i0", "cases", "finding", "NaN", " ", "a b", "a/b", "..", "../../etc/passwd", "%00", "\x00", "\xff\xfe", "ü", "\u202egnp", "<script>alert(1)</script>",
		"' or 1=1 --", "{}", "[]", `{"a":`, strings.Repeat("x", 300), strings.Repeat("ab,", 200), "18446744073709551616", "1.2.3.4", "2026-01-01", "*", `"1"`, "W/\"2\"", "10s", "-5s",
	})
}

// printable is a string that a header may have.
func printable(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text))
}

// mutated is a value with one thing wrong in it: somewhere another kind of value, a
// name more, or one less.
func (g *generator) mutated(value any) any {
	switch v := value.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		switch {
		case len(names) == 0 || g.chance(20):
			v[g.odd()] = g.odd()
		case g.chance(25):
			delete(v, pick(g, names))
		default:
			name := pick(g, names)
			v[name] = g.mutated(v[name])
		}
		return v
	case []any:
		if len(v) > 0 && g.chance(70) {
			i := g.IntN(len(v))
			v[i] = g.mutated(v[i])
			return v
		}
	}
	return pick(g, []any{nil, true, -1, 0, 1e18, 1e300, 0.5, g.odd(), []any{}, []any{[]any{}}, map[string]any{}, map[string]any{"a": nil}})
}
