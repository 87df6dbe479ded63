package store

import "time"

// KindErased stands in the log where something was that has been erased, or that
// was of an instance deleted since when the log was compacted. It names nothing.
// Who follows a log and has read what it retires begins anew: nothing tells what
// to take back. A log that is read from its beginning tells what there is without
// it.
const KindErased Kind = "erased"

// Erased says what was erased of a patient in one collection. With an error it
// tells of nothing, unless Instances says that these are gone nonetheless.
type Erased struct {
	// Instances, and all Labels that were ever stored of them.
	Instances int `json:"instances"`
	Labels    int `json:"labels"`
	// Originals that were removed, and their Bytes.
	Originals int   `json:"originals"`
	Bytes     int64 `json:"bytes"`
	// Derived counts what was derived from the collection and is gone: it may have
	// learnt from the instances.
	Derived int `json:"derived"`
	// Indexed is how many vectors the index has, in which nothing is of them.
	Indexed int `json:"indexed"`
	// SharedOriginals stay because other instances are of the same image,
	// SharedVectors because those of other images are the same, and SharedNames,
	// of studies for example, because other instances have them too.
	SharedOriginals int `json:"shared_originals"`
	SharedVectors   int `json:"shared_vectors"`
	SharedNames     int `json:"shared_names"`
	// Elsewhere names the other collections that have instances of a patient
	// called alike.
	Elsewhere []string `json:"elsewhere,omitempty"`
	// Studies that the instances were in.
	Studies []string `json:"-"`
	// Traces are what nothing should be found of any more.
	Traces Traces `json:"-"`
}

// Traces are what would tell that something has not been erased. What other
// instances have too is not among them.
type Traces struct {
	// Texts are names: of instances, files, studies, series and patients.
	Texts []string
	// Digests are SHA-256, in lower-case hex.
	Digests []string
	Vectors [][]float32
}

// Len is how many traces there are.
func (t Traces) Len() int { return len(t.Texts) + len(t.Digests) + len(t.Vectors) }

// Sought says where traces were looked for.
type Sought struct {
	// Files and Bytes that were read, names of files among them.
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// Matches is how many traces were found, and In the first files that have any.
	Matches int      `json:"matches"`
	In      []string `json:"in,omitempty"`
	// Short counts the texts that were not looked for: they are so short that they
	// are found by chance.
	Short int `json:"short"`
}

// Compacted says what rewriting a store did.
type Compacted struct {
	// Kept counts the log entries, vectors and descriptions that were written anew,
	// and Erased the entries among them that name nothing any more.
	Kept   int `json:"kept"`
	Erased int `json:"erased"`
	// Before and After are what it took of the disk, in bytes.
	Before int64         `json:"bytes_before"`
	After  int64         `json:"bytes_after"`
	Took   time.Duration `json:"took_ns"`
}
