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
	tagSex       dataset.Tag = 0x0010_0040
	tagSeries    dataset.Tag = 0x0020_000e
	tagBurnedIn  dataset.Tag = 0x0028_0301
)

// Identity is what a file belongs to: UIDs, and the patient's ID as the file
// has it. The ID identifies a person: hash it before it is kept anywhere.
type Identity struct {
	Patient, Study, Series, Instance string
}

// Identity returns the file's identity, with "" for what it lacks.
func (f *File) Identity() Identity { return f.identity }

// identityOf reads an identity, whatever VRs it is in. What is there and cannot
// be read is ErrCorrupt: nobody may take it for absent.
func identityOf(s *dataset.Set) (Identity, error) {
	var i Identity
	for _, part := range []struct {
		of   *string
		tag  dataset.Tag
		name string
	}{
		{&i.Patient, tagPatient, "Patient ID"}, {&i.Study, tagStudy, "Study Instance UID"},
		{&i.Series, tagSeries, "Series Instance UID"}, {&i.Instance, tagInstance, "SOP Instance UID"},
	} {
		text, ok := s.Characters(part.tag)
		if !ok {
			return i, fmt.Errorf("%w: the %s cannot be read: %s", ErrCorrupt, part.name, about(s.Find(part.tag)))
		}
		*part.of = text
	}
	return i, nil
}

// about says what an element is without its value, which may name a patient.
func about(e *dataset.Element) string {
	return fmt.Sprintf("%v of VR %s, %d bytes, %d items, %d fragments", e.Tag, e.VR, len(e.Value), len(e.Items), len(e.Fragments))
}

// quoted returns a code of the file for an error, and what is none by its length.
func quoted(code string) string {
	const codes = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ."
	if code == "" || len(code) > 64 || strings.Trim(code, codes) != "" {
		return fmt.Sprintf("of %d bytes", len(code))
	}
	return code
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
		return fmt.Sprintf("no pixel data, SOP class %s (%s)", quoted(class), name)
	}
	return fmt.Sprintf("no pixel data, SOP class %s, modality %s", quoted(class), quoted(text(f.Set, tagModality)))
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
