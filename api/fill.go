package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"nearcase/store"
)

// filler gathers the frames of a batch's images in a tensor and embeds them
// when it is full.
type filler struct {
	p       *ingestion
	b       *batch
	tensor  []float32
	waiting []frame
}

// frame is a place in the tensor.
type frame struct {
	image  int
	record *store.Record
}

// add makes an image's records, and puts those of its frames into the tensor
// that have not been embedded before.
func (f *filler) add(ctx context.Context, i int) error {
	p := f.p
	if f.b.images[i].Vector != nil {
		return f.embedded(i)
	}
	o, err := p.s.open(p.c, f.b.data[i], digestOf(f.b.data[i]))
	if err != nil {
		return err
	}
	records, err := p.s.records(p.c, o, f.b.images[i], f.b.data[i])
	if err != nil {
		return err
	}
	if err := p.complete(records, f.b.images[i]); err != nil {
		return err
	}
	known, err := p.s.known(ctx, p.c, o.digest)
	if err != nil {
		return err
	}
	f.b.records[i] = records
	for n := range records {
		r := &records[n]
		if k, ok := known[r.Instance.Frame]; ok {
			r.Vector, r.Instance.Width, r.Instance.Height = k.vector, k.Width, k.Height
			continue
		}
		if err := f.fill(ctx, o, i, r, o.frames[n]); err != nil {
			return err
		}
	}
	return nil
}

// embedded makes the record of an image that comes as its vector.
func (f *filler) embedded(i int) error {
	im := f.b.images[i]
	vector, err := unit(im.Vector, im.Fingerprint, f.p.c)
	if err != nil {
		return err
	}
	patient, err := f.p.s.called(f.p.c, im.Patient)
	if err != nil {
		return err
	}
	records := []store.Record{{Vector: vector, Fingerprint: im.Fingerprint, Instance: store.Instance{
		ID: im.ID, Patient: patient, Study: im.Study, Series: im.Series, Name: im.Name,
		Digest: digestOf(littleEndian(im.Vector)), Kept: store.NotKept,
	}}}
	if err := f.p.complete(records, im); err != nil {
		return err
	}
	f.b.records[i] = records
	return nil
}

// fill puts one frame into the tensor.
func (f *filler) fill(ctx context.Context, o opened, i int, r *store.Record, number int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	length := f.p.m.Manifest().InputLen()
	at := len(f.waiting) * length
	if err := f.decode(ctx, o, r, number, f.tensor[at:at+length]); err != nil {
		return err
	}
	if f.waiting = append(f.waiting, frame{i, r}); len(f.waiting)*length == len(f.tensor) {
		f.flush(ctx)
	}
	return f.b.errs[i]
}

// decode makes what the network takes of one frame.
func (f *filler) decode(ctx context.Context, o opened, r *store.Record, number int, tensor []float32) (err error) {
	_, end := f.p.s.begin(ctx, StageDecode)
	defer func() { end(err) }()
	m := f.p.m.Manifest()
	picture, err := o.Picture(number, m.View())
	if err != nil {
		return err
	}
	r.Instance.Width, r.Instance.Height = picture.Width, picture.Height
	return m.Preprocess(picture, tensor)
}

// flush embeds what waits in the tensor.
func (f *filler) flush(ctx context.Context) {
	n, length := len(f.waiting), f.p.m.Manifest().InputLen()
	if n == 0 {
		return
	}
	_, end := f.p.s.begin(ctx, StageEmbed)
	vectors, err := f.p.m.Embed(ctx, f.tensor[:n*length], n)
	end(err)
	for j, w := range f.waiting {
		if err != nil && n > 1 { // find out which it is
			f.embedOne(ctx, w, f.tensor[j*length:(j+1)*length])
		} else if err != nil {
			f.b.errs[w.image] = err
		} else {
			w.record.Vector = vectors[j]
		}
	}
	f.waiting = f.waiting[:0]
}

func (f *filler) embedOne(ctx context.Context, w frame, tensor []float32) {
	vectors, err := f.p.m.Embed(ctx, tensor, 1)
	if err != nil {
		f.b.errs[w.image] = err
		return
	}
	w.record.Vector = vectors[0]
}

// complete gives every frame the labels of its image and what was asked for.
func (p *ingestion) complete(records []store.Record, im Image) error {
	all := make([]store.Label, 0, len(im.Labels)+len(im.Said))
	for task, classes := range im.Labels {
		all = append(all, store.Label{Task: task, Classes: classes, Source: p.options.Source})
	}
	for task, r := range im.Said {
		r.Task, r.Source = task, cmp.Or(r.Source, p.options.Source)
		l, err := r.check(p.c)
		if err != nil {
			return err
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b store.Label) int { return strings.Compare(a.Task, b.Task) })
	for n := range records {
		records[n].Labels, records[n].Replace, records[n].IfKey = slices.Clone(all), p.options.Replace, p.options.IfKey
	}
	return nil
}

// embeddedBefore is a stored instance with its vector.
type embeddedBefore struct {
	store.Instance
	vector []float32
}

// known returns the instances with this content by frame; none if the collection's
// vectors are of another model by now.
func (s *Service) known(ctx context.Context, of store.Collection, digest string) (map[int]embeddedBefore, error) {
	ctx, collection := s.Catalog.Hold(ctx), of.Name
	now, err := s.Catalog.Collection(ctx, collection)
	if err != nil || now.Fingerprint != of.Fingerprint {
		return nil, err
	}
	cases, err := s.Catalog.WithDigest(ctx, collection, digest)
	if err != nil || len(cases) == 0 {
		return nil, err
	}
	known := map[int]embeddedBefore{}
	for _, c := range cases {
		if _, again := known[c.Instance.Frame]; again {
			continue
		}
		v, err := s.Catalog.Vector(ctx, collection, c.Instance.ID)
		if err == nil { // otherwise it was deleted since: embed it again
			known[c.Instance.Frame] = embeddedBefore{c.Instance, v}
		}
	}
	return known, nil
}
