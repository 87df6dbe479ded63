package main

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

type configCommand struct {
	Print configPrint `cmd:"" default:"withargs" help:"Print the configuration as it is, with where each value comes from."`
	Check configCheck `cmd:"" help:"Check the configuration file, the environment and the flags."`
}

func (configCommand) Help() string {
	return `What is printed can be used as a configuration file; secrets are hidden. A flag
wins over the environment, which wins over the file, which wins over the defaults.

  nearcase config --config config.yaml
  nearcase config check --config config.yaml`
}

type (
	configPrint struct{}
	configCheck struct{}
)

func (configPrint) Run(s *session) error {
	c, err := s.configuration()
	if err != nil {
		return err
	}
	settings, err := s.settings(c)
	if err != nil {
		return err
	}
	text, err := annotated(c, settings)
	if err != nil {
		return err
	}
	return s.print(settings, func(w io.Writer) { fmt.Fprintf(w, "%s", text) })
}

func (configCheck) Run(s *session) error {
	if _, err := s.configuration(); err != nil {
		return err
	}
	checked := struct {
		Status string `json:"status"`
	}{"ok"}
	return s.print(checked, func(w io.Writer) { fmt.Fprintln(w, "the configuration is valid") })
}

// setting is one value of the configuration.
type setting struct {
	Key   string `json:"key"` // such as votes.neighbours
	Value any    `json:"value"`
	// Origin is default, file, environment or flag.
	Origin   string `json:"origin"`
	Variable string `json:"variable"` // of the environment, that sets it
	secret   bool
}

// hidden stands for a secret.
const hidden = "(hidden)"

// settings returns the values of the configuration with where each comes from.
func (s *session) settings(c config) ([]setting, error) {
	var root yaml.Node
	if s.Config != "" {
		b, err := os.ReadFile(s.Config)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(b, &root); err != nil {
			return nil, err
		}
	}
	filed := map[string]bool{}
	for _, n := range root.Content {
		visit("", n, func(key string, _, _ *yaml.Node) { filed[key] = true })
	}
	flags := map[string]bool{"data": s.Data != "", "models": s.ModelsDir != "", "onnxruntime": s.Onnxruntime != ""}
	all := settingsOf(reflect.ValueOf(c), "", envPrefix)
	for i := range all {
		all[i].from(flags, filed)
	}
	return all, nil
}

// from says where a setting comes from, and hides it if it is secret.
func (o *setting) from(flags, filed map[string]bool) {
	_, set := os.LookupEnv(o.Variable)
	switch {
	case flags[o.Key]:
		o.Origin = "flag"
	case set:
		o.Origin = "environment"
	case filed[o.Key]:
		o.Origin = "file"
	default:
		o.Origin = "default"
	}
	if o.secret && !reflect.ValueOf(o.Value).IsZero() || hasUser(o.Value) {
		o.Value = hidden
	}
}

// hasUser reports whether a value is a URL that names a user, and so perhaps a
// password.
func hasUser(value any) bool {
	text, ok := value.(string)
	u, err := url.Parse(text)
	return ok && err == nil && u.Host != "" && u.User != nil
}

// settingsOf returns the values of a part of the configuration, in its order.
func settingsOf(v reflect.Value, prefix, variable string) []setting {
	var all []setting
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.Type.Kind() == reflect.Struct {
			all = append(all, settingsOf(v.Field(i), prefix+name+".", variable+f.Tag.Get("envPrefix"))...)
			continue
		}
		all = append(all, setting{Key: prefix + name, Value: valueOf(v.Field(i)), Variable: variable + f.Tag.Get("env"), secret: f.Tag.Get("secret") != ""})
	}
	return all
}

// valueOf is a value as JSON is to have it: durations as their text.
func valueOf(v reflect.Value) any {
	if text, ok := v.Interface().(fmt.Stringer); ok {
		return text.String()
	}
	return v.Interface()
}

// annotated is the configuration as a file, each value with its origin.
func annotated(c config, settings []setting) ([]byte, error) {
	var root yaml.Node
	if err := root.Encode(c); err != nil {
		return nil, err
	}
	of := map[string]setting{}
	for _, o := range settings {
		of[o.Key] = o
	}
	visit("", &root, func(key string, name, value *yaml.Node) {
		o, ok := of[key]
		if !ok { // a group
			return
		}
		if o.Value == hidden {
			value.SetString(hidden)
		}
		note := o.Origin
		if note == "environment" {
			note += " " + o.Variable
		}
		if value.LineComment = note; value.Kind != yaml.ScalarNode && value.Style != yaml.FlowStyle && len(value.Content) > 0 {
			name.LineComment, value.LineComment = note, ""
		}
	})
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&root); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// visit calls f for each key below a mapping, with the nodes of its name and value.
func visit(prefix string, n *yaml.Node, f func(key string, name, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := prefix + n.Content[i].Value
		f(key, n.Content[i], n.Content[i+1])
		visit(key+".", n.Content[i+1], f)
	}
}
