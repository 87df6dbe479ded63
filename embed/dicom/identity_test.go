package dicom

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"nearcase/embed/dicom/dataset"
)

func TestIdentityAndMetadata(t *testing.T) {
	f := open(t, encode(t, implicitLittle, append(module(1, 2),
		str(tagPatient, "LO", "P 1"), str(tagStudy, "UI", "1.2\x00"), str(tagSeries, "UI", "1.2.3\x00"), str(tagInstance, "UI", "1.2.3.4\x00"),
		cs(tagModality, "MG"), cs(0x0020_0062, "L"), str(0x0010_1010, "AS", "061Y"), str(0x0010_0010, "PN", "Doe^Jane"),
		cs(0x0008_0008, `ORIGINAL\PRIMARY`), cs(0x0018_0015, ""), ow(tagPixels, 1, 2))...))
	if got, want := f.Identity(), (Identity{"P 1", "1.2", "1.2.3", "1.2.3.4"}); got != want {
		t.Errorf("Identity() = %+v, want %+v", got, want)
	}
	want := map[string]string{"Modality": "MG", "ImageLaterality": "L", "PatientAge": "061Y"}
	if got := f.Metadata(DefaultMetadata()); !maps.Equal(got, want) {
		t.Errorf("Metadata(DefaultMetadata()) = %v, want %v", got, want)
	}
	want = map[string]string{"ImageType": `ORIGINAL\PRIMARY`, "Rows": "1"}
	if got := f.Metadata([]string{"ImageType", "Rows", "BodyPartExamined", "NoSuchKeyword", "PixelData"}); !maps.Equal(got, want) {
		t.Errorf("Metadata = %v, want %v", got, want)
	}
	for _, keyword := range DefaultMetadata() {
		if _, ok := dataset.TagOf(keyword); !ok {
			t.Errorf("DefaultMetadata: %s is not in the dictionary", keyword)
		}
	}
}

func TestIdentityIsReadWhateverItsVR(t *testing.T) {
	for _, vr := range []string{"LO", "SH", "ST", "OB", "UN", "PN"} {
		f := open(t, encode(t, explicitLittle, str(tagPatient, vr, "P 1"), str(tagStudy, vr, "1.2.3"), str(tagSeries, vr, "1.2.4"), str(tagInstance, vr, "1.2.5")))
		if got, want := f.Identity(), (Identity{"P 1", "1.2.3", "1.2.4", "1.2.5"}); got != want {
			t.Errorf("Identity() in %s = %+v, want %+v", vr, got, want)
		}
	}
}

func TestIdentityThatCannotBeReadIsCorrupt(t *testing.T) {
	for name, tag := range map[string]dataset.Tag{
		"the Patient ID": tagPatient, "the Study Instance UID": tagStudy, "the Series Instance UID": tagSeries, "the SOP Instance UID": tagInstance,
	} {
		for what, e := range map[string]dataset.Element{
			"control characters": str(tag, "OB", "Quincy\x01"), "a sequence": sq(tag, nil), "1 KiB and more": str(tag, "UT", strings.Repeat("Quincy", 200)),
		} {
			_, err := Open(encode(t, explicitLittle, e), Limits{})
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), name+" cannot be read") || strings.Contains(err.Error(), "Quincy") {
				t.Errorf("%s as %s: %v, want %v", name, what, err, ErrCorrupt)
			}
		}
	}
	for _, e := range []dataset.Element{str(tagPatient, "LO", ""), str(tagPatient, "OB", "\x00 "), sq(tagPatient)} {
		if f, err := Open(encode(t, explicitLittle, e), Limits{}); err != nil || f.Identity().Patient != "" {
			t.Errorf("an empty Patient ID of VR %s: %v", e.VR, err)
		}
	}
}

