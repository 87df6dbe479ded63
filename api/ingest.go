package api

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

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
	// Said are labels by task of which there is more to say, in place of Labels.
	// Their instance and task need not be set.
	Said map[string]LabelRequest
	// Read returns the bytes. It is called once, from any goroutine.
	Read func() ([]byte, error)
	// Held is how many bytes of it are in memory before Read is called; 0 where that
	// is what brings them there.
	Held int
	// Vector is what there is in place of bytes where others have embedded the
	// image, with the model and preprocessing of Fingerprint. Read is not called
	// then, no original is kept, and an empty ID means the SHA-256 of the vector as
	// little-endian float32.
	Vector      []float32
	Fingerprint string
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
	// IfKey is the key that what has an image's ID must have, and store.Missing
	// that of what must not be there; 0 is any. Another is store.ErrChanged.
	IfKey store.Key
	// seen are the digests that images before those of the call had, see shortly.
	seen map[string]int
}

// Item is what became of one image. Err is nil unless Status is failed.
type Item struct {
	Index int
	// ID of the instance; of a file with several, what the IDs of all begin with.
	ID   string
	Name string
	// Key of the instance, of a file with several the first's; 0 if it failed.
	Key store.Key
	// Instances is how many there are of the image: its frames that were chosen.
	Instances int
	Status    store.PutStatus
	Err       error
}

// Ingest embeds images and stores them, and yields what became of each, in the
// order given, once it is durable and can be searched. Images that cannot be
// stored have their reason in Item.Err and do not stop the others; an error
// beside an item ends the sequence.
//
// Images are drawn as fast as they can be embedded and no faster: memory does
// not grow with their number, and hardly with their size. Leaving the loop early
// stops the work; what was yielded is stored.
func (s *Service) Ingest(ctx context.Context, collection string, images iter.Seq[Image], o IngestOptions) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		p, err := s.newIngestion(ctx, collection, o)
		if err != nil {
			yield(Item{}, err)
			return
		}
		if p.seen == nil {
			p.seen = map[string]int{}
		}
		p.run(ctx, images, yield)
	}
}

func (s *Service) newIngestion(ctx context.Context, collection string, o IngestOptions) (*ingestion, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	m, err := s.modelOf(c)
	if err != nil {
		return nil, err
	}
	return &ingestion{s: s, c: c, m: m.m, size: s.batchOf(m.m), options: o, seen: o.seen}, nil
}

// ingestion is one call of Ingest: images are drawn into batches, workers read,
// decode and embed them, and the caller's goroutine commits them in order.
type ingestion struct {
	s       *Service
	c       store.Collection
	m       *embed.Model
	size    int // of a batch
	options IngestOptions
	seen    map[string]int // digests in this call, see shortly
	next    int            // index of the next item
	held    *held
	// after is with the model that has taken the place of m meanwhile, if one has.
	after atomic.Pointer[ingestion]
}

// batch is a few images that go through the network together.
type batch struct {
	number  int
	images  []Image
	data    [][]byte         // of the images, as read
	records [][]store.Record // of the images: one, or one for each frame chosen
	errs    []error
}

