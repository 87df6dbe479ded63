package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nearcase/store"
)

// quietDocument is the name, and the kind, of the document that says which studies
// have been told of.
const quietDocument = "studies"

// studies finds those that have received nothing for a while. What it knows is
// made from the logs: for each collection the last entry of each study that has
// not been told of.
//
// What is kept is up to where each log was read (Read), a position before the last
// entries of all studies that were waiting then (From), and when it was looked
// (At): of the entries between From and Read those of studies that were quiet by
// At have been told of.
type studies struct {
	s       *Service
	quiet   time.Duration
	now     func() time.Time
	waiting map[studyName]arrival
	kept    keptStudies
}

type studyName struct{ collection, study string }

// arrival is the last that a study has received.
type arrival struct {
	patient string
	key     store.Key
	at      time.Time
}

// keptStudies is what outlives the program.
type keptStudies struct {
	At    time.Time             `json:"at"`
	Quiet time.Duration         `json:"quiet"`
	Of    map[string]keptPlaces `json:"of"` // by collection
}

type keptPlaces struct {
	Created time.Time `json:"created"`
	From    store.Key `json:"from"`
	Read    store.Key `json:"read"`
}

// quietAfter is how long a study must receive nothing to be complete, unless
// Options.Quiet says.
const quietAfter = time.Minute

// openStudies goes on where another run of the program left. The first of all
// begins with what comes.
func (s *Service) openStudies(ctx context.Context, now func() time.Time) (*studies, error) {
	w := &studies{s: s, quiet: s.Quiet, now: now, waiting: map[studyName]arrival{}}
	if w.quiet <= 0 {
		w.quiet = quietAfter
	}
	data, err := s.Catalog.Document(ctx, quietDocument, quietDocument)
	if errors.Is(err, store.ErrDocument) || errors.Is(err, store.ErrDamaged) {
		return w, w.beginNow(ctx)
	}
	if err == nil {
		err = json.Unmarshal(data, &w.kept)
	}
	if err != nil {
		return nil, fmt.Errorf("read which studies are complete: %w", err)
	}
	return w, w.recall(ctx)
}

// beginNow takes what is stored as told.
func (w *studies) beginNow(ctx context.Context) error {
	w.kept.Of = map[string]keptPlaces{}
	collections, err := w.s.Catalog.Collections(ctx)
	if err != nil {
		return err
	}
	for _, c := range collections {
		status, err := w.s.Catalog.Status(ctx, c.Name)
		if err != nil {
			return err
		}
		w.kept.Of[c.Name] = keptPlaces{c.Created, status.Head, status.Head}
	}
	return w.keep(ctx)
}

// recall finds the studies that were waiting when they were kept.
func (w *studies) recall(ctx context.Context) error {
	for name, at := range w.kept.Of {
		c, err := w.s.Catalog.Collection(ctx, name)
		if errors.Is(err, store.ErrCollection) || err == nil && !c.Created.Equal(at.Created) {
			continue
		}
		if err != nil {
			return err
		}
		for e, err := range w.s.Catalog.Log(ctx, name, at.From) {
			if err != nil {
				return err
			}
			if e.Key > at.Read {
				break
			}
			w.receive(name, e)
		}
	}
	for name, a := range w.waiting {
		if !a.at.Add(w.kept.Quiet).After(w.kept.At) {
			delete(w.waiting, name)
		}
	}
	return nil
}

// receive notes what a study has received.
func (w *studies) receive(collection string, e store.Entry) {
	if e.Kind == store.KindPut && e.Instance.Study != "" {
		w.waiting[studyName{collection, e.Instance.Study}] = arrival{e.Instance.Patient, e.Key, e.Instance.Added}
	}
}

