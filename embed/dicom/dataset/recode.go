package dataset

import (
	"slices"
	"strconv"
	"strings"
)

const (
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters  = capitals + "abcdefghijklmnopqrstuvwxyz"
	digits   = "0123456789"

	tagImageType   Tag = 0x00080008
	tagFrameType   Tag = 0x00089007
	tagPhotometric Tag = 0x00280004
	tagVOIFunction Tag = 0x00281056
	tagLUTShape    Tag = 0x20500020
)

// recoded returns an element of a set as it is kept: in the VR that the
// dictionary gives its tag, or one that the standard has beside it, with a value
// of that VR (PS3.5 6.2). Names and free text do not pass as codes or numbers:
// it is false where nothing fits.
func (s *Set) recoded(e Element) (Element, bool) {
	if e.Items != nil || e.Fragments != nil && e.Tag != tagPixelData {
		return e, false
	}
	switch want := lookup(e.Tag).vr; want {
	case "DS", "IS":
		return s.recodedNumbers(e, want)
	case "US", "XS":
		return s.recodedShorts(e, want)
	case "CS":
		return s.recodedCodes(e)
	case "OW", "OV":
		return recodedBytes(e, want)
	case "AS", "LO", "SH":
		return e, e.VR == want && validText(want, e.Tag, strings.Trim(string(e.Value), " \x00"))
	default:
		return e, e.VR == want
	}
}

// recodedNumbers keeps texts of numbers as they are and writes other numbers
// with as many digits as they need, which may be more than the 16 of VR DS.
func (s *Set) recodedNumbers(e Element, want string) (Element, bool) {
	text := strings.Trim(string(e.Value), " \x00")
	if e.VR == want && text == "" {
		return e, true
	}
	numbers, ok := s.Floats(e.Tag)
	if e.VR == want && onlyOf(text, digits+`+-.eE \`) {
		return e, ok
	}
	texts := make([]string, len(numbers))
	for i, v := range numbers {
		texts[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return Element{Tag: e.Tag, VR: want, Value: padded(strings.Join(texts, `\`), want)}, ok
}

// recodedShorts keeps one number, or the three of a lookup table's descriptor.
// The latter and those of VR XS are in the VR that they had, if it is SS.
func (s *Set) recodedShorts(e Element, want string) (Element, bool) {
	n, isDescriptor := 1, strings.HasSuffix(Keyword(e.Tag), "Descriptor")
	if isDescriptor {
		n = 3
	}
	words, ok := s.Words(e.Tag, n)
	if want == "US" && !isDescriptor {
		v := s.Int(e.Tag, -1)
		words, ok = []uint16{uint16(v)}, v >= 0 && v <= 1<<16-1
	} else if e.VR == "SS" {
		want = "SS"
	}
	out := Element{Tag: e.Tag, VR: strings.Replace(want, "XS", "US", 1)}
	for _, v := range words {
		out.Value = append(out.Value, 0, 0)
		s.order().PutUint16(out.Value[len(out.Value)-2:], v)
	}
	return out, ok
}

// recodedCodes keeps the first value of what pixels are interpreted by, in
// whatever VR, the first two of image types, and all of others.
func (s *Set) recodedCodes(e Element) (Element, bool) {
	values := s.Texts(e.Tag)
	switch e.Tag {
	case tagPhotometric, tagVOIFunction, tagLUTShape:
		values = values[:min(len(values), 1)]
	case tagImageType, tagFrameType:
		values = values[:min(len(values), 2)]
		fallthrough
	default:
		if e.VR != "CS" {
			return e, false
		}
	}
	for _, v := range values {
		if len(v) > 16 || !onlyOf(v, capitals+digits+"_ ") || e.Tag == tagSex && !slices.Contains([]string{"F", "M", "O", ""}, v) {
			return e, false
		}
	}
	return Element{Tag: e.Tag, VR: "CS", Value: padded(strings.Join(values, `\`), "CS")}, true
}

// recodedBytes keeps bytes as they are. Those of a VR without meaning here are
// read as pixels in bytes or tables in words are.
func recodedBytes(e Element, want string) (Element, bool) {
	switch {
	case isText(e.VR) && e.VR != "UN":
		return e, false
	case want == "OW" && strings.Contains("OB OW SS UN US", e.VR):
	case e.Tag == tagPixelData:
		e.VR = "OB"
	default:
		e.VR = want
	}
	return e, true
}

// validText says whether text has only the characters of its VR. The types of
// rescaling and modality LUTs are codes, though of VR LO.
func validText(vr string, t Tag, text string) bool {
	switch vr {
	case "AS":
		return text == "" || len(text) == 4 && onlyOf(text[:3], digits) && onlyOf(text[3:], "DWMY")
	case "SH":
		return len(text) <= 16 && onlyOf(text, letters+digits+"_-.")
	}
	if t == tagCodeMeaning {
		return len(text) <= 64 && onlyOf(text, letters+digits+" -,/()'")
	}
	return len(text) <= 16 && onlyOf(text, capitals+digits+"_ ")
}

func onlyOf(text, set string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(set, r) })
}
