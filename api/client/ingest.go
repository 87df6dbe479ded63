package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// A request carries images until it has this many of them, or this many bytes.
const (
	batchImages = 32
	batchBytes  = 8 << 20
)

// inFlight is how many requests of one Ingest there are at a time: one that
// the server works on and one that is on its way.
const inFlight = 2

// Ingest sends images to be embedded and stored, a few at a time, and yields
// what became of each, in the order given. It is as api.Service's, with two
// differences: images that share an ID or their content may be stored in
// another order than given when they come soon after each other, and
// IngestOptions.Repeats counts images that fail too.
func (c *Client) Ingest(ctx context.Context, name string, images iter.Seq[api.Image], o api.IngestOptions) iter.Seq2[api.Item, error] {
	return func(yield func(api.Item, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		i := &ingestion{client: c, name: name, options: o, seen: map[string]int{}, batches: make(chan *batch)}
		defer i.group.Wait()
		defer cancel()
		i.group.Go(func() { i.draw(ctx, images) })
		for b := range i.batches {
			<-b.done
			if !b.yield(yield) {
				return
			}
		}
		if err := context.Cause(ctx); err != nil {
			yield(api.Item{}, err)
		}
	}
}

// ingestion is one call of Ingest. Batches are handed over in order as soon as
// they are being sent, and as nobody keeps more than one, inFlight of them are.
type ingestion struct {
	client  *Client
	name    string
	options api.IngestOptions
	seen    map[string]int // digests, for Repeats
	batches chan *batch
	group   sync.WaitGroup
}

// batch is the images of one request.
type batch struct {
	items   []api.Item
	settled []bool // which items are known
	sent    []int  // places of those that the request carries
	form    *form
	done    chan struct{} // closed when items and err are final
	err     error
}

func newBatch() *batch { return &batch{form: newForm(), done: make(chan struct{})} }

func (i *ingestion) draw(ctx context.Context, images iter.Seq[api.Image]) {
	defer close(i.batches)
	b, next := newBatch(), 0
	for image := range images {
		i.add(b, next, image)
		next++
		if len(b.items) < batchImages && b.form.body.Len() < batchBytes {
			continue
		}
		if !i.send(ctx, b) {
			return
		}
		b = newBatch()
	}
	if len(b.items) > 0 {
		i.send(ctx, b)
	}
}

// add reads an image into a batch. One that cannot be read is not sent, and
// neither is an archive, for whose images the server would answer one by one.
func (i *ingestion) add(b *batch, index int, image api.Image) {
	content, err := image.Read()
	if err == nil && api.IsArchive(content) {
		err = problem.New("image_unknown", "a zip archive")
	}
	if err == nil {
		i.identify(&image, content)
		err = b.form.image(image, content)
	}
	item := api.Item{Index: index, ID: image.ID, Name: image.Name}
	if err != nil {
		item.Status, item.Err = store.Failed, err
	} else {
		b.sent = append(b.sent, len(b.items))
	}
	b.items, b.settled = append(b.items, item), append(b.settled, err != nil)
}

// identify gives repeated images the IDs that the server would give them if it
// saw all images in one request.
func (i *ingestion) identify(image *api.Image, content []byte) {
	if image.ID != "" || !i.options.Repeats {
		return
	}
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	if i.seen[digest]++; i.seen[digest] > 1 {
		image.ID = fmt.Sprintf("%s-%d", digest, i.seen[digest])
	}
}

// send sends a batch and hands it over. It reports whether somebody took it.
func (i *ingestion) send(ctx context.Context, b *batch) bool {
	i.group.Go(func() {
		defer close(b.done)
		b.settle(i.post(ctx, b))
	})
	select {
	case i.batches <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// post returns what the server says of the images sent.
func (i *ingestion) post(ctx context.Context, b *batch) ([]problem.Item, error) {
	mediaType, body, err := b.form.close()
	b.form = nil
	if err != nil || len(b.sent) == 0 {
		return nil, err
	}
	r := collection(http.MethodPost, i.name, "instances").carrying(mediaType, body)
	r.query = url.Values{"replace": {strconv.FormatBool(i.options.Replace)}}
	if i.options.Source != "" {
		r.query.Set("source", i.options.Source)
	}
	answer, err := ask[problem.Batch](ctx, i.client, r)
	if p, ok := errors.AsType[*Problem](err); ok && len(p.Errors) > 0 {
		return p.Errors, nil // every image has its own
	}
	return answer.Items, err
}

// settle takes the server's answer in. An answer that does not reach the last
// image ends in what kept the server from it.
func (b *batch) settle(answers []problem.Item, err error) {
	b.err = err
	if n := len(answers); n > 0 && n != len(b.sent) {
		if p := answers[n-1].Problem; p != nil {
			b.err, answers = p, answers[:n-1]
		}
	}
	for _, a := range answers {
		if a.Index < 0 || a.Index >= len(b.sent) {
			b.err = fmt.Errorf("%w: about image %d of %d", ErrAnswer, a.Index, len(b.sent))
			return
		}
		place := b.sent[a.Index]
		b.settled[place] = true
		item := &b.items[place]
		item.ID, item.Status, item.Instances = a.ID, store.PutStatus(a.Status), a.Instances
		if item.Instances == 0 && a.Problem == nil {
			item.Instances = 1
		}
		if a.Problem != nil {
			item.Err = a.Problem
		}
	}
}

// yield yields the items that are known and then what went wrong. It reports
// whether to go on.
func (b *batch) yield(yield func(api.Item, error) bool) bool {
	for i, item := range b.items {
		if !b.settled[i] && b.err == nil {
			b.err = fmt.Errorf("%w: nothing about image %d", ErrAnswer, item.Index)
		}
		if b.settled[i] && !yield(item, nil) {
			return false
		}
	}
	if b.err != nil {
		yield(api.Item{}, b.err)
	}
	return b.err == nil
}
