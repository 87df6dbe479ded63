package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"nearcase/api"
	"nearcase/cmd/nearcase/phantom"
	"nearcase/store"
)

type demoCommand struct {
	Once     bool   `help:"Stop instead of serving."`
	Listen   string `help:"Address to listen on (default: 127.0.0.1:8417)." placeholder:"ADDRESS"`
	Patients int    `help:"Synthetic patients to draw." default:"48"`
	Seed     uint64 `help:"Seed of the drawings." default:"1"`
}

func (demoCommand) Help() string {
	return `Draws labelled synthetic images, stores them with the built-in network, trains
the probes, classifies an image whose patient is left out, evaluates, and serves the HTTP API. Everything is
removed at the end unless --data names where to keep it.

  nearcase demo --once`
}

// demoCollection is where the demo keeps its images.
const demoCollection = "phantoms"

func (d demoCommand) Run(ctx context.Context, s *session) (err error) {
	if s.Server != "" {
		return errors.New("demo works on a data directory, not on --server")
	}
	if d.Patients < 10 || d.Patients > 10_000 {
		return fmt.Errorf("--patients is %d, use 10 to 10000", d.Patients)
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	if d.Listen != "" {
		c.Listen = d.Listen
	}
	if s.Data == "" {
		if c.Data, err = os.MkdirTemp("", "nearcase-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Data)) }()
	}
	s.serves = !d.Once
	r, err := s.newRunning(c)
	if err != nil {
		return err
	}
	service, closing, err := s.openLocal(c, orNew)
	if err != nil {
		return errors.Join(err, r.close(nil)())
	}
	done := sync.OnceValue(closing)
	defer func() {
		if failed := done(); !errors.Is(err, failed) {
			err = errors.Join(err, failed)
		}
	}()
	if err := d.show(ctx, s, c, service); err != nil || d.Once {
		return errors.Join(err, r.close(nil)())
	}
	opened := func() (*api.Service, func() error, error) { return service, done, nil }
	return r.run(ctx, opened, func(url string) { invite(s.stdout, url) })
}

// show is the demo itself.
func (d demoCommand) show(ctx context.Context, s *session, c config, service *api.Service) error {
	var drawn []phantom.Image
	for image := range phantom.All(d.Seed, d.Patients) {
		drawn = append(drawn, image)
	}
	if err := d.ingest(ctx, s, service, drawn); err != nil {
		return err
	}
	if err := d.train(ctx, s, service); err != nil {
		return err
	}
	if err := d.classify(ctx, s, service, drawn[len(drawn)/2]); err != nil {
		return err
	}
	for _, task := range phantom.Tasks() {
		e, err := service.Evaluate(ctx, demoCollection, api.EvaluateOptions{Task: task.Name, Mistakes: -1}, s.progress("evaluate"))
		if err != nil {
			return err
		}
		printEvaluation(s.stdout, e)
	}
	return nil
}

func (d demoCommand) ingest(ctx context.Context, s *session, service *api.Service, drawn []phantom.Image) error {
	fmt.Fprintf(s.stdout, "Storing %d synthetic images of %d synthetic patients with the built-in network scatter.\n", len(drawn), d.Patients)
	var tasks []store.Task
	for _, t := range phantom.Tasks() {
		tasks = append(tasks, store.Task{Name: t.Name, Multi: t.Multi, Classes: t.Classes})
	}
	_, err := service.Create(ctx, api.NewCollection{Name: demoCollection, Model: "scatter", Tasks: tasks})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return err
	}
	images := func(yield func(api.Image) bool) {
		for _, p := range drawn {
			if !yield(phantomImage(p)) {
				return
			}
		}
	}
	started, n, progress := time.Now(), 0, s.progress("ingest")
	for item, err := range service.Ingest(ctx, demoCollection, images, api.IngestOptions{Source: "phantom"}) {
		if err = errors.Join(err, item.Err); err != nil {
			return err
		}
		n++
		progress(n, len(drawn))
	}
	took := time.Since(started).Seconds()
	fmt.Fprintf(s.stdout, "Embedded, stored and indexed in %.1f s (%.0f a second).\n", took, float64(n)/took)
	return nil
}

// train makes the first version of each task's probes, so that the answer has all
// that one brings. Few patients may be too few for that; the answer says so then.
func (d demoCommand) train(ctx context.Context, s *session, service *api.Service) error {
	for _, task := range phantom.Tasks() {
		started := time.Now()
		v, err := service.Retrain(ctx, demoCollection, task.Name, s.progress("train "+task.Name))
		if errors.Is(err, api.ErrNotEnough) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(s.stdout, "Probes of %s chosen and calibrated on %d images of %d patients in %.1f s.\n",
			task.Name, v.Tuning.Examples, v.Tuning.Patients, time.Since(started).Seconds())
	}
	fmt.Fprintln(s.stdout)
	return nil
}

func phantomImage(p phantom.Image) api.Image {
	return api.Image{Name: p.Name, Patient: p.Patient, Study: p.Study, Labels: p.Labels,
		Read: func() ([]byte, error) { return p.PNG, nil }}
}

func (d demoCommand) classify(ctx context.Context, s *session, service *api.Service, p phantom.Image) error {
	fmt.Fprintf(s.stdout, "Classifying %s (truth: %s) with its patient left out:\n\n", p.Name, labelText(p.Labels))
	query := api.Query{Image: p.PNG}
	answer, err := service.Classify(ctx, demoCollection, query)
	if err != nil {
		return err
	}
	printClassification(s.stdout, query, answer)
	fmt.Fprintln(s.stdout)
	return nil
}

// invite tells how to go on.
func invite(w io.Writer, url string) {
	fmt.Fprintf(w, `
Serving %s until interrupted. Ask it something:

  curl %s/v1/collections/%s
  curl -F image=@some.png %s/v1/collections/%s/classify
  nearcase similar --server %s --collection %s some.png
`, url, url, demoCollection, url, demoCollection, url, demoCollection)
}
