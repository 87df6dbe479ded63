package dicomweb

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/url"
	"slices"
	"testing"

	"nearcase/api/apitest"
	"nearcase/embed"
	"nearcase/embed/dicom/dataset"
)

const explicit, encapsulated = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.98"

// streams is Jane's file of two frames, encapsulated.
func streams(t testing.TB, syntax string, frames ...[]byte) []byte {
	t.Helper()
	f := apitest.DICOMFile(apitest.Jane, make([]byte, len(frames))...)
	f.Syntax = syntax
	f.Set = f.Set.With([]dataset.Element{{Tag: tagPixels, VR: "OB", Fragments: append([][]byte{nil}, frames...)}})
	data, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func opened(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(data, embed.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilesComeInTheSyntaxAskedFor(t *testing.T) {
	a, b := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte{9}, 16)
	kept := streams(t, encapsulated, a, b)
	f := opened(t, kept)
	for _, c := range []struct{ asked, want string }{
		{"", explicit}, {"*", encapsulated}, {encapsulated, encapsulated}, {explicit, explicit}, {"1.2.840.10008.1.2.4.50", ""},
	} {
		data, form, err := f.Whole([]Choice{{DICOM, true, c.asked}}, 1000)
		if c.want == "" {
			if !errors.Is(err, ErrAccept) {
				t.Errorf("%q: %v, want %v", c.asked, err, ErrAccept)
			}
			continue
		}
		if err != nil || form.Syntax != c.want || opened(t, data).Syntax() != c.want || (c.want == encapsulated) != bytes.Equal(data, kept) {
			t.Errorf("%q: %s, %v, want %s", c.asked, form.Syntax, err, c.want)
		}
	}
	if _, _, err := f.Whole([]Choice{{DICOM, true, ""}}, 31); !errors.Is(err, ErrAccept) || !errors.Is(err, embed.ErrTooLarge) && err == nil {
		t.Errorf("32 bytes where 31 may be: %v, want %v", err, ErrAccept)
	}
	if data, form, err := f.Whole([]Choice{{DICOM, true, "1.2"}, {DICOM, false, "*"}}, 31); err != nil || form.Parts || !bytes.Equal(data, kept) {
		t.Errorf("the second choice: %+v, %v", form, err)
	}
	data, syntax := f.AsKept()
	if syntax != encapsulated || !bytes.Equal(data, kept) {
		t.Errorf("AsKept: %d bytes in %s", len(data), syntax)
	}
}

func TestFramesComeInTheFormAskedFor(t *testing.T) {
	native, stream := opened(t, apitest.DICOM(t, apitest.Jane, 7, 9)), bytes.Repeat([]byte{5}, 16)
	compressed := opened(t, streams(t, encapsulated, stream, stream))
	broken := opened(t, streams(t, "1.2.840.10008.1.2.4.50", []byte("\xff\xd8\xff\xe0none")))
	for _, c := range []struct {
		name   string
		f      *File
		accept string
		want   string
	}{
		{"native", native, "*/*", "{application/octet-stream true 1.2.840.10008.1.2.1}"},
		{"native as kept", native, "application/octet-stream; transfer-syntax=*", "{application/octet-stream false 1.2.840.10008.1.2.1}"},
		{"native as JPEG", native, "image/jpeg", ""},
		{"encapsulated", compressed, "", "{application/octet-stream true 1.2.840.10008.1.2.1}"},
		{"encapsulated in implicit little endian", compressed, "application/octet-stream;transfer-syntax=1.2.840.10008.1.2", "{application/octet-stream false 1.2.840.10008.1.2.1}"},
		{"encapsulated as kept", compressed, "multipart/related; type=application/octet-stream; transfer-syntax=*", "{application/octet-stream true 1.2.840.10008.1.2.1.98}"},
		{"encapsulated in its syntax", compressed, "application/octet-stream; transfer-syntax=" + encapsulated, "{application/octet-stream false 1.2.840.10008.1.2.1.98}"},
		{"encapsulated in another", compressed, "application/octet-stream; transfer-syntax=1.2.3", ""},
		{"what cannot be decoded, as it is", broken, "*/*", "{image/jpeg true 1.2.840.10008.1.2.4.50}"},
		{"what cannot be decoded, decoded", broken, "application/octet-stream", ""},
	} {
		choices, err := Accepts(c.accept, c.f.FrameOffers()...)
		var form Choice
		if err == nil {
			form, err = c.f.FrameForm(choices, 0)
		}
		if c.want == "" {
			if !errors.Is(err, ErrAccept) {
				t.Errorf("%s: %v, %v, want %v", c.name, form, err, ErrAccept)
			}
			continue
		}
		if got := fmt.Sprint(form); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
			continue
		}
		if _, err := c.f.Frame(0, form); err != nil {
			t.Errorf("%s: Frame: %v", c.name, err)
		}
	}
	for _, f := range []*File{native, compressed} {
		got, err := f.Frame(1, Choice{OctetStream, true, explicit})
		want := byte(9)
		if f == compressed {
			want = 5
		}
		if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{want}, 16)) {
			t.Errorf("Frame: % x, %v", got, err)
		}
	}
}

