package store

import (
	"fmt"
	"slices"
	"time"
)

// said is a Saying made ready.
type said struct {
	Saying
	confidence *compared
	since      time.Time
	// unlabelled tells that instances without a label are meant.
	unlabelled bool
}

// of makes a saying ready for a task.
func (s Saying) of(t Task, at place) (m said, err error) {
	m = said{Saying: s, unlabelled: s.Labelled != nil && !*s.Labelled && s.names() == "labelled"}
	for _, list := range []struct {
		key     string
		classes []string
	}{{"has", s.Has}, {"absent", s.Absent}, {"uncertain", s.Uncertain}} {
		for _, class := range list.classes {
			if !slices.Contains(t.Classes, class) {
				return m, fmt.Errorf("%s: %w", string(at.key(list.key)), t.noClass(class))
			}
		}
	}
	if s.Since != "" {
		if m.since, err = timeOf(s.Since); err != nil {
			return m, at.key("since").wrong("it is compared as %s", asTime)
		}
	}
	if s.Confidence == nil {
		return m, nil
	}
	if s.Confidence.IsEmpty() {
		return m, at.key("confidence").wrong("nothing is said of it; use eq, ne, in, lt, lte, gt or gte")
	}
	if s.Confidence.Exists != nil {
		return m, at.key("confidence.exists").wrong("none given counts as 1")
	}
	confidence, err := s.Confidence.of(asNumber, at.key("confidence"))
	m.confidence = &confidence
	return m, err
}

// holds reports whether a label, if there is one, says so.
func (m said) holds(l Label, labelled bool) bool {
	if !labelled {
		return m.unlabelled
	}
	is := func(classes []string, s State) bool {
		return len(classes) == 0 || slices.ContainsFunc(classes, func(class string) bool { return l.State(class) == s })
	}
	return (m.Labelled == nil || *m.Labelled) &&
		is(m.Has, Present) && is(m.Absent, Absent) && is(m.Uncertain, Uncertain) &&
		(m.Conflicting == nil || *m.Conflicting == l.conflicting()) &&
		l.among(m.Reader, func(o Label) string { return o.Reader }) &&
		l.among(m.Source, func(o Label) string { return o.Source }) &&
		(m.since.IsZero() || !l.Time.Before(m.since)) &&
		(m.confidence == nil || m.confidence.holds(field{number: func(*Instance) float64 { return l.weight() }}, nil))
}

// conflicting reports whether not all opinions say the same.
func (l Label) conflicting() bool {
	return slices.ContainsFunc(l.Opinions, func(o Label) bool {
		first := l.Opinions[0]
		o.Reader, o.Confidence = first.Reader, first.Confidence
		return !o.Says(first)
	})
}

// among reports whether a label or an opinion in it has one of the values, if there
// are any.
func (l Label) among(values []string, of func(Label) string) bool {
	has := func(o Label) bool { return slices.Contains(values, of(o)) }
	if len(l.Opinions) > 0 {
		return len(values) == 0 || slices.ContainsFunc(l.Opinions, has)
	}
	return len(values) == 0 || has(l)
}
