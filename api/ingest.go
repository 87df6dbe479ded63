package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"nearcase/embed"
	"nearcase/store"
)

// Image is an image on its way in, with what is known of it.
type Image struct {
	// ID is the instance's; empty means the SHA-256 of the content.
	ID      string
	Patient string
	Study   string
	Series  string
	// Name is shown to people and is kept as given.
	Name string
	// Labels are classes by task.
	Labels map[string][]string
	// Read returns the bytes. It is called once, from any goroutine.
	Read func() ([]byte, error)
}

// IngestOptions say how to treat images that are there already.
type IngestOptions struct {
	// Replace lets an image take the place of another with the same ID.
	Replace bool
	// Repeats makes an instance of each image without an ID even if others of
	// the same call have the same content: the second gets -2 after its
	// digest, and so on in the order given.
	Repeats bool
	// Source of the labels.
	Source string
}

// Item is what became of one image. Err is nil unless Status is failed.
type Item struct {
	Index  int
	ID     string
	Name   string
	Status store.PutStatus
	Err    error
}

// Ingest embeds images and stores them, and yields what became of each, in the
// order given, once it is durable and can be searched. Images that cannot be
// stored have their reason in Item.Err and do not stop the others; an error
// beside an item ends the sequence.
//
// Images are drawn as fast as they can be embedded and no faster: memory does
// not grow with their number, and hardly with their size. Leaving the loop early stops the work; what was
// yielded is stored.
func (s *Service) Ingest(ctx context.Context, collection string, images iter.Seq[Image], o IngestOptions) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		c, err := s.Catalog.Collection(ctx, collection)
		if err != nil {
			yield(Item{}, err)
			return
		}
		m, err := s.modelOf(c)
		if err != nil {
			yield(Item{}, err)
			return
		}
		p := &ingestion{s: s, c: c, m: m, options: o, seen: map[string]int{}}
		p.run(ctx, images, yield)
	}
}

// ingestion is one call of Ingest: images are drawn into batches, workers read,
// decode and embed them, and the caller's goroutine commits them in order.
type ingestion struct {
	s       *Service
	c       store.Collection
	m       *embed.Model
	options IngestOptions
	seen    map[string]int // digests in this call
	next    int            // index of the next item
	held    *held
}

// batch is a few images that go through the network together.
type batch struct {
	number  int
	images  []Image
	data    [][]byte // of the images, as read
	records []store.Record
	errs    []error
}

