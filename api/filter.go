package api

import (
	"slices"

	"nearcase/embed"
	"nearcase/store"
)

// vrs are the value representations of the metadata that are kept, by keyword.
func (p Privacy) vrs() map[string]string {
	types := make(map[string]string, len(p.Fields))
	for _, keyword := range p.Fields {
		types[keyword] = embed.FieldVR(keyword)
	}
	return types
}

// condition makes a filter ready for a collection; nil stays nil. Patients are
// looked for by what the collection calls them, and also as they are given: the
// caller may know the pseudonym, for an answer has it.
func (s *Service) condition(c store.Collection, f *store.Filter) (*store.Condition, error) {
	ready, err := c.Compile(f, s.vrs())
	if err != nil || f == nil || c.Pseudonyms == "" {
		return ready, err
	}
	named, err := s.calling(c, *f)
	if err != nil {
		return nil, err
	}
	return c.Compile(&named, s.vrs())
}

// calling returns the filter with the patients that it names as they are called, too.
func (s *Service) calling(c store.Collection, f store.Filter) (store.Filter, error) {
	var err error
	if f.All, err = s.callingEach(c, f.All); err != nil {
		return f, err
	}
	if f.Any, err = s.callingEach(c, f.Any); err != nil {
		return f, err
	}
	if f.Not != nil {
		not, err := s.calling(c, *f.Not)
		return store.Filter{Not: &not}, err
	}
	if f.Field == "patient" && (f.Eq != nil || f.Ne != nil || len(f.In) > 0) {
		return s.callingPatients(c, f)
	}
	return f, nil
}

func (s *Service) callingEach(c store.Collection, filters []store.Filter) ([]store.Filter, error) {
	filters = slices.Clone(filters)
	for i, f := range filters {
		var err error
		if filters[i], err = s.calling(c, f); err != nil {
			return nil, err
		}
	}
	return filters, nil
}

// callingPatients divides a comparison of patients into one for each way to name
// them.
func (s *Service) callingPatients(c store.Collection, f store.Filter) (store.Filter, error) {
	rest, all := f, store.Filter{}
	rest.Eq, rest.Ne, rest.In = nil, nil, nil
	if !rest.IsEmpty() {
		all.All = append(all.All, rest)
	}
	add := func(values []store.Value, not bool) error {
		if len(values) == 0 {
			return nil
		}
		names := make([]string, len(values))
		for i, v := range values {
			names[i] = v.String()
		}
		names, err := s.names(c, names)
		one := store.Among("patient", names...)
		if not {
			excluded := one
			one = store.Filter{Not: &excluded}
		}
		all.All = append(all.All, one)
		return err
	}
	for _, part := range []struct {
		values []store.Value
		not    bool
	}{{f.In, false}, {valueOf(f.Eq), false}, {valueOf(f.Ne), true}} {
		if err := add(part.values, part.not); err != nil {
			return store.Filter{}, err
		}
	}
	return all, nil
}

func valueOf(v *store.Value) []store.Value {
	if v == nil {
		return nil
	}
	return []store.Value{*v}
}

// names returns what the collection calls some patients, and what they are called
// here. It calls none by the empty name, which is that of unknown ones, as a
// pseudonym of space is.
func (s *Service) names(c store.Collection, patients []string) ([]string, error) {
	var names []string
	for _, p := range patients {
		called, err := s.called(c, p)
		if err != nil {
			return nil, err
		}
		if called != "" {
			names = append(names, called)
		}
		if p != "" && called != p {
			names = append(names, p)
		}
	}
	return names, nil
}
