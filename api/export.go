package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"nearcase/store"
)

// ErrChanged is an instance that was deleted or replaced while it was exported.
var ErrChanged = errors.New("the collection changed meanwhile")

// The formats of an export.
const (
	NPZ       = "npz"     // arrays of NumPy, zipped
	JSONLines = "jsonl"   // an object of JSON for each instance, a line each
	Parquet   = "parquet" // a row for each instance
)

// ExportOptions say what to export. The zero value is all of a collection as NPZ.
type ExportOptions struct {
	// Format is NPZ (the default), JSONLines or Parquet.
	Format string `json:"format,omitempty"`
	// Tasks to export the labels of; none means all.
	Tasks []string `json:"tasks,omitempty"`
	// Filter keeps instances that it lets pass.
	Filter *store.Filter `json:"filter,omitempty"`
	// WithoutVectors leaves the vectors out.
	WithoutVectors bool `json:"without_vectors,omitempty"`
}

// Exported says what an export holds.
type Exported struct {
	Collection string `json:"collection"`
	Format     string `json:"format"`
	Instances  int    `json:"instances"`
	// Head is the last log entry and Watermark the last label that it holds all
	// of. Labels given while the export was begun may be in it too.
	Head      store.Key `json:"head"`
	Watermark store.Key `json:"label_watermark"`
}

// Exporting is an export that has been begun: which instances it has and what is
// said of them, as of one moment. Vectors are read when they are written, so that
// what it holds does not grow with their dimension.
type Exporting struct {
	Exported
	service     *Service
	collection  store.Collection
	tasks       []store.Task
	cases       []store.Case
	families    []int64
	withVectors bool
	widths      []int // of the arrays of strings, for NPZ
}

// Export writes a collection. Nothing is written before it is known that the
// collection can be exported as asked. It has the instances of the time of the
// call; one that is deleted or replaced before its vector is written, or while
// all are listed, is ErrChanged, and what was written then is worth nothing.
func (s *Service) Export(ctx context.Context, collection string, o ExportOptions, w io.Writer, progress func(done, total int)) (Exported, error) {
	e, err := s.BeginExport(ctx, collection, o)
	if err != nil {
		return Exported{}, err
	}
	return e.Exported, e.Write(ctx, w, progress)
}

// BeginExport is the first part of Export, that which writes nothing.
func (s *Service) BeginExport(ctx context.Context, collection string, o ExportOptions) (*Exporting, error) {
	e := &Exporting{service: s, withVectors: !o.WithoutVectors}
	e.Exported = Exported{Collection: collection, Format: cmp.Or(o.Format, NPZ)}
	if !slices.Contains([]string{NPZ, JSONLines, Parquet}, e.Format) {
		return nil, fmt.Errorf("%w: export format %.80q, use %s, %s or %s", ErrQuery, e.Format, NPZ, JSONLines, Parquet)
	}
	var err error
	if e.collection, err = s.Catalog.Collection(ctx, collection); err != nil {
		return nil, err
	}
	if e.tasks, err = chosen(e.collection, o.Tasks); err != nil {
		return nil, err
	}
	filter, err := s.condition(e.collection, o.Filter)
	if err != nil {
		return nil, err
	}
	if err := e.take(ctx, filter); err != nil {
		return nil, fmt.Errorf("export %s: %w", collection, err)
	}
	if e.Format != NPZ {
		return e, nil
	}
	if err := e.measure(); err != nil {
		return nil, err
	}
	return e, nil
}

// chosen returns the tasks named in the order of the collection's, all for none.
func chosen(c store.Collection, names []string) ([]store.Task, error) {
	for _, name := range names {
		if _, err := c.Task(name); err != nil {
			return nil, err
		}
	}
	var tasks []store.Task
	for _, t := range c.Tasks {
		if len(names) == 0 || slices.Contains(names, t.Name) {
			tasks = append(tasks, t)
		}
	}
	return tasks, nil
}

