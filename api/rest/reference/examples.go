package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// example is a request as curl makes it.
type example struct{ Summary, Command string }

// examples are one for each example of a JSON body, and those that send an image or
// nothing at all.
func examples(o operation, parameters openapi3.Parameters, described *openapi3.Operation) (all []example) {
	head := command(o, parameters)
	if described.RequestBody == nil {
		return []example{{"", head}}
	}
	content := described.RequestBody.Value.Content
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		m := content[mediaType]
		for _, name := range slices.Sorted(maps.Keys(m.Examples)) {
			e := m.Examples[name].Value
			all = append(all, example{e.Summary, head + data(mediaType, e.Value)})
		}
	}
	if m := content["multipart/form-data"]; m != nil && m.Schema != nil {
		if parts := slices.Sorted(maps.Keys(m.Schema.Value.Properties)); slices.Contains(parts, "image") {
			all = append(all, example{"An image in a form", head + " \\\n  -F image=@image.dcm"})
		}
	}
	if content["application/dicom"] != nil {
		all = append(all, example{"A DICOM file as the body", head + " \\\n  -H 'Content-Type: application/dicom' --data-binary @image.dcm"})
	}
	return all
}

// command is the part of a command that is the same whatever the body: the address,
// with the parameters that are required or have an example, and the key.
func command(o operation, parameters openapi3.Parameters) string {
	path, query, headers := o.Path, url.Values{}, ""
	for _, p := range parameters {
		value := fmt.Sprint(p.Value.Example)
		if p.Value.Example == nil {
			value = strings.ToUpper(p.Value.Name)
		}
		switch {
		case p.Value.In == openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(value))
		case p.Value.Example == nil && !p.Value.Required:
		case p.Value.In == openapi3.ParameterInQuery:
			query.Set(p.Value.Name, value)
		case p.Value.In == openapi3.ParameterInHeader:
			headers += " \\\n  -H " + quoted(p.Value.Name+": "+value)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	text := "curl"
	if o.Method != "GET" {
		text += " -X " + o.Method
	}
	text += ` "$NEARCASE` + path + `"`
	if o.Scope != "public" {
		text += " \\\n  -H \"Authorization: Bearer $NEARCASE_KEY\""
	}
	return text + headers
}

// data is the part of a command that is a body: JSON, or text as it is.
func data(mediaType string, value any) string {
	text, isText := value.(string)
	if !isText {
		text = layout(value, "  ")
	}
	return " \\\n  -H " + quoted("Content-Type: "+mediaType) + " \\\n  --data-binary " + quoted(text)
}

// width is what a line of JSON may have.
const width = 76

// layout writes JSON that was decoded, with what is short on one line.
func layout(value any, indent string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return ""
	}
	line, deeper := strings.TrimSpace(b.String()), indent+"  "
	var items []string
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, strconv.Quote(key)+": "+layout(v[key], deeper))
		}
	case []any:
		for _, item := range v {
			items = append(items, layout(item, deeper))
		}
	}
	if len(items) == 0 || len(line)+len(indent) <= width {
		return line
	}
	return line[:1] + "\n" + deeper + strings.Join(items, ",\n"+deeper) + "\n" + indent + line[len(line)-1:]
}

// quoted is a word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
