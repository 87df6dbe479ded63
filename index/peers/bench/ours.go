package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"nearcase/index"
)

// ours is an engine of package index as the harness measures it. Everything
// that depends on the package's API is in this file.
type ours struct {
	x    index.Index
	spec index.Spec
}

// newOurs returns an empty engine of the name that index.Spec gives it.
func newOurs(name string, dim, m, efConstruction int) (ours, error) {
	spec := index.Spec{Engine: name}
	if name == index.EngineGraph {
		spec.M, spec.EfConstruction = m, efConstruction
	}
	x, err := index.New(spec, dim)
	return ours{x, spec}, err
}

// addAll adds the vectors under their row numbers, and adapts the index to them.
// It keeps copies.
func (o ours) addAll(ctx context.Context, vectors [][]float32) error {
	keys := make([]uint64, len(vectors))
	for i := range keys {
		keys[i] = uint64(i)
	}
	if err := o.x.AddAll(keys, vectors); err != nil {
		return err
	}
	return index.Tune(ctx, o.x)
}

// save saves the index to a file, from which it then reads its vectors, and
// returns the seconds that took.
func (o ours) save(path string) (float64, error) {
	began := time.Now()
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s := index.Freeze(o.x)
	defer s.Discard()
	if err = s.Write(f, nil); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.Adopt(f)
	}
	return time.Since(began).Seconds(), err
}

// open opens a saved index and returns the seconds until it has answered.
func (o ours) open(path string, query []float32) (float64, error) {
	began := time.Now()
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	x, _, err := index.Load(f, o.spec, len(query))
	if err == nil {
		_, err = x.Search(query, 10, index.Filter{})
	}
	return time.Since(began).Seconds(), err
}

// setEf sets the width of a search. Engines without one know only 0.
func (o ours) setEf(ef int) error {
	switch x := o.x.(type) {
	case interface{ SetEfSearch(ef int) }:
		x.SetEfSearch(ef)
	case interface{ SetEf(ef int) }:
		x.SetEf(ef)
	default:
		if ef != 0 {
			return fmt.Errorf("engine %T has no ef", o.x)
		}
	}
	return nil
}

// search writes the row numbers of the k nearest into ids, which has length k.
func (o ours) search(query []float32, ids []uint32) error {
	found, err := o.x.Search(query, len(ids), index.Filter{})
	for i, n := range found {
		ids[i] = uint32(n.Key)
	}
	return err
}
