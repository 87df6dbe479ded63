package store

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Collection describes instances embedded by one model with one preprocessing.
type Collection struct {
	Name string `json:"name"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// Model is the model's name and Fingerprint what identifies it: vectors of
	// another fingerprint are refused.
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	Dimension   int    `json:"dimension"`
	// Tasks are what instances can be labelled for.
	Tasks []Task `json:"tasks"`
	Index Index  `json:"index"`
	// DiscardOriginals keeps vectors and metadata only.
	DiscardOriginals bool `json:"discard_originals,omitempty"`
	Quota
	// Pseudonyms names the key by which patients are called, so that no other is
	// used; empty where they are called as given.
	Pseudonyms string    `json:"pseudonyms,omitempty"`
	Created    time.Time `json:"created"`
	// Shadow is set of a hidden collection that stands behind another.
	Shadow *Shadow `json:"shadow,omitempty"`
}

// Quota is how large a collection may be; 0 is as large as there is room for.
// What would make it larger is ErrQuota then; replacing, labelling and deleting are
// possible.
type Quota struct {
	Instances int `json:"max_instances,omitempty"`
	// Bytes are those of the originals as received, each once, and of the vectors.
	Bytes int64 `json:"max_bytes,omitempty"`
}

// Task is what is being labelled.
type Task struct {
	Name string `json:"name"`
	// Multi allows several classes, or none, on one instance.
	Multi bool `json:"multi,omitempty"`
	// Classes that a label may have, sorted.
	Classes []string `json:"classes"`
	// Settings are how the task's labels are learnt and its answers given.
	Settings Settings `json:"settings,omitzero"`
}

// Status counts what a collection holds.
type Status struct {
	Instances int `json:"instances"`
	Patients  int `json:"patients"`
	// Bytes are what counts for the quota.
	Bytes int64 `json:"bytes"`
	// Labelled counts instances with a label, by task and class. In a
	// multi-label task an instance counts once for each class present.
	Labelled map[string]map[string]int `json:"labelled"`
	// Head is the key of the last log entry, LabelHead of the last label.
	Head      Key `json:"head"`
	LabelHead Key `json:"label_head"`
	// Damaged counts the log entries that are lost: see Catalog.Damages.
	Damaged int `json:"damaged"`
	// Engine is the one that serves, which is not the collection's own while that
	// is still being built.
	Engine string     `json:"engine"`
	Index  IndexStats `json:"index"`
}

var collectionName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// Validate reports what is wrong with a collection as an ErrInvalid.
func (c Collection) Validate() error {
	if !collectionName.MatchString(c.Name) {
		return fmt.Errorf("collection name %q: %w: use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit", c.Name, ErrInvalid)
	}
	if c.Fingerprint == "" || c.Dimension < 1 || c.Dimension > 1<<16 {
		return fmt.Errorf("collection %s: %w: needs a model fingerprint and a dimension from 1 to 65536", c.Name, ErrInvalid)
	}
	if err := checkDescription(c.Description); err != nil {
		return fmt.Errorf("collection %s: %w", c.Name, err)
	}
	if c.Quota.Instances < 0 || c.Quota.Bytes < 0 {
		return fmt.Errorf("collection %s: %w: max_instances %d and max_bytes %d must not be negative", c.Name, ErrInvalid, c.Quota.Instances, c.Quota.Bytes)
	}
	_, err := Merge(nil, c.Tasks)
	return err
}

// Task returns the task of that name, or ErrTask with the names there are.
func (c Collection) Task(name string) (Task, error) {
	names := make([]string, len(c.Tasks))
	for i, t := range c.Tasks {
		if t.Name == name {
			return t, nil
		}
		names[i] = t.Name
	}
	if len(names) == 0 {
		return Task{}, fmt.Errorf("task %q: %w: collection %s has no tasks yet", name, ErrTask, c.Name)
	}
	return Task{}, fmt.Errorf("task %q: %w: collection %s has %s", name, ErrTask, c.Name, strings.Join(names, ", "))
}

// CheckLabel returns the label with its classes sorted and without Opinions, or
// why it cannot be stored: ErrTask, ErrClass or ErrInvalid.
func (c Collection) CheckLabel(l Label) (Label, error) {
	t, err := c.Task(l.Task)
	if err != nil {
		return l, err
	}
	if err := l.checkReader(); err != nil {
		return l, err
	}
	l.Opinions = nil
	if l.Removed {
		l.Classes, l.Absent, l.Uncertain, l.Partial, l.Confidence = nil, nil, nil, false, 0
		return l, nil
	}
	for _, list := range []*[]string{&l.Classes, &l.Absent, &l.Uncertain} {
		*list = slices.Compact(slices.Sorted(slices.Values(*list)))
	}
	return l, t.checkClasses(l)
}

// minConfidence is the least that a label may have.
const minConfidence = 1e-6

// checkReader reports what is wrong with who a label is of.
func (l Label) checkReader() error {
	if len(l.Source) > maxText {
		return fmt.Errorf("label source: %w: longer than %d bytes", ErrInvalid, maxText)
	}
	if l.Confidence != 0 && !(l.Confidence >= minConfidence && l.Confidence <= 1) { // NaN too
		return fmt.Errorf("label confidence %g: %w: at least %g and at most 1, or 0 for none given", l.Confidence, ErrInvalid, minConfidence)
	}
	if l.Reader == "" {
		return nil
	}
	return checkText("label reader", l.Reader, maxText)
}

// checkClasses reports why the classes of a label, sorted and each once in its
// list, cannot be said for the task.
func (t Task) checkClasses(l Label) error {
	if !t.Multi && len(l.Classes) != 1 {
		return fmt.Errorf("task %s: %w: a single-label task takes exactly one class, not %d", t.Name, ErrInvalid, len(l.Classes))
	}
	if !t.Multi && (len(l.Absent) > 0 || len(l.Uncertain) > 0 || l.Partial) {
		return fmt.Errorf("task %s: %w: a label of a single-label task is its class, with nothing absent, uncertain or partial", t.Name, ErrInvalid)
	}
	named := slices.Concat(l.Classes, l.Absent, l.Uncertain)
	for _, class := range named {
		if !slices.Contains(t.Classes, class) {
			return t.noClass(class)
		}
	}
	slices.Sort(named)
	for i := 1; i < len(named); i++ {
		if named[i] == named[i-1] {
			return fmt.Errorf("task %s: %w: contradicting: class %s is two of present, absent and uncertain", t.Name, ErrInvalid, named[i])
		}
	}
	return nil
}

func (t Task) noClass(class string) error {
	return fmt.Errorf("class %.80q: %w in task %s, which has %s", class, ErrClass, t.Name, strings.Join(t.Classes, ", "))
}

// Merge returns tasks with more declared on top: new tasks, and new classes of
// tasks there are, each task's classes sorted. Tasks there are keep their
// settings, and new ones bring theirs.
func Merge(tasks, more []Task) ([]Task, error) {
	merged := slices.Clone(tasks)
	for _, t := range more {
		if err := t.check(); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(merged, func(o Task) bool { return o.Name == t.Name })
		if i < 0 {
			if err := t.CheckSettings(t.Settings); err != nil {
				return nil, err
			}
			i, merged = len(merged), append(merged, Task{Name: t.Name, Multi: t.Multi, Settings: t.Settings.Clone()})
		}
		if merged[i].Multi != t.Multi {
			return nil, fmt.Errorf("task %s: %w: declared both single-label and multi-label", t.Name, ErrInvalid)
		}
		classes := slices.Concat(merged[i].Classes, t.Classes)
		slices.Sort(classes)
		merged[i].Classes = slices.Compact(classes)
	}
	return merged, nil
}

func (t Task) check() error {
	err := checkText(fmt.Sprintf("task name %.80q", t.Name), t.Name, 64)
	for _, class := range t.Classes {
		err = errors.Join(err, checkText(fmt.Sprintf("class %.80q of task %.80q", class, t.Name), class, 128))
	}
	return err
}

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

const (
	// maxText bounds identifiers and names, in bytes.
	maxText = 256
	// maxFields bounds an instance's metadata.
	maxFields = 128
)

// Validate reports what is wrong with a record's instance as an ErrInvalid.
func (i Instance) Validate() error {
	err := checkText("instance id", i.ID, maxText)
	for _, f := range []struct{ field, text string }{
		{"patient", i.Patient}, {"study", i.Study}, {"series", i.Series}, {"file", i.File},
	} {
		if f.text != "" {
			err = errors.Join(err, checkText(f.field, f.text, maxText))
		}
	}
	if i.Digest != "" && !digest.MatchString(i.Digest) {
		err = errors.Join(err, fmt.Errorf("digest %.80q: %w: not the lower-case hex of a SHA-256", i.Digest, ErrInvalid))
	}
	if i.Kept != "" && i.Kept != NotKept && !digest.MatchString(i.Kept) {
		err = errors.Join(err, fmt.Errorf("kept %.80q: %w: neither %s nor the lower-case hex of a SHA-256", i.Kept, ErrInvalid, NotKept))
	}
	if i.Frame < 0 || (i.Frame > 0) != (i.File != "") || (i.File != "" && !strings.HasPrefix(i.ID, i.File+":")) {
		err = errors.Join(err, fmt.Errorf("frame %d: %w: frames count from 1, and their IDs are the file's, a colon and more", i.Frame, ErrInvalid))
	}
	for field, text := range i.Metadata {
		err = errors.Join(err, checkText("metadata field", field, 64), checkText("metadata "+field, text, maxText))
	}
	if len(i.Metadata) > maxFields {
		err = errors.Join(err, fmt.Errorf("%d metadata fields: %w: at most %d", len(i.Metadata), ErrInvalid, maxFields))
	}
	if len(i.Name) > 4*maxText || !utf8.ValidString(i.Name) {
		err = errors.Join(err, fmt.Errorf("name: %w: not UTF-8 of at most %d bytes", ErrInvalid, 4*maxText))
	}
	return err
}

// checkText accepts 1 to limit bytes of printable UTF-8 without the separator
// '|' and without space at either end. Its error does not say the text, which may
// name a patient.
func checkText(what, text string, limit int) error {
	bad := func(r rune) bool { return r == '|' || r == utf8.RuneError || !unicode.IsPrint(r) }
	if text == "" || len(text) > limit || strings.TrimSpace(text) != text || strings.ContainsFunc(text, bad) {
		return fmt.Errorf("%s: %w: %d bytes; use 1 to %d printable ones without '|' or space at the ends", what, ErrInvalid, len(text), limit)
	}
	return nil
}
