package main

import (
	"context"
	"fmt"
	"io"

	"nearcase/api"
	"nearcase/embed/hub"
)

type modelsCommand struct {
	List    modelsList    `cmd:"" default:"withargs" help:"List the models that can be used, or fetched."`
	Inspect modelsInspect `cmd:"" help:"Show all that is known about a model."`
	Verify  modelsVerify  `cmd:"" help:"Compare models to the vectors recorded of them."`
	Pull    modelsPull    `cmd:"" help:"Fetch a model from the hub, a mirror or an address."`
	Add     modelsAdd     `cmd:"" help:"Take over a model from a folder or file of this machine."`
}

func (modelsCommand) Help() string {
	return `A model is a folder with an ONNX file and a configuration: as Hugging Face lays
it out, or with manifest.yaml; docs/models.md tells more. The model scatter is
built in and needs no file.

  nearcase models --models-dir /opt/models
  nearcase models list --available
  nearcase models pull clip-vit-b32`
}

type modelsList struct {
	Available bool `help:"List the catalogue: what can be fetched by name."`
}

func (l modelsList) Run(ctx context.Context, s *session) error {
	if l.Available {
		return s.print(hub.Catalogue(), printCatalogue)
	}
	infos, err := s.models(ctx)
	if err != nil {
		return err
	}
	return s.print(infos, func(w io.Writer) {
		t := table(w, "MODEL", "DIMENSION", "LICENCE", "TRAINING DATA", "DESCRIPTION")
		for _, m := range infos {
			if m.Problem != "" {
				t.row(m.Name, "-", "", "", "cannot be used: "+m.Problem)
				continue
			}
			t.row(m.Name, m.Dimension, m.Licence, m.TrainingData, m.Description)
		}
		t.flush()
	})
}

// models asks the server, or looks into the models folder: a list needs no data
// directory.
func (s *session) models(ctx context.Context) (infos []api.ModelInfo, err error) {
	if s.Server != "" {
		err = s.with(existing, func(o operations, _ config) error {
			infos, err = o.ListModels(ctx)
			return err
		})
		return infos, err
	}
	c, err := s.configuration()
	if err != nil {
		return nil, err
	}
	return models{config: c}.list()
}

// printCatalogue lists the models, and below what is known about each.
func printCatalogue(w io.Writer) {
	t := table(w, "MODEL", "DIMENSION", "TEXT", "ACCESS", "FROM")
	for _, e := range hub.Catalogue() {
		dimension := "?"
		if e.Dimension > 0 {
			dimension = fmt.Sprint(e.Dimension)
		}
		t.row(e.Name, dimension, map[bool]string{true: "yes", false: "no"}[e.Text], map[bool]string{true: "gated", false: "open"}[e.Gated], e.Page)
	}
	t.flush()
	for _, e := range hub.Catalogue() {
		fmt.Fprintf(w, "\n%s\n", e.Name)
		t := table(w)
		t.row("  licence", e.Licence)
		t.row("  training data", e.TrainingData)
		if e.Note != "" {
			t.row("  note", e.Note)
		}
		t.flush()
	}
}
