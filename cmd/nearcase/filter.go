package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"nearcase/store"
)

// filterFlags say which images are meant.
type filterFlags struct {
	Filter string   `help:"Only images that a filter in JSON lets pass: see docs/filters.md." placeholder:"JSON"`
	Where  []string `help:"Only images with one of some values of a field; repeat it for several fields." placeholder:"FIELD=VALUE|VALUE" sep:"none"`
}

// filter returns what both flags say together; nil for nothing.
func (f filterFlags) filter() (*store.Filter, error) {
	filter, err := where(f.Where)
	if err != nil || f.Filter == "" {
		return filter, err
	}
	parsed, err := store.ParseFilter([]byte(f.Filter))
	if err != nil {
		return nil, fmt.Errorf("--filter: %w", err)
	}
	return store.Both(filter, parsed), nil
}

// where reads FIELD=VALUE|VALUE, several of which must all hold.
func where(texts []string) (filter *store.Filter, err error) {
	seen := map[string]bool{}
	for _, text := range texts {
		field, values, ok := strings.Cut(text, "=")
		if !ok || field == "" || seen[field] {
			return nil, fmt.Errorf("--where %q: use FIELD=VALUE or FIELD=VALUE|VALUE, each field once", text)
		}
		seen[field] = true
		filter = store.Both(filter, new(store.Among(field, strings.Split(values, "|")...)))
	}
	return filter, nil
}

// filterText is a filter as the flags would have it.
func filterText(f *store.Filter) string {
	text, err := json.Marshal(f)
	if f == nil || err != nil {
		return ""
	}
	return "--filter " + string(text)
}
