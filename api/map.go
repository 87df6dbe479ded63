package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"nearcase/store"
)

// MapOptions say what a map is of. The zero value is of all tasks in two components.
type MapOptions struct {
	// Components is how many coordinates each instance has, 2 to 32; 0 means 2.
	Components int `json:"components,omitempty"`
	// Limit is how many instances there are at most, up to 100,000; 0 means these.
	Limit int `json:"limit,omitempty"`
	// Tasks to tell the labels and predictions of; none means all. There may be 20.
	Tasks []string `json:"tasks,omitempty"`
	// Filter asks for instances that it lets pass.
	Filter *store.Filter `json:"filter,omitempty"`
}

// Bounds of a map.
const (
	mostComponents = 32
	mostPlaces     = 100_000
	mostMapTasks   = 20
)

// Map has the places of a collection's instances in the plane, or space, in which
// their vectors differ most: see probe.Components. Its lists have one entry for each
// instance, in key order, or that many times Components.
type Map struct {
	Collection  string `json:"collection"`
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	// Head is the last log entry, and Watermark the last label, that it has all of.
	// What comes while it is made may be in it too.
	Head      store.Key `json:"head"`
	Watermark store.Key `json:"label_watermark"`
	// Instances that the filter lets pass; Sampled tells that only some are in it.
	Instances int  `json:"instances"`
	Sampled   bool `json:"sampled"`
	// Components is how many coordinates each instance has, and Explained the share
	// of the variance in each.
	Components  int       `json:"components"`
	Explained   []float64 `json:"explained"`
	IDs         []string  `json:"ids"`
	Coordinates []float32 `json:"coordinates"`
	Tasks       []MapTask `json:"tasks"`
	// Tag changes with all that a map is made of.
	Tag string `json:"-"`
}

// MapTask is what is said of a map's instances for one task. Classes are numbered by
// their position in Classes; -1 is that nothing is known, and -2, of a multi-label task,
// that none of them is present.
type MapTask struct {
	Name    string   `json:"name"`
	Multi   bool     `json:"multi,omitempty"`
	Classes []string `json:"classes"`
	// Labels are those given, of a multi-label task the first class that is present.
	Labels []int32 `json:"labels"`
	// Version is that of the probes that predicted, 0 for none. Predictions are those
	// of the default probe, without the fifth of the patients that the instance's own
	// is in, and of a multi-label task the most probable of the classes predicted.
	Version     store.Key `json:"version"`
	Predictions []int32   `json:"predictions"`
	// Problem says why nothing is predicted of any instance; empty if something is.
	Problem string `json:"problem,omitempty"`
}

// check returns the options with defaults.
func (o MapOptions) check() (MapOptions, error) {
	o.Components, o.Limit = cmp.Or(o.Components, 2), cmp.Or(o.Limit, mostPlaces)
	switch {
	case o.Components < 2 || o.Components > mostComponents:
		return o, fmt.Errorf("%w: components is %d, use 2 to %d", ErrQuery, o.Components, mostComponents)
	case o.Limit < 1 || o.Limit > mostPlaces:
		return o, fmt.Errorf("%w: limit is %d, use 1 to %d", ErrQuery, o.Limit, mostPlaces)
	}
	return o, nil
}

// mapping is a map that is asked for.
type mapping struct {
	s          *Service
	o          MapOptions
	collection store.Collection
	tasks      []store.Task
	filter     *store.Condition
	status     store.Status
	known      string // identifies all that the map is made of
}

// Map places a collection's instances by what their vectors differ in most. Of more
// than Limit it has an even sample, always the same for the same instances. The axes
// are those of up to 10,000 of its instances. Patients are not in it; those that are
// deleted while it is made may be left out.
//
// The last maps are kept until what they are made of changes, and of those who ask
// for the same at the same time one makes it.
func (s *Service) Map(ctx context.Context, collection string, o MapOptions) (Map, error) {
	ctx = s.Catalog.Hold(ctx)
	m, err := s.newMapping(ctx, collection, o)
	if err != nil {
		return Map{}, fmt.Errorf("map of %s: %w", collection, err)
	}
	made, err := s.atlas.of(m).draw(ctx, m.make)
	if err != nil {
		return Map{}, fmt.Errorf("map of %s: %w", collection, err)
	}
	return made, nil
}

// MapTag returns the tag of the map that Map would return, without making it.
func (s *Service) MapTag(ctx context.Context, collection string, o MapOptions) (string, error) {
	m, err := s.newMapping(s.Catalog.Hold(ctx), collection, o)
	if err != nil {
		return "", fmt.Errorf("map of %s: %w", collection, err)
	}
	return m.tag(), nil
}

func (m *mapping) tag() string { return fmt.Sprintf("%d-%.12s", m.status.Head, m.known) }

func (s *Service) newMapping(ctx context.Context, collection string, o MapOptions) (m *mapping, err error) {
	m = &mapping{s: s}
	if m.o, err = o.check(); err != nil {
		return nil, err
	}
	if m.collection, err = s.Catalog.Collection(ctx, collection); err != nil {
		return nil, err
	}
	if m.tasks, err = chosen(m.collection, o.Tasks); err != nil {
		return nil, err
	}
	if len(m.tasks) > mostMapTasks {
		return nil, fmt.Errorf("%w: %d tasks, name %d of them at most", ErrQuery, len(m.tasks), mostMapTasks)
	}
	if m.filter, err = s.condition(m.collection, o.Filter); err != nil {
		return nil, err
	}
	if m.status, err = s.Catalog.Status(ctx, collection); err != nil {
		return nil, err
	}
	return m, m.identify(ctx)
}

// identify finds out what the map is made of: the log, tasks with their settings,
// and versions of probes.
func (m *mapping) identify(ctx context.Context) error {
	versions, err := m.versions(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(struct {
		Name, Fingerprint string
		Created           int64
		Head              store.Key
		Tasks             []store.Task
		Versions          []store.Key
		Options           MapOptions
	}{m.collection.Name, m.collection.Fingerprint, m.collection.Created.UnixNano(), m.status.Head, m.tasks, versions, m.o})
	m.known = fmt.Sprintf("%x", sha256.Sum256(text))
	return err
}

// versions are those of each task that answer.
func (m *mapping) versions(ctx context.Context) ([]store.Key, error) {
	if len(m.tasks) == 0 {
		return nil, nil
	}
	if err := m.s.ensureVersions(ctx, m.collection, m.names()); err != nil {
		return nil, err
	}
	t, err := m.s.training(ctx, m.collection, m.names()...)
	if err != nil {
		return nil, err
	}
	defer t.mu.RUnlock()
	versions := make([]store.Key, len(m.tasks))
	for i, task := range m.tasks {
		if p := t.tasks[task.Name]; p != nil && p.current != nil {
			versions[i] = p.current.Watermark
		}
	}
	return versions, nil
}

func (m *mapping) names() []string {
	names := make([]string, len(m.tasks))
	for i, t := range m.tasks {
		names[i] = t.Name
	}
	return names
}

// nothingPresent is a multi-label task's label or prediction of no class at all.
const nothingPresent = -2

// number is the position of a class among a task's, -1 for none.
func number(classes []string, class string) int32 { return int32(slices.Index(classes, class)) }
