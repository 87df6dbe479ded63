package api

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"nearcase/store"
)

// Bounds of a CSV.
const (
	maxCSVBytes  = 1 << 30
	maxTasks     = 1000
	maxComplaint = 20 // rows named in one error
)

// dataset is a CSV that has been read.
type dataset struct {
	dir   string
	tasks []string // by column, "" for columns that are none
	file  int      // the file column
	ids   [4]int   // columns of patient, study, series, instance; -1 if absent
	rows  [][]string
	// stat describes a row's file.
	stat func(row []string) (fs.FileInfo, error)
}

func csvSource(path string, maxBytes int64) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return Source{}, fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer f.Close()
	d, err := readDataset(io.LimitReader(f, maxCSVBytes), filepath.Dir(path))
	if err != nil {
		return Source{}, fmt.Errorf("%w: %s: %w", ErrSource, path, err)
	}
	if err := d.check(); err != nil {
		return Source{}, fmt.Errorf("%w: %s: %w", ErrSource, path, err)
	}
	images := func(yield func(Image) bool) {
		for _, row := range d.rows {
			if !yield(d.image(row, maxBytes)) {
				return
			}
		}
	}
	return Source{Images: images, Count: len(d.rows), Tasks: d.declared(), Rows: true, path: path, dataset: d}, nil
}

func readDataset(r io.Reader, dir string) (*dataset, error) {
	c := csv.NewReader(r)
	header, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	d := &dataset{dir: dir, file: -1, ids: [4]int{-1, -1, -1, -1}, tasks: make([]string, len(header))}
	d.stat = func(row []string) (fs.FileInfo, error) { return os.Stat(d.path(row)) }
	if err := d.columns(header); err != nil {
		return nil, err
	}
	d.rows, err = c.ReadAll() // the reader names the line and what is wrong
	if err == nil && len(d.rows) == 0 {
		err = errors.New("no rows")
	}
	return d, err
}

// columns finds out what each column is.
func (d *dataset) columns(header []string) error {
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		if seen[name] || name == "" || !utf8.ValidString(name) {
			return fmt.Errorf("header: column %d, %q, is empty, twice there or not UTF-8", i+1, name)
		}
		seen[name] = true
		if name == "file" {
			d.file = i
		} else if id := slices.Index([]string{"patient_id", "study_id", "series_id", "instance_id"}, name); id >= 0 {
			d.ids[id] = i
		} else {
			d.tasks[i] = name
		}
	}
	if d.file < 0 {
		return fmt.Errorf("header: no column named file among %s", strings.Join(header, ", "))
	}
	if len(header) > maxTasks {
		return fmt.Errorf("header: %d columns, the limit is %d", len(header), maxTasks)
	}
	return nil
}

// check reports every row that cannot be ingested, up to a limit.
func (d *dataset) check() error {
	var complaints []error
	for i, row := range d.rows {
		if err := d.checkRow(row); err != nil {
			complaints = append(complaints, fmt.Errorf("row %d: %w", i+2, err))
			if len(complaints) == maxComplaint {
				complaints = append(complaints, errors.New("and perhaps more"))
				break
			}
		}
	}
	return errors.Join(complaints...)
}

func (d *dataset) checkRow(row []string) error {
	if strings.TrimSpace(row[d.file]) == "" {
		return errors.New("the column file is empty")
	}
	info, err := d.stat(row)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", row[d.file])
	}
	i := store.Instance{ID: "x", Patient: d.cell(row, 0), Study: d.cell(row, 1), Series: d.cell(row, 2)}
	if id := d.cell(row, 3); id != "" {
		i.ID = id
	}
	return i.Validate()
}

// path is that of a row's file, relative to the CSV's folder unless absolute.
func (d *dataset) path(row []string) string {
	file := strings.TrimSpace(row[d.file])
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(d.dir, filepath.FromSlash(file))
}

func (d *dataset) cell(row []string, id int) string {
	if d.ids[id] < 0 {
		return ""
	}
	return strings.TrimSpace(row[d.ids[id]])
}

