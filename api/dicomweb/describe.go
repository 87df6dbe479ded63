package dicomweb

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nearcase/api"
	"nearcase/embed/dicom/dataset"
	"nearcase/store"
)

// The attributes that each level returns where there are such (tables 10.6.3-3 to
// 10.6.3-5), apart from those that are counted or made here.
var (
	ofStudies = []dataset.Tag{
		0x00080020, // StudyDate
		0x00080030, // StudyTime
		0x00080050, // AccessionNumber
		0x00080090, // ReferringPhysicianName
		0x00080201, // TimezoneOffsetFromUTC
		0x00081030, // StudyDescription
		0x00100010, // PatientName
		0x00100020, // PatientID
		0x00100030, // PatientBirthDate
		0x00100040, // PatientSex
		0x0020000D, // StudyInstanceUID
		0x00200010, // StudyID
	}
	ofSeries = []dataset.Tag{
		0x00080060, // Modality
		0x00080201, // TimezoneOffsetFromUTC
		0x0008103E, // SeriesDescription
		0x0020000E, // SeriesInstanceUID
		0x00200011, // SeriesNumber
		0x00400244, // PerformedProcedureStepStartDate
		0x00400245, // PerformedProcedureStepStartTime
		0x00400275, // RequestAttributesSequence
	}
	ofInstances = []dataset.Tag{
		0x00080016, // SOPClassUID
		0x00080018, // SOPInstanceUID
		0x00080201, // TimezoneOffsetFromUTC
		0x00200013, // InstanceNumber
		0x00280008, // NumberOfFrames
		0x00280010, // Rows
		0x00280011, // Columns
		0x00280100, // BitsAllocated
	}
)

// Describe returns what a search says of something it has found. Kept is what is
// kept of its first file, nil for nothing: then there are the UIDs, the patient
// and the metadata stored beside it. Base is the address of the service, without
// a slash at its end.
func (q Query) Describe(f Found, kept []byte, base string) (Object, error) {
	all, err := Metadata(f.File, kept, base)
	if err != nil {
		return nil, err
	}
	o := Object{}
	for _, t := range q.tags(f.Level) {
		if a, ok := all[Key(t)]; ok {
			o[Key(t)] = a
		}
	}
	for k, a := range all {
		if q.all && a.BulkDataURI == "" {
			o[k] = a
		}
	}
	f.count(o, q)
	o.set(tagAvailability, "CS", "ONLINE")
	o.set(tagRetrieveURL, "UR", f.url(base))
	return o, nil
}

// tags returns the attributes that are returned at a level: those of the levels
// above too where the query's path does not say them (10.6.3.3).
func (q Query) tags(l Level) []dataset.Tag {
	tags := slices.Clone(q.include)
	if l == Instances {
		tags = append(tags, ofInstances...)
	}
	if l == Series || l == Instances && !q.inSeries {
		tags = append(tags, ofSeries...)
	}
	if l == Studies || !q.inStudy {
		tags = append(tags, ofStudies...)
	}
	return append(tags, tagStudy, tagCharset)
}

// count adds what is counted.
func (f Found) count(o Object, q Query) {
	if f.Level == Studies || !q.inStudy {
		modalities := make([]any, len(f.Modalities))
		for i, m := range f.Modalities {
			modalities[i] = m
		}
		o.set(tagModalities, "CS", modalities...)
		o.set(tagStudySeries, "IS", f.StudySeries)
		o.set(tagStudyFiles, "IS", f.StudyInstances)
	}
	if f.Level == Series || f.Level == Instances && !q.inSeries {
		o.set(tagSeriesFiles, "IS", f.SeriesInstances)
	}
}

func (f Found) url(base string) string {
	switch f.Level {
	case Studies:
		return StudyURL(base, f.File.Study)
	case Series:
		return StudyURL(base, f.File.Study) + "/series/" + f.File.Series
	}
	return InstanceURL(base, f.File)
}

// StudyURL is the address of a study.
func StudyURL(base, study string) string { return base + "/studies/" + study }

// InstanceURL is the address of a file.
func InstanceURL(base string, f api.DICOMFile) string {
	return StudyURL(base, f.Study) + "/series/" + f.Series + "/instances/" + f.ID
}

// Metadata returns what is kept of a file in the JSON model (10.4.1.1.2), with the
// addresses of its bulk data. Kept is nil where nothing is: see Describe.
func Metadata(f api.DICOMFile, kept []byte, base string) (Object, error) {
	url := InstanceURL(base, f)
	bulk := func(path string) string { return url + "/bulkdata/" + path }
	if kept == nil {
		return Model(fileSet(f, nil), bulk), nil
	}
	parsed, err := dataset.Parse(kept, dataset.Limits{})
	if err != nil {
		return nil, fmt.Errorf("instance %s: %w: what is kept: %w", f.ID, store.ErrDamaged, err)
	}
	o := Model(fileSet(f, parsed.Set), bulk)
	o.set(tagSyntaxes, "UI", parsed.Syntax)
	return o, nil
}

// fileSet returns the set of a file with what is stored of it beside: whom and
// what it is of counts as it is stored.
func fileSet(f api.DICOMFile, set *dataset.Set) *dataset.Set {
	identity := []dataset.Element{
		element(tagPatientID, "LO", f.Patient), element(tagStudy, "UI", f.Study),
		element(tagSeries, "UI", f.Series), element(tagInstance, "UI", f.ID),
	}
	if set != nil {
		return set.Little().With(identity)
	}
	stored := []dataset.Element{element(tagCharset, "CS", "ISO_IR 192")}
	for keyword, value := range f.Metadata {
		if tag, ok := dataset.TagOf(keyword); ok {
			stored = append(stored, storedElement(tag, value)...)
		}
	}
	return (&dataset.Set{}).With(append(stored, identity...))
}

// storedElement returns the element of an attribute that is stored as text: none
// for one of another VR than text or unsigned integers.
func storedElement(tag dataset.Tag, value string) []dataset.Element {
	vr := dataset.VR(tag)
	if strings.Contains("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT", vr) {
		return []dataset.Element{element(tag, vr, value)}
	}
	n, err := strconv.ParseUint(value, 10, 16)
	if vr != "US" || err != nil {
		return nil
	}
	return []dataset.Element{{Tag: tag, VR: vr, Value: binary.LittleEndian.AppendUint16(nil, uint16(n))}}
}

// element is an element of text, padded to an even length (PS3.5 6.2).
func element(tag dataset.Tag, vr, value string) dataset.Element {
	pad := " "
	if vr == "UI" {
		pad = "\x00"
	}
	return dataset.Element{Tag: tag, VR: vr, Value: []byte(value + strings.Repeat(pad, len(value)%2))}
}
