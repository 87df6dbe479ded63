package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"nearcase/embed"
	"nearcase/store"
)

// DICOMFile is a DICOM file that is stored, by its first image. The instance's ID
// is the file's, which is the SOP Instance UID, and its frame means nothing.
type DICOMFile struct{ store.Instance }

// DICOMFiles yields the DICOM files of a collection, or of a study or series of
// it where they are not empty, in the order that they came. Files that have no
// UIDs of study, series and instance, or were stored under other names, are left
// out: nobody could ask for them by DICOMweb. An error ends the sequence.
func (s *Service) DICOMFiles(ctx context.Context, collection, study, series string) iter.Seq2[DICOMFile, error] {
	all := s.listed(ctx, collection)
	if study != "" || series != "" {
		all = s.within(ctx, collection, study, series)
	}
	return func(yield func(DICOMFile, error) bool) {
		last := ""
		for i, err := range all {
			if err != nil {
				yield(DICOMFile{}, err)
				return
			}
			f, ok := dicomFile(i)
			if !ok || f.ID == last || study != "" && f.Study != study || series != "" && f.Series != series {
				continue // the frames of a file follow each other
			}
			if last = f.ID; !yield(f, nil) {
				return
			}
		}
	}
}

// dicomFile returns the file of an instance, false where there is none that can be
// asked for.
func dicomFile(i store.Instance) (DICOMFile, bool) {
	if i.File != "" {
		i.ID = i.File
	}
	ok := i.MediaType == mediaDICOM && isUID(i.ID) && isUID(i.Study) && isUID(i.Series)
	return DICOMFile{i}, ok
}

// DICOMFile returns the file that an instance is an image of, with the frame that
// it is: store.ErrInstance where there is none that has UIDs.
func (i Instance) DICOMFile() (DICOMFile, error) {
	f, ok := dicomFile(i.Instance)
	if !ok {
		return f, fmt.Errorf("instance %.80q: %w of DICOM with UIDs of its study, series and own", i.ID, store.ErrInstance)
	}
	return f, nil
}

const mediaDICOM = "application/dicom"

// isUID reports whether text has the characters of a UID (PS3.5 9.1).
func isUID(text string) bool {
	return text != "" && len(text) <= 64 && strings.Trim(text, "0123456789.") == ""
}

// listed yields all instances of a collection.
func (s *Service) listed(ctx context.Context, collection string) iter.Seq2[store.Instance, error] {
	return func(yield func(store.Instance, error) bool) {
		for after := store.Key(0); ; {
			cases, err := s.Catalog.List(ctx, collection, after, maxPage)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(store.Instance{}, err)
				return
			}
			for _, c := range cases {
				if !yield(c.Instance, nil) {
					return
				}
				after = c.Key
			}
			if len(cases) < maxPage {
				return
			}
		}
	}
}

// within yields the instances of a study or of a series.
func (s *Service) within(ctx context.Context, collection, study, series string) iter.Seq2[store.Instance, error] {
	return func(yield func(store.Instance, error) bool) {
		of := store.Exclude{Studies: []string{study}}
		if series != "" {
			of = store.Exclude{Series: []string{series}}
		}
		ids, err := s.Catalog.Excluded(ctx, collection, of)
		if err != nil {
			yield(store.Instance{}, err)
			return
		}
		for _, id := range ids {
			c, err := s.Catalog.Instance(ctx, collection, id)
			if errors.Is(err, store.ErrInstance) { // deleted meanwhile
				continue
			}
			if !yield(c.Instance, err) || err != nil {
				return
			}
		}
	}
}

// DICOMFile returns one file by its SOP Instance UID, which must be of the study
// and series where they are not empty: store.ErrInstance otherwise.
func (s *Service) DICOMFile(ctx context.Context, collection, study, series, instance string) (DICOMFile, error) {
	c, err := s.Catalog.Instance(ctx, collection, instance)
	if err != nil {
		return DICOMFile{}, err
	}
	f, ok := dicomFile(c.Instance)
	if !ok || f.ID != instance || study != "" && f.Study != study || series != "" && f.Series != series {
		return DICOMFile{}, fmt.Errorf("instance %.80q: %w of DICOM in this study and series", instance, store.ErrInstance)
	}
	return f, nil
}

// DICOMBytes returns what is kept of a file: store.ErrOriginal where that is
// nothing.
func (s *Service) DICOMBytes(ctx context.Context, collection string, f DICOMFile) ([]byte, error) {
	id := f.ID
	r, err := s.Catalog.Original(ctx, collection, id)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("original of %s: %w", id, err)
	}
	if embed.MediaType(data) != mediaDICOM {
		return nil, fmt.Errorf("original of %s: %w: it is not DICOM", id, store.ErrDamaged)
	}
	return data, nil
}

// Compute runs what takes a processor for long in a turn of its own, like
// embedding.
func (s *Service) Compute(ctx context.Context, work func() error) error {
	if err := s.embedding(ctx); err != nil {
		return err
	}
	defer s.embedded()
	return work()
}

// CalledPatient returns what a collection calls a patient who is given by the name
// of the world outside: the pseudonym, or the name where it has none.
func (s *Service) CalledPatient(ctx context.Context, collection, patient string) (string, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return "", err
	}
	return s.called(c, patient)
}
