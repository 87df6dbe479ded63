package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"

	"nearcase/store"
)

// exportedLine is an instance in JSON lines. Numbers of the vector are the
// shortest that read back as the same float32.
type exportedLine struct {
	Key store.Key `json:"key"`
	store.Instance
	// Family is the key of the first instance of the same kin: see store.Families.
	Family      int64                    `json:"family"`
	Labels      map[string]exportedLabel `json:"labels"`
	Model       string                   `json:"model"`
	Fingerprint string                   `json:"fingerprint"`
	Watermark   store.Key                `json:"label_watermark"`
	Vector      []float32                `json:"vector,omitempty"`
}

func (e *Exporting) writeJSON(ctx context.Context, w io.Writer, progress func(done, total int)) error {
	b := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(b)
	for n, c := range e.cases {
		line := exportedLine{
			Key: c.Key, Instance: c.Instance, Family: e.families[n], Labels: e.labels(n),
			Model: e.collection.Model, Fingerprint: e.collection.Fingerprint, Watermark: e.Watermark,
		}
		if e.withVectors {
			var err error
			if line.Vector, err = e.vector(ctx, n); err != nil {
				return err
			}
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
		progress(n+1, e.Instances)
	}
	return b.Flush()
}