func (p *ingestion) run(ctx context.Context, images iter.Seq[Image], yield func(Item, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	p.held = newHeld(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	// Batches that exist: some are embedded while those before them are committed.
	most := max(2*p.s.Workers+2, leastAhead/p.size)
	todo, ready := make(chan *batch), make(chan *batch, most)
	window := make(chan struct{}, most)
	group.Go(func() { p.draw(ctx, images, todo, window) })
	var workers sync.WaitGroup
	for range p.s.Workers {
		workers.Go(func() { p.work(ctx, todo, ready) })
	}
	group.Go(func() { workers.Wait(); close(ready) })
	o := order{ready: ready, waiting: map[int]*batch{}}
	for together := o.next(); together != nil; together = o.next() {
		if !p.commit(ctx, merged(together), yield) {
			return
		}
		for _, b := range together {
			p.held.release(b)
			<-window
		}
	}
	if err := context.Cause(ctx); err != nil {
		yield(Item{}, err)
	}
}

// leastAhead is how many images may at least be read before they are stored.
const leastAhead = 64

// order gives batches back their order; those that come before their turn wait.
type order struct {
	ready   <-chan *batch
	waiting map[int]*batch
	number  int // of the next
}

// next waits for the next batch and returns it with those after it that are ready
// by then, so that one commit does for all; nil at the end.
func (o *order) next() (together []*batch) {
	for o.waiting[o.number] == nil {
		b, ok := <-o.ready
		if !ok {
			return nil
		}
		o.waiting[b.number] = b
	}
	for more := true; more; {
		select {
		case b, ok := <-o.ready:
			if more = ok; ok {
				o.waiting[b.number] = b
			}
		default:
			more = false
		}
	}
	for b := o.waiting[o.number]; b != nil; b = o.waiting[o.number] {
		delete(o.waiting, o.number)
		together, o.number = append(together, b), o.number+1
	}
	return together
}

// merged is one batch of what several have, to be committed.
func merged(together []*batch) *batch {
	all := &batch{}
	for _, b := range together {
		all.images, all.errs = append(all.images, b.images...), append(all.errs, b.errs...)
		all.records, all.data = append(all.records, b.records...), append(all.data, b.data...)
	}
	return all
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
		full := image.Held > 0 && p.held.add(image.Held)
		if (full || len(b.images) == p.size) && !send() {
			return
		}
		if full {
			p.held.wait(b.number)
		}
	}
	if len(b.images) > 0 {
		send()
	}
}

func (p *ingestion) work(ctx context.Context, todo <-chan *batch, ready chan<- *batch) {
	var tensor []float32
	for b := range todo {
		p.read(b)
		now := cmp.Or(p.after.Load(), p)
		if n := now.size * now.m.Manifest().InputLen(); n != len(tensor) {
			tensor = make([]float32, n)
		}
		now.embed(ctx, b, tensor)
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
	b.data, b.records, b.errs = make([][]byte, n), make([][]store.Record, n), make([]error, n)
	for i, im := range b.images {
		if im.Vector != nil {
			continue
		}
		p.held.wait(b.number)
		b.data[i], b.errs[i] = im.Read()
		if im.Held == 0 {
			p.held.add(len(b.data[i]))
		}
	}
}

// embed decodes and embeds a batch. Each image fails alone.
func (p *ingestion) embed(ctx context.Context, b *batch, tensor []float32) {
	if err := p.s.embedding(ctx); err != nil {
		for i := range b.errs {
			b.errs[i] = err
		}
		return
	}
	defer p.s.embedded()
	f := filler{p: p, b: b, tensor: tensor}
	for i := range b.images {
		if b.errs[i] == nil {
			b.errs[i] = f.add(ctx, i)
		}
	}
	f.flush(ctx)
}

// commit stores a batch and yields its items.
func (p *ingestion) commit(ctx context.Context, b *batch, yield func(Item, error) bool) bool {
	items := make([]Item, len(b.images))
	for i, im := range b.images {
		items[i] = Item{Index: p.next + i, Name: im.Name, ID: im.ID, Status: store.Failed, Err: b.errs[i]}
		if b.errs[i] == nil {
			items[i].ID, items[i].Instances = p.identify(b.records[i]), len(b.records[i])
		}
	}
	p.next += len(items)
	err := p.store(ctx, b, items)
	for n := 0; err == nil && n < mostModels && p.renew(ctx, b, items); n++ {
		err = p.store(ctx, b, items)
	}
	if err != nil {
		yield(Item{}, fmt.Errorf("store images: %w", err))
		return false
	}
	for _, item := range items {
		if !yield(item, nil) {
			return false
		}
	}
	return true
}

// store stores what has not been stored yet, nor failed.
func (p *ingestion) store(ctx context.Context, b *batch, items []Item) error {
	var records []store.Record
	var places []int
	for i, item := range items {
		if item.Err != nil || item.Status != store.Failed {
			continue
		}
		for _, r := range b.records[i] {
			records, places = append(records, r), append(places, i)
		}
	}
	storing, end := p.s.begin(ctx, StageStore)
	outcomes, err := p.s.Catalog.Put(storing, p.c.Name, records)
	end(err)
	for j, o := range outcomes {
		items[places[j]].take(o)
	}
	return err
}

// rank orders what became of the frames of an image by what its sender wants to
// know first.
var rank = []store.PutStatus{store.Failed, store.Unchanged, store.Updated, store.Created, store.Replaced}

// take adds what became of one of an image's instances.
func (i *Item) take(o store.Outcome) {
	if i.Err != nil {
		return
	}
	if i.Err = o.Err; o.Err != nil {
		i.Status, i.Key = store.Failed, 0
		return
	}
	i.Key = cmp.Or(i.Key, o.Key)
	if slices.Index(rank, o.Status) > slices.Index(rank, i.Status) {
		i.Status = o.Status
	}
}

// identify gives the instances of an image their IDs, made from that of the
// image, or from its content, which it returns.
func (p *ingestion) identify(records []store.Record) string {
	id := records[0].Instance.ID
	if id == "" {
		id = records[0].Instance.Digest
		if p.options.Repeats {
			p.seen[shortly(id)]++
			if n := p.seen[shortly(id)]; n > 1 {
				id = fmt.Sprintf("%s-%d", id, n)
			}
		}
	}
	for n := range records {
		call(&records[n].Instance, id)
	}
	return id
}
