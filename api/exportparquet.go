package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// maxRowGroup is how many bytes of vectors a row group has, which is held in
// memory until it is whole.
const maxRowGroup = 8 << 20

// writeParquet writes a row for each instance, its columns sorted by name. A label
// is null where there is none.
func (e *Exporting) writeParquet(ctx context.Context, w io.Writer, progress func(done, total int)) error {
	schema := e.schema()
	tasks, err := json.Marshal(e.tasks)
	if err != nil {
		return err
	}
	perGroup := int64(1000)
	if e.withVectors {
		perGroup = max(1, min(10_000, maxRowGroup/int64(4*e.collection.Dimension)))
	}
	file := parquet.NewWriter(w, schema, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(perGroup),
		parquet.SkipPageBounds("vector", "list", "element"),
		parquet.KeyValueMetadata("collection", e.Collection), parquet.KeyValueMetadata("model", e.collection.Model),
		parquet.KeyValueMetadata("fingerprint", e.collection.Fingerprint), parquet.KeyValueMetadata("tasks", string(tasks)),
		parquet.KeyValueMetadata("head", fmt.Sprint(e.Head)), parquet.KeyValueMetadata("label_watermark", fmt.Sprint(e.Watermark)))
	for n := range e.cases {
		row, err := e.row(ctx, schema, n)
		if err != nil {
			return err
		}
		if _, err := file.WriteRows([]parquet.Row{row}); err != nil {
			return err
		}
		progress(n+1, e.Instances)
	}
	return file.Close()
}

func (e *Exporting) schema() *parquet.Schema {
	group := parquet.Group{"key": parquet.Uint(64), "family": parquet.Int(64), "labels": parquet.JSON()}
	for _, c := range e.identity() {
		group[c.name] = parquet.String()
	}
	group["metadata"] = parquet.JSON()
	for _, t := range e.tasks {
		group["label_"+t.Name] = parquet.Optional(parquet.String())
	}
	if e.withVectors {
		group["vector"] = parquet.List(parquet.Leaf(parquet.FloatType))
	}
	return parquet.NewSchema("nearcase", group)
}

// row has the values of each column, in the order of the columns. A value's levels
// say how deep it is repeated and how much of its path is there (Dremel; Melnik et
// al., 2010).
func (e *Exporting) row(ctx context.Context, schema *parquet.Schema, n int) (parquet.Row, error) {
	values := map[string]parquet.Value{
		"key": parquet.Int64Value(int64(e.cases[n].Key)), "family": parquet.Int64Value(e.families[n]),
	}
	labels, err := json.Marshal(e.labels(n))
	if err != nil {
		return nil, err
	}
	values["labels"] = parquet.ByteArrayValue(labels)
	for _, c := range e.identity() {
		values[c.name] = parquet.ByteArrayValue([]byte(c.value(n)))
	}
	var vector []float32
	if e.withVectors {
		if vector, err = e.vector(ctx, n); err != nil {
			return nil, err
		}
	}
	for _, t := range e.tasks {
		if text, labelled := e.label(n, t.Name); labelled {
			values["label_"+t.Name] = parquet.ByteArrayValue([]byte(text)).Level(0, 1, 0)
		}
	}
	row := make(parquet.Row, 0, len(schema.Columns())+len(vector))
	for at, path := range schema.Columns() {
		if len(path) > 1 { // vector.list.element
			for i, x := range vector {
				row = append(row, parquet.FloatValue(x).Level(min(i, 1), 1, at))
			}
			continue
		}
		v := values[path[0]]
		row = append(row, v.Level(0, v.DefinitionLevel(), at))
	}
	return row, nil
}
