package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"nearcase/store"
)

// checkLog reads the log from a key on.
func (o *operating) checkLog(c *modelled) {
	since := store.Key(o.random.Uint64N(uint64(c.head) + 1))
	o.note("Log of %s since %d", c.meta.Name, since)
	last, seen := since, map[store.Key]bool{}
	for e, err := range o.catalog.Log(o.ctx, c.meta.Name, since) {
		if o.same(err, nil); err != nil {
			return
		}
		if e.Key <= last || e.Key > c.head {
			o.t.Errorf("Log: key %d after %d; the head is %d", e.Key, last, c.head)
		}
		last, seen[e.Key] = e.Key, true
		id := ""
		switch {
		case e.Kind == store.KindLabel:
			id = e.Label.Instance
		case e.Instance != nil:
			id = e.Instance.ID
		}
		if line := c.log[e.Key]; e.Kind != store.KindErased && (e.Kind != line.kind || id != line.id) {
			o.t.Errorf("Log: key %d is %s of %q, want %s of %q", e.Key, e.Kind, id, line.kind, line.id)
		}
	}
	for id, i := range c.instances {
		for _, s := range i.history {
			if s.key > since && !seen[s.key] {
				o.t.Errorf("Log: key %d is missing, a label of %s", s.key, id)
			}
		}
		if i.key > since && !seen[i.key] {
			o.t.Errorf("Log: key %d is missing, of %s", i.key, id)
		}
	}
	for key, line := range c.log {
		if line.kind == store.KindDelete && key > since && !seen[key] {
			o.t.Errorf("Log: key %d is missing, which deletes %s", key, line.id)
		}
	}
}

func (o *operating) checkAll() {
	for _, c := range o.model.collections {
		o.check(c)
		o.checkLog(c)
	}
	for n := range 6 {
		name := fmt.Sprintf("d%d", n)
		got, err := o.catalog.Document(o.ctx, "kind", name)
		if want, there := o.model.documents[name]; there {
			if o.same(err, nil); !bytes.Equal(got, want) {
				o.t.Errorf("Document %s: got %d bytes, want %d", name, len(got), len(want))
			}
		} else {
			o.same(err, store.ErrDocument)
		}
	}
}

// check compares everything that a collection has.
func (o *operating) check(c *modelled) {
	o.note("all of %s", c.meta.Name)
	meta, err := o.catalog.Collection(o.ctx, c.meta.Name)
	o.same(err, nil)
	status, err := o.catalog.Status(o.ctx, c.meta.Name)
	o.same(err, nil)
	if meta.Description != c.meta.Description || meta.DiscardOriginals != c.meta.DiscardOriginals || status.Instances != len(c.instances) || status.Head != c.head {
		o.t.Errorf("Status: got %+v and %+v, want %d instances, head %d and %+v", meta, status, len(c.instances), c.head, c.meta)
	}
	if got, err := meta.Task("finding"); err != nil || fmt.Sprint(got) != fmt.Sprint(*c.task("finding")) {
		o.t.Errorf("Collection: got task %+v, %v, want %+v", got, err, *c.task("finding"))
	}
	all, err := o.catalog.List(o.ctx, c.meta.Name, 0, 1000)
	o.same(err, nil)
	if want := c.inOrder(); !slices.EqualFunc(all, want, func(g store.Case, w *held) bool { return g.Key == w.key && g.Instance.ID == w.record.Instance.ID }) {
		o.t.Errorf("List: got %d instances that are not the %d", len(all), len(want))
		return
	}
	for _, g := range all {
		o.checkOne(c, g)
	}
	for name, want := range c.derived {
		if got, err := o.catalog.Derived(o.ctx, c.meta.Name, name); err != nil || !bytes.Equal(got, want) {
			o.t.Errorf("Derived %s: got %d bytes, %v, want %d", name, len(got), err, len(want))
		}
	}
}

func (o *operating) checkOne(c *modelled, g store.Case) {
	id := g.Instance.ID
	want := c.instances[id]
	w := want.record.Instance
	if !g.Instance.SameAs(w) || g.Instance.Name != w.Name || g.Instance.File != w.File || g.Instance.Frame != w.Frame {
		o.t.Errorf("%s: got %+v, want %+v", id, g.Instance, w)
	}
	labels := c.labels(want)
	for task, l := range labels {
		if !g.Labels[task].Says(l) || g.Labels[task].Source != l.Source || len(g.Labels[task].Opinions) != len(l.Opinions) {
			o.t.Errorf("%s: got %+v, want %+v", id, g.Labels[task], l)
		}
	}
	vector, err := o.catalog.Vector(o.ctx, c.meta.Name, id)
	if o.same(err, nil); !slices.Equal(vector, want.record.Vector) || len(labels) != len(g.Labels) {
		o.t.Errorf("%s: got vector %v and %d labels, want %v and %d", id, vector, len(g.Labels), want.record.Vector, len(labels))
	}
	history, err := o.catalog.History(o.ctx, c.meta.Name, id)
	if o.same(err, nil); !slices.EqualFunc(history, want.history, func(e store.Entry, s said) bool { return e.Key == s.key && e.Label.Says(s.label) }) {
		o.t.Errorf("History of %s: got %d entries, want %d", id, len(history), len(want.history))
	}
	if thumbnail, err := o.catalog.Thumbnail(o.ctx, c.meta.Name, want.key); want.thumbnail != nil && (err != nil || !bytes.Equal(thumbnail, want.thumbnail)) {
		o.t.Errorf("Thumbnail of %s: got %d bytes, %v, want %d", id, len(thumbnail), err, len(want.thumbnail))
	}
	o.checkOriginal(c, id, want)
}

func (o *operating) checkOriginal(c *modelled, id string, want *held) {
	digest := want.record.Instance.Digest
	if c.unsure[digest] {
		return
	}
	original, err := o.catalog.Original(o.ctx, c.meta.Name, id)
	if !c.originals[digest] {
		o.same(err, store.ErrOriginal)
		return
	}
	if o.same(err, nil); err != nil {
		return
	}
	defer original.Close()
	content, err := io.ReadAll(original)
	sum := sha256.Sum256(content)
	if err != nil || hex.EncodeToString(sum[:]) != digest {
		o.t.Errorf("Original of %s: got %d bytes of another digest, %v", id, len(content), err)
	}
}
