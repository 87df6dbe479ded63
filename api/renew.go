package api

import (
	"context"
	"errors"
	"slices"

	"nearcase/store"
)

// mostModels is how often an image is embedded again at most since the model has
// changed.
const mostModels = 3

// renew embeds images again that were refused because another model has taken the
// place of theirs since, and reports whether there are any to store. What came as a
// vector stays refused.
func (p *ingestion) renew(ctx context.Context, b *batch, items []Item) bool {
	var refused []int
	for i, item := range items {
		if errors.Is(item.Err, store.ErrFingerprint) && b.images[i].Vector == nil && b.errs[i] == nil {
			refused = append(refused, i)
		}
	}
	if len(refused) == 0 {
		return false
	}
	now, err := p.s.newIngestion(ctx, p.c.Name, p.options)
	if err != nil {
		return false
	}
	p.after.Store(now)
	tensor := make([]float32, now.size*now.m.Manifest().InputLen())
	for some := range slices.Chunk(refused, now.size) {
		now.embedAgain(ctx, b, some, items, tensor)
	}
	return true
}

// embedAgain embeds some images of a batch, which keep their IDs.
func (p *ingestion) embedAgain(ctx context.Context, b *batch, some []int, items []Item, tensor []float32) {
	n := len(some)
	again := &batch{images: make([]Image, n), data: make([][]byte, n), records: make([][]store.Record, n), errs: make([]error, n)}
	for j, i := range some {
		again.images[j], again.data[j] = b.images[i], b.data[i]
	}
	p.embed(ctx, again, tensor)
	for j, i := range some {
		b.records[i], b.errs[i], items[i].Err = again.records[j], again.errs[j], again.errs[j]
		for k := range b.records[i] {
			call(&b.records[i][k].Instance, items[i].ID)
		}
	}
}
