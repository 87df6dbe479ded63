package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"nearcase/store"
)

// OperationOptions bound a run of Operations.
type OperationOptions struct {
	// Seed decides everything: the same one asks for the same operations.
	Seed uint64
	// Most operations, of all rounds of Length; 0 is one round. For ends the run, if
	// not 0.
	Most, Length int
	For          time.Duration
}

// Operations asks a catalog for operations at random and compares every answer with
// that of a model in memory. Each round is of a catalog of its own, which is closed
// and opened again at times. A round that fails tells its seed and all it has asked.
func Operations(t *testing.T, open func(t *testing.T, place string) store.Catalog, o OperationOptions) {
	began := time.Now()
	for n := 0; n == 0 || n*o.Length < o.Most || time.Since(began) < o.For; n++ {
		seed := o.Seed + uint64(n)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { round(t, open, seed, o.Length) })
		if t.Failed() {
			return
		}
	}
}

// operating is one round.
type operating struct {
	t       *testing.T
	random  *rand.Rand
	open    func(t *testing.T, place string) store.Catalog
	place   string
	catalog store.Catalog
	ctx     context.Context
	model   *world
	asked   []string
}

func round(t *testing.T, open func(t *testing.T, place string) store.Catalog, seed uint64, length int) {
	o := &operating{t: t, random: rand.New(rand.NewPCG(seed, 5)), open: open, place: t.TempDir(), ctx: t.Context(), model: newWorld()}
	o.catalog = open(t, o.place)
	defer func() { must(t, o.catalog.Close()) }()
	defer func() {
		if t.Failed() {
			for n, a := range o.asked {
				t.Logf("%4d %s", n, a)
			}
		}
	}()
	for range length {
		if o.ask(); t.Failed() {
			return
		}
	}
	o.reopen()
	o.checkAll()
}

// note keeps what is asked.
func (o *operating) note(format string, args ...any) {
	o.asked = append(o.asked, fmt.Sprintf(format, args...))
}

// same checks an error: want nil is none.
func (o *operating) same(got, want error) {
	o.t.Helper()
	if (got == nil) != (want == nil) || want != nil && !errors.Is(got, want) {
		o.t.Errorf("%s: got error %v, want %v", o.asked[len(o.asked)-1], got, want)
	}
}

// operationsOf are all kinds, each as often as its weight says.
var operationsOf = []struct {
	weight int
	do     func(*operating, *modelled)
}{
	{30, (*operating).put}, {6, (*operating).putFile}, {18, (*operating).label}, {8, (*operating).delete}, {3, (*operating).deleteAll},
	{2, (*operating).erase}, {1, (*operating).compact}, {1, (*operating).reindex}, {2, (*operating).amend}, {2, (*operating).declare},
	{2, (*operating).configure}, {4, (*operating).derive}, {4, (*operating).thumbnail}, {6, (*operating).searchExact}, {6, (*operating).find},
	{3, (*operating).checkLog}, {2, (*operating).check},
}

// ask asks for one operation.
func (o *operating) ask() {
	switch n := o.random.IntN(100); {
	case len(o.model.collections) == 0 || n < 1:
		o.create()
		return
	case n < 2:
		o.drop()
		return
	case n < 4:
		o.reopen()
		return
	case n < 10:
		o.document()
		return
	}
	c := o.model.any(o.random)
	total := 0
	for _, k := range operationsOf {
		total += k.weight
	}
	n := o.random.IntN(total)
	for _, k := range operationsOf {
		if n -= k.weight; n < 0 {
			k.do(o, c)
			return
		}
	}
}

func (o *operating) create() {
	c := Collection(fmt.Sprintf("c%d", o.random.IntN(3)))
	c.Dimension = 1 + o.random.IntN(24)
	c.Index.Engine = []string{"", "exact", "graph"}[o.random.IntN(3)]
	c.DiscardOriginals = o.random.IntN(5) == 0
	o.note("Create %s of dimension %d with engine %q, originals discarded: %v", c.Name, c.Dimension, c.Index.Engine, c.DiscardOriginals)
	err := o.catalog.Create(o.ctx, c)
	if o.model.collections[c.Name] != nil {
		o.same(err, store.ErrExists)
		return
	}
	o.same(err, nil)
	o.model.collections[c.Name] = newModelled(c)
}

func (o *operating) drop() {
	c := o.model.any(o.random)
	o.note("Drop %s", c.meta.Name)
	o.same(o.catalog.Drop(o.ctx, c.meta.Name), nil)
	delete(o.model.collections, c.meta.Name)
}

