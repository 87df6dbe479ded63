package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"nearcase/embed/scatter"
)

// models opens every model and compares it with what is known of it.
func (d *doctor) models(ctx context.Context) {
	m := models{config: d.c}
	names, err := m.names()
	if err != nil {
		d.add("models", broken("name a folder that can be read by models in the configuration", "%v", err))
		return
	}
	for _, name := range append([]string{scatter.Manifest().Name}, names...) {
		d.add("model "+name, d.model(ctx, m, name))
	}
}

func (d *doctor) model(ctx context.Context, m models, name string) finding {
	model, err := m.open(name)
	if err != nil {
		return broken("see nearcase models inspect "+name, "%v", err)
	}
	fingerprint := model.Fingerprint()
	golden, err := readGolden(filepath.Join(d.c.Models, name, goldenName))
	recorded := !errors.Is(err, fs.ErrNotExist)
	if err == nil {
		err = model.Verify(ctx, golden)
	}
	if recorded && err != nil {
		return broken("restore the model that the collections were made with, or see nearcase models verify", "%v", errors.Join(err, model.Close()))
	}
	if err := model.Close(); err != nil {
		return broken("see the message", "%v", err)
	}
	if d.data != nil {
		for _, c := range d.data.Collections {
			if c.Model == name && c.Fingerprint != fingerprint {
				return broken("restore the model of that fingerprint, or ingest into a new collection",
					"collection %s was made with %.12s, and this is %.12s", c.Name, c.Fingerprint, fingerprint)
			}
		}
	}
	if !recorded {
		return warning("nearcase models verify "+name+" records its vectors, so that a change is noticed", "opens, fingerprint %.12s, no vectors recorded", fingerprint)
	}
	return ok("%s", fmt.Sprintf("opens, fingerprint %.12s, gives the vectors recorded", fingerprint))
}
