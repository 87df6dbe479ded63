package client

import (
	"context"
	"iter"
	"net/http"
	"strings"

	"nearcase/api"
	"nearcase/api/problem"
)

// List returns a page of instances.
func (c *Client) List(ctx context.Context, name string, o api.ListOptions) (api.Page, error) {
	o.Limit = min(o.Limit, maxLimit)
	return tell[api.Page](ctx, c, collection(http.MethodPost, name, "instances", "list").repeatable(), o)
}

// maxLimit is how many instances the server lists in a page at most.
const maxLimit = 1000

// Sweep deletes all instances that pass a filter, in a job of the server unless it
// only counts them.
func (c *Client) Sweep(ctx context.Context, name string, o api.SweepOptions, progress func(done, total int)) (api.Swept, error) {
	r := collection(http.MethodPost, name, "instances", "delete")
	if o.DryRun {
		return tell[api.Swept](ctx, c, r.repeatable(), o)
	}
	return inBackground[api.Swept](ctx, c, r, o, progress)
}

// Similar returns the stored cases nearest to a query.
func (c *Client) Similar(ctx context.Context, name string, q api.Query) (api.Similar, error) {
	return query[api.Similar](ctx, c, collection(http.MethodPost, name, "similar"), q)
}

// Classify answers which classes a query has.
func (c *Client) Classify(ctx context.Context, name string, q api.Query) (api.Classification, error) {
	return query[api.Classification](ctx, c, collection(http.MethodPost, name, "classify"), q)
}

// query asks about an image, which goes beside the rest of the query, or about
// what the query names.
func query[T any](ctx context.Context, c *Client, r request, q api.Query) (v T, err error) {
	r = r.repeatable()
	if q.Image == nil {
		return tell[T](ctx, c, r, q)
	}
	f := newForm()
	if err := f.json("query", q); err != nil {
		return v, err
	}
	if err := f.file("image", q.Image); err != nil {
		return v, err
	}
	mediaType, body, err := f.close()
	if err != nil {
		return v, err
	}
	return ask[T](ctx, c, r.carrying(mediaType, body))
}

// SimilarAll answers several queries, each as Similar does, in their order.
func (c *Client) SimilarAll(ctx context.Context, name string, queries iter.Seq[api.Query]) ([]api.Answered[api.Similar], error) {
	return askAll[api.Similar](ctx, c, collection(http.MethodPost, name, "similar", "batch"), queries)
}

// ClassifyAll answers several queries, each as Classify does, in their order.
func (c *Client) ClassifyAll(ctx context.Context, name string, queries iter.Seq[api.Query]) ([]api.Answered[api.Classification], error) {
	return askAll[api.Classification](ctx, c, collection(http.MethodPost, name, "classify", "batch"), queries)
}

// askAll sends queries as a form, in which an image follows its query.
func askAll[T any](ctx context.Context, c *Client, r request, queries iter.Seq[api.Query]) ([]api.Answered[T], error) {
	f := newForm()
	for q := range queries {
		if err := f.json("query", q); err != nil {
			return nil, err
		}
		if q.Image == nil {
			continue
		}
		if err := f.file("image", q.Image); err != nil {
			return nil, err
		}
	}
	mediaType, body, err := f.close()
	if err != nil {
		return nil, err
	}
	got, err := ask[problem.Answers[T]](ctx, c, r.carrying(mediaType, body).repeatable())
	if err != nil {
		return nil, err
	}
	answers := make([]api.Answered[T], len(got.Items))
	for i, item := range got.Items {
		if item.Answer != nil {
			answers[i].Answer = *item.Answer
		}
		if item.Problem != nil {
			answers[i].Err = item.Problem
		}
	}
	return answers, nil
}

// Map places a collection's instances by what their vectors differ in most.
func (c *Client) Map(ctx context.Context, name string, o api.MapOptions) (api.Map, error) {
	r, err := collection(http.MethodPost, name, "map").repeatable().with(o)
	if err != nil {
		return api.Map{}, err
	}
	answer, err := c.send(ctx, r)
	if err != nil {
		return api.Map{}, err
	}
	m, err := decoded[api.Map](c, answer)
	m.Tag = strings.Trim(answer.Header.Get("ETag"), `"`)
	return m, err
}
