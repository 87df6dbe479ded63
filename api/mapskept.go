package api

import (
	"context"
	"slices"
	"sync"
)

// mostMaps is how many maps are kept at most.
const mostMaps = 4

// atlas keeps the maps that were asked for last.
type atlas struct {
	mu   sync.Mutex
	kept []*keptMap // the one asked for last first
}

// keptMap is a map, or one that is being made.
type keptMap struct {
	collection string
	head       uint64
	known      string // what it is made of
	turn       chan struct{}
	made       *Map // by who has the turn; nil until then
}

// of returns the place of a map. Those of the collection as it was before are given
// up, and the one that was asked for longest ago if there are too many.
func (a *atlas) of(m *mapping) *keptMap {
	a.mu.Lock()
	defer a.mu.Unlock()
	name, head := visibleName(m.collection.Name), uint64(m.status.Head)
	at := slices.IndexFunc(a.kept, func(k *keptMap) bool { return k.known == m.known })
	var k *keptMap
	if at >= 0 {
		k = a.kept[at]
		a.kept = slices.Delete(a.kept, at, at+1)
	} else {
		k = &keptMap{collection: name, head: head, known: m.known, turn: make(chan struct{}, 1)}
	}
	a.kept = slices.DeleteFunc(a.kept, func(o *keptMap) bool { return o.collection == name && o.head < head })
	a.kept = slices.Insert(a.kept[:min(len(a.kept), mostMaps-1)], 0, k)
	return k
}

// forget gives up the maps of a collection.
func (a *atlas) forget(collection string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept = slices.DeleteFunc(a.kept, func(k *keptMap) bool { return k.collection == visibleName(collection) })
}

// draw returns the map, which one of those who ask makes while the others wait. One
// that could not be made is made by the next.
func (k *keptMap) draw(ctx context.Context, draw func(context.Context) (Map, error)) (Map, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return Map{}, ctx.Err()
	}
	if k.made == nil {
		made, err := draw(ctx)
		if err != nil {
			return Map{}, err
		}
		k.made = &made
	}
	return *k.made, nil
}
