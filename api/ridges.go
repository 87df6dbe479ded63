package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math"

	"nearcase/probe"
	"nearcase/store"
)

const (
	// ridgesName is the name under which the ridge probes' statistics are saved.
	ridgesName = "ridges"
	// worthSaving is how many products of components take long enough to learn
	// anew: a second or so.
	worthSaving = 1 << 28
)

// savedRidges are the statistics of a collection's ridge probes as they were at
// one position of its log.
type savedRidges struct {
	At    store.Key    `json:"at"`
	Tasks []savedRidge `json:"tasks"`
}

type savedRidge struct {
	Task    string        `json:"task"`
	Balance probe.Balance `json:"balance"`
	// Taught is a digest of the lessons that they are of.
	Taught     []byte `json:"taught"`
	Statistics []byte `json:"statistics"`
}

// loadRidges reads what was saved, nil if that is nothing or cannot be used.
func (s *Service) loadRidges(ctx context.Context, collection string) *savedRidges {
	data, err := s.Catalog.Derived(ctx, collection, ridgesName)
	if err != nil {
		return nil
	}
	saved := &savedRidges{}
	if json.Unmarshal(data, saved) != nil {
		return nil
	}
	return saved
}

// resume takes over the statistics saved at this position where they are those of
// the lessons up to here; other probes learn all lessons in the end.
func (t *training) resume(ctx context.Context, catalog store.Catalog, c store.Collection) error {
	saved := t.saved
	t.saved = nil
	for _, of := range saved.Tasks {
		p := t.tasks[of.Task]
		if p == nil || balanceOf(p.task) != of.Balance {
			continue
		}
		if _, err := t.changes(ctx, catalog, c.Name, p); err != nil {
			return err
		}
		ridge := &probe.Ridge{}
		if !bytes.Equal(t.digest(of.Task), of.Taught) || ridge.UnmarshalBinary(of.Statistics) != nil || ridge.Dimension() != c.Dimension {
			continue
		}
		p.ridge, p.gathering = ridge, false
	}
	t.kept = saved.At
	return nil
}

// digest returns what identifies the lessons of a task.
func (t *training) digest(task string) []byte {
	h := sha256.New()
	for _, l := range t.lessons(task) {
		l.digest(h)
	}
	return h.Sum(nil)
}

func (l lesson) digest(h hash.Hash) {
	b := make([]byte, 0, 8*(len(l.vector)+len(l.target.Classes)+4))
	for _, x := range l.vector {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	for i, class := range l.target.Classes {
		if d := l.target.Degrees[i]; d != 0 { // or NaN
			b = append(append(b, class...), 0)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(d))
		}
	}
	h.Write(binary.LittleEndian.AppendUint64(b, math.Float64bits(l.target.Weight)))
}

// saveRidges saves the statistics, if much would have to be learnt anew.
func (s *Service) saveRidges(ctx context.Context, collection string, t *training) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.at == t.kept || t.work() < worthSaving {
		return nil
	}
	saved := savedRidges{At: t.at}
	for name, p := range t.tasks {
		if p.gathering || p.ridge.Examples() == 0 {
			continue
		}
		statistics, err := p.ridge.MarshalBinary()
		if err != nil {
			return fmt.Errorf("save the probe of task %s: %w", name, err)
		}
		saved.Tasks = append(saved.Tasks, savedRidge{name, balanceOf(p.task), t.digest(name), statistics})
	}
	data, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	err = s.Catalog.SaveDerived(ctx, collection, ridgesName, data)
	if errors.Is(err, store.ErrCollection) || errors.Is(err, store.ErrInvalid) { // dropped, or too much
		return nil
	}
	return err
}

// work is how many products of components the statistics are of.
func (t *training) work() int {
	work := 0
	for _, p := range t.tasks {
		work += p.ridge.Examples() * p.ridge.Dimension() * p.ridge.Dimension()
	}
	return work
}

// saveTrainings saves the statistics of all collections.
func (s *Service) saveTrainings() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, t := range s.trainings {
		if name, ok := s.nameOf(context.Background(), t); ok {
			err = errors.Join(err, s.saveRidges(context.Background(), name, t))
		}
	}
	return err
}
