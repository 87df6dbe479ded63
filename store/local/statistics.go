package local

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
)

// Statistics implements store.Catalog. It looks at every instance and at every
// original, without keeping others from the lock for long.
func (l *Catalog) Statistics(ctx context.Context, name string) (store.Statistics, error) {
	c, err := l.collection(ctx, name)
	if err != nil {
		return store.Statistics{}, err
	}
	n := counting{c: c, fields: map[string]*counted{}, originals: map[string]bool{}}
	n.MediaTypes, n.Tasks = map[string]int{}, map[string]store.TaskStatistics{}
	for keys := range slices.Chunk(n.begin(), findPage) {
		if err := ctx.Err(); err != nil {
			return store.Statistics{}, err
		}
		n.look(keys)
	}
	n.endFields()
	if err := n.disk(ctx); err != nil {
		return store.Statistics{}, fmt.Errorf("statistics of %s: %w", name, err)
	}
	return n.Statistics, nil
}

// counting is one call of Statistics.
type counting struct {
	store.Statistics
	c         *collection
	fields    map[string]*counted
	originals map[string]bool
}

// counted are the values of one field.
type counted struct {
	instances int
	values    map[string]int
	others    int // instances with values beyond those told apart
}

// begin counts what is known as a whole, and returns the keys of the instances.
func (n *counting) begin() []store.Key {
	c := n.c
	c.mu.RLock()
	defer c.mu.RUnlock()
	n.Instances, n.Patients, n.Studies, n.Series, n.Files = len(c.rows), len(c.patients), len(c.studies), len(c.series), len(c.files)
	n.Deleted = c.deleted
	for _, task := range c.meta.Tasks {
		t := store.TaskStatistics{Classes: c.counts(task.Name)}
		if of, ok := c.labelled[task.Name]; ok {
			t.Labelled = of.all.set.Len()
		}
		n.Tasks[task.Name] = t
	}
	for _, s := range c.labels {
		n.Labels += len(s.keys)
	}
	return c.live()
}

// look counts instances, of which some may have gone meanwhile.
func (n *counting) look(keys []store.Key) {
	n.c.mu.RLock()
	defer n.c.mu.RUnlock()
	for _, key := range keys {
		if i := n.c.rows[key]; i != nil {
			n.count(i)
		}
	}
}

func (n *counting) count(i *store.Instance) {
	if n.First.IsZero() || i.Added.Before(n.First) {
		n.First = i.Added
	}
	if i.Added.After(n.Last) {
		n.Last = i.Added
	}
	n.MediaTypes[i.MediaType]++
	if digest := n.c.original(i); digest != "" {
		n.originals[digest] = true
	}
	for field, value := range i.Metadata {
		f := n.fields[field]
		if f == nil {
			if len(n.fields) == store.MaxFields {
				continue
			}
			f = &counted{values: map[string]int{}}
			n.fields[field] = f
		}
		f.add(value)
	}
}

func (f *counted) add(value string) {
	f.instances++
	if f.values[value] == 0 && len(f.values) == store.MaxValues {
		f.others++
		return
	}
	f.values[value]++
}

// endFields sorts the fields, and the values of each.
func (n *counting) endFields() {
	n.Fields = make([]store.FieldStatistics, 0, len(n.fields))
	for _, name := range slices.Sorted(maps.Keys(n.fields)) {
		f := n.fields[name]
		of := store.FieldStatistics{Field: name, Instances: f.instances, Distinct: len(f.values), Others: f.others}
		for value, count := range f.values {
			of.Values = append(of.Values, store.ValueCount{Value: value, Instances: count})
		}
		slices.SortFunc(of.Values, func(a, b store.ValueCount) int {
			return cmp.Or(cmp.Compare(b.Instances, a.Instances), cmp.Compare(a.Value, b.Value))
		})
		top := min(len(of.Values), store.TopValues)
		for _, rest := range of.Values[top:] {
			of.Others += rest.Instances
		}
		of.Values = of.Values[:top:top]
		n.Fields = append(n.Fields, of)
	}
}

// disk adds up the files and what the log has.
func (n *counting) disk(ctx context.Context) error {
	for digest := range n.originals {
		if err := ctx.Err(); err != nil {
			return err
		}
		if info, err := n.c.catalog.files.Stat(n.c.catalog.originals.path(digest)); err == nil {
			n.Disk.Originals += occupied(info)
		}
	}
	of := n.c.catalog.files.size
	n.Disk.Index, n.Disk.Derived = of(n.c.snapshotPath())+of(n.c.rowsPath()), of(n.c.derivedDir())
	return n.c.catalog.view(func(t *badger.Txn) error {
		it := t.NewIterator(badger.IteratorOptions{Prefix: logKeys(n.c.number)})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			n.Disk.Log += it.Item().EstimatedSize()
		}
		return ctx.Err()
	})
}
