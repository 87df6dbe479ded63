package api

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearcase/store"
)

// Stored are the instances of a collection as a LabelSheet names them: by ID, or
// by the name under which they are stored.
type Stored struct {
	ids   map[string]bool
	names map[string]string // to IDs, "" for names of several
}

// NewStored returns none.
func NewStored() *Stored { return &Stored{ids: map[string]bool{}, names: map[string]string{}} }

// Add adds an instance. The images of a file have a name in common, which stands
// for the file.
func (s *Stored) Add(i Instance) {
	id := i.ID
	if s.ids[id] = true; i.File != "" {
		id = i.File
		s.ids[id] = true
	}
	if have, again := s.names[i.Name]; again && have != id {
		id = ""
	}
	s.names[i.Name] = id
}

// id returns the ID of what a row is about.
func (s *Stored) id(id, name string) (string, error) {
	switch {
	case id != "" && s.ids[id]:
		return id, nil
	case id != "":
		return "", fmt.Errorf("instance %.80q: %w", id, store.ErrInstance)
	case name == "":
		return "", errors.New("neither the ID nor the name of an instance")
	}
	found, ok := s.names[name]
	switch {
	case !ok:
		return "", fmt.Errorf("name %.80q: %w", name, store.ErrInstance)
	case found == "":
		return "", fmt.Errorf("name %.80q: %w: several images have it; name them by ID", name, store.ErrInvalid)
	}
	return found, nil
}

// sheetCheck gathers the labels of a sheet and what is wrong with them.
type sheetCheck struct {
	sheet      *LabelSheet
	collection store.Collection
	stored     *Stored
	last       map[sheetPlace]saidInRow
	labels     []LabelRequest
	complaints []error
}

type sheetPlace struct{ instance, task, reader string }

type saidInRow struct {
	row   int
	label store.Label
}

// row adds the labels of a row.
func (k *sheetCheck) row(number int, row []string) error {
	id, err := k.stored.id(k.sheet.cell(row, "instance"), k.sheet.cell(row, "name"))
	if err != nil {
		return err
	}
	requests, err := k.sheet.requests(k.collection, row)
	if err != nil {
		return err
	}
	for _, r := range requests {
		r.Instance = id
		label, err := r.check(k.collection)
		if err != nil {
			return err
		}
		at := sheetPlace{id, r.Task, r.Reader}
		if before, again := k.last[at]; again && contradict(before.label, label) {
			return fmt.Errorf("%w: contradicting row %d: both are %s of the same image, and they differ", store.ErrInvalid, before.row, whose(label))
		}
		k.last[at] = saidInRow{number, label}
		k.labels = append(k.labels, r)
	}
	return nil
}

// ReadClasses reads what is said of an instance for a task: classes separated by
// '|', of which one after '?' is uncertain and one after '!' absent, so that
// "effusion|?edema|!pneumonia" says that of three. Classes that are not named are
// absent too, unless one is named as absent: then the others are not mentioned. A
// class of the task that begins so itself is meant as it is.
// A task that is not there is taken for one of several labels.
func ReadClasses(c store.Collection, task, text string) (LabelRequest, error) {
	r := LabelRequest{Task: task}
	t, err := c.Task(task)
	if err != nil {
		t.Multi = true
	}
	for class := range strings.SplitSeq(text, "|") {
		class = strings.TrimSpace(class)
		list := &r.Classes
		if marked := strings.HasPrefix(class, "?") || strings.HasPrefix(class, "!"); marked && !slices.Contains(t.Classes, class) {
			if !t.Multi {
				return r, fmt.Errorf("%.80q: %w: nothing is uncertain or absent in task %s, which takes one class", class, store.ErrInvalid, task)
			}
			list = &r.Uncertain
			if class[0] == '!' {
				list, r.Partial = &r.Absent, true
			}
			if class = strings.TrimSpace(class[1:]); class == "" {
				return r, fmt.Errorf("%.80q: %w: no class after its mark", text, store.ErrInvalid)
			}
		}
		if class != "" {
			*list = append(*list, class)
		}
	}
	return r, nil
}

// Declared returns the tasks that labels are for, with the classes that they
// name. One that the collection does not have is multi-label unless each label for
// it is one class.
func Declared(c store.Collection, labels []LabelRequest) []store.Task {
	tasks := map[string]*store.Task{}
	seen := map[[2]string]bool{}
	for _, l := range labels {
		t := tasks[l.Task]
		if t == nil {
			have, _ := c.Task(l.Task)
			t = &store.Task{Name: l.Task, Multi: have.Multi}
			tasks[l.Task] = t
		}
		if _, err := c.Task(l.Task); err != nil && (len(l.Classes) != 1 || len(l.Absent)+len(l.Uncertain) > 0 || l.Partial) {
			t.Multi = true
		}
		for _, class := range slices.Concat(l.Classes, l.Absent, l.Uncertain) {
			if !seen[[2]string{l.Task, class}] {
				seen[[2]string{l.Task, class}] = true
				t.Classes = append(t.Classes, class)
			}
		}
	}
	var all []store.Task
	for _, name := range sorted(tasks) {
		all = append(all, *tasks[name])
	}
	return all
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
