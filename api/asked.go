package api

import (
	"context"
	"fmt"

	"nearcase/embed"
	"nearcase/store"
)

// maxQueryFrames bounds how many images of one file are embedded to ask by it;
// of more a sample answers for all.
const maxQueryFrames = 16

// resolveImage makes a question of an image file: by the frame that is named, or the mean
// of those chosen if it has several. What a DICOM file says of its patient, study and
// instance is left out of the answer like what the query names.
func (s *Service) resolveImage(ctx context.Context, u *question, q Query) error {
	u.subject.Digest = digestOf(q.Image)
	known, err := s.known(ctx, u.collection, u.subject.Digest)
	if err != nil {
		return err
	}
	if len(known) == 0 { // before any pixel is looked at
		if _, err := s.modelOf(u.collection); err != nil {
			return err
		}
	}
	o, err := s.open(u.collection, q.Image, u.subject.Digest)
	if err != nil {
		return err
	}
	if u.exclude.Kin {
		u.exclude.Patients = append(u.exclude.Patients, o.identity.Patient)
		u.exclude.Studies = append(u.exclude.Studies, o.identity.Study)
	}
	if o.identity.Instance != "" {
		u.exclude.Instances = append(u.exclude.Instances, o.identity.Instance)
	}
	vectors, fresh := [][]float32{}, []int{}
	frames := o.frames
	switch all := o.Image.Frames(); {
	case q.Frame > all:
		return fmt.Errorf("%w: frame is %d, the image has %d", ErrQuery, q.Frame, all)
	case q.Frame > 0:
		frames = []int{q.Frame - 1}
	case len(frames) > maxQueryFrames:
		frames = Frames{Which: Sample, Sample: maxQueryFrames}.of(all)
	}
	for _, n := range frames {
		if k, ok := known[o.number(n)]; ok {
			u.subject.Instance, u.subject.Stored = k.ID, true
			vectors = append(vectors, k.vector)
		} else {
			fresh = append(fresh, n)
		}
	}
	more, err := s.embedFrames(ctx, u.collection, o, fresh)
	if err != nil {
		return err
	}
	return u.ask(append(vectors, more...), q.Pool)
}

// ask makes the question's vector of those of the images asked about.
func (u *question) ask(vectors [][]float32, pool string) error {
	if len(vectors) == 1 {
		u.vector = vectors[0]
		return nil
	}
	v, ok := store.Pooled(vectors, pool)
	if !ok {
		return fmt.Errorf("%w: the vectors of its %d images cancel out", store.ErrVector, len(vectors))
	}
	u.vector = v
	return nil
}

// embedFrames embeds frames of a file, together with those of other callers.
func (s *Service) embedFrames(ctx context.Context, c store.Collection, o opened, frames []int) ([][]float32, error) {
	if len(frames) == 0 {
		return nil, nil
	}
	m, err := s.modelOf(c)
	if err != nil {
		return nil, err
	}
	tensor, err := s.preprocess(ctx, m.m.Manifest(), o, frames)
	if err != nil {
		return nil, err
	}
	ctx, end := s.begin(ctx, StageEmbed)
	vectors, err := m.batcher.embed(ctx, tensor, len(frames))
	end(err)
	return vectors, err
}

// preprocess decodes frames in a turn to use the processor.
func (s *Service) preprocess(ctx context.Context, m embed.Manifest, o opened, frames []int) ([]float32, error) {
	if err := s.embedding(ctx); err != nil {
		return nil, err
	}
	defer s.embedded()
	length := m.InputLen()
	tensor := make([]float32, len(frames)*length)
	for i, n := range frames {
		if err := s.decode(ctx, m, o, n, tensor[i*length:(i+1)*length]); err != nil {
			return nil, err
		}
	}
	return tensor, nil
}

// decode makes what the network takes of one frame.
func (s *Service) decode(ctx context.Context, m embed.Manifest, o opened, frame int, tensor []float32) (err error) {
	_, end := s.begin(ctx, StageDecode)
	defer func() { end(err) }()
	picture, err := o.Picture(frame, m.View())
	if err != nil {
		return err
	}
	return m.Preprocess(picture, tensor)
}
