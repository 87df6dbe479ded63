package dataset

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	longestText       = 1 << 20
	longestCharacters = 1 << 10
)

// Find returns the element of a tag, nil if there is none.
func (s *Set) Find(t Tag) *Element {
	i, found := slices.BinarySearchFunc(s.Elements, t, func(e Element, t Tag) int {
		return int(int64(e.Tag) - int64(t))
	})
	if !found {
		return nil
	}
	return &s.Elements[i]
}

// FindBinary is Find for elements of numbers or bytes: nil also where the VR is
// one of text.
func (s *Set) FindBinary(t Tag) *Element {
	e := s.Find(t)
	if e == nil || e.VR != "UN" && isText(e.VR) {
		return nil
	}
	return e
}

// Sequence returns the items of a sequence, none if it is absent.
func (s *Set) Sequence(t Tag) []*Set {
	if e := s.Find(t); e != nil {
		return e.Items
	}
	return nil
}

// Text returns the first value of an element as UTF-8 without the spaces and
// NULs around it, empty if it is absent, not text or beyond 1 MiB. Its bytes are read in the
// Specific Character Set of the set, else of the sets around it; what that
// cannot be becomes U+FFFD.
func (s *Set) Text(t Tag) string {
	if v := s.Texts(t); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Texts is Text for all values. Elements of VR LT, ST, UR and UT have one.
func (s *Set) Texts(t Tag) []string {
	e := s.Find(t)
	if e == nil || len(e.Value) == 0 || len(e.Value) > longestText || !isText(e.VR) {
		return nil
	}
	text := s.decode(e)
	values := []string{text}
	if !strings.Contains("LT ST UR UT", e.VR) {
		values = strings.Split(text, `\`)
	}
	for i, v := range values {
		values[i] = strings.Trim(v, " \x00")
	}
	return values
}

// Characters returns the characters of an element whatever its VR, as UTF-8:
// several values joined by a backslash, without the spaces and NULs around each,
// empty where there are none. It is false where the element has something else:
// items, control characters, or more than 1 KiB.
func (s *Set) Characters(t Tag) (string, bool) {
	e := s.Find(t)
	if e == nil {
		return "", true
	}
	value := bytes.Trim(e.Value, " \x00")
	if len(e.Items)+len(e.Fragments) > 0 || len(value) > longestCharacters {
		return "", false
	}
	values := strings.Split(decodeText(value, s.characterSet()), `\`)
	for i, v := range values {
		values[i] = strings.Trim(v, " \x00")
	}
	text := strings.Trim(strings.Join(values, `\`), `\`)
	return text, !strings.ContainsFunc(text, unicode.IsControl)
}

// isText says whether values of a VR are characters. Those of UN may be.
func isText(vr string) bool {
	return strings.Contains("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UN UR UT", vr)
}

// characterSet returns the Specific Character Set that texts of a set are in.
func (s *Set) characterSet() string {
	if c := s.Find(tagCharset); c != nil {
		return string(c.Value)
	}
	return s.charset
}

// decode returns a value as UTF-8.
func (s *Set) decode(e *Element) string {
	if strings.Contains("LO LT PN SH ST UC UN UT", e.VR) {
		return decodeText(e.Value, s.characterSet())
	}
	return strings.ToValidUTF8(string(e.Value), "\uFFFD")
}

// Ints returns the values of an element of integers, in binary or as text, and
// of one of other numbers where all are whole. It is false where the element is
// absent, empty or of something else.
func (s *Set) Ints(t Tag) ([]int, bool) {
	e := s.Find(t)
	if e == nil {
		return nil, false
	}
	if strings.Contains("DS IS FL FD OF OD", e.VR) {
		return whole(s.Floats(t))
	}
	size := integerSize(e.VR)
	if size == 0 || len(e.Value) < size {
		return nil, false
	}
	out := make([]int, len(e.Value)/size)
	for i := range out {
		out[i] = s.integer(e.VR, e.Value[i*size:])
	}
	return out, true
}

// whole returns numbers as integers, false where one of them is none.
func whole(numbers []float64, ok bool) ([]int, bool) {
	out := make([]int, len(numbers))
	for i, v := range numbers {
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return nil, false
		}
		out[i] = int(v)
	}
	return out, ok
}

// Words returns the first n numbers of an element whose 16 bits are signed or
// not as others say (VR US or SS), in bytes too, and of other integers that are
// within 16 bits. It is false where there are fewer.
func (s *Set) Words(t Tag, n int) ([]uint16, bool) {
	e := s.Find(t)
	if e == nil {
		return nil, false
	}
	out := make([]uint16, n)
	if strings.Contains("OB OW SS UN US", e.VR) {
		if len(e.Value) < 2*n {
			return nil, false
		}
		for i := range out {
			out[i] = s.order().Uint16(e.Value[2*i:])
		}
		return out, true
	}
	ints, ok := s.Ints(t)
	if !ok || len(ints) < n {
		return nil, false
	}
	for i, v := range ints[:n] {
		if v < math.MinInt16 || v > math.MaxUint16 {
			return nil, false
		}
		out[i] = uint16(v)
	}
	return out, true
}

// Int returns the first integer of an element, or otherwise where there is
// none.
func (s *Set) Int(t Tag, otherwise int) int {
	if v, ok := s.Ints(t); ok {
		return v[0]
	}
	return otherwise
}

// Floats returns the values of an element of numbers: DS, FL, FD, and those
// that Ints reads. None of them is NaN or infinite.
func (s *Set) Floats(t Tag) ([]float64, bool) {
	e := s.Find(t)
	if e == nil {
		return nil, false
	}
	var out []float64
	switch e.VR {
	case "DS", "IS":
		for _, text := range s.Texts(t) {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, false
			}
			out = append(out, v)
		}
	case "FL", "OF":
		for b := e.Value; len(b) >= 4; b = b[4:] {
			out = append(out, float64(math.Float32frombits(s.order().Uint32(b))))
		}
	case "FD", "OD":
		for b := e.Value; len(b) >= 8; b = b[8:] {
			out = append(out, math.Float64frombits(s.order().Uint64(b)))
		}
	default:
		ints, _ := s.Ints(t)
		for _, v := range ints {
			out = append(out, float64(v))
		}
	}
	for _, v := range out {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, false
		}
	}
	return out, len(out) > 0
}

func (s *Set) order() binary.ByteOrder {
	if s == nil || s.Order == nil {
		return binary.LittleEndian
	}
	return s.Order
}

// integer returns the integer at the start of b, of a VR that Ints reads.
func (s *Set) integer(vr string, b []byte) int {
	switch vr {
	case "US":
		return int(s.order().Uint16(b))
	case "SS":
		return int(int16(s.order().Uint16(b)))
	case "UL":
		return int(s.order().Uint32(b))
	case "SL":
		return int(int32(s.order().Uint32(b)))
	case "AT":
		return int(s.order().Uint16(b))<<16 | int(s.order().Uint16(b[2:]))
	}
	return int(s.order().Uint64(b))
}

// integerSize returns the bytes of an integer of a VR, 0 if it has none.
func integerSize(vr string) int {
	switch vr {
	case "US", "SS":
		return 2
	case "UL", "SL", "AT":
		return 4
	case "UV", "SV", "OV":
		return 8
	}
	return 0
}
