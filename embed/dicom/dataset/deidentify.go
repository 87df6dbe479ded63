package dataset

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Profile says how a file is de-identified. The zero value keeps least.
type Profile struct {
	// Patient is the new Patient ID, a pseudonym or empty: up to 64 characters
	// without backslash and control characters.
	Patient string
	// KeepUIDs is the Retain UIDs Option (113110): study, series, instance and
	// frame of reference keep theirs. Else each UID becomes one of 2.25. by
	// HMAC-SHA-256 with Key, the same for the same UID and Key. Without a key
	// whoever can guess a UID can recognise it.
	KeepUIDs bool
	Key      []byte
	// KeepCharacteristics is the Retain Patient Characteristics Option
	// (113108), of which sex and age are kept.
	KeepCharacteristics bool
}

// Tags that de-identification writes.
const (
	tagPatientID     Tag = 0x00100020
	tagIsRemoved     Tag = 0x00120062
	tagMethod        Tag = 0x00120063
	tagMethodCodes   Tag = 0x00120064
	tagTemporal      Tag = 0x00280303
	tagCodeValue     Tag = 0x00080100
	tagCodingScheme  Tag = 0x00080102
	tagCodeMeaning   Tag = 0x00080104
	tagSex           Tag = 0x00100040
	tagAge           Tag = 0x00101010
	deidentification     = "NEARCASE: basic profile, by a list of what is kept"
)

// Deidentified returns the file without what may identify the patient: the
// Basic Application Confidentiality Profile (PS3.15 Annex E) with a list of
// what is kept, which removes more than table E.1-1 asks for. Kept are the SOP
// class, the UIDs of the instance and what contains it, what interprets the
// pixels, modality, body part, laterality, view, and the numbers of series and
// instance; of these only values that keep to the characters of the dictionary's
// VR, of image types the first two, and codes of public schemes. What Ints,
// Floats, Words and Text read of the attributes that pixels are interpreted by,
// they read of the copy too: values of another VR than the dictionary's are
// written in that, numbers as exactly as they were. Attributes of type 2 in the patient and study modules are
// empty. Private attributes, dates, texts, overlays, references, icons, colour
// profiles and everything else are gone.
//
// Pixel data are passed on as they are, with whatever is burned in, drawn in
// unused bits or written in comments of a codestream; Burned In Annotation is
// kept so that callers can decide. Equal files and profiles give equal results.
func (f *File) Deidentified(p Profile) (*File, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	s := f.Set.allowed(p, false)
	p.stamp(s)
	syntax := f.Syntax
	if isDeflated(syntax) {
		syntax = explicitLittle
	}
	meta := &Set{Order: binary.LittleEndian}
	meta.putText(tagImplVersion, "SH", implementationVersion)
	out := &File{Syntax: syntax, Meta: meta, Set: s}
	out.Meta = out.meta(syntax)
	return out, nil
}

func (p Profile) check() error {
	bad := func(r rune) bool { return r == '\\' || unicode.IsControl(r) }
	if !utf8.ValidString(p.Patient) || utf8.RuneCountInString(p.Patient) > 64 || strings.ContainsFunc(p.Patient, bad) {
		return fmt.Errorf("%w: a Patient ID that is not LO", ErrUnsupported)
	}
	return nil
}

// allowed returns what of a set is kept, with the items of its sequences. The
// attributes of a code are kept where the set is one.
func (s *Set) allowed(p Profile, isCode bool) *Set {
	out := &Set{Order: s.order()}
	for _, e := range s.elements() {
		code := e.Tag == tagCodeValue || e.Tag == tagCodingScheme || e.Tag == tagCodeMeaning
		if e, ok := p.allow(s, e); ok && (isCode || !code) {
			out.Elements = append(out.Elements, e)
		}
	}
	return out
}

