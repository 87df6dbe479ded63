package local

import (
	"maps"
	"slices"
	"strings"

	"nearcase/index"
	"nearcase/store"
)

// share notes which traces others have left too, and takes the rest down to be
// looked for.
func (e *eraser) share() error {
	texts, digests := map[string]bool{e.patient: true}, map[string]bool{}
	for _, row := range e.rows {
		for _, text := range []string{row.ID, row.File, row.Study, row.Series} {
			texts[text] = text != ""
		}
		if row.Study != "" && !slices.Contains(e.Studies, row.Study) {
			e.Studies = append(e.Studies, row.Study)
		}
		for _, digest := range []string{row.Digest, row.Original()} {
			digests[digest] = digest != ""
		}
	}
	all := e.c.catalog.all()
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		switch shared := slices.ContainsFunc(all, func(c *collection) bool { return c.names(text) }); {
		case shared && text != e.patient:
			e.SharedNames++
		case texts[text] && !shared:
			e.Traces.Texts = append(e.Traces.Texts, text)
		}
	}
	for _, digest := range slices.Sorted(maps.Keys(digests)) {
		if digests[digest] && !e.c.catalog.hasDigest(digest) {
			e.Traces.Digests = append(e.Traces.Digests, digest)
		}
	}
	for _, c := range all {
		if c != e.c && c.isOf(e.patient) {
			e.Elsewhere = append(e.Elsewhere, strings.TrimPrefix(c.description().Name, store.ShadowName("")))
		}
	}
	e.Elsewhere = united(e.Elsewhere, nil)
	return e.shareVectors(all)
}

// names reports whether an instance that is there has a text as a name.
func (c *collection) names(text string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, id := c.ids[text]
	return id || len(c.files[text])+len(c.patients[text])+len(c.studies[text])+len(c.series[text])+len(c.digests[text]) > 0
}

func (c *collection) isOf(patient string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.patients[patient]) > 0
}

// hasDigest reports whether anything is of an image, or called by its digest.
func (l *Catalog) hasDigest(digest string) bool {
	return l.originals.needs(digest) || slices.ContainsFunc(l.all(), func(c *collection) bool { return c.names(digest) })
}

// shareVectors leaves out the vectors that other instances have to the last bit.
func (e *eraser) shareVectors(all []*collection) error {
	for _, v := range e.vectors {
		shared := false
		for _, c := range all {
			has, err := c.hasVector(v)
			if err != nil {
				return err
			}
			shared = shared || has
		}
		if shared {
			e.SharedVectors++
		} else {
			e.Traces.Vectors = append(e.Traces.Vectors, v)
		}
	}
	return nil
}

// alike is how many of the nearest vectors are compared: those of almost unit
// length may be nearer to a vector than it is to itself.
const alike = 16

// hasVector reports whether one of the nearest vectors is this one.
func (c *collection) hasVector(v []float32) (bool, error) {
	if c.description().Dimension != len(v) {
		return false, nil
	}
	engine, f, err := c.prepare(store.Query{})
	if err != nil {
		return false, err
	}
	found, err := engine.SearchExact(v, alike, f)
	if err != nil {
		return false, translate(err)
	}
	return slices.ContainsFunc(found, func(n index.Neighbour) bool {
		got, _ := engine.Vector(n.Key)
		return slices.Equal(got, v)
	}), nil
}
