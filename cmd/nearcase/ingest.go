package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
)

type ingestCommand struct {
	Paths            []string `arg:"" help:"Images, folders (searched with their subfolders), zip archives, or CSV files." type:"path"`
	Collection       string   `short:"c" default:"default" help:"Collection to store into; made if there is none."`
	Model            string   `help:"Model of a new collection (default: scatter, the built-in one)."`
	Engine           string   `help:"Index engine of a new collection: auto, exact, graph or coder."`
	DiscardOriginals bool     `help:"Keep no copies of the images in a new collection."`
	NewClasses       bool     `help:"Let a CSV bring classes that a task does not have yet."`
	Replace          bool     `help:"Let an image take the place of another with the same instance ID."`
}

func (ingestCommand) Help() string {
	return `A CSV has a header with a column file, relative to the CSV. The columns
patient_id, study_id, series_id and instance_id are optional; every other column
is a task, with several labels separated by |; an empty cell says nothing and a
lone | says that no class is present. The whole CSV is checked before
anything is stored. Patients matter: their own images never vote on them.

Ingesting the same again stores nothing twice, so an ingest that was
interrupted is simply repeated.

Files of folders and archives that hold no image, as directories and reports in
DICOM, are counted apart and are no failure.

  nearcase ingest --collection cxr --model resnet18 cxr/labels.csv
  nearcase ingest --collection skin photos/ more/lesion.png
  nearcase ingest --collection ct study.zip exported-dicom/`
}

// ingested is the summary of an ingest.
type ingested struct {
	Collection string `json:"collection"`
	// Images are the files that should hold one, and Instances what those stored
	// hold; others are counted as withoutImage only.
	Images    int            `json:"images"`
	Instances int            `json:"instances"`
	Counts    map[string]int `json:"counts"`
	Seconds   float64        `json:"seconds"`
	Failed    int            `json:"failed"`

	empty map[string]*group // files without an image, by what is said of them
}

// withoutImage is the status of a file that was found where images are and is
// none, which is no failure.
const withoutImage = "without_image"

// group is files of which the same is said.
type group struct {
	first string
	count int
}

// line is one image's outcome in JSON.
type line struct {
	Path   string `json:"path"`
	ID     string `json:"id,omitempty"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`
}

func (i ingestCommand) Run(ctx context.Context, s *session) (err error) {
	c, err := s.configuration()
	if err != nil {
		return err
	}
	sources := make([]api.Source, len(i.Paths))
	defer func() {
		for _, source := range sources {
			err = errors.Join(err, source.Close())
		}
	}()
	for n, path := range i.Paths { // all of them before anything is stored
		if sources[n], err = api.OpenSource(path, c.Limits.ImageBytes); err != nil {
			return plain(err)
		}
	}
	count := 0
	for _, source := range sources {
		count += source.Count
	}
	if count >= many {
		s.measure(ctx, false)
	}
	return s.with(orNew, func(o operations, c config) error {
		if err := i.collection(ctx, o, c, sources); err != nil {
			return err
		}
		return i.ingest(ctx, s, o, sources)
	})
}

// many images are worth finding out first how the model runs fastest.
const many = 1000

// collection makes sure that the collection is there, is of the model asked
// for, and knows the tasks.
func (i ingestCommand) collection(ctx context.Context, o operations, c config, sources []api.Source) error {
	have, err := o.Collection(ctx, i.Collection)
	missing := errors.Is(err, store.ErrCollection)
	if err != nil && !missing {
		return err
	}
	if !missing {
		if err := i.fits(have); err != nil {
			return err
		}
	}
	tasks := have.Tasks
	for _, source := range sources {
		declare, err := source.Declare(tasks, i.NewClasses)
		if err != nil {
			return err
		}
		if tasks, err = store.Merge(tasks, declare); err != nil {
			return err
		}
	}
	if !missing {
		_, err = o.Declare(ctx, i.Collection, tasks)
		return err
	}
	spec := c.Index.spec()
	if i.Engine != "" {
		spec = store.Index{Engine: i.Engine}
	}
	model := c.Model
	if i.Model != "" {
		model = i.Model
	}
	_, err = o.Create(ctx, api.NewCollection{Name: i.Collection, Model: model, Tasks: tasks, Index: spec, DiscardOriginals: i.DiscardOriginals})
	return err
}

