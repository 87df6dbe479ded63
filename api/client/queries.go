package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// List returns a page of instances.
func (c *Client) List(ctx context.Context, name string, o api.ListOptions) (api.Page, error) {
	r := collection(http.MethodGet, name, "instances")
	r.query = url.Values{}
	for key, value := range map[string]string{"sort": o.Sort, "cursor": o.Cursor} {
		if value != "" {
			r.query.Set(key, value)
		}
	}
	if o.Descending {
		r.query.Set("order", "desc")
	}
	if o.Count {
		r.query.Set("count", "true")
	}
	if o.Limit != 0 {
		r.query.Set("limit", strconv.Itoa(min(o.Limit, maxLimit)))
	}
	if err := setFilter(r.query, o.Filter); err != nil {
		return api.Page{}, err
	}
	return ask[api.Page](ctx, c, r)
}

// maxLimit is how many instances the server lists in a page at most.
const maxLimit = 1000

// setFilter adds a filter, if there is one, to the parameters of a request.
func setFilter(q url.Values, f *store.Filter) error {
	if f == nil {
		return nil
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	q.Set("filter", string(text))
	return nil
}

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
	r := collection(http.MethodGet, name, "map")
	r.query = url.Values{}
	for key, value := range map[string]int{"components": o.Components, "limit": o.Limit} {
		if value != 0 {
			r.query.Set(key, strconv.Itoa(value))
		}
	}
	if len(o.Tasks) > 0 {
		r.query.Set("tasks", strings.Join(o.Tasks, "|"))
	}
	if err := setFilter(r.query, o.Filter); err != nil {
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