// take notes the instances up to the head. Kin are found among all of them: one
// that does not match may be what makes two others kin.
func (e *Exporting) take(ctx context.Context, filter *store.Condition) error {
	status, err := e.service.Catalog.Status(ctx, e.Collection)
	if err != nil {
		return err
	}
	e.Head, e.Watermark = status.Head, status.LabelHead
	all, err := e.service.everything(ctx, e.Collection)
	if err != nil {
		return err
	}
	if later := slices.IndexFunc(all, func(c store.Case) bool { return c.Key > e.Head }); later >= 0 {
		all = all[:later]
	}
	if len(all) != status.Instances {
		return fmt.Errorf("%w: instances were deleted or replaced while they were listed; export it again", ErrChanged)
	}
	instances := make([]store.Instance, len(all))
	for i, c := range all {
		instances[i] = c.Instance
	}
	families := store.Families(instances)
	for i, c := range all {
		if filter.Holds(&c.Instance, c.Labels) {
			e.cases, e.families = append(e.cases, c), append(e.families, int64(all[families[i]].Key))
		}
	}
	e.Instances = len(e.cases)
	return nil
}

// Write is the second part of Export, and is called once.
func (e *Exporting) Write(ctx context.Context, w io.Writer, progress func(done, total int)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	progress(0, e.Instances)
	write := map[string]func(context.Context, io.Writer, func(done, total int)) error{
		NPZ: e.writeNPZ, JSONLines: e.writeJSON, Parquet: e.writeParquet,
	}[e.Format]
	if err := write(ctx, w, progress); err != nil {
		return fmt.Errorf("export %s: %w", e.Collection, err)
	}
	return nil
}

// vector returns that of case n as it was when the export was begun. Keys only
// grow: if the ID still has its key, it had it when the vector was read.
func (e *Exporting) vector(ctx context.Context, n int) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := e.cases[n]
	v, err := e.service.Catalog.Vector(ctx, e.Collection, c.Instance.ID)
	if err == nil {
		var now store.Case
		now, err = e.service.Catalog.Instance(ctx, e.Collection, c.Instance.ID)
		if err == nil && now.Key != c.Key {
			err = fmt.Errorf("%w: instance %q was replaced; export it again", ErrChanged, c.Instance.ID)
		}
	}
	if errors.Is(err, store.ErrInstance) {
		err = fmt.Errorf("%w: instance %q was deleted; export it again", ErrChanged, c.Instance.ID)
	}
	if err == nil && len(v) != e.collection.Dimension {
		err = fmt.Errorf("instance %q: %w: %d, expected %d", c.Instance.ID, store.ErrDimension, len(v), e.collection.Dimension)
	}
	return v, err
}

// label returns the classes of case n for a task, joined, and whether it has a
// label at all.
func (e *Exporting) label(n int, task string) (classes string, labelled bool) {
	l, ok := e.cases[n].Labels[task]
	return strings.Join(l.Classes, "|"), ok
}

// metadata of case n as an object of JSON, its keys sorted.
func (e *Exporting) metadata(n int) string {
	m := e.cases[n].Instance.Metadata
	if len(m) == 0 {
		return "{}"
	}
	text, err := json.Marshal(m)
	if err != nil { // strings are never refused
		return "{}"
	}
	return string(text)
}

// exportedLabel is a label with the opinions of the readers that it is made of, if
// there are several.
type exportedLabel struct {
	store.Label
	Opinions []store.Label `json:"opinions,omitempty"`
}

// labels of case n for the tasks exported, with who gave them and when.
func (e *Exporting) labels(n int) map[string]exportedLabel {
	labels := map[string]exportedLabel{}
	for _, t := range e.tasks {
		if l, ok := e.cases[n].Labels[t.Name]; ok {
			labels[t.Name] = exportedLabel{l, l.Opinions}
		}
	}
	return labels
}
