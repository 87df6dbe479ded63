package dicom

import (
	"fmt"
	"strconv"
	"strings"

	"nearcase/embed/dicom/dataset"
)

// Tags that say what a file is.
const (
	tagClass     dataset.Tag = 0x0008_0016
	tagMetaClass dataset.Tag = 0x0002_0002
	tagInstance  dataset.Tag = 0x0008_0018
	tagModality  dataset.Tag = 0x0008_0060
	tagPatient   dataset.Tag = 0x0010_0020
	tagStudy     dataset.Tag = 0x0020_000d
	tagSeries    dataset.Tag = 0x0020_000e
)

// Identity is what a file belongs to: UIDs, and the patient's ID as the file
// has it. The ID identifies a person: hash it before it is kept anywhere.
type Identity struct {
	Patient, Study, Series, Instance string
}

// Identity returns the file's identity, with "" for what it lacks.
func (f *File) Identity() Identity {
	s := f.file.Set
	return Identity{
		Patient: text(s, tagPatient), Study: text(s, tagStudy),
		Series: text(s, tagSeries), Instance: text(s, tagInstance),
	}
}

// DefaultMetadata returns the keywords (PS3.6) of what is kept of a file unless
// something else is asked for.
func DefaultMetadata() []string {
	return []string{
		"Modality", "BodyPartExamined", "ImageLaterality", "Laterality", "ViewPosition",
		"AcquisitionDate", "PatientSex", "PatientAge",
	}
}

// Metadata returns the values that the file has of some attributes, by keyword.
// Several values of one are joined by a backslash. Attributes that are absent,
// empty, sequences or unknown are left out.
func (f *File) Metadata(keywords []string) map[string]string {
	found := map[string]string{}
	for _, keyword := range keywords {
		tag, ok := dataset.TagOf(keyword)
		if !ok {
			continue
		}
		if v := text(f.file.Set, tag); v != "" {
			found[keyword] = v
		}
	}
	return found
}

// text returns a tag's values, of text or integers, joined by a backslash.
func text(s *dataset.Set, tag dataset.Tag) string {
	values := s.Texts(tag)
	if values == nil {
		integers, _ := s.Ints(tag)
		for _, v := range integers {
			values = append(values, strconv.Itoa(v))
		}
	}
	return strings.Trim(strings.Join(values, `\`), `\`)
}

// describe names what a file without an image is, by its SOP class (PS3.6 A).
func describe(f *dataset.File) string {
	class := text(f.Set, tagClass)
	if class == "" {
		class = text(f.Meta, tagMetaClass)
	}
	if class == "" {
		return "no pixel data and no SOP class"
	}
	if name := className(class); name != "" {
		return fmt.Sprintf("no pixel data, SOP class %s (%s)", class, name)
	}
	return fmt.Sprintf("no pixel data, SOP class %s, modality %q", class, text(f.Set, tagModality))
}

// className returns what a storage SOP class without pixel data is, or "".
func className(class string) string {
	const storage = "1.2.840.10008.5.1.4.1.1."
	for _, c := range [][2]string{
		{"1.2.840.10008.1.3.10", "directory"},
		{storage + "88.", "structured report"},
		{storage + "9.", "waveform"},
		{storage + "11.", "presentation state"},
		{storage + "104.", "encapsulated document"},
		{storage + "481.3", "RT structure set"},
		{storage + "481.5", "RT plan"},
		{storage + "481.8", "RT ion plan"},
		{storage + "66", "raw data, registration or fiducials"},
	} {
		if class == c[0] || strings.HasPrefix(class, c[0]) {
			return c[1]
		}
	}
	return ""
}