func (p *ingestion) run(ctx context.Context, images iter.Seq[Image], yield func(Item, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	p.held = newHeld(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	todo, ready := make(chan *batch), make(chan *batch)
	window := make(chan struct{}, 2*p.s.Workers+2) // batches that exist
	group.Go(func() { p.draw(ctx, images, todo, window) })
	var workers sync.WaitGroup
	for range p.s.Workers {
		workers.Go(func() { p.work(ctx, todo, ready) })
	}
	group.Go(func() { workers.Wait(); close(ready) })
	waiting := map[int]*batch{}
	for number := 0; ; number++ {
		b, ok := inOrder(number, ready, waiting)
		if !ok {
			break
		}
		if !p.commit(ctx, b, yield) {
			return
		}
		p.held.release(b)
		<-window
	}
	if err := context.Cause(ctx); err != nil {
		yield(Item{}, err)
	}
}

// inOrder returns the batch of that number; those that come before their turn
// wait.
func inOrder(number int, ready <-chan *batch, waiting map[int]*batch) (*batch, bool) {
	for waiting[number] == nil {
		b, ok := <-ready
		if !ok {
			return nil, false
		}
		waiting[b.number] = b
	}
	b := waiting[number]
	delete(waiting, number)
	return b, true
}

// draw groups images into batches while there is room for them.
func (p *ingestion) draw(ctx context.Context, images iter.Seq[Image], todo chan<- *batch, window chan<- struct{}) {
	defer close(todo)
	b := &batch{}
	send := func() bool {
		select {
		case window <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		select {
		case todo <- b:
		case <-ctx.Done():
			return false
		}
		b = &batch{number: b.number + 1}
		return true
	}
	for image := range images {
		b.images = append(b.images, image)
		if len(b.images) == p.s.Batch && !send() {
			return
		}
	}
	if len(b.images) > 0 {
		send()
	}
}

func (p *ingestion) work(ctx context.Context, todo <-chan *batch, ready chan<- *batch) {
	tensor := make([]float32, p.s.Batch*p.m.Manifest().InputLen())
	for b := range todo {
		p.read(b)
		p.embed(ctx, b, tensor)
		select {
		case ready <- b:
		case <-ctx.Done():
			return
		}
	}
}

// read reads a batch, outside the turn to use the processor.
func (p *ingestion) read(b *batch) {
	n := len(b.images)
	b.data, b.records, b.errs = make([][]byte, n), make([]store.Record, n), make([]error, n)
	for i, im := range b.images {
		p.held.wait(b.number)
		b.data[i], b.errs[i] = im.Read()
		p.held.add(len(b.data[i]))
	}
}

// embed decodes and embeds a batch. Each image fails alone.
func (p *ingestion) embed(ctx context.Context, b *batch, tensor []float32) {
	if err := p.s.embedding(ctx); err != nil {
		p.fail(b, err)
		return
	}
	defer p.s.embedded()
	length := p.m.Manifest().InputLen()
	var places []int // of the images in the tensor
	for i := range b.images {
		if b.errs[i] != nil {
			continue
		}
		at := len(places) * length
		fresh, err := p.prepare(ctx, &b.images[i], b.data[i], &b.records[i], tensor[at:at+length])
		if b.errs[i] = err; fresh && err == nil {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return
	}
	vectors, err := p.m.Embed(ctx, tensor[:len(places)*length], len(places))
	if err != nil && len(places) > 1 {
		p.embedEach(ctx, b, places, tensor)
		return
	}
	for j, i := range places {
		if b.errs[i] = err; err == nil {
			b.records[i].Vector = vectors[j]
		}
	}
}

// embedEach finds out which image of a batch the network cannot embed.
func (p *ingestion) embedEach(ctx context.Context, b *batch, places []int, tensor []float32) {
	length := p.m.Manifest().InputLen()
	for j, i := range places {
		vectors, err := p.m.Embed(ctx, tensor[j*length:(j+1)*length], 1)
		if b.errs[i] = err; err == nil {
			b.records[i].Vector = vectors[0]
		}
	}
}

func (p *ingestion) fail(b *batch, err error) {
	for i := range b.errs {
		b.errs[i] = err
	}
}

// prepare fills a record from an image and, unless the same content has been
// embedded before, the tensor that is to be embedded.
func (p *ingestion) prepare(ctx context.Context, im *Image, data []byte, r *store.Record, tensor []float32) (fresh bool, err error) {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	*r = store.Record{Fingerprint: p.c.Fingerprint, Original: data, Replace: p.options.Replace}
	r.Instance = store.Instance{
		ID: im.ID, Patient: im.Patient, Study: im.Study, Series: im.Series, Name: im.Name,
		Digest: digest, MediaType: embed.MediaType(data), Size: int64(len(data)),
	}
	for task, classes := range im.Labels {
		r.Labels = append(r.Labels, store.Label{Task: task, Classes: classes, Source: p.options.Source})
	}
	slices.SortFunc(r.Labels, func(a, b store.Label) int { return strings.Compare(a.Task, b.Task) })
	if known, err := p.s.known(ctx, p.c.Name, digest); err != nil || known != nil {
		if known != nil {
			r.Vector, r.Instance.Width, r.Instance.Height = known.vector, known.Width, known.Height
		}
		return false, err
	}
	picture, err := embed.Decode(data, p.s.Limits)
	if err != nil {
		return false, err
	}
	r.Instance.Width, r.Instance.Height = picture.Width, picture.Height
	return true, p.m.Manifest().Preprocess(picture, tensor)
}

// embeddedBefore is a stored instance with its vector.
type embeddedBefore struct {
	store.Instance
	vector []float32
}

// known returns an instance with this content, or nil.
func (s *Service) known(ctx context.Context, collection, digest string) (*embeddedBefore, error) {
	cases, err := s.Catalog.WithDigest(ctx, collection, digest)
	if err != nil || len(cases) == 0 {
		return nil, err
	}
	v, err := s.Catalog.Vector(ctx, collection, cases[0].Instance.ID)
	if err != nil {
		return nil, nil // deleted since: embed it again
	}
	return &embeddedBefore{cases[0].Instance, v}, nil
}

// commit stores a batch and yields its items.
func (p *ingestion) commit(ctx context.Context, b *batch, yield func(Item, error) bool) bool {
	items := make([]Item, len(b.images))
	var records []store.Record
	var places []int
	for i, im := range b.images {
		items[i] = Item{Index: p.next + i, Name: im.Name, ID: im.ID, Status: store.Failed, Err: b.errs[i]}
		if b.errs[i] == nil {
			p.identify(&b.records[i])
			records, places = append(records, b.records[i]), append(places, i)
		}
	}
	p.next += len(items)
	outcomes, err := p.s.Catalog.Put(ctx, p.c.Name, records)
	if err != nil {
		yield(Item{}, fmt.Errorf("store images: %w", err))
		return false
	}
	for j, o := range outcomes {
		i := places[j]
		items[i].ID, items[i].Status, items[i].Err = o.ID, o.Status, o.Err
	}
	for _, item := range items {
		if !yield(item, nil) {
			return false
		}
	}
	return true
}

// identify gives an instance without an ID that of its content.
func (p *ingestion) identify(r *store.Record) {
	if r.Instance.ID != "" {
		return
	}
	r.Instance.ID = r.Instance.Digest
	if !p.options.Repeats {
		return
	}
	p.seen[r.Instance.Digest]++
	if n := p.seen[r.Instance.Digest]; n > 1 {
		r.Instance.ID = fmt.Sprintf("%s-%d", r.Instance.Digest, n)
	}
}
