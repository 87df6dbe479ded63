package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"nearcase/store"
)

// eventKind is the kind of document that a part of the journal is.
const eventKind = "event"

// Bounds of the journal: of more events the oldest are forgotten.
const (
	partEvents = 256 // of a part, which is written at once
	maxParts   = 40
)

// journal has the changes that are in no collection's log: jobs that ended,
// studies that are complete, patients that were erased. They are numbered as they
// come, and kept as documents of the catalog.
type journal struct {
	catalog store.Catalog
	news    *news
	logger  *slog.Logger

	mu     sync.Mutex
	loaded bool
	parts  []part
	known  map[string]bool // by ID
	last   uint64          // number given last
}

// part is what one document has.
type part struct {
	name   string
	Events []noted `json:"events"`
	Last   uint64  `json:"last"` // number given last, also to what is gone
}

// noted is a change with its number.
type noted struct {
	Number uint64 `json:"number"`
	Change
}

func newJournal(catalog store.Catalog, logger *slog.Logger) *journal {
	return &journal{catalog: catalog, news: newNews(), logger: logger, known: map[string]bool{}}
}

// load reads what is kept, unless that is done; mu is held.
func (j *journal) load() error {
	if j.loaded {
		return nil
	}
	found, err := j.catalog.Documents(context.Background(), eventKind)
	if errors.Is(err, store.ErrDamaged) {
		j.logger.Error("events cannot be read", "error", err)
	} else if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	for _, d := range found {
		p := part{name: d.Name}
		if err := json.Unmarshal(d.Data, &p); err != nil {
			j.logger.Error("events cannot be read", "part", d.Name, "error", err)
			continue
		}
		for _, e := range p.Events {
			j.known[e.ID] = true
		}
		j.parts, j.last = append(j.parts, p), max(j.last, p.Last)
	}
	j.loaded = true
	return nil
}

// note adds changes durably, in their order; those of an ID that it has already
// are left out.
func (j *journal) note(changes ...Change) error {
	return j.noteAll(func() ([]Change, error) { return changes, nil })
}

// noteAll is note of what is true while no event is removed: what is found of an
// instance before it is erased is noted before the events of it are removed.
func (j *journal) noteAll(find func() ([]Change, error)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.load(); err != nil {
		return err
	}
	changes, err := find()
	if err != nil {
		return err
	}
	for len(changes) > 0 {
		p := j.open()
		for len(changes) > 0 && len(p.Events) < partEvents {
			if !j.known[changes[0].ID] {
				p.Last++
				p.Events = append(p.Events, noted{p.Last, changes[0]})
				j.known[changes[0].ID] = true
			}
			changes = changes[1:]
		}
		if err := j.keep(p); err != nil {
			return err
		}
	}
	j.news.happened()
	return j.trim()
}

// open returns a copy of the part that takes the next events: the last, or a new
// one.
func (j *journal) open() part {
	if n := len(j.parts); n > 0 && len(j.parts[n-1].Events) < partEvents {
		p := j.parts[n-1]
		p.Events = slices.Clone(p.Events)
		return p
	}
	return part{name: fmt.Sprintf("%020d", j.last+1), Last: j.last}
}

// keep writes a part and takes it over; what cannot be written is as never noted.
func (j *journal) keep(p part) error {
	data, err := json.Marshal(p)
	if err == nil {
		err = j.catalog.SaveDocument(context.Background(), eventKind, p.name, data)
	}
	if err != nil {
		for _, e := range p.Events {
			if e.Number > j.last {
				delete(j.known, e.ID)
			}
		}
		return fmt.Errorf("keep events: %w", err)
	}
	if n := len(j.parts); n > 0 && j.parts[n-1].name == p.name {
		j.parts[n-1] = p
	} else {
		j.parts = append(j.parts, p)
	}
	j.last = p.Last
	return nil
}

// trim forgets the oldest parts.
func (j *journal) trim() error {
	for len(j.parts) > maxParts {
		if err := j.catalog.DropDocument(context.Background(), eventKind, j.parts[0].name); err != nil {
			return fmt.Errorf("forget events: %w", err)
		}
		for _, e := range j.parts[0].Events {
			delete(j.known, e.ID)
		}
		j.parts = j.parts[1:]
	}
	return nil
}

// head returns the number given last.
func (j *journal) head() (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.load()
	return j.last, err
}

// between returns up to limit events after a number and up to another, of a
// collection or of all, and up to where it has looked. A number that was not given
// yet is ErrCursor.
func (j *journal) between(number, last uint64, collection string, limit int) (changes []Change, upTo uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.load(); err != nil {
		return nil, number, err
	}
	if number > j.last {
		return nil, number, fmt.Errorf("%w: it is at event %d, of %d: the data is older than the cursor", ErrCursor, number, j.last)
	}
	for _, p := range j.parts {
		if p.Last <= number {
			continue
		}
		for _, e := range p.Events {
			if e.Number <= number || e.Number > last || collection != "" && e.Collection != collection {
				continue
			}
			if len(changes) == limit {
				return changes, number, nil
			}
			changes, number = append(changes, e.Change), e.Number
		}
	}
	return changes, max(number, min(j.last, last)), nil
}

// drop removes the events that are chosen, durably.
func (j *journal) drop(chosen func(Change) bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.load(); err != nil {
		return err
	}
	for i, p := range j.parts {
		left := slices.DeleteFunc(slices.Clone(p.Events), func(e noted) bool { return chosen(e.Change) })
		if len(left) == len(p.Events) {
			continue
		}
		p.Events = left
		data, err := json.Marshal(p)
		if err == nil {
			err = j.catalog.SaveDocument(context.Background(), eventKind, p.name, data)
		}
		if err != nil {
			return fmt.Errorf("remove events: %w", err)
		}
		j.parts[i] = p
	}
	return nil
}

// jobEnded notes that a job has ended.
func (s *Service) jobEnded(j Job) {
	err := s.journal.note(Change{
		ID: changeID(JobEnded, j.ID, j.Attempts), Type: JobEnded, Collection: j.Collection, Time: j.Ended,
		Job: j.ID, Kind: j.Kind, State: j.State,
	})
	if err != nil {
		s.Logger.Error("nobody is told that a job has ended", "job", j.ID, "error", err)
	}
}

// noteErased notes that a patient of a collection was erased, and takes back what
// was told of the studies named, and of all that were the patient's once.
func (s *Service) noteErased(collection, patient string, studies []string) error {
	err := s.journal.drop(func(c Change) bool {
		return c.Type == StudyComplete && c.Collection == collection && (patient != "" && c.Patient == patient || slices.Contains(studies, c.Study))
	})
	now := time.Now().UTC()
	return errors.Join(err, s.journal.note(Change{
		ID: changeID(PatientErased, collection, newID()), Type: PatientErased, Collection: collection, Time: now,
	}))
}
