package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	vectors, err := m.m.EmbedTexts(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}

// askTexts adds zero-shot scores to a task's answer, where the collection's
// model has a text tower and can be opened here.
func (s *Service) askTexts(ctx context.Context, u question, q Query, a *TaskAnswer) error {
	m, err := s.modelOf(u.collection)
	if err != nil && len(q.Prompts) == 0 {
		return nil // an answer of stored vectors needs no model
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
	text := *m.m.Manifest().Text
	if len(q.Prompts) > 0 {
		text.Prompts = q.Prompts
	}
	vectors, err := s.classTexts(ctx, m, task.Classes, text.Prompts)
	if err != nil {
		return err
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

// texts are the vectors of classes that have been asked for.
type texts struct {
	mu      sync.Mutex
	classes map[string][]float32 // by prompts and class
}

// maxTexts bounds texts; what is over it is embedded anew.
const maxTexts = 10_000

// classTexts returns the vector of each class's prompts.
func (s *Service) classTexts(ctx context.Context, m *model, classes, prompts []string) ([][]float32, error) {
	key := func(class string) string { return strings.Join(prompts, "\x00") + "\x00\x00" + class }
	m.texts.mu.Lock()
	defer m.texts.mu.Unlock()
	var missing []string
	for _, class := range classes {
		if m.texts.classes[key(class)] == nil {
			missing = append(missing, class)
		}
	}
	if m.texts.classes == nil || len(m.texts.classes)+len(missing) > maxTexts {
		m.texts.classes, missing = map[string][]float32{}, classes
	}
	fresh, err := m.m.EmbedClasses(ctx, missing, prompts)
	if err != nil {
		return nil, err
	}
	for i, class := range missing {
		m.texts.classes[key(class)] = fresh[i]
	}
	vectors := make([][]float32, len(classes))
	for i, class := range classes {
		vectors[i] = m.texts.classes[key(class)]
	}
	return vectors, nil
}
