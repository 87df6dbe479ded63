package store

import "time"

// The kinds of what Verify reads, and of what it finds.
const (
	OfEntry      = "entry"      // of the log: an instance, a label, a deletion
	OfVector     = "vector"     // of the log
	OfOriginal   = "original"   // the file of an image as it was received
	OfIndex      = "index"      // in memory, by which searches are answered
	OfSnapshot   = "snapshot"   // what the next start reads instead of the log
	OfDerived    = "derived"    // what others have derived, probes' statistics too
	OfThumbnail  = "thumbnail"  //
	OfDocument   = "document"   // keys, jobs, receipts
	OfCollection = "collection" // its description
	OfModel      = "model"      // the network, by embedding originals again
	OfProbe      = "probe"      // the served one, beside one of all labels at once
)

// MaxFindings bounds how many Verify returns; it counts all.
const MaxFindings = 1000

// Verified is what Verify has read of a store, and what is wrong with it.
type Verified struct {
	// Collections counts those that were read, Read what was read in them by kind
	// (see OfEntry), and Bytes is of originals.
	Collections int            `json:"collections"`
	Read        map[string]int `json:"read"`
	Bytes       int64          `json:"original_bytes"`
	// Found counts all findings, of which Findings has the first MaxFindings in the
	// order in which they were found.
	Found    int           `json:"found"`
	Findings []Finding     `json:"findings"`
	Took     time.Duration `json:"took_ns"`
}

// Finding is something that is not as it was stored.
type Finding struct {
	Collection string `json:"collection,omitempty"`
	// What kind it is of: see OfEntry.
	What string `json:"what"`
	// Key of the log entry, 0 for what has none.
	Key Key `json:"key,omitempty"`
	// Name of what has one: an instance's ID, a document's kind and name.
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason"`
	// Mended tells that it was derived, and is derived anew without being asked.
	Mended bool `json:"mended,omitempty"`
}

// Find adds a finding.
func (v *Verified) Find(f Finding) {
	if v.Found++; len(v.Findings) < MaxFindings {
		v.Findings = append(v.Findings, f)
	}
}

// IsWhole reports whether nothing is wrong but what is mended.
func (v *Verified) IsWhole() bool {
	if v.Found > len(v.Findings) {
		return false
	}
	for _, f := range v.Findings {
		if !f.Mended {
			return false
		}
	}
	return true
}
