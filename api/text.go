package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"nearcase/embed"
	"nearcase/probe"
	"nearcase/store"
)

// ZeroShot is what a model's text tower says of an image: how well the names of
// the classes, put into prompts, describe it. No label takes part.
type ZeroShot struct {
	// Scores are shares of all classes, or for models like SigLIP a score of each
	// class by itself, best first.
	Scores     []probe.Score `json:"scores"`
	Prediction []string      `json:"prediction"`
	// Prompts that the names of the classes were put into.
	Prompts []string `json:"prompts"`
}

// embedText returns the vector of a text in the space of a collection.
func (s *Service) embedText(ctx context.Context, c store.Collection, text string) ([]float32, error) {
	m, err := s.modelOf(c)
	if err != nil {
		return nil, err
	}
	if err := s.embedding(ctx); err != nil {
		return nil, err
	}
	defer s.embedded()
	ctx, end := s.begin(ctx, StageEmbed)
	vectors, err := m.m.EmbedTexts(ctx, []string{text})
	end(err)
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}

// askTexts adds zero-shot scores to a task's answer, where the collection's
// model has a text tower. Answers of stored vectors need no model: one that is
// not here, or cannot be run here, is missed only by prompts. A model that is
// here and is another one now is an error as it is for images.
func (s *Service) askTexts(ctx context.Context, u question, q Query, a *TaskAnswer) error {
	m, err := s.modelOf(u.collection)
	if len(q.Prompts) == 0 && (errors.Is(err, ErrModel) || errors.Is(err, ErrRuntime)) {
		return nil
	}
	if err != nil {
		return err
	}
	if !m.m.HasText() {
		if len(q.Prompts) > 0 {
			return fmt.Errorf("prompts: %w: %s", embed.ErrNoText, u.collection.Model)
		}
		return nil
	}
	task, err := u.collection.Task(a.Task)
	if err != nil {
		return err
	}
	vectors, err := s.classTexts(ctx, m, task.Classes, q.Prompts)
	if err != nil {
		return err
	}
	text := *m.m.Manifest().Text
	if len(q.Prompts) > 0 {
		text.Prompts = q.Prompts
	}
	a.ZeroShot = zeroShot(u.vector, task, vectors, text)
	return nil
}

func zeroShot(image []float32, task store.Task, classes [][]float32, text embed.Text) *ZeroShot {
	cosines := make([]float64, len(classes))
	for i, v := range classes {
		for j, x := range v {
			cosines[i] += float64(x) * float64(image[j])
		}
	}
	z := &ZeroShot{Prompts: text.Prompts, Scores: make([]probe.Score, len(classes))}
	for i, score := range text.Scores(cosines) {
		z.Scores[i] = probe.Score{Class: task.Classes[i], Score: score}
	}
	slices.SortStableFunc(z.Scores, func(a, b probe.Score) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	z.Prediction = predicted(z.Scores, task.Multi, func(s probe.Score) (string, float64) { return s.Class, s.Score })
	return z
}

// texts are the vectors of classes that have been asked for, by the model's own
// prompts. They are safe for concurrent use.
type texts struct {
	mu      sync.Mutex
	classes map[string][]float32
}

const (
	maxTexts  = 10_000 // classes that are kept
	maxAsking = 10_000 // texts of one task by a query's own prompts
)

// of returns the vector of a class, nil if it is not kept.
func (t *texts) of(class string) []float32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.classes[class]
}

// keep keeps the vector of a class. What is over the bound makes room for it.
func (t *texts) keep(class string, vector []float32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.classes == nil || len(t.classes) >= maxTexts {
		t.classes = map[string][]float32{}
	}
	t.classes[class] = vector
}

// classTexts returns the vector of each class's prompts; none are the model's
// own, and only what is of them is kept.
func (s *Service) classTexts(ctx context.Context, m *model, classes, prompts []string) ([][]float32, error) {
	if n := len(classes) * len(prompts); n > maxAsking {
		return nil, fmt.Errorf("%w: %d prompts for %d classes are %d texts, the limit is %d", ErrQuery, len(prompts), len(classes), n, maxAsking)
	}
	vectors := make([][]float32, len(classes))
	for i, class := range classes {
		if len(prompts) == 0 {
			vectors[i] = m.texts.of(class)
		}
		if vectors[i] != nil {
			continue
		}
		var err error
		if vectors[i], err = s.classText(ctx, m, class, prompts); err != nil {
			return nil, err
		}
		if len(prompts) == 0 {
			m.texts.keep(class, vectors[i])
		}
	}
	return vectors, nil
}

// classText embeds one class in a turn to use the processor.
func (s *Service) classText(ctx context.Context, m *model, class string, prompts []string) ([]float32, error) {
	if err := s.embedding(ctx); err != nil {
		return nil, err
	}
	defer s.embedded()
	ctx, end := s.begin(ctx, StageEmbed)
	vectors, err := m.m.EmbedClasses(ctx, []string{class}, prompts)
	end(err)
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}
