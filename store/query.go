package store

import (
	"fmt"
	"math"
	"slices"
)

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
	// Exclude removes cases, and Besides more of them: Kin is of each by itself.
	Exclude, Besides Exclude
	// OnePer keeps only the nearest case of each patient or study: Patients or
	// Studies, empty for all. Of Patients, cases of unknown ones count by their
	// study. Cases of unknown study count each for itself.
	OnePer string
	// Filter, if set, keeps only cases for which it holds. It is one that the
	// collection's tasks were compiled into.
	Filter *Condition
	// Match, if set, keeps only cases that it accepts. It is asked about the most
	// promising alone, sometimes twice, must not change what it is given, and may
	// be called from several goroutines.
	Match func(Instance, map[string]Label) bool
	// Exact asks for the exact answer whatever the engine.
	Exact bool
	// Brief answers with the key, the ID and the score of each case alone, for who
	// asks very often. It is for the level of instances.
	Brief bool
	// Level asks for whole series or studies; the zero value for instances.
	Level Level
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

// Level is what answers a query: instances, or groups of them by their pooled
// vectors.
//
// A group's vector is its members' vectors, pooled and brought to unit length.
// A group answers where one of its members would, unless one is excluded. Its
// label for a task is what its labelled members say together: see Together.
// Instances that are in no
// series or study answer only as instances. A search at these levels is exact.
type Level struct {
	// Of is Instances, Series or Studies.
	Of string
	// Pool is Mean or Max; empty is Mean.
	Pool string
}

// Patients is a value of Query.OnePer.
const Patients = "patient"

// The values of a Level.
const (
	Instances = ""
	Series    = "series"
	Studies   = "study"

	Mean = "mean" // the members' mean
	Max  = "max"  // the largest of each component
)

// CheckOnePer returns ErrInvalid unless one per what is asked for can be.
func (q Query) CheckOnePer() error {
	if q.OnePer != "" && q.OnePer != Patients && q.OnePer != Studies {
		return fmt.Errorf("one case per %.80q: %w: use patient or study", q.OnePer, ErrInvalid)
	}
	return nil
}

// Check returns ErrInvalid unless the level is one of those there are.
func (l Level) Check() error {
	if l.Of != Instances && l.Of != Series && l.Of != Studies {
		return fmt.Errorf("level %q: %w: use instance, series or study", l.Of, ErrInvalid)
	}
	if l.Pool != "" && l.Pool != Mean && l.Pool != Max {
		return fmt.Errorf("pooling %q: %w: use mean or max", l.Pool, ErrInvalid)
	}
	return nil
}

// Pooled returns the vectors pooled as a Level says, at unit length, and false
// where that has none: for no vectors, or for such as cancel out.
func Pooled(vectors [][]float32, pool string) ([]float32, bool) {
	if len(vectors) == 0 {
		return nil, false
	}
	if len(vectors) == 1 { // as it is, to the last bit
		return slices.Clone(vectors[0]), true
	}
	sum := make([]float64, len(vectors[0]))
	for n, v := range vectors {
		for i, x := range v {
			switch {
			case pool == Max && n > 0:
				sum[i] = max(sum[i], float64(x))
			default:
				sum[i] += float64(x)
			}
		}
	}
	square := 0.0
	for _, x := range sum {
		square += x * x
	}
	unit := make([]float32, len(sum))
	for i, x := range sum {
		unit[i] = float32(x / math.Sqrt(square))
	}
	return unit, square > 1e-12
}
