package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearcase/store"
)

// The kinds of jobs that erase and compact. They are not begun again after a
// restart: what they are asked is not kept, for it may name a patient.
const (
	KindErase   = "erase"
	KindCompact = "compact"
)

// ErrNotErased is an erasure that could not be brought to its end.
var ErrNotErased = errors.New("not all of it is erased")

// forgotten are the kinds of documents whose names begin with their collection and
// a dot, and which go when something of it is erased.
var forgotten = []string{"idempotency"}

// erasure is one call of Erase.
type erasure struct {
	s        *Service
	progress func(done, total int)
	Receipt
}

// Erase erases a patient, given by their own ID or by what the collection calls
// them: instances, vectors, labels with their history, originals and thumbnails,
// and all that has learnt from them. Then it compacts the store, looks through
// every byte of it for what may be left, and returns a receipt, which is kept. A
// patient of whom nothing is stored is store.ErrInstance.
//
// What is erased stays so if the rest fails: the error is ErrNotErased then, and the
// receipt says what is left to do. Probes are derived anew from the labels that
// stay; their versions are gone, whoever they have learnt from.
func (s *Service) Erase(ctx context.Context, collection, patient string, progress func(done, total int)) (Receipt, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return Receipt{}, err
	}
	name, err := s.storedAs(ctx, c, patient)
	if err != nil {
		return Receipt{}, fmt.Errorf("erase from collection %s: %w", collection, err)
	}
	s.erasing.Lock()
	defer s.erasing.Unlock()
	if err := s.endInterrupted(ctx); err != nil {
		return Receipt{}, err
	}
	e := &erasure{s: s, progress: progress, Receipt: Receipt{Collection: collection, Patient: s.Privacy.receiptName(name)}}
	if e.Receipt, err = s.begunReceipt(ctx, e.Receipt); err != nil {
		return Receipt{}, err
	}
	return e.run(ctx, name)
}

// run erases and verifies, and keeps the receipt of it.
func (e *erasure) run(ctx context.Context, patient string) (Receipt, error) {
	traces, err := e.erase(ctx, patient)
	if e.Instances == 0 && isRefusal(ctx, err) {
		return Receipt{}, errors.Join(err, e.s.dropReceipt(ctx, e.Receipt))
	}
	err = errors.Join(err, e.verify(ctx, traces))
	if e.Problem = ""; err != nil {
		e.Problem = err.Error()
		err = fmt.Errorf("erase from collection %s: %w: %w; see receipt %s", e.Collection, ErrNotErased, err, e.ID)
	}
	kept, failed := e.s.endReceipt(context.WithoutCancel(ctx), e.Receipt)
	return kept, errors.Join(err, failed)
}

// isRefusal reports whether an erasure failed for a reason that comes before
// anything is erased. After another it is not known what the disk has.
func isRefusal(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, store.ErrInstance) || errors.Is(err, store.ErrCollection) || errors.Is(err, store.ErrClosed)
}

// storedAs returns what a collection calls a patient who is given by their own ID
// or so already.
func (s *Service) storedAs(ctx context.Context, c store.Collection, patient string) (string, error) {
	called, unknown := s.called(c, patient)
	for _, name := range []string{called, patient} {
		if name == "" {
			continue
		}
		for _, of := range []string{c.Name, store.ShadowName(c.Name)} {
			ids, err := s.Catalog.Excluded(ctx, of, store.Exclude{Patients: []string{name}})
			if len(ids) > 0 || err != nil && (of == c.Name || !errors.Is(err, store.ErrCollection)) {
				return name, err
			}
		}
	}
	return "", errors.Join(unknown, fmt.Errorf("%w of this patient", store.ErrInstance))
}

// erase takes the patient out of the store and of what was made from it. No refit
// runs meanwhile: it would learn from what is erased.
func (e *erasure) erase(ctx context.Context, patient string) (store.Traces, error) {
	select {
	case e.s.refits.turn <- struct{}{}:
		defer func() { <-e.s.refits.turn }()
	case <-ctx.Done():
		return store.Traces{}, ctx.Err()
	}
	e.s.erasures.Add(1)
	erased, err := e.s.Catalog.Erase(ctx, e.Collection, patient)
	e.Erased, e.Traces, e.Studies = erased, store.Traces{}, nil
	if erased.Instances == 0 {
		return erased.Traces, err
	}
	ctx = context.WithoutCancel(ctx)
	err = errors.Join(err, e.s.forgetAgreement(ctx, e.Collection))
	answers, failed := e.s.forgetAll(ctx, e.Collection)
	e.Answers = answers
	return erased.Traces, errors.Join(err, failed, e.s.noteErased(e.Collection, patient, erased.Studies))
}

