package api

import (
	"context"
	"fmt"
	"reflect"

	"nearcase/probe"
	"nearcase/store"
)

// Configure replaces the settings of a task wholly: fields that are zero are the
// program's own choice from then on. Unknown tasks are store.ErrTask, unknown
// classes store.ErrClass and values that cannot be store.ErrInvalid.
func (s *Service) Configure(ctx context.Context, collection, task string, settings store.Settings) error {
	if err := checkWeighting(task, settings); err != nil {
		return err
	}
	s.configuring.Lock()
	defer s.configuring.Unlock()
	return s.Catalog.Configure(ctx, collection, task, settings)
}

// Settings returns the settings of a task.
func (s *Service) Settings(ctx context.Context, collection, task string) (store.Settings, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return store.Settings{}, err
	}
	t, err := c.Task(task)
	return t.Settings, err
}

// checkWeighting reports why votes cannot be weighted so: the weighting is neither
// a kind of probe.Weighting nor the name of a preset, or its temperature is none.
func checkWeighting(task string, s store.Settings) error {
	w := probe.Weighting{Kind: s.Weighting, Temperature: s.Temperature}
	if _, err := probe.NamedPreset(s.Weighting); err == nil {
		w.Kind = ""
	}
	if err := w.Validate(); err != nil {
		return fmt.Errorf("settings of task %.80q: weighting: %w: %w", task, store.ErrInvalid, err)
	}
	return nil
}

// checkTasks reports why tasks cannot be declared beside those there are: their
// settings cannot be, or are others than a task there has, which declaring it again
// does not change.
func checkTasks(have, tasks []store.Task) error {
	for _, t := range tasks {
		if err := checkWeighting(t.Name, t.Settings); err != nil {
			return err
		}
		for _, old := range have {
			if old.Name == t.Name && !reflect.DeepEqual(t.Settings, store.Settings{}) && !reflect.DeepEqual(t.Settings, old.Settings) {
				return fmt.Errorf("task %s: %w: it is there with other settings; change them as settings of the task", t.Name, store.ErrInvalid)
			}
		}
	}
	return nil
}
