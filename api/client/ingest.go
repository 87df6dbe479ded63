package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// A request carries images until it has this many of them, or this many vectors, or
// this many bytes.
const (
	batchImages  = 32
	batchVectors = 512
	batchBytes   = 8 << 20
)

// Ingest sends images to be embedded and stored, a few at a time, and yields
// what became of each, in the order given. It is as api.Service's, with two
// differences: images that share an ID or their content may be stored in
// another order than given when they come soon after each other, and
// IngestOptions.Repeats counts images that fail too. IngestOptions.IfKey is for Put
// alone: store.ErrInvalid.
func (c *Client) Ingest(ctx context.Context, name string, images iter.Seq[api.Image], o api.IngestOptions) iter.Seq2[api.Item, error] {
	return func(yield func(api.Item, error) bool) {
		if o.IfKey != 0 {
			yield(api.Item{}, fmt.Errorf("ingest: %w: a key is expected of one image at a time", store.ErrInvalid))
			return
		}
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
// they are being sent, and as nobody keeps more than one, two of them are: one that
// the server works on and one that is on its way.
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
	lines   bytes.Buffer  // in place of a form, for images that come as vectors
	done    chan struct{} // closed when items and err are final
	err     error
}

func newBatch() *batch { return &batch{form: newForm(), done: make(chan struct{})} }

func (i *ingestion) draw(ctx context.Context, images iter.Seq[api.Image]) {
	defer close(i.batches)
	b, next := newBatch(), 0
	for image := range images {
		if len(b.items) > 0 && (b.isFull() || b.ofVectors() != (image.Vector != nil)) {
			if !i.send(ctx, b) {
				return
			}
			b = newBatch()
		}
		i.add(b, next, image)
		next++
	}
	if len(b.items) > 0 {
		i.send(ctx, b)
	}
}

// ofVectors reports whether the batch has lines of vectors.
func (b *batch) ofVectors() bool { return b.lines.Len() > 0 }

func (b *batch) isFull() bool {
	most := batchImages
	if b.ofVectors() {
		most = batchVectors
	}
	return len(b.items) >= most || b.form.body.Len()+b.lines.Len() >= batchBytes
}

// add reads an image into a batch. One that cannot be read is not sent, and
// neither is an archive, for whose images the server would answer one by one.
func (i *ingestion) add(b *batch, index int, image api.Image) {
	err := i.encode(b, &image)
	item := api.Item{Index: index, ID: image.ID, Name: image.Name}
	if err != nil {
		item.Status, item.Err = store.Failed, err
	} else {
		b.sent = append(b.sent, len(b.items))
	}
	b.items, b.settled = append(b.items, item), append(b.settled, err != nil)
}

func (i *ingestion) encode(b *batch, image *api.Image) error {
	if image.Vector != nil {
		i.identify(image, api.Vector{Vector: image.Vector}.Bytes())
		return b.line(*image)
	}
	content, err := image.Read()
	if err != nil {
		return err
	}
	if api.IsArchive(content) {
		return problem.New("image_unknown", "a zip archive")
	}
	i.identify(image, content)
	return b.form.image(*image, content)
}

// line adds an image that comes as its vector.
func (b *batch) line(i api.Image) error {
	text, err := json.Marshal(struct {
		metadata
		Vector      []float32 `json:"vector"`
		Fingerprint string    `json:"fingerprint"`
	}{said(i), i.Vector, i.Fingerprint})
	if err != nil {
		return fmt.Errorf("encode vector: %w", err)
	}
	b.lines.Write(append(text, '\n'))
	return nil
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
	mediaType, body, err := b.close()
	if err != nil || len(b.sent) == 0 {
		return nil, err
	}
	r := collection(http.MethodPost, i.name, "instances").carrying(mediaType, body).once()
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

// close returns the body of a batch's request and its media type.
func (b *batch) close() (mediaType string, body []byte, err error) {
	if b.ofVectors() {
		return "application/x-ndjson", b.lines.Bytes(), nil
	}
	mediaType, body, err = b.form.close()
	b.form = nil
	return mediaType, body, err
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
		item.ID, item.Status, item.Instances, item.Key = a.ID, store.PutStatus(a.Status), a.Instances, keyOf(a.ETag)
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
