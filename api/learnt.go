package api

import (
	"context"
	"time"

	"nearcase/store"
)

// Learnt says how current the probes of a task are.
type Learnt struct {
	Collection, Task string
	// Behind is how many log entries lie between the last label that the probes
	// have learnt and the last there is.
	Behind store.Key
	// Version is the one that answers, 0 for none, and Made when it was.
	Version store.Key
	Made    time.Time
	// Changed counts the labels that have changed since the newest version.
	Changed int
}

// Learnt returns how current the probes are that have been asked for since the
// start. It learns nothing and waits for nobody: probes that are being caught up
// are left out.
func (s *Service) Learnt(ctx context.Context) ([]Learnt, error) {
	collections, err := s.Catalog.Collections(ctx)
	if err != nil {
		return nil, err
	}
	var all []Learnt
	for _, c := range collections {
		status, err := s.Catalog.Status(ctx, c.Name)
		if err != nil { // dropped meanwhile
			continue
		}
		s.mu.Lock()
		t := s.trainings[trainingKey(c)]
		s.mu.Unlock()
		if t != nil && t.created.Equal(c.Created) && t.mu.TryRLock() {
			all = append(all, t.current(c.Name, status.LabelHead)...)
			t.mu.RUnlock()
		}
	}
	return all, nil
}

// current tells of every task what has been learnt. The caller holds the lock.
func (t *training) current(collection string, last store.Key) []Learnt {
	var all []Learnt
	for name, p := range t.tasks {
		l := Learnt{Collection: collection, Task: name, Changed: len(p.since)}
		if t.labelAt < last {
			l.Behind = last - t.labelAt
		}
		if p.current != nil {
			l.Version, l.Made = p.current.Watermark, p.current.Made
		}
		all = append(all, l)
	}
	return all
}