func TestMetadataIsOfTheDictionarysVR(t *testing.T) {
	for _, c := range []struct {
		keyword, vr, value string
		want               string // "" where it is left out
	}{
		{"BodyPartExamined", "CS", "CHEST", "CHEST"},
		{"BodyPartExamined", "CS", "Chest", "CHEST"},
		{"BodyPartExamined", "LO", "CERVICAL_SPINE", "CERVICAL_SPINE"},
		{"BodyPartExamined", "CS", "Doe, Jane MRN-12345", ""},
		{"BodyPartExamined", "CS", "SEVENTEEN LETTERS", ""},
		{"ViewPosition", "LO", "Dr. Quincy; born 1970-03-04", ""},
		{"ViewPosition", "UN", "CC", "CC"},
		{"ViewPosition", "ST", `CC\Doe, Jane`, ""},
		{"ImageType", "CS", `ORIGINAL\PRIMARY\AXIAL\A\B`, `ORIGINAL\PRIMARY\AXIAL\A`},
		{"ImageType", "CS", `ORIGINAL\PRIMARY\Müller`, ""},
		{"AcquisitionDate", "DA", "20260103", "20260103"},
		{"AcquisitionDate", "LO", "Jane Doe", ""},
		{"AcquisitionDate", "DA", "20261303", ""},
		{"AcquisitionDate", "DA", "12345678", ""},
		{"AcquisitionDate", "DA", "2026", ""},
		{"StudyTime", "TM", "235960.123456", "235960.123456"},
		{"StudyTime", "TM", "2512", ""},
		{"AcquisitionDateTime", "DT", "20260103120000.5+0100", "20260103120000.5+0100"},
		{"AcquisitionDateTime", "DT", "tomorrow", ""},
		{"PatientAge", "AS", "061Y", "061Y"},
		{"PatientAge", "AS", "61 years", ""},
		{"PatientSex", "CS", "f", "F"},
		{"PatientSex", "CS", "JANE", ""},
		{"StudyInstanceUID", "UI", "1.2.3", "1.2.3"},
		{"StudyInstanceUID", "LO", "Jane", ""},
		{"InstanceNumber", "IS", "-7", "-7"},
		{"InstanceNumber", "LO", "Jane", ""},
		{"PixelSpacing", "DS", `0.5\1e-1`, `0.5\1e-1`},
		{"PixelSpacing", "DS", "half", ""},
		{"Rows", "LO", "Jane", ""},
		{"Rows", "LO", "7", "7"},
		{"StudyDescription", "LO", "Thorax, 2 Ebenen", "Thorax, 2 Ebenen"},
		{"PatientComments", "LT", strings.Repeat("x", 10241), ""},
		{"LUTData", "LT", "Jane", ""},
	} {
		tag, ok := dataset.TagOf(c.keyword)
		if !ok {
			t.Fatalf("no tag of %s", c.keyword)
		}
		f := open(t, encode(t, explicitLittle, str(tag, c.vr, c.value)))
		if got := f.Metadata([]string{c.keyword})[c.keyword]; got != c.want {
			t.Errorf("%s %s %.40q = %q, want %q", c.keyword, c.vr, c.value, got, c.want)
		}
	}
}

// Law: an error names no value of the file.
func TestErrorsQuoteNoValues(t *testing.T) {
	const secret = "Doe, Jane"
	pixels := ow(tagPixels, 1, 2, 3, 4)
	file := func(extra ...dataset.Element) []byte {
		return encode(t, explicitLittle, append(module(2, 2, pixels), extra...)...)
	}
	window := []dataset.Element{ds(tagCentre, "1"), ds(tagWidth, "1")}
	for name, data := range map[string][]byte{
		"slope":            file(ds(tagSlope, secret)),
		"intercept":        file(ds(tagIntercept, secret)),
		"centre":           file(ds(tagCentre, secret), ds(tagWidth, "1")),
		"number of frames": file(str(tagFrames, "IS", secret)),
		"frames in LO":     file(str(tagFrames, "LO", secret)),
		"photometric":      file(cs(tagPhotometric, secret)),
		"function":         file(append(window, cs(tagFunction, secret))...),
		"class":            encode(t, explicitLittle, str(tagClass, "UI", secret), cs(tagModality, secret)),
		"known class":      encode(t, explicitLittle, str(tagClass, "UI", "1.2.840.10008.5.1.4.1.1.88."+secret)),
		"transfer syntax":  encode(t, secret, append(module(2, 2), fragments(nil, pixels.Value))...),
		"and not native":   encode(t, secret, module(2, 2, pixels)...),
	} {
		f, err := Open(data, Limits{})
		if err == nil {
			_, err = f.Render(0, View{})
		}
		if err == nil || strings.Contains(err.Error(), "Jane") {
			t.Errorf("%s: %v, want an error without its value", name, err)
		}
	}
	_, err := Open(file(cs(tagPhotometric, "CMYK")), Limits{})
	if err == nil || !strings.Contains(err.Error(), "CMYK") {
		t.Errorf("CMYK: %v, want an error that says so", err)
	}
}
