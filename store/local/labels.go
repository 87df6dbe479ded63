package local

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// said is what has been said of an instance. The usual single label takes about
// 300 bytes beside its instance, and each correction of it 8 to 16 more: what that
// said is in the log alone.
type said struct {
	current []store.Label // by task and reader
	keys    []store.Key   // of all label entries, ascending
}

// of returns the current labels for a task.
func (s *said) of(task string) []store.Label {
	from := slices.IndexFunc(s.current, func(l store.Label) bool { return l.Task == task })
	if from < 0 {
		return nil
	}
	to := from + 1
	for to < len(s.current) && s.current[to].Task == task {
		to++
	}
	return s.current[from:to]
}

// label shows a label entry. While the log is read, an instance replaced later is
// not there yet.
func (c *collection) label(key store.Key, l store.Label) {
	c.lastLabel = key
	at, known := c.ids[l.Instance]
	s := c.labels[l.Instance]
	if known {
		l.Instance = c.rows[at].ID
	}
	if s == nil {
		s = &said{}
		c.labels[l.Instance] = s
	}
	task := c.taskOf(l.Task)
	if before, ok := store.Resolve(task, s.of(l.Task)); ok && known {
		c.mark(before, at, false)
	}
	s.keys = append(s.keys, key)
	s.current = store.Revise(s.current, c.frugal(task, l))
	if now, ok := store.Resolve(task, s.of(l.Task)); ok && known {
		c.mark(now, at, true)
	}
}

// frugal returns the label with texts that are in memory already.
func (c *collection) frugal(t store.Task, l store.Label) store.Label {
	l.Task, l.Reader, l.Source = t.Name, c.text(l.Reader), c.text(l.Source)
	for _, list := range []*[]string{&l.Classes, &l.Absent, &l.Uncertain} {
		*list = classesOf(t, *list)
	}
	return l
}

// classesOf returns classes in the task's own texts. Slices of an entry, which
// others may have, are left as they are.
func classesOf(t store.Task, classes []string) []string {
	if len(classes) == 1 {
		if at := slices.Index(t.Classes, classes[0]); at >= 0 {
			return t.Classes[at : at+1 : at+1]
		}
	}
	own := slices.Clone(classes)
	for i, class := range classes {
		if at := slices.Index(t.Classes, class); at >= 0 {
			own[i] = t.Classes[at]
		}
	}
	return own
}

// maxTexts bounds how many texts of labels are kept once for all.
const maxTexts = 4096

// text returns the same text, in memory once if it is one of few.
func (c *collection) text(s string) string {
	if known, ok := c.texts[s]; ok {
		return known
	}
	if len(c.texts) < maxTexts {
		c.texts[s] = s
	}
	return s
}

// taskOf returns the task of a label that is stored.
func (c *collection) taskOf(name string) store.Task {
	for _, t := range c.meta.Tasks {
		if t.Name == name {
			return t
		}
	}
	return store.Task{Name: name}
}

// opinion returns the current label of a reader. The caller holds the lock.
func (c *collection) opinion(instance, task, reader string) (store.Label, bool) {
	if s := c.labels[instance]; s != nil {
		for _, l := range s.of(task) {
			if l.Reader == reader {
				return l, true
			}
		}
	}
	return store.Label{}, false
}

// resolved returns what is said of an instance, by task; nil if nothing ever was.
// The caller holds the lock.
func (c *collection) resolved(id string) map[string]store.Label {
	s := c.labels[id]
	if s == nil {
		return nil
	}
	labels := make(map[string]store.Label, len(s.current))
	for from := 0; from < len(s.current); {
		of := s.of(s.current[from].Task)
		if l, ok := store.Resolve(c.taskOf(of[0].Task), of); ok {
			labels[l.Task] = l
		}
		from += len(of)
	}
	return labels
}

// History implements store.Catalog. It reads no more of the log than it returns.
func (l *Catalog) History(ctx context.Context, name, id string) ([]store.Entry, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return nil, err
	}
	keys, err := c.saidOf(id)
	if err != nil {
		return nil, err
	}
	entries := make([]store.Entry, len(keys))
	err = l.view(func(t *badger.Txn) error {
		for i, key := range keys {
			if err := ctx.Err(); err != nil {
				return err
			}
			entries[i].Key = key
			if err := c.readEntry(t, key, &entries[i]); err != nil {
				return fmt.Errorf("log entry %d: %w", key, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("history of %q in collection %s: %w", id, name, err)
	}
	// What was deleted or erased since its key was looked up is gone.
	return slices.DeleteFunc(entries, func(e store.Entry) bool { return e.Label == nil }), nil
}

// saidOf returns the keys of all label entries of an instance.
func (c *collection) saidOf(id string) ([]store.Key, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	rows := c.ofFile(id)
	if len(rows) == 0 {
		return nil, errors.Join(c.gone(), fmt.Errorf("instance %q in collection %s: %w", id, c.meta.Name, store.ErrInstance))
	}
	if s := c.labels[c.rows[rows[0]].ID]; s != nil {
		return slices.Clone(s.keys), nil
	}
	return nil, nil
}

// readEntry reads a log entry, which is there unless the collection is dropped.
func (c *collection) readEntry(t *badger.Txn, key store.Key, e *store.Entry) error {
	item, err := t.Get(logKey(c.number, key, entrySuffix))
	if errors.Is(err, badger.ErrKeyNotFound) {
		c.mu.RLock()
		defer c.mu.RUnlock()
		if gone := c.gone(); gone != nil {
			return gone
		}
		return fmt.Errorf("%w: it is missing", store.ErrDamaged)
	}
	if err != nil {
		return err
	}
	return item.Value(func(value []byte) error { return unsealJSON(value, e) })
}