func TestFilesThatCannotBeOpenedAreErrorsOfImages(t *testing.T) {
	whole := apitest.DICOM(t, apitest.Jane, 7)
	for _, c := range []struct {
		data   []byte
		limits embed.Limits
		want   error
	}{
		{whole[:len(whole)-3], embed.Limits{}, embed.ErrCorrupt}, {whole, embed.Limits{Pixels: 3}, embed.ErrTooLarge}, {[]byte("hello"), embed.Limits{}, embed.ErrNotImage},
	} {
		if _, err := Open(c.data, c.limits); !errors.Is(err, c.want) {
			t.Errorf("Open: %v, want %v", err, c.want)
		}
	}
	damaged := opened(t, streams(t, "1.2.840.10008.1.2.4.50", []byte("\xff\xd8\xff\xe0none")))
	if _, err := damaged.Frame(0, Choice{OctetStream, true, explicit}); !errors.Is(err, embed.ErrCorrupt) {
		t.Errorf("Frame: %v, want %v", err, embed.ErrCorrupt)
	}
}

func TestListsOfFrames(t *testing.T) {
	if got, err := ParseFrames("2, 1,3", 3); err != nil || !slices.Equal(got, []int{1, 0, 2}) {
		t.Errorf("ParseFrames: %v, %v", got, err)
	}
	for list, want := range map[string]error{"": ErrSyntax, "0": ErrSyntax, "x": ErrSyntax, "1,": ErrSyntax, "4": ErrBulk, "-1": ErrSyntax} {
		if _, err := ParseFrames(list, 3); !errors.Is(err, want) {
			t.Errorf("ParseFrames(%q): %v, want %v", list, err, want)
		}
	}
}

// ramp is a file of 4 × 4 pixels whose columns are 0, 80, 160 and 240.
func ramp(t testing.TB) []byte {
	return changed(t, []dataset.Element{{Tag: tagPixels, VR: "OB", Value: bytes.Repeat([]byte{0, 80, 160, 240}, 4)}}, 0x00281050, 0x00281051)
}

func TestRenderings(t *testing.T) {
	for _, c := range []struct {
		query, mediaType string
		width, height    int
		first            uint32 // grey of the first pixel
	}{
		{"", PNG, 4, 4, 0},
		{"", JPEG, 4, 4, 0},
		{"viewport=2,2", PNG, 2, 2, 0},
		{"viewport=8,8", PNG, 4, 4, 0},
		{"viewport=9,9,2,1,2,3", PNG, 2, 3, 160},
		{"viewport=9,9,,,1,", PNG, 1, 4, 0},
		{"window=240,2,linear-exact&viewport=9,9,3,0,1,1", PNG, 1, 1, 128},
		{"window=40,1", PNG, 4, 4, 0},
		{"quality=10&iccprofile=no", JPEG, 4, 4, 0},
	} {
		given, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		var r Rendering
		if err := r.Parse(given); err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		data, err := r.Render(ramp(t), 0, c.mediaType, embed.Limits{})
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		m, kind, err := image.Decode(bytes.NewReader(data))
		if err != nil || "image/"+kind != c.mediaType || m.Bounds().Dx() != c.width || m.Bounds().Dy() != c.height {
			t.Errorf("%s: a %s of %v, %v, want %d × %d", c.query, kind, m.Bounds(), err, c.width, c.height)
			continue
		}
		if g, _, _, _ := m.At(0, 0).RGBA(); c.mediaType == PNG && c.width != 2 && g>>8 != c.first {
			t.Errorf("%s: the first pixel is %d, want %d", c.query, g>>8, c.first)
		}
	}
}

func TestRenderingsThatCannotBe(t *testing.T) {
	for query, want := range map[string]error{
		"window=1": ErrSyntax, "window=x,1": ErrSyntax, "window=1,0": ErrSyntax, "window=1,NaN": ErrSyntax, "window=1,2,cubic": ErrSyntax,
		"viewport=1": ErrSyntax, "viewport=0,1": ErrSyntax, "viewport=1,99999": ErrSyntax, "viewport=1,1,5,0,1,1": ErrSyntax, "viewport=1,1,0,0,0,1": ErrSyntax,
		"quality=0": ErrSyntax, "quality=x": ErrSyntax, "iccprofile=srgb": ErrSyntax, "annotation=patient": ErrSyntax, "quality=1&quality=2": ErrSyntax,
	} {
		given, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		var r Rendering
		if err = r.Parse(given); err == nil {
			_, err = r.Render(ramp(t), 0, PNG, embed.Limits{})
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", query, err, want)
		}
	}
	if _, err := (Rendering{}).Render(ramp(t), 1, PNG, embed.Limits{}); !errors.Is(err, ErrBulk) {
		t.Errorf("a frame that there is not: %v, want %v", err, ErrBulk)
	}
}

func FuzzRendering(f *testing.F) {
	f.Add("viewport=9,9,2,1,2,3&window=1,2,sigmoid")
	f.Fuzz(func(t *testing.T, query string) {
		given, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		var r Rendering
		if r.Parse(given) != nil {
			return
		}
		if _, err := r.Render(ramp(t), 0, PNG, embed.Limits{}); err != nil && !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", query, err)
		}
	})
}
