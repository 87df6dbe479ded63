package dicom

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"nearcase/embed/dicom/dataset"
)

const (
	mostCodes   = 4     // values of an attribute of codes that Metadata returns
	longestText = 10240 // bytes of a value in Metadata, as many as VR LT has characters
)

// DefaultMetadata returns the keywords (PS3.6) of what is kept of a file unless
// something else is asked for.
func DefaultMetadata() []string {
	return []string{
		"Modality", "BodyPartExamined", "ImageLaterality", "Laterality", "ViewPosition",
		"AcquisitionDate", "PatientSex", "PatientAge",
	}
}

// Metadata returns the values that the file has of some attributes, by keyword.
// Several values of one are joined by a backslash. Values are those of the
// dictionary's VR, whatever the file's is, so that no free text passes as a code:
// codes in capitals, the first 4 of an attribute, dates, times, ages, UIDs and
// numbers. Attributes of names and texts are returned as they are, if asked for.
// What is absent, empty, a sequence, unknown, longer than 10,240 bytes or not of
// the VR is left out.
func (f *File) Metadata(keywords []string) map[string]string {
	found := map[string]string{}
	for _, keyword := range keywords {
		tag, ok := dataset.TagOf(keyword)
		if !ok {
			continue
		}
		v := text(f.file.Set, tag)
		if dataset.VR(tag) == "CS" {
			v = codesIn(v)
		}
		if v != "" && len(v) <= longestText && fits(tag, v) {
			found[keyword] = v
		}
	}
	return found
}

// codesIn returns the first values in capitals.
func codesIn(text string) string {
	values := strings.Split(strings.ToUpper(text), `\`)
	return strings.Join(values[:min(len(values), mostCodes)], `\`)
}

// grammars are those of the VRs (PS3.5 6.2) whose values say nothing else. Codes
// may have the signs that writers use beside the standard's.
var grammars = map[string]*regexp.Regexp{
	"AS": regexp.MustCompile(`^\d{3}[DWMY]$`),
	"CS": regexp.MustCompile(`^[A-Z0-9 _./-]{1,16}$`),
	"DA": regexp.MustCompile(`^\d{8}$`),
	"DS": regexp.MustCompile(`^[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,3})?$`),
	"DT": regexp.MustCompile(`^\d{4,14}(\.\d{1,6})?([+-]\d{4})?$`),
	"IS": regexp.MustCompile(`^[+-]?\d{1,20}$`),
	"TM": regexp.MustCompile(`^([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?$`),
	"UI": regexp.MustCompile(`^\d[0-9.]{0,63}$`),
}

// fits says whether each of an attribute's values is of the dictionary's VR.
func fits(tag dataset.Tag, text string) bool {
	vr := dataset.VR(tag)
	switch vr {
	case "AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT":
		return true
	case "SL", "SS", "SV", "UL", "US", "UV", "XS":
		vr = "IS"
	case "FD", "FL":
		vr = "DS"
	}
	grammar := grammars[vr]
	for _, v := range strings.Split(text, `\`) {
		if grammar == nil || !grammar.MatchString(v) || vr == "DA" && !isDate(v) ||
			tag == tagSex && !slices.Contains([]string{"M", "F", "O"}, v) {
			return false
		}
	}
	return true
}

// isDate says whether 8 digits are a date on which somebody can have lived.
func isDate(v string) bool {
	date, err := time.Parse("20060102", v)
	return err == nil && date.Year() >= 1850 && date.Year() < 2100
}