// round reads what is new, tells of the studies that are complete, and returns
// when the next will be; zero if none waits.
func (w *studies) round(ctx context.Context) (next time.Time, err error) {
	if err := w.read(ctx); err != nil {
		return next, err
	}
	now := w.now()
	var complete []studyName
	for name, a := range w.waiting {
		due := a.at.Add(w.quiet)
		if !due.After(now) {
			complete = append(complete, name)
		} else if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if len(complete) == 0 {
		return next, nil
	}
	if err := w.tell(ctx, complete); err != nil {
		return next, err
	}
	w.kept.At, w.kept.Quiet = now, w.quiet
	return next, w.keep(ctx)
}

// read takes in what the logs have that is new.
func (w *studies) read(ctx context.Context) error {
	collections, err := w.s.Catalog.Collections(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, c := range collections {
		there[c.Name] = true
		if err := w.readLog(ctx, c); err != nil {
			return err
		}
	}
	for name := range w.kept.Of {
		if !there[name] {
			w.forget(name)
		}
	}
	return nil
}

// readLog takes in what one log has that is new.
func (w *studies) readLog(ctx context.Context, c store.Collection) error {
	at := w.kept.Of[c.Name]
	if !at.Created.Equal(c.Created) {
		w.forget(c.Name)
		at = keptPlaces{Created: c.Created}
	}
	for e, err := range w.s.Catalog.Log(ctx, c.Name, at.Read) {
		if errors.Is(err, store.ErrCollection) {
			break // the next round knows
		}
		if err != nil {
			return err
		}
		w.receive(c.Name, e)
		at.Read = e.Key
	}
	w.kept.Of[c.Name] = at
	return nil
}

// forget gives up a collection that is gone.
func (w *studies) forget(collection string) {
	delete(w.kept.Of, collection)
	for name := range w.waiting {
		if name.collection == collection {
			delete(w.waiting, name)
		}
	}
}

// tell notes that studies are complete, in the order in which they became so.
func (w *studies) tell(ctx context.Context, complete []studyName) error {
	slices.SortFunc(complete, func(a, b studyName) int {
		if c := w.waiting[a].at.Compare(w.waiting[b].at); c != 0 {
			return c
		}
		return strings.Compare(a.collection+"|"+a.study, b.collection+"|"+b.study)
	})
	if err := w.s.journal.noteAll(func() ([]Change, error) { return w.completed(ctx, complete) }); err != nil {
		return err
	}
	for _, name := range complete {
		delete(w.waiting, name)
	}
	return nil
}

// completed are the changes of those studies that are still there.
func (w *studies) completed(ctx context.Context, names []studyName) (changes []Change, err error) {
	for _, name := range names {
		c, err := w.complete(ctx, name)
		if err != nil && !errors.Is(err, store.ErrCollection) {
			return nil, err
		}
		if c.Instances > 0 { // otherwise it is gone
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func (w *studies) complete(ctx context.Context, name studyName) (Change, error) {
	a := w.waiting[name]
	ids, err := w.s.Catalog.Excluded(ctx, name.collection, store.Exclude{Studies: []string{name.study}})
	return Change{
		ID:   changeID(StudyComplete, name.collection, w.kept.Of[name.collection].Created.UnixNano(), name.study, uint64(a.key)),
		Type: StudyComplete, Collection: name.collection, Time: a.at.Add(w.quiet),
		Study: name.study, Patient: a.patient, Instances: len(ids),
	}, err
}

// keep makes durable what has been told.
func (w *studies) keep(ctx context.Context) error {
	for name, at := range w.kept.Of {
		at.From = at.Read
		w.kept.Of[name] = at
	}
	for name, a := range w.waiting {
		at := w.kept.Of[name.collection]
		at.From = min(at.From, a.key-1)
		w.kept.Of[name.collection] = at
	}
	data, err := json.Marshal(w.kept)
	if err == nil {
		err = w.s.Catalog.SaveDocument(ctx, quietDocument, quietDocument, data)
	}
	if err != nil {
		return fmt.Errorf("keep which studies are complete: %w", err)
	}
	return nil
}

// watchStudies tells of studies until the context ends.
func (s *Service) watchStudies(ctx context.Context, w *studies) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		wake := s.Catalog.Changed()
		next, err := w.round(ctx)
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("complete studies cannot be told of", "error", err)
			next = time.Now().Add(w.quiet)
		}
		if timer.Stop(); !next.IsZero() {
			timer.Reset(max(time.Until(next), time.Millisecond))
		}
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}
