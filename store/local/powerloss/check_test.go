//go:build linux

package powerloss

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"nearcase/store"
	"nearcase/store/local"
)

// check opens what is left, holds it to the model, and has it go on.
func (s *state) check() {
	data := filepath.Join(s.dir, "data")
	if len(s.instances)+len(s.documents)+len(s.unsure) == 0 {
		if _, err := os.Stat(data); err != nil {
			return // nothing was ever acknowledged
		}
	}
	l, err := local.Open(data, local.Options{})
	if err != nil {
		s.t.Errorf("open what is left: %v", err)
		return
	}
	if _, err := l.Collection(s.t.Context(), collection); errors.Is(err, store.ErrCollection) && !s.opened && len(s.instances) == 0 {
		err = l.Create(s.t.Context(), described())
		if err != nil {
			s.t.Error(err)
		}
	}
	s.settle(l)
	s.compare(l)
	s.goOn(l)
	if err := l.Close(); err != nil {
		s.t.Errorf("close: %v", err)
	}
	if l, err = local.Open(data, local.Options{}); err != nil {
		s.t.Errorf("open again: %v", err)
		return
	}
	s.compare(l)
	if err := l.Close(); err != nil {
		s.t.Errorf("close: %v", err)
	}
}

// settle finds out which of the operations that were not acknowledged have happened.
// A put of several is of each for itself.
func (s *state) settle(l store.Catalog) {
	for _, o := range s.unsure {
		ids := []string{o.ID}
		switch o.Kind {
		case opPut:
			ids = o.IDs
		case opErase:
			s.settleErase(l, o)
			continue
		case opDocument, opForget:
			s.settleDocument(l, o)
			continue
		case opCompact, opReindex:
			continue
		}
		for _, id := range ids {
			before, was := s.instances[id]
			s.applyOne(o, id)
			after := s.differs(l, id)
			if after == nil {
				s.happened++
				continue
			}
			if s.instances[id] = before; !was {
				delete(s.instances, id)
			}
			if err := s.differs(l, id); err != nil {
				s.t.Errorf("%+v got no answer: %s neither is as after it (%v) nor as before (%v)", o, id, after, err)
			}
		}
	}
}

func (s *state) settleErase(l store.Catalog, o op) {
	left, err := l.Excluded(s.t.Context(), collection, store.Exclude{Patients: []string{o.ID}})
	if err != nil {
		s.t.Errorf("%+v: %v", o, err)
	}
	if len(left) == 0 {
		s.happened++
		s.apply(o)
	} // and otherwise all are, which compare sees
}

func (s *state) settleDocument(l store.Catalog, o op) {
	before, was := s.documents[o.ID]
	s.apply(o)
	if s.differsDocument(l, o.ID) == nil {
		s.happened++
		return
	}
	if s.documents[o.ID] = before; !was {
		delete(s.documents, o.ID)
	}
}

// compare holds all that is there to the model.
func (s *state) compare(l store.Catalog) {
	s.t.Helper()
	for id := range s.instances {
		if err := s.differs(l, id); err != nil {
			s.t.Errorf("%s: %v", id, err)
		}
	}
	for n := range clients * 4 {
		id := fmt.Sprintf("d%d-%d", n/4, n%4)
		if err := s.differsDocument(l, id); err != nil {
			s.t.Errorf("document %s: %v", id, err)
		}
	}
	status, err := l.Status(s.t.Context(), collection)
	all, listed := l.List(s.t.Context(), collection, 0, 1<<30)
	if err != nil || listed != nil || status.Instances != len(s.instances) || len(all) != len(s.instances) {
		s.t.Errorf("there are %d instances and %d are listed (%v, %v), want %d", status.Instances, len(all), err, listed, len(s.instances))
	}
	for _, c := range all {
		if _, ok := s.instances[c.Instance.ID]; !ok {
			s.t.Errorf("%s is there, and was deleted or never stored", c.Instance.ID)
		}
	}
}

// differs returns how an instance differs from what the model has.
func (s *state) differs(l store.Catalog, id string) error {
	want, there := s.instances[id]
	got, err := l.Instance(s.t.Context(), collection, id)
	if !there && errors.Is(err, store.ErrInstance) {
		return nil
	}
	if err != nil || !there {
		return fmt.Errorf("there: %v, want %v (%w)", err == nil, there, errors.Join(err, errors.ErrUnsupported))
	}
	vector, err := l.Vector(s.t.Context(), collection, id)
	if err != nil || !slices.Equal(vector, want.record.Vector) || got.Instance.Digest != want.record.Instance.Digest {
		return fmt.Errorf("vector or digest is another: %w", err)
	}
	original, err := l.Original(s.t.Context(), collection, id)
	if err != nil {
		return err
	}
	defer original.Close()
	if content, err := io.ReadAll(original); err != nil || !bytes.Equal(content, want.record.Original) {
		return fmt.Errorf("original of %d bytes, want %d: %w", len(content), len(want.record.Original), err)
	}
	history, err := l.History(s.t.Context(), collection, id)
	same := slices.EqualFunc(history, want.history, func(e store.Entry, l store.Label) bool { return e.Label.Says(l) && e.Label.Source == l.Source })
	if err != nil || !same {
		return fmt.Errorf("history has %d labels, want %d: %w", len(history), len(want.history), err)
	}
	return nil
}

func (s *state) differsDocument(l store.Catalog, name string) error {
	want, there := s.documents[name]
	got, err := l.Document(s.t.Context(), "kind", name)
	if !there && errors.Is(err, store.ErrDocument) {
		return nil
	}
	if err != nil || !there || !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes, want %d (there: %v): %w", len(got), len(want), there, err)
	}
	return nil
}

// goOn has the store work on.
func (s *state) goOn(l store.Catalog) {
	for _, o := range []op{
		{Kind: opPut, IDs: []string{"i9-1"}, Seed: 4}, {Kind: opLabel, ID: "i9-1", Class: "haze"}, {Kind: opDelete, ID: "i9-1"},
		{Kind: opDocument, ID: "d0-0", Seed: 5},
	} {
		if err := o.do(s.t.Context(), l, s.bulky); err != nil {
			s.t.Errorf("%+v afterwards: %v", o, err)
		}
		s.apply(o)
	}
}
