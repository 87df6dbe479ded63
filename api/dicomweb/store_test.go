package dicomweb

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"nearcase/api/apitest"
	"nearcase/embed"
	"nearcase/embed/dicom/dataset"
	"nearcase/store"
)

// changed is Jane's file with elements added or replaced, and without others.
func changed(t testing.TB, elements []dataset.Element, without ...dataset.Tag) []byte {
	t.Helper()
	f := apitest.DICOMFile(apitest.Jane, 10)
	f.Set = f.Set.With(elements, without...)
	data, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFilesThatCannotBeStoredAreRefusedWithTheirReason(t *testing.T) {
	class := func(uid string) []dataset.Element { return []dataset.Element{element(tagClass, "UI", uid)} }
	const storage = "1.2.840.10008.5.1.4.1.1."
	whole := changed(t, nil)
	for name, c := range map[string]struct {
		data  []byte
		study string
		want  Reason // 0 for none
		known bool   // class and instance are
	}{
		"an image":                     {whole, "", 0, true},
		"an image of the study":        {whole, apitest.Jane.Study, 0, true},
		"an image of another study":    {whole, "1.2.9", NotOfStudy, true},
		"a report":                     {changed(t, class(storage+"88.33"), tagPixels), "", ClassNotSupported, true},
		"a report of another study":    {changed(t, class(storage+"88.33"), tagPixels), "1.2.9", ClassNotSupported, true},
		"an RT plan":                   {changed(t, class(storage+"481.5"), tagPixels), "", ClassNotSupported, true},
		"a CT image without pixels":    {changed(t, class(storage+"2"), tagPixels), "", NotOfItsClass, true},
		"an image without a class":     {changed(t, nil, tagClass), "", NotOfItsClass, false},
		"an image without an instance": {changed(t, nil, tagInstance), "", NotOfItsClass, false},
		"an image without a series":    {changed(t, nil, tagSeries), "", NotOfItsClass, true},
		"an instance that is no UID":   {changed(t, []dataset.Element{element(tagInstance, "UI", "Doe")}), "", NotOfItsClass, false},
		"a truncated file":             {whole[:len(whole)-5], "", CannotUnderstand, false},
		"something else":               {[]byte("hello"), "", CannotUnderstand, false},
		"nothing":                      {nil, "", CannotUnderstand, false},
		"a file larger than it may be": {append(whole, make([]byte, 10_000)...), "", OutOfResources, false},
	} {
		r, refused := Identify(c.data, c.study, 5000)
		got := Reason(0)
		if refused != nil {
			got = refused.Reason
			apitest.HoldsNone(t, name, []byte(refused.Error()))
		}
		if got != c.want || (r.Class != "" && r.Instance != "") != c.known {
			t.Errorf("%s: got %04X and %+v, want %04X", name, got, r, c.want)
		}
	}
}

func TestErrorsHaveTheirReason(t *testing.T) {
	readable, unknown := Reference{Syntax: "1.2.840.10008.1.2.1"}, Reference{Syntax: "1.2.840.10008.1.2.4.100"}
	for _, c := range []struct {
		r    Reference
		err  error
		want Reason
	}{
		{readable, embed.ErrUnsupported, ClassNotSupported},
		{unknown, embed.ErrUnsupported, SyntaxNotSupported},
		{readable, embed.ErrCodec, SyntaxNotSupported},
		{readable, embed.ErrCorrupt, CannotUnderstand},
		{readable, embed.ErrTooLarge, OutOfResources},
		{readable, syscall.ENOSPC, OutOfResources},
		{readable, store.ErrConflict, Duplicate},
		{readable, errors.New("other"), ProcessingFailure},
		{readable, &Refusal{NotOfStudy, errors.New("x")}, NotOfStudy},
	} {
		if got := c.r.Refuse(fmt.Errorf("operation: %w", c.err)); got.Reason != c.want || !errors.Is(got, c.err) && c.want != NotOfStudy {
			t.Errorf("%v in %s: got %04X, want %04X", c.err, c.r.Syntax, got.Reason, c.want)
		}
	}
}

// The answer is that of PS3.18, table 10.5.3-1.
func TestTheAnswerSaysWhatBecameOfEach(t *testing.T) {
	of := func(n string) Reference { return Reference{Class: "1.2", Instance: "1." + n, Study: "3", Series: "4"} }
	got := marshal(t, Stored([]Outcome{
		{Reference: of("1"), Changed: true},
		{Reference: of("2"), Refused: &Refusal{Duplicate, errors.New("x")}},
		{Refused: &Refusal{CannotUnderstand, fmt.Errorf("embed: open application/dicom: dicom: open: %w", embed.ErrCorrupt)}},
	}, "http://x", ""))
	want := `{"00081190":{"vr":"UR","Value":["http://x/studies/3"]},` +
		`"00081198":{"vr":"SQ","Value":[{"00000902":{"vr":"LO","Value":["another file of this SOP Instance UID is stored"]},` +
		`"00081150":{"vr":"UI","Value":["1.2"]},"00081155":{"vr":"UI","Value":["1.2"]},"00081197":{"vr":"US","Value":[273]}}]},` +
		`"00081199":{"vr":"SQ","Value":[{"00081150":{"vr":"UI","Value":["1.2"]},"00081155":{"vr":"UI","Value":["1.1"]},` +
		`"00081190":{"vr":"UR","Value":["http://x/studies/3/series/4/instances/1.1"]},"00081196":{"vr":"US","Value":[45056]}}]},` +
		`"0008119A":{"vr":"SQ","Value":[{"00000902":{"vr":"LO","Value":["` + embed.ErrCorrupt.Error() + `"]},"00081197":{"vr":"US","Value":[49152]}}]}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	two := marshal(t, Stored([]Outcome{{Reference: of("1")}, {Reference: Reference{"1.2", "1.3", "5", "6", ""}}}, "http://x", ""))
	if strings.HasPrefix(two, `{"00081190"`) || strings.Contains(two, "00081196") || strings.Contains(two, "00081198") {
		t.Errorf("two studies, as they came: got %s, want neither a study, a warning nor a failure", two)
	}
}

func FuzzIdentify(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data, "1.2.3.1")
	}
	f.Fuzz(func(t *testing.T, data []byte, study string) {
		r, refused := Identify(data, study, 1<<20)
		if refused == nil && (r.Class == "" || r.Instance == "" || r.Study == "" || study != "" && r.Study != study) {
			t.Errorf("Identify = %+v, which may not be stored", r)
		}
	})
}