func (d *dataset) image(row []string, maxBytes int64) Image {
	im := fileImage(d.path(row), strings.TrimSpace(row[d.file]), maxBytes)
	im.Patient, im.Study, im.Series, im.ID = d.cell(row, 0), d.cell(row, 1), d.cell(row, 2), d.cell(row, 3)
	for i, task := range d.tasks {
		if classes, ok := split(row[i]); task != "" && ok {
			if im.Labels == nil {
				im.Labels = map[string][]string{}
			}
			im.Labels[task] = classes
		}
	}
	return im
}

// declared returns the tasks with the classes that occur. A task is multi-label
// if any of its cells has a '|'.
func (d *dataset) declared() []store.Task {
	var tasks []store.Task
	for i, name := range d.tasks {
		if name == "" {
			continue
		}
		t, seen := store.Task{Name: name}, map[string]bool{}
		for _, row := range d.rows {
			classes, _ := split(row[i])
			t.Multi = t.Multi || strings.Contains(row[i], "|")
			for _, class := range classes {
				if !seen[class] {
					seen[class] = true
					t.Classes = append(t.Classes, class)
				}
			}
		}
		slices.Sort(t.Classes)
		tasks = append(tasks, t)
	}
	return tasks
}

// split returns the labels in a cell, and whether it says anything: a lone '|'
// says that no class is present.
func split(cell string) (classes []string, ok bool) {
	for class := range strings.SplitSeq(cell, "|") {
		if class = strings.TrimSpace(class); class != "" {
			classes = append(classes, class)
		}
	}
	return classes, strings.TrimSpace(cell) != ""
}

// Declare returns what a collection with these tasks must declare before the
// source can be ingested. A class that a task there does not have is an error
// that names the first row with it, unless newClasses allows it.
func (s Source) Declare(tasks []store.Task, newClasses bool) ([]store.Task, error) {
	var declare []store.Task
	var complaints []error
	for _, t := range s.Tasks {
		at := slices.IndexFunc(tasks, func(o store.Task) bool { return o.Name == t.Name })
		if at < 0 || len(tasks[at].Classes) == 0 {
			declare = append(declare, t)
			continue
		}
		complaints = append(complaints, s.complaints(tasks[at], t, newClasses)...)
		declare = append(declare, store.Task{Name: t.Name, Multi: tasks[at].Multi, Classes: t.Classes})
	}
	if len(complaints) > maxComplaint {
		complaints = append(complaints[:maxComplaint], errors.New("and more"))
	}
	if len(complaints) > 0 {
		return nil, fmt.Errorf("%s: %w", s.path, errors.Join(complaints...))
	}
	return declare, nil
}

// complaints are the differences between a task there is and one of a CSV.
func (s Source) complaints(have, given store.Task, newClasses bool) []error {
	var complaints []error
	if given.Multi && !have.Multi {
		row := s.dataset.first(have.Name, func(cell string) bool { return strings.Contains(cell, "|") })
		complaints = append(complaints, fmt.Errorf("%w: row %d has several labels for task %s, which takes one", ErrSource, row, have.Name))
	}
	for _, class := range given.Classes {
		if newClasses || slices.Contains(have.Classes, class) {
			continue
		}
		row := s.dataset.first(have.Name, func(cell string) bool {
			classes, _ := split(cell)
			return slices.Contains(classes, class)
		})
		complaints = append(complaints, fmt.Errorf("row %d: class %q: %w in task %s, which has %s; allow it with --new-classes",
			row, class, store.ErrClass, have.Name, strings.Join(have.Classes, ", ")))
	}
	return complaints
}

// first returns the number of the first row whose cell for a task is as
// described; the header is row 1.
func (d *dataset) first(task string, is func(cell string) bool) int {
	column := slices.Index(d.tasks, task)
	return 2 + slices.IndexFunc(d.rows, func(row []string) bool { return is(row[column]) })
}
