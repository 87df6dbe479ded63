package storetest

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"

	"nearcase/store"
)

// world is the model of a catalog.
type world struct {
	collections map[string]*modelled
	documents   map[string][]byte
}

func newWorld() *world {
	return &world{collections: map[string]*modelled{}, documents: map[string][]byte{}}
}

// any draws a collection.
func (w *world) any(r *rand.Rand) *modelled {
	names := slices.Sorted(maps.Keys(w.collections))
	return w.collections[names[r.IntN(len(names))]]
}

// modelled is the model of a collection.
type modelled struct {
	meta      store.Collection
	head      store.Key
	instances map[string]*held
	log       map[store.Key]logLine
	derived   map[string][]byte
	// originals are digests of which there is the file, and unsure those of which a
	// refused put may have brought it back.
	originals, unsure map[string]bool
}

// held is an instance of the model.
type held struct {
	key       store.Key
	born      store.Key    // its first, before it was replaced
	record    store.Record // with its instance as it is stored
	history   []said
	thumbnail []byte
}

// said is a label that was stored.
type said struct {
	key   store.Key
	label store.Label
}

// logLine is an entry of the log.
type logLine struct {
	kind store.Kind
	id   string
}

func newModelled(c store.Collection) *modelled {
	return &modelled{
		meta: c, instances: map[string]*held{}, log: map[store.Key]logLine{},
		derived: map[string][]byte{}, originals: map[string]bool{}, unsure: map[string]bool{},
	}
}

func (c *modelled) task(name string) *store.Task {
	return &c.meta.Tasks[slices.IndexFunc(c.meta.Tasks, func(t store.Task) bool { return t.Name == name })]
}

// inOrder returns all instances by key.
func (c *modelled) inOrder() []*held {
	return slices.SortedFunc(maps.Values(c.instances), func(a, b *held) int { return cmp.Compare(a.key, b.key) })
}

func (c *modelled) ofKey(key store.Key) *held {
	for _, i := range c.instances {
		if i.key == key {
			return i
		}
	}
	return nil
}

// of returns what has an ID: an instance, or the images of a file, by key.
func (c *modelled) of(id string) (all []*held) {
	for _, i := range c.inOrder() {
		if i.record.Instance.ID == id || i.record.Instance.File == id {
			all = append(all, i)
		}
	}
	return all
}

// current returns what a reader has said last of an instance for a task.
func (i *held) current(task, reader string) (store.Label, bool) {
	for _, s := range slices.Backward(i.history) {
		if s.label.Task == task && s.label.Reader == reader {
			return s.label, !s.label.Removed
		}
	}
	return store.Label{}, false
}

// labels returns what the labels say by task.
func (c *modelled) labels(i *held) map[string]store.Label {
	all := map[string]store.Label{}
	for _, t := range c.meta.Tasks {
		current := map[string]store.Label{}
		for _, s := range i.history {
			if s.label.Task == t.Name {
				current[s.label.Reader] = s.label
			}
		}
		if l, ok := store.Resolve(t, slices.Collect(maps.Values(current))); ok {
			all[t.Name] = l
		}
	}
	return all
}

// next makes an entry of the log.
func (c *modelled) next(line logLine) store.Key {
	c.head++
	c.log[c.head] = line
	return c.head
}

// say stores a label that says something.
func (c *modelled) say(i *held, l store.Label) {
	if current, ok := i.current(l.Task, l.Reader); ok && current.Says(l) || !ok && l.Removed {
		return
	}
	i.history = append(i.history, said{c.next(logLine{kind: store.KindLabel, id: l.Instance}), l})
}

// remove deletes an instance.
func (c *modelled) remove(i *held) {
	id := i.record.Instance.ID
	c.next(logLine{kind: store.KindDelete, id: id})
	delete(c.instances, id)
	c.forget(i.record.Instance.Digest)
}

// forget forgets an original that no instance refers to.
func (c *modelled) forget(digest string) {
	for _, i := range c.instances {
		if i.record.Instance.Digest == digest {
			return
		}
	}
	delete(c.originals, digest)
	delete(c.unsure, digest)
}

// refers reports whether an instance has a digest.
func (c *modelled) refers(digest string) bool {
	for _, i := range c.instances {
		if i.record.Instance.Digest == digest {
			return true
		}
	}
	return false
}

// discard amends whether originals are kept.
func (c *modelled) discard(yes bool) {
	if yes && !c.meta.DiscardOriginals {
		clear(c.originals)
		clear(c.unsure)
		for _, i := range c.instances {
			i.thumbnail = nil
		}
	}
	c.meta.DiscardOriginals = yes
}

