package api

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"nearcase/embed"
	"nearcase/store"
)

// Frames says which images of a file that has several become instances.
type Frames struct {
	// Which is All, Middle or Sample; empty means All.
	Which string
	// Sample is how many are drawn at equal distances; 0 means 16.
	Sample int
}

// The values of Frames.Which.
const (
	All    = "all"
	Middle = "middle"
	Sample = "sample"
)

// of returns the frames that are chosen of n, from 0, ascending.
func (f Frames) of(n int) []int {
	count := n
	switch f.Which {
	case Middle:
		count = min(n, 1)
	case Sample:
		count = min(n, cmp.Or(f.Sample, 16))
	}
	chosen := make([]int, count)
	for i := range chosen {
		chosen[i] = (2*i + 1) * n / (2 * count) // the middle of each of count parts
	}
	return chosen
}

// opened is an image file with what may be known of it.
type opened struct {
	*embed.Image
	digest string
	frames []int // that are chosen
	// identity is that of a DICOM file, its patient already by pseudonym.
	identity embed.Identity
	dicom    bool
}

// open reads what a file of that digest says of itself and chooses its frames.
func (s *Service) open(c store.Collection, data []byte, digest string) (opened, error) {
	img, err := embed.Open(data, s.Limits)
	if err != nil {
		return opened{}, err
	}
	o := opened{Image: img, digest: digest, frames: s.Frames.of(img.Frames())}
	if o.identity, o.dicom = img.Identity(); o.dicom {
		o.identity.Patient, err = s.patientOf(c, o.identity)
	}
	return o, err
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// records makes the records of an image's chosen frames, without their vectors.
// The first of them brings what is kept of the file.
func (s *Service) records(c store.Collection, o opened, im Image, data []byte) ([]store.Record, error) {
	i := store.Instance{
		ID: im.ID, Patient: im.Patient, Study: im.Study, Series: im.Series, Name: im.Name,
		Digest: o.digest, MediaType: o.MediaType(), Size: int64(len(data)),
	}
	var err error
	if i.Patient, err = s.called(c, im.Patient); err != nil {
		return nil, err
	}
	original := data
	if o.dicom {
		i.ID, i.Patient = cmp.Or(i.ID, o.identity.Instance), cmp.Or(i.Patient, o.identity.Patient)
		i.Study, i.Series = cmp.Or(i.Study, o.identity.Study), cmp.Or(i.Series, o.identity.Series)
		i.Metadata = storable(o.Metadata(s.Privacy.Fields))
		if !s.Privacy.Names {
			i.Name = ""
		}
		if original, i.Kept, err = s.keep(o, i.Patient, data); err != nil {
			return nil, err
		}
	}
	records := make([]store.Record, len(o.frames))
	for n, frame := range o.frames {
		records[n] = store.Record{Instance: i, Fingerprint: c.Fingerprint}
		records[n].Instance.Frame = o.number(frame)
	}
	records[0].Original = original
	return records, nil
}

// number is what store.Instance calls a frame of the file: 0 for the only one.
func (o opened) number(frame int) int {
	if o.Image.Frames() == 1 {
		return 0
	}
	return frame + 1
}

// storable leaves out what the store would refuse: a field is not worth an image.
func storable(fields map[string]string) map[string]string {
	for field, value := range fields {
		if (store.Instance{ID: "x", Metadata: map[string]string{field: value}}).Validate() != nil {
			delete(fields, field)
		}
	}
	return fields
}

// keep returns what is kept of a DICOM file, and its digest as store.Instance
// has it. A file that says that a patient is named in its pixels cannot be
// de-identified, and is not kept.
func (s *Service) keep(o opened, patient string, data []byte) (original []byte, kept string, err error) {
	switch {
	case s.Privacy.Originals == None, s.Privacy.Originals == Deidentified && o.BurnedIn():
		return nil, store.NotKept, nil
	case s.Privacy.Originals == Received:
		return data, "", nil
	}
	if original, err = o.Deidentified(patient); err != nil {
		return nil, "", fmt.Errorf("remove what identifies a patient: %w", err)
	}
	return original, digestOf(original), nil
}

// call gives an instance the ID of its file, or one made from it if it is a
// frame.
func call(i *store.Instance, file string) {
	if i.ID = file; i.Frame != 0 {
		i.ID, i.File = fmt.Sprintf("%s:%d", file, i.Frame), file
	}
}