func (o *operating) reopen() {
	o.note("Close and Open")
	o.same(o.catalog.Close(), nil)
	o.catalog = o.open(o.t, o.place)
}

func (o *operating) document() {
	name := fmt.Sprintf("d%d", o.random.IntN(6))
	if o.random.IntN(4) == 0 {
		o.note("DropDocument %s", name)
		o.same(o.catalog.DropDocument(o.ctx, "kind", name), nil)
		delete(o.model.documents, name)
		return
	}
	data := o.bytes()
	o.note("SaveDocument %s of %d bytes", name, len(data))
	o.same(o.catalog.SaveDocument(o.ctx, "kind", name, data), nil)
	o.model.documents[name] = data
}

func (o *operating) bytes() []byte {
	data := make([]byte, o.random.IntN(2000))
	for i := range data {
		data[i] = byte(o.random.Uint32())
	}
	return data
}

func (o *operating) compact(*modelled) {
	o.note("Compact")
	_, err := o.catalog.Compact(o.ctx, nil)
	o.same(err, nil)
}

func (o *operating) reindex(c *modelled) {
	engine := []string{"exact", "graph", "auto"}[o.random.IntN(3)]
	o.note("Reindex %s to %s", c.meta.Name, engine)
	_, err := o.catalog.Reindex(o.ctx, c.meta.Name, store.Reindexing{Index: store.Index{Engine: engine}, MinRecall: 0.01}, nil)
	o.same(err, nil)
	c.meta.Index = store.Index{Engine: engine}
}

func (o *operating) amend(c *modelled) {
	a := store.Amendment{}
	if o.random.IntN(2) == 0 {
		text := fmt.Sprintf("description %d", o.random.IntN(100))
		a.Description, c.meta.Description = &text, text
	} else {
		discard := o.random.IntN(2) == 0
		a.DiscardOriginals = &discard
		c.discard(discard)
	}
	o.note("Amend %s: %s, originals discarded: %v", c.meta.Name, c.meta.Description, c.meta.DiscardOriginals)
	o.same(o.catalog.Amend(o.ctx, c.meta.Name, a), nil)
}

func (o *operating) declare(c *modelled) {
	more := []store.Task{{Name: "finding", Multi: o.random.IntN(8) == 0, Classes: []string{fmt.Sprintf("class%d", o.random.IntN(6))}}}
	o.note("Declare %+v in %s", more, c.meta.Name)
	err := o.catalog.Declare(o.ctx, c.meta.Name, more)
	if more[0].Multi {
		o.same(err, store.ErrInvalid)
		return
	}
	o.same(err, nil)
	c.meta.Tasks, err = store.Merge(c.meta.Tasks, more)
	must(o.t, err)
}

func (o *operating) configure(c *modelled) {
	s := store.Settings{Neighbours: o.random.IntN(30), Coverage: float64(o.random.IntN(12)) / 10, Balanced: o.random.IntN(2) == 0}
	o.note("Configure finding of %s: %+v", c.meta.Name, s)
	err := o.catalog.Configure(o.ctx, c.meta.Name, "finding", s)
	if s.Coverage >= 1 {
		o.same(err, store.ErrInvalid)
		return
	}
	o.same(err, nil)
	c.task("finding").Settings = s
}

func (o *operating) derive(c *modelled) {
	name := fmt.Sprintf("name%d", o.random.IntN(3))
	if o.random.IntN(4) == 0 {
		o.note("DropDerived %s of %s", name, c.meta.Name)
		o.same(o.catalog.DropDerived(o.ctx, c.meta.Name, name), nil)
		delete(c.derived, name)
		return
	}
	data := o.bytes()
	o.note("SaveDerived %s of %s, %d bytes", name, c.meta.Name, len(data))
	o.same(o.catalog.SaveDerived(o.ctx, c.meta.Name, name, data), nil)
	c.derived[name] = data
}

func (o *operating) thumbnail(c *modelled) {
	key := store.Key(1 + o.random.Uint64N(uint64(c.head)+1))
	data := o.bytes()
	o.note("SaveThumbnail of key %d of %s, %d bytes", key, c.meta.Name, len(data))
	err := o.catalog.SaveThumbnail(o.ctx, c.meta.Name, key, data)
	if i := c.ofKey(key); i != nil && !c.meta.DiscardOriginals {
		o.same(err, nil)
		i.thumbnail = data
		return
	}
	o.same(err, store.ErrInstance)
}