// put returns what becomes of a batch: one record, or those of a file.
func (c *modelled) put(records []store.Record) ([]store.Outcome, error) {
	first := records[0]
	there := c.of(cmp.Or(first.Instance.File, first.Instance.ID))
	if err := c.refuses(records, there); err != nil {
		return nil, err
	}
	replaced := false
	for _, old := range there {
		isIn := slices.ContainsFunc(records, func(r store.Record) bool { return r.Instance.ID == old.record.Instance.ID })
		if !isIn && (first.Replace || old.record.Instance.Digest != first.Instance.Digest) {
			c.remove(old)
			replaced = true
		}
	}
	var outcomes []store.Outcome
	for _, r := range records {
		key, status := c.putOne(r)
		if replaced && status == store.Created {
			status = store.Replaced
		}
		outcomes = append(outcomes, store.Outcome{ID: r.Instance.ID, Key: key, Status: status})
	}
	if first.Original != nil && !c.meta.DiscardOriginals {
		c.originals[first.Instance.Digest] = true
		delete(c.unsure, first.Instance.Digest)
	}
	return outcomes, nil
}

// leave follows a call of Put: the original of a batch that was refused may stay for
// the sake of an instance that has its digest and came without, in the same call too.
func (c *modelled) leave(records []store.Record) {
	for _, r := range records {
		digest := r.Instance.Digest
		if r.Original != nil && !c.meta.DiscardOriginals && c.refers(digest) && !c.originals[digest] {
			c.unsure[digest] = true
		}
	}
}

// refuses returns why a batch is refused.
func (c *modelled) refuses(records []store.Record, there []*held) error {
	for _, r := range records {
		if r.Fingerprint != c.meta.Fingerprint {
			return store.ErrFingerprint
		}
		if len(r.Vector) != c.meta.Dimension {
			return store.ErrDimension
		}
		for _, l := range r.Labels {
			if _, err := c.meta.CheckLabel(l); err != nil {
				return store.ErrClass
			}
		}
	}
	first := records[0]
	missing := first.IfKey == store.Missing && len(there) > 0
	if missing || first.IfKey != 0 && first.IfKey != store.Missing && (len(there) == 0 || there[0].key != first.IfKey) {
		return store.ErrChanged
	}
	for _, old := range there {
		at := slices.IndexFunc(records, func(r store.Record) bool { return r.Instance.ID == old.record.Instance.ID })
		switch {
		case first.Replace:
		case at < 0 && old.record.Instance.Digest != first.Instance.Digest:
			return store.ErrConflict
		case at >= 0 && !old.fits(records[at].Instance):
			return store.ErrConflict
		}
	}
	return nil
}

// fits reports whether an instance is the one that is there, or adds to it.
func (i *held) fits(n store.Instance) bool {
	old := i.record.Instance
	fits := func(old, new string) bool { return old == "" || new == "" || old == new }
	return old.Digest == n.Digest && fits(old.Patient, n.Patient) && fits(old.Study, n.Study) && fits(old.Series, n.Series)
}

// putOne stores a record that is not refused.
func (c *modelled) putOne(r store.Record) (store.Key, store.PutStatus) {
	i, status := c.instances[r.Instance.ID], store.Created
	if i != nil {
		old := i.record.Instance
		r.Instance.Patient, r.Instance.Study = cmp.Or(r.Instance.Patient, old.Patient), cmp.Or(r.Instance.Study, old.Study)
		r.Instance.Series, r.Instance.Name = cmp.Or(r.Instance.Series, old.Series), cmp.Or(r.Instance.Name, old.Name)
		if status = store.Replaced; old.SameAs(r.Instance) {
			status = store.Unchanged
		}
	}
	if i == nil {
		i = &held{}
	}
	if status != store.Unchanged {
		old := i.record.Instance.Digest
		i.key, i.record, i.thumbnail = c.next(logLine{kind: store.KindPut, id: r.Instance.ID}), r, nil
		c.instances[r.Instance.ID] = i
		i.born = cmp.Or(i.born, i.key)
		if old != "" {
			c.forget(old)
		}
	}
	before := len(i.history)
	for _, l := range r.Labels {
		l.Instance = r.Instance.ID
		l, _ = c.meta.CheckLabel(l)
		c.say(i, l)
	}
	if status == store.Unchanged && len(i.history) > before {
		status = store.Updated
	}
	return i.key, status
}