// forgetAll forgets what the service has learnt and answered of a collection, and
// returns how many answers that were.
func (s *Service) forgetAll(ctx context.Context, collection string) (answers int, err error) {
	s.forgetTraining(collection)
	unpinned := s.unpin(ctx, collection)
	answers, err = s.forgetAnswers(ctx, collection)
	return answers, errors.Join(unpinned, err, s.dropJobResults(ctx, collection))
}

// seeks is how often what is left is looked for where others store the same meanwhile,
// or store and delete it.
const seeks = 3

// verify compacts the store and looks for what may be left.
func (e *erasure) verify(ctx context.Context, traces store.Traces) (err error) {
	v := &e.Verification
	all := traces
	for range seeks {
		if e.Compacted, err = e.s.Catalog.Compact(ctx, e.progress); err != nil {
			return fmt.Errorf("%w: compact it (nearcase compact)", err)
		}
		if v.Sought, err = e.s.Catalog.Seek(ctx, traces); err == nil && v.Matches > 0 {
			traces, err = e.s.Catalog.Unshared(ctx, traces)
		}
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		if v.Matches == 0 {
			break
		}
	}
	v.Texts, v.Digests, v.Vectors, v.Again = len(all.Texts)-v.Short, len(all.Digests), len(all.Vectors), all.Len()-traces.Len()
	if v.Matches > 0 {
		return fmt.Errorf("verify: traces are left in %s", strings.Join(v.In, ", "))
	}
	return nil
}

// forgetTraining gives up what probes have learnt of a collection, and of what stands
// behind it, and its maps.
func (s *Service) forgetTraining(collection string) {
	s.atlas.forget(collection)
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.trainings, func(_ string, t *training) bool { return t.name == collection })
}

// unpin lets the newest versions of all tasks answer: those pinned are gone.
func (s *Service) unpin(ctx context.Context, collection string) error {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	c, err := s.Catalog.Collection(ctx, collection)
	for _, task := range c.Tasks {
		if settings := task.Settings.Clone(); settings.Pinned != 0 {
			settings.Pinned = 0
			err = errors.Join(err, s.Catalog.Configure(ctx, collection, task.Name, settings))
		}
	}
	return err
}

// forgetAnswers drops documents that may tell of a collection's instances, and
// returns how many.
func (s *Service) forgetAnswers(ctx context.Context, collection string) (dropped int, err error) {
	for _, kind := range forgotten {
		all, failed := s.Catalog.Documents(ctx, kind)
		err = errors.Join(err, failed)
		for _, d := range all {
			if strings.HasPrefix(d.Name, collection+".") {
				err = errors.Join(err, s.Catalog.DropDocument(ctx, kind, d.Name))
				dropped++
			}
		}
	}
	return dropped, err
}

// Compact rewrites the store without what was deleted or overwritten. Searches go
// on meanwhile, changes wait. An erasure that the program did not outlive is brought
// to its end.
func (s *Service) Compact(ctx context.Context, progress func(done, total int)) (store.Compacted, error) {
	s.erasing.Lock()
	err := s.endInterrupted(ctx)
	s.erasing.Unlock()
	if err != nil {
		return store.Compacted{}, err
	}
	return s.Catalog.Compact(ctx, progress)
}

// endInterrupted forgets what is left of the collection in which the last erasure
// was interrupted, and says so in its receipt. s.erasing is held.
func (s *Service) endInterrupted(ctx context.Context) error {
	all, err := s.Receipts(ctx)
	if err != nil && !errors.Is(err, ErrForged) && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	if len(all) == 0 || !all[len(all)-1].Ended.IsZero() || all[len(all)-1].intact() != nil {
		return nil
	}
	r := all[len(all)-1]
	if r.Answers, err = s.forgetAll(ctx, r.Collection); err != nil && !errors.Is(err, store.ErrCollection) {
		return fmt.Errorf("end the erasure of receipt %s: %w", r.ID, err)
	}
	r.Problem = "it was interrupted before it was verified: erase the patient once more if any of theirs is left, and compact the store"
	_, err = s.endReceipt(ctx, r)
	return err
}

// backups returns the names of the backups that may hold what is erased now.
func (s *Service) backups(ctx context.Context) ([]string, error) {
	all, err := s.Catalog.Documents(ctx, KindBackup)
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = d.Name
	}
	slices.Sort(names)
	return names, err
}
