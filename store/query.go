package store

// Query asks for the cases nearest to a vector.
type Query struct {
	// Vector has unit length and the collection's dimension.
	Vector []float32
	// K is how many cases to return; fewer come back only when fewer match.
	K int
	// Labelled keeps only cases with a label for this task; empty keeps all.
	Labelled string
	// Classes, if any, keeps only cases whose label for Labelled has one of them.
	Classes []string
	// Exclude removes cases.
	Exclude Exclude
	// OnePerPatient keeps only the nearest case of each patient. Cases of unknown
	// patients count by their study, and those of unknown study each for itself.
	OnePerPatient bool
	// Match, if set, keeps only cases that it accepts. It is asked about the most
	// promising alone, sometimes twice, must not change what it is given, and may
	// be called from several goroutines.
	Match func(Instance, map[string]Label) bool
	// Exact asks for the exact answer whatever the engine.
	Exact bool
}

// Exclude names what an answer must not contain. Empty identifiers exclude
// nothing: instances of unknown patients do not belong together.
type Exclude struct {
	Instances, Patients, Studies, Series []string
	// Digests excludes copies of an image under any ID.
	Digests []string
	// Kin excludes also the kin of what Instances, Patients and Digests name,
	// and of what Studies and Series name if Patients is empty.
	Kin bool
}

// Families divides instances into kin: those that are known to be of one
// patient. Kin have the same patient, or are the same image, or are of one
// study or series in which some patient is unknown, or a chain of such pairs
// connects them. (Studies of different patients may well be called alike.)
// Families returns for each instance the position of the first of its kin.
func Families(instances []Instance) []int {
	unsure := map[string]bool{} // studies and series with an unknown patient
	for _, i := range instances {
		if i.Patient == "" {
			unsure["study "+i.Study], unsure["series "+i.Series] = true, true
		}
	}
	f := families{parent: make([]int, len(instances)), first: map[string]int{}}
	for n, i := range instances {
		f.parent[n] = n
		f.share(n, "patient "+i.Patient, i.Patient != "")
		f.share(n, "digest "+i.Digest, i.Digest != "")
		f.share(n, "study "+i.Study, i.Study != "" && unsure["study "+i.Study])
		f.share(n, "series "+i.Series, i.Series != "" && unsure["series "+i.Series])
	}
	for n := range f.parent {
		f.parent[n] = f.root(n)
	}
	return f.parent
}

// families is a forest of disjoint sets, each rooted in its smallest member.
type families struct {
	parent []int
	first  map[string]int // instance that had an identifier first
}

func (f *families) root(n int) int {
	for f.parent[n] != n {
		f.parent[n] = f.parent[f.parent[n]]
		n = f.parent[n]
	}
	return n
}

// share connects an instance with the first that has the same identifier.
func (f *families) share(n int, identifier string, known bool) {
	if !known {
		return
	}
	first, ok := f.first[identifier]
	if !ok {
		f.first[identifier] = n
		return
	}
	i, j := f.root(first), f.root(n)
	f.parent[max(i, j)] = min(i, j)
}
