package local

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	"nearcase/store"
)

// check reports why the batch cannot be stored in the collection, and completes
// its labels.
func (b batch) check(meta store.Collection) error {
	for i := range b.records {
		if err := check(meta, &b.records[i]); err != nil {
			return err
		}
		if first := b.records[0].Instance; b.records[i].Instance.Original() != first.Original() {
			return fmt.Errorf("file %s: %w: its instances are of different originals", first.File, store.ErrInvalid)
		}
	}
	return nil
}

// takes refuses records for which there is no room on the disk, or which could not
// be written for want of descriptors, before anything of them is.
func (l *Catalog) takes(records []store.Record) error {
	var bytes int64
	for _, r := range records {
		bytes += int64(len(r.Original)) + 4*int64(len(r.Vector)) + recordBytes
	}
	if err := l.space.take(bytes); err != nil {
		return err
	}
	return fault(canOpen())
}

// recordBytes is about what the log takes of a record or label beside its vector.
const recordBytes = 1 << 10

// unitTolerance is how far from 1 the length of a vector may be.
const unitTolerance = 1e-3

// check reports why a record cannot be stored in the collection, and completes
// its labels.
func check(meta store.Collection, r *store.Record) error {
	if r.Fingerprint != meta.Fingerprint {
		return fmt.Errorf("%w: collection %s holds vectors of %s (%.12s), this one is of %.12s",
			store.ErrFingerprint, meta.Name, meta.Model, meta.Fingerprint, r.Fingerprint)
	}
	if len(r.Vector) != meta.Dimension {
		return fmt.Errorf("%w: %d, collection %s has %d", store.ErrDimension, len(r.Vector), meta.Name, meta.Dimension)
	}
	var square float64
	for _, x := range r.Vector {
		square += float64(x) * float64(x)
	}
	if !(math.Abs(math.Sqrt(square)-1) <= unitTolerance) { // NaN fails too
		return fmt.Errorf("%w: length %g", store.ErrVector, math.Sqrt(square))
	}
	if err := checkOriginal(r); err != nil {
		return err
	}
	return checkLabels(meta, r)
}

// checkOriginal makes sure that a file will be named by its content.
func checkOriginal(r *store.Record) error {
	if r.Original == nil {
		return nil
	}
	if sum := sha256.Sum256(r.Original); hex.EncodeToString(sum[:]) != r.Instance.Original() {
		return fmt.Errorf("digest %.80q: %w: not the SHA-256 of the original", r.Instance.Original(), store.ErrInvalid)
	}
	return nil
}

func checkLabels(meta store.Collection, r *store.Record) error {
	if err := r.Instance.Validate(); err != nil {
		return err
	}
	labels := make([]store.Label, len(r.Labels))
	for i, label := range r.Labels {
		label.Instance = r.Instance.ID
		var err error
		if labels[i], err = meta.CheckLabel(label); err != nil {
			return err
		}
	}
	r.Labels = labels
	return nil
}
