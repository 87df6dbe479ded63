package dicomweb

import (
	"iter"
	"slices"
	"strings"

	"nearcase/api"
	"nearcase/embed/dicom/dataset"
)

// Found is a study, a series or an instance that matches a query.
type Found struct {
	// File is its first, in the order that they came.
	File  api.DICOMFile
	Level Level
	// Modalities of its study, sorted, and how many series and instances that has,
	// and its series.
	Modalities                                   []string
	StudySeries, StudyInstances, SeriesInstances int
}

// studyOf collects what is known of a study while its files pass by.
type studyOf struct {
	files      int
	series     map[string]int // files of each
	modalities []string
}

// Search returns what matches a query among files, in the order of their first
// files, after leaving out and up to as many as the query says, and how many more
// there are. Counts are of all files that it is given of a study, whether they
// match or not. It takes memory for the studies and series there are and for what
// it returns; the files are gone through twice if something is asked of studies as
// a whole.
func Search(q Query, files iter.Seq2[api.DICOMFile, error]) (found []Found, more int, err error) {
	r := results{q: q, studies: map[string]*studyOf{}, seen: map[string]bool{}}
	if q.asksStudies() { // the answer to which is known once all of their files are
		if err = each(files, r.count); err == nil {
			err = each(files, r.add)
		}
	} else {
		err = each(files, func(f api.DICOMFile) { r.count(f); r.add(f) })
	}
	if err != nil {
		return nil, 0, err
	}
	for _, f := range r.first {
		s := r.studies[f.Study]
		found = append(found, Found{f, q.Level, s.modalities, len(s.series), s.files, s.series[f.Series]})
	}
	return found, max(0, r.matched-q.Offset-q.Limit), nil
}

func each(files iter.Seq2[api.DICOMFile, error], f func(api.DICOMFile)) error {
	for file, err := range files {
		if err != nil {
			return err
		}
		f(file)
	}
	return nil
}

// results are what matches so far.
type results struct {
	q       Query
	studies map[string]*studyOf
	seen    map[string]bool // studies or series that have matched
	matched int             // those that are not returned too
	first   []api.DICOMFile // of what is returned
}

// count counts a file of its study.
func (r *results) count(f api.DICOMFile) {
	s := r.studies[f.Study]
	if s == nil {
		s = &studyOf{series: map[string]int{}}
		r.studies[f.Study] = s
	}
	s.add(f)
}

// add adds what a file is of if that matches and has not before.
func (r *results) add(f api.DICOMFile) {
	name, s := r.q.of(f), r.studies[f.Study]
	if s == nil || r.seen[name] || !r.q.accepts(f) || !r.q.acceptsStudy(s) { // nil: it came meanwhile
		return
	}
	if r.q.Level != Instances { // of which each comes once
		r.seen[name] = true
	}
	if r.matched++; r.matched > r.q.Offset && len(r.first) < r.q.Limit {
		r.first = append(r.first, f)
	}
}

func (s *studyOf) add(f api.DICOMFile) {
	s.files++
	s.series[f.Series]++
	if m := f.Metadata["Modality"]; m != "" {
		if i, ok := slices.BinarySearch(s.modalities, m); !ok {
			s.modalities = slices.Insert(s.modalities, i, m)
		}
	}
}

// of names what a file is part of at the query's level.
func (q Query) of(f api.DICOMFile) string {
	switch q.Level {
	case Studies:
		return f.Study
	case Series:
		return f.Study + " " + f.Series
	}
	return f.ID
}

// accepts reports whether a file has what the query asks of files.
func (q Query) accepts(f api.DICOMFile) bool {
	if q.Study != "" && f.Study != q.Study || q.Series != "" && f.Series != q.Series {
		return false
	}
	for _, k := range q.keys {
		if k.tag != tagModalities && !k.matches(attributes(f, k.tag)) {
			return false
		}
	}
	return true
}

// asksStudies reports whether the query asks something of a study as a whole.
func (q Query) asksStudies() bool {
	return slices.ContainsFunc(q.keys, func(k key) bool { return k.tag == tagModalities && !k.any })
}

// acceptsStudy reports whether a study has what the query asks of it as a whole.
func (q Query) acceptsStudy(s *studyOf) bool {
	for _, k := range q.keys {
		if k.tag == tagModalities && !k.matches(s.modalities) {
			return false
		}
	}
	return true
}

// attributes returns what is stored of an attribute, apart from the file itself.
func attributes(f api.DICOMFile, t dataset.Tag) []string {
	switch t {
	case tagStudy:
		return []string{f.Study}
	case tagSeries:
		return []string{f.Series}
	case tagInstance:
		return []string{f.ID}
	case tagPatientID:
		return []string{f.Patient}
	}
	if v := f.Metadata[dataset.Keyword(t)]; v != "" {
		return strings.Split(v, `\`)
	}
	return nil
}
