package local

import (
	"encoding/json"
	"fmt"
	"runtime"

	"nearcase/store"
)

// OpenChoosing is Open with another rule for which engine a collection gets that
// leaves it to the program.
func OpenChoosing(dir string, o Options, choose func(n, dimension int) string) (*Catalog, error) {
	o.choose = choose
	return Open(dir, o)
}

// Upkeep does now what the maintenance does after commits.
func (l *Catalog) Upkeep() { l.upkeep(busy) }

// UpkeepWhenQuiet does now what the maintenance does after a while without any.
func (l *Catalog) UpkeepWhenQuiet() { l.upkeep(quiet) }

// Dir is where the catalog keeps its data.
func (l *Catalog) Dir() string { return l.dir }

// WriteEntry puts an entry into the log as another program would have, for the
// next Open to find.
func (l *Catalog) WriteEntry(collection uint32, key store.Key, json string) error {
	return l.set(logKey(collection, key, entrySuffix), seal([]byte(json)))
}

// Describe is WriteEntry for the description of a collection.
func (l *Catalog) Describe(collection uint32, json string) error {
	return l.set(collectionKey(collection), seal([]byte(json)))
}

// LabelMemory returns how many bytes each of n labels takes, and each of as many
// corrections of them, read from a log. Every one is of its own instance.
func LabelMemory(n int, text func(id string) string) (label, correction float64, err error) {
	meta := described{Collection: store.Collection{Tasks: []store.Task{{Name: "finding", Classes: []string{"normal", "pneumonia"}}}}}
	c := newCollection(nil, 1, meta)
	for i := range n {
		id := fmt.Sprintf("%064d", i)
		c.rows[store.Key(i+1)], c.ids[id] = &store.Instance{ID: id}, store.Key(i+1)
	}
	key := store.Key(n)
	var used [3]uint64
	for round := range used {
		for i := 0; i < n && round > 0 && err == nil; i++ {
			var l store.Label
			err = json.Unmarshal([]byte(text(c.rows[store.Key(i+1)].ID)), &l)
			key++
			c.label(key, l)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		used[round] = m.HeapAlloc
	}
	runtime.KeepAlive(c)
	return float64(used[1]-used[0]) / float64(n), (float64(used[2]) - float64(used[1])) / float64(n), err
}