// fits reports why a collection that is there is not the one asked for.
func (i ingestCommand) fits(have api.Collection) error {
	switch {
	case i.Model != "" && i.Model != have.Model:
		return fmt.Errorf("collection %s: %w: it is of model %s, not %s; choose another collection",
			i.Collection, store.ErrFingerprint, have.Model, i.Model)
	case i.Engine != "" && i.Engine != engineOf(have):
		return fmt.Errorf("collection %s has index %s: change it with nearcase reindex --engine %s", i.Collection, engineOf(have), i.Engine)
	case i.DiscardOriginals && !have.DiscardOriginals:
		return fmt.Errorf("collection %s keeps originals: --discard-originals is for a new one", i.Collection)
	}
	return nil
}

// ingest stores the sources one after the other.
func (i ingestCommand) ingest(ctx context.Context, s *session, o operations, sources []api.Source) error {
	total, done, started := 0, 0, time.Now()
	for _, source := range sources {
		total += source.Count
	}
	sum := ingested{Collection: i.Collection, Counts: map[string]int{}, empty: map[string]*group{}}
	progress := s.progress("ingest")
	for n, source := range sources {
		options := api.IngestOptions{Replace: i.Replace, Repeats: source.Rows, Source: "csv"}
		for item, err := range o.Ingest(ctx, i.Collection, source.Images, options) {
			if err != nil {
				return fmt.Errorf("after %d of %d images: %w; repeat the command to go on", done, total, err)
			}
			if errors.Is(item.Err, context.Canceled) {
				continue // the end of the sequence says so
			}
			s.report(item, sum.add(item, gathers(i.Paths[n])))
			done++
			progress(done, total)
		}
	}
	sum.Seconds, sum.Failed = time.Since(started).Seconds(), sum.Counts[string(store.Failed)]
	return errors.Join(s.summary(sum), failure(sum))
}

// gathers reports whether a path stands for whatever lies in it, a folder or an
// archive, rather than for files that somebody named.
func gathers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || strings.EqualFold(filepath.Ext(path), ".zip")
}

// add counts what became of an image and returns its status.
func (sum *ingested) add(item api.Item, gathered bool) string {
	status := string(item.Status)
	if gathered && errors.Is(item.Err, embed.ErrNoPixels) {
		status = withoutImage
		kind := item.Err.Error()
		kind = kind[max(0, strings.LastIndex(kind, embed.ErrNoPixels.Error())):] // said once
		if sum.empty[kind] == nil {
			sum.empty[kind] = &group{first: item.Name}
		}
		sum.empty[kind].count++
	} else if sum.Images++; item.Err == nil {
		sum.Instances += max(item.Instances, 1)
	}
	sum.Counts[status]++
	return status
}

// report tells of one image: as JSON always, as text only if it failed.
func (s *session) report(item api.Item, status string) {
	l := line{Path: item.Name, ID: item.ID, Status: status}
	if item.Err != nil {
		l.Error = item.Err.Error()
	}
	if s.JSON {
		_ = json.NewEncoder(s.stdout).Encode(l)
		return
	}
	if status != string(store.Failed) {
		return
	}
	if errors.Is(item.Err, store.ErrConflict) {
		l.Error += ": give --replace"
	}
	fmt.Fprintf(s.stderr, "%s: %s\n", item.Name, l.Error)
}

func (s *session) summary(sum ingested) error {
	if s.JSON {
		return json.NewEncoder(s.stdout).Encode(sum)
	}
	for _, kind := range sortedKeys(sum.empty) {
		g := sum.empty[kind]
		if g.count == 1 {
			fmt.Fprintf(s.stderr, "%s: %s\n", g.first, kind)
		} else {
			fmt.Fprintf(s.stderr, "%s and %d more: %s\n", g.first, g.count-1, kind)
		}
	}
	fmt.Fprintln(s.stdout, sum)
	return nil
}

// String is the summary for people.
func (sum ingested) String() string {
	text := count(sum.Images, "image")
	if sum.Instances != sum.Images-sum.Failed {
		text += ", " + count(sum.Instances, "instance")
	}
	rate := float64(sum.Images) / max(sum.Seconds, 1e-9)
	text += fmt.Sprintf(" into collection %s in %.1f s (%.1f a second):", sum.Collection, sum.Seconds, rate)
	for _, status := range []store.PutStatus{store.Created, store.Replaced, store.Updated, store.Unchanged, store.Failed} {
		if n := sum.Counts[string(status)]; n > 0 {
			text += fmt.Sprintf(" %d %s", n, status)
		}
	}
	if n := sum.Counts[withoutImage]; n > 0 {
		text += fmt.Sprintf(" %d without an image", n)
	}
	return text
}

func failure(sum ingested) error {
	switch {
	case sum.Failed == sum.Images: // also none
		return errors.New("nothing was stored")
	case sum.Failed == 0:
		return nil
	}
	return fmt.Errorf("%d of %d images could not be stored; the others are", sum.Failed, sum.Images)
}
