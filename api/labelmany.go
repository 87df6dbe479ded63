package api

import (
	"context"
	"errors"

	"nearcase/store"
)

// LabelEach stores those of the labels that can be stored, each after those before
// it, and returns for each of the others why not: as many errors as requests, nil
// for what is stored. It is Label for who would rather have most than none. The
// last error is one that stops it; what was stored before is stored.
func (s *Service) LabelEach(ctx context.Context, collection string, requests []LabelRequest) (done Labelled, refused []error, err error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return Labelled{}, nil, err
	}
	refused = make([]error, len(requests))
	var places []int
	for i, r := range requests {
		if _, refused[i] = r.check(c); refused[i] == nil {
			places = append(places, i)
		}
	}
	each := labelEach{s: s, collection: collection, requests: requests, refused: refused}
	err = each.store(ctx, places)
	return each.done, refused, err
}

// labelEach is one call of LabelEach.
type labelEach struct {
	s          *Service
	collection string
	requests   []LabelRequest
	refused    []error
	done       Labelled
}

// store stores the labels at some places, all together or, if one of them cannot
// be, each half by itself.
func (e *labelEach) store(ctx context.Context, places []int) error {
	if len(places) == 0 {
		return nil
	}
	some := make([]LabelRequest, len(places))
	for i, at := range places {
		some[i] = e.requests[at]
	}
	done, err := e.s.Label(ctx, e.collection, some)
	switch {
	case err == nil:
		e.done.Add(done)
		return nil
	case !errors.Is(err, store.ErrInstance) && !errors.Is(err, store.ErrInvalid):
		return err
	case len(places) == 1:
		e.refused[places[0]] = err
		return nil
	}
	half := len(places) / 2
	if err := e.store(ctx, places[:half]); err != nil {
		return err
	}
	return e.store(ctx, places[half:])
}

// Add adds labels that were stored later, if any were.
func (l *Labelled) Add(more Labelled) {
	l.Labels, l.New, l.Changed, l.Unchanged = l.Labels+more.Labels, l.New+more.New, l.Changed+more.Changed, l.Unchanged+more.Unchanged
	if more.Labels > 0 {
		l.Watermark = more.Watermark
	}
}
