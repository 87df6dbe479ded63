package store

import "slices"

// Query asks for the cases nearest to a vector.
type Query struct {
	// Vector has unit length and the collection's dimension.
	Vector []float32
	// K is how many cases to return; fewer come back only when fewer match.
	K int
	// Labelled keeps only cases with a label for this task; empty keeps all.
	Labelled string
	// Exclude removes cases.
	Exclude Exclude
	// Exact asks for the exact answer whatever the engine.
	Exact bool
}

// Exclude names what an answer must not contain. Empty identifiers exclude
// nothing: instances of unknown patients do not belong together.
type Exclude struct {
	Instances, Studies, Patients []string
	// Digests excludes copies of an image under any ID.
	Digests []string
}

// Set prepares the exclusion for many lookups.
func (e Exclude) Set() ExcludeSet {
	return ExcludeSet{set(e.Instances), set(e.Studies), set(e.Patients), set(e.Digests)}
}

// ExcludeSet is an Exclude with quick lookup.
type ExcludeSet struct {
	instances, studies, patients, digests map[string]bool
}

// Has reports whether an instance is excluded.
func (e ExcludeSet) Has(i *Instance) bool {
	return e.instances[i.ID] || e.studies[i.Study] || e.patients[i.Patient] || e.digests[i.Digest]
}

func set(texts []string) map[string]bool {
	texts = slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "" })
	if len(texts) == 0 {
		return nil
	}
	m := make(map[string]bool, len(texts))
	for _, t := range texts {
		m[t] = true
	}
	return m
}