// allow returns an element as it is kept, if it is.
func (p Profile) allow(s *Set, e Element) (Element, bool) {
	if _, found := slices.BinarySearch(keptTags[:], e.Tag); !found {
		if p.KeepCharacteristics && (e.Tag == tagSex || e.Tag == tagAge) {
			return s.recoded(e)
		}
		return e, false
	}
	switch lookup(e.Tag).vr {
	case "SQ":
		return p.allowItems(s, e)
	case "UI":
		return p.allowUID(s, e)
	}
	return s.recoded(e)
}

// allowItems keeps a sequence. Items in another byte order than their set's
// stay in VR UN, which alone permits them.
func (p Profile) allowItems(s *Set, e Element) (Element, bool) {
	if e.Items == nil {
		return e, false
	}
	out := Element{Tag: e.Tag, VR: "SQ", Items: make([]*Set, 0, len(e.Items))}
	if e.VR == "UN" && s.order() != binary.LittleEndian {
		out.VR = "UN"
	}
	isCode := slices.Contains(codeTags[:], e.Tag)
	for _, item := range e.Items {
		if !isCode || !item.isLocalCode() {
			out.Items = append(out.Items, item.allowed(p, isCode))
		}
	}
	return out, true
}

// isLocalCode says whether an item is a code whose meaning no public coding
// scheme defines, which makes it free text.
func (s *Set) isLocalCode() bool {
	scheme := s.Text(tagCodingScheme)
	return s.Find(tagCodeMeaning) != nil && !slices.Contains(strings.Fields("DCM FMA NCIt RADLEX SCT SNM3 SRT UCUM"), scheme)
}

// allowUID keeps a UID, whatever its VR was. Those of classes and syntaxes are the standard's, all
// others are replaced unless the profile keeps them.
func (p Profile) allowUID(s *Set, e Element) (Element, bool) {
	uid, ok := s.Characters(e.Tag)
	if !ok || len(uid) > 64 || !onlyOf(uid, digits+".") {
		return e, false
	}
	if e.Tag != tagClass && !p.KeepUIDs && uid != "" {
		uid = p.uid(uid)
	}
	return Element{Tag: e.Tag, VR: "UI", Value: padded(uid, "UI")}, true
}

// uid returns the UID that stands for another: 2.25. and 128 bits (PS3.5 B.2).
func (p Profile) uid(old string) string {
	h := hmac.New(sha256.New, p.Key)
	h.Write([]byte(old))
	return "2.25." + new(big.Int).SetBytes(h.Sum(nil)[:16]).String()
}

// stamp empties what must be present, and says what was done.
func (p Profile) stamp(s *Set) {
	for _, t := range emptied {
		s.otherwise(Element{Tag: t, VR: lookup(t).vr, Value: []byte{}})
	}
	if strings.ContainsFunc(p.Patient, func(r rune) bool { return r >= utf8.RuneSelf }) {
		s.putText(tagCharset, "CS", "ISO_IR 192")
	}
	s.putText(tagPatientID, "LO", p.Patient)
	s.putText(tagIsRemoved, "CS", "YES")
	s.putText(tagTemporal, "CS", "REMOVED")
	s.putText(tagMethod, "LO", deidentification)
	codes := []*Set{methodCode(s, "113100", "Basic Application Confidentiality Profile")}
	if p.KeepCharacteristics {
		codes = append(codes, methodCode(s, "113108", "Retain Patient Characteristics Option"))
	}
	if p.KeepUIDs {
		codes = append(codes, methodCode(s, "113110", "Retain UIDs Option"))
	}
	s.put(Element{Tag: tagMethodCodes, VR: "SQ", Items: codes})
}

// methodCode returns an item of CID 7050 (PS3.16).
func methodCode(parent *Set, code, meaning string) *Set {
	s := &Set{Order: parent.Order}
	s.putText(tagCodeValue, "SH", code)
	s.putText(tagCodingScheme, "SH", "DCM")
	s.putText(tagCodeMeaning, "LO", meaning)
	return s
}

func (s *Set) putText(t Tag, vr, text string) {
	s.put(Element{Tag: t, VR: vr, Value: padded(text, vr)})
}
