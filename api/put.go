package api

import (
	"context"

	"nearcase/store"
)

// Put stores one image under its ID in place of what is there, if o.IfKey allows
// it, and returns the instance and whether nothing was there.
func (s *Service) Put(ctx context.Context, collection string, image Image, o IngestOptions) (i Instance, created bool, err error) {
	o.Replace = true
	var item Item
	one := func(yield func(Image) bool) { yield(image) }
	for got, failed := range s.Ingest(ctx, collection, one, o) {
		if item = got; failed != nil {
			return Instance{}, false, failed
		}
	}
	if item.Err != nil {
		return Instance{}, false, item.Err
	}
	i, err = s.Instance(ctx, collection, item.ID)
	return i, item.Status == store.Created, err
}
