package apitest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"nearcase/embed/dicom/dataset"
)

// Who is whom and what a DICOM file is of.
type Who struct{ Patient, Study, Series, Instance, Modality string }

// Jane is a patient of whom Secrets has more.
var Jane = Who{"MRN-12345", "1.2.3.1", "1.2.3.1.1", "1.2.3.1.1.1", "CR"}

// Secrets are what a DICOM file of Jane says and nobody may learn. They are long enough
// not to be met by chance in checksums and random numbers.
var Secrets = []string{"MRN-12345", "Doelittle", "Jane", "19700304", "ACC-4711", "Elsewhere", "Quincy", "20260102"}

// HoldsNone fails if a text has one of the secrets.
func HoldsNone(t testing.TB, what string, content []byte) {
	t.Helper()
	for _, secret := range Secrets {
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s holds %q", what, secret)
		}
	}
}

// DICOM writes a file of 4 × 4 pixels whose frames are each of one grey.
func DICOM(t testing.TB, w Who, greys ...byte) []byte {
	t.Helper()
	return written(t, DICOMFile(w, greys...))
}

func written(t testing.TB, f *dataset.File) []byte {
	t.Helper()
	data, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// DICOMFile is what DICOM writes, to be changed before. Its last element is the
// pixel data.
func DICOMFile(w Who, greys ...byte) *dataset.File {
	var pixels []byte
	for _, g := range greys {
		pixels = append(pixels, bytes.Repeat([]byte{g}, 16)...)
	}
	us := func(tag dataset.Tag, v uint16) dataset.Element {
		return dataset.Element{Tag: tag, VR: "US", Value: binary.LittleEndian.AppendUint16(nil, v)}
	}
	return &dataset.File{Syntax: "1.2.840.10008.1.2.1", Meta: &dataset.Set{}, Set: &dataset.Set{Elements: []dataset.Element{
		element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7"), element(0x00080018, "UI", w.Instance),
		element(0x00080020, "DA", "20260102"), element(0x00080022, "DA", "20260103"), element(0x00080050, "SH", "ACC-4711"),
		element(0x00080060, "CS", w.Modality), element(0x00080080, "LO", "St. Elsewhere"), element(0x00080090, "PN", "Quincy^Jack"),
		element(0x00100010, "PN", "Doelittle^Jane"), element(0x00100020, "LO", w.Patient), element(0x00100030, "DA", "19700304"),
		element(0x00100040, "CS", "F"), element(0x00101010, "AS", "056Y"), element(0x00104000, "LT", "comment on Jane"),
		element(0x0020000D, "UI", w.Study), element(0x0020000E, "UI", w.Series),
		us(0x00280002, 1), element(0x00280004, "CS", "MONOCHROME2"), element(0x00280008, "IS", fmt.Sprint(len(greys))),
		us(0x00280010, 4), us(0x00280011, 4), us(0x00280100, 8), us(0x00280101, 8), us(0x00280102, 7), us(0x00280103, 0),
		element(0x00281050, "DS", "128"), element(0x00281051, "DS", "256"),
		{Tag: 0x7FE00010, VR: "OB", Value: pixels},
	}}}
}

// element is an element of text, padded to an even length (PS3.5, 6.2).
func element(tag dataset.Tag, vr, value string) dataset.Element {
	pad := " "
	if vr == "UI" {
		pad = "\x00"
	}
	return dataset.Element{Tag: tag, VR: vr, Value: []byte(value + strings.Repeat(pad, len(value)%2))}
}

// encapsulated is Jane's file in a transfer syntax, its one frame the stream.
func encapsulated(t testing.TB, syntax string, stream []byte) []byte {
	t.Helper()
	f := DICOMFile(Jane, 0)
	f.Syntax = syntax
	last := &f.Set.Elements[len(f.Set.Elements)-1]
	last.Value, last.Fragments = nil, [][]byte{nil, stream}
	return written(t, f)
}

// JPEGLS is Jane's file as JPEG-LS, which needs CharLS: 4 × 4 zeros, in four
// runs that reach the ends of their lines (ITU-T T.87, A.7).
func JPEGLS(t testing.TB) []byte {
	return encapsulated(t, "1.2.840.10008.1.2.4.80", []byte("\xff\xd8\xff\xf7\x00\x0b\x08\x00\x04\x00\x04\x01\x01\x11\x00"+
		"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00\xff\x40\xff\xd9"))
}

// Zip makes an archive of files, in the order of names.
func Zip(t testing.TB, files map[string][]byte, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
