package api

import (
	"context"
	"fmt"

	"nearcase/store"
)

const (
	// maxExamples bounds Like and Unlike together.
	maxExamples = 1000
	// unlikeWeight is how much the mean of the examples that cases are to be unlike
	// counts beside that of those that they are to be like. Of the ways tried (the
	// mean alone, other weights, ridge and SVM rankers) it found most among the first
	// twenty, on radiographs and blood cells by three networks: see docs/queries.md.
	unlikeWeight = 0.5
)

// resolveExamples moves the question's vector by examples, and leaves them out of
// the answer with their kin.
func (s *Service) resolveExamples(ctx context.Context, u *question, q Query) error {
	like, err := s.examples(ctx, u, q, q.Like)
	if err != nil {
		return err
	}
	unlike, err := s.examples(ctx, u, q, q.Unlike)
	if err != nil {
		return err
	}
	u.subject.Like, u.subject.Unlike = len(like), len(unlike)
	u.vector, err = refined(u.vector, like, unlike)
	return err
}

func (s *Service) examples(ctx context.Context, u *question, q Query, ids []string) ([][]float32, error) {
	var vectors [][]float32
	for _, id := range ids {
		found, err := s.Catalog.Instance(ctx, u.collection.Name, id)
		if err != nil {
			return nil, fmt.Errorf("example: %w", err)
		}
		v, err := s.Catalog.Pooled(ctx, u.collection.Name, id, q.level())
		if err != nil {
			return nil, fmt.Errorf("example: %w", err)
		}
		vectors = append(vectors, v)
		u.leaveOut(id, found.Instance)
	}
	return vectors, nil
}

// leaveOut leaves what has this ID out of the answer, and if its kin are to be left
// out them, too. The instance is that of the ID, or its first.
func (u *question) leaveOut(id string, i store.Instance) {
	u.exclude.Instances = append(u.exclude.Instances, id)
	if u.exclude.Kin {
		u.exclude.Patients = append(u.exclude.Patients, i.Patient)
		u.exclude.Studies = append(u.exclude.Studies, i.Study)
	}
}

// refined is what a query's own vector, nil for none, and examples ask for together:
// the own vector and the mean of those that cases are to be like, less half the mean
// of those that they are to be unlike, at unit length. This is Rocchio's formula
// (Relevance feedback in information retrieval, in: Salton (ed.), The SMART retrieval
// system, 1971) on unit vectors.
func refined(own []float32, like, unlike [][]float32) ([]float32, error) {
	for _, all := range [][][]float32{like, unlike} {
		if own == nil && len(all) > 0 {
			own = make([]float32, len(all[0]))
		}
	}
	sum := make([]float64, len(own))
	for i, x := range own {
		sum[i] = float64(x)
	}
	add := func(all [][]float32, weight float64) {
		for _, v := range all {
			for i, x := range v {
				sum[i] += weight / float64(len(all)) * float64(x)
			}
		}
	}
	add(like, 1)
	add(unlike, -unlikeWeight)
	unit, ok := atUnitLength(sum)
	if !ok {
		return nil, fmt.Errorf("examples: %w: they cancel out", store.ErrVector)
	}
	return unit, nil
}
