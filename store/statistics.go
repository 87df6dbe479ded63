package store

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// Statistics count what a collection has, and say what it takes of the disk.
type Statistics struct {
	// Instances with their vectors, and whom and what they are of as far as that is
	// known. Files are those with several images.
	Instances int `json:"instances"`
	Patients  int `json:"patients"`
	Studies   int `json:"studies"`
	Series    int `json:"series"`
	Files     int `json:"files"`
	// Added is when the first and the last of the instances were.
	First time.Time `json:"first_added,omitzero"`
	Last  time.Time `json:"last_added,omitzero"`
	// Labels are all that were ever stored of the instances, corrections included.
	Labels int                       `json:"labels"`
	Tasks  map[string]TaskStatistics `json:"tasks"`
	// MediaTypes counts instances by that of their file.
	MediaTypes map[string]int `json:"media_types"`
	// Fields are those of the metadata, by name.
	Fields []FieldStatistics `json:"fields"`
	// Deleted counts the instances that were deleted since the store was compacted
	// last: their bytes are still in the log.
	Deleted int  `json:"deleted_not_compacted"`
	Disk    Disk `json:"disk_bytes"`
}

// TaskStatistics count the instances with a label for a task, and those with each
// class.
type TaskStatistics struct {
	Labelled int            `json:"labelled"`
	Classes  map[string]int `json:"classes"`
}

// FieldStatistics tell of one field of the metadata.
type FieldStatistics struct {
	Field string `json:"field"`
	// Instances that have it.
	Instances int `json:"instances"`
	// Distinct values that there are; those beyond MaxValues are not told apart.
	Distinct int `json:"distinct"`
	// Values are the most frequent ones, of which there are Others besides.
	Values []ValueCount `json:"values"`
	Others int          `json:"others"`
}

// ValueCount is how many instances have a value.
type ValueCount struct {
	Value     string `json:"value"`
	Instances int    `json:"instances"`
}

// Bounds of Statistics.
const (
	MaxFields = 256  // fields that are told of, the first that were met
	MaxValues = 1000 // of a field that are told apart
	TopValues = 20   // of a field that are returned
)

// Disk is what a collection takes of the disk, in bytes.
type Disk struct {
	// Log is about what its entries and vectors take, without what was deleted.
	Log int64 `json:"log"`
	// Originals may be another collection's too.
	Originals int64 `json:"originals"`
	Index     int64 `json:"index"`
	// Derived is what has been made from it, thumbnails too.
	Derived int64 `json:"derived"`
}

// Amendment changes what a collection is. What is nil stays.
type Amendment struct {
	// Description is for people.
	Description *string `json:"description,omitempty"`
	// DiscardOriginals removes the originals there are, with their thumbnails, and
	// keeps none from then on. Taken back it keeps those that come: an image that is
	// stored again brings its original.
	DiscardOriginals *bool `json:"discard_originals,omitempty"`
	// MaxInstances and MaxBytes are the quota; 0 takes it away.
	MaxInstances *int   `json:"max_instances,omitempty"`
	MaxBytes     *int64 `json:"max_bytes,omitempty"`
}

// maxDescription bounds a collection's description, in bytes.
const maxDescription = 4096

// checkDescription accepts printable UTF-8 and line ends.
func checkDescription(text string) error {
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) && r != '\n' {
			return fmt.Errorf("description: %w: %q in it; use printable UTF-8", ErrInvalid, r)
		}
	}
	if len(text) > maxDescription {
		return fmt.Errorf("description: %w: %d bytes; at most %d", ErrInvalid, len(text), maxDescription)
	}
	return nil
}
