package dicomweb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/embed/dicom"
	"nearcase/embed/dicom/dataset"
	"nearcase/store"
)

// Reason is why an instance was not stored, or was stored in another form (tables
// 10.5.3-2 and 10.5.3-3, and PS3.7 Annex C).
type Reason uint16

// The reasons that are given.
const (
	ProcessingFailure  Reason = 0x0110
	Duplicate          Reason = 0x0111 // another file of the same SOP Instance UID
	ClassNotSupported  Reason = 0x0122
	OutOfResources     Reason = 0xA700
	NotOfItsClass      Reason = 0xA900 // the data set does not match the SOP class
	NotOfStudy         Reason = 0xA901 // the Study Instance UID is not the URL's
	CannotUnderstand   Reason = 0xC000
	SyntaxNotSupported Reason = 0xC122
	Coerced            Reason = 0xB000 // a warning: elements were changed or removed
)

// Reference is what an instance on its way in says that it is.
type Reference struct{ Class, Instance, Study, Series, Syntax string }

// Identify reads what a file says that it is, and why it cannot be stored in the
// study of a request, which may be empty for any. Whether it holds an image that
// can be decoded is found out later.
func Identify(data []byte, study string, maxBytes int64) (r Reference, refused *Refusal) {
	f, err := dataset.Parse(data, dataset.Limits{Bytes: maxBytes, Inflated: maxBytes})
	if err != nil {
		return r, &Refusal{reasonOf(dicomError(err)), err}
	}
	missing := r.read(f)
	switch {
	case r.Class != "" && !hasPixels(f.Set) && isImageClass(r.Class):
		return r, &Refusal{NotOfItsClass, fmt.Errorf("%w: none in SOP class %s", embed.ErrNoPixels, r.Class)}
	case r.Class != "" && !hasPixels(f.Set):
		return r, &Refusal{ClassNotSupported, fmt.Errorf("%w: SOP class %s", embed.ErrNoPixels, r.Class)}
	case missing != "":
		return r, &Refusal{NotOfItsClass, fmt.Errorf("%w: no %s that can be read", ErrSyntax, missing)}
	case study != "" && study != r.Study:
		return r, &Refusal{NotOfStudy, fmt.Errorf("%w: the Study Instance UID is not that of the address", ErrSyntax)}
	}
	return r, nil
}

// read takes from a file what it says that it is, and returns the name of the first
// UID that it does not have.
func (r *Reference) read(f *dataset.File) (missing string) {
	r.Syntax = f.Syntax
	for _, part := range []struct {
		of   *string
		tag  dataset.Tag
		name string
	}{
		{&r.Class, tagClass, "SOP Class UID"}, {&r.Instance, tagInstance, "SOP Instance UID"},
		{&r.Study, tagStudy, "Study Instance UID"}, {&r.Series, tagSeries, "Series Instance UID"},
	} {
		text, ok := f.Set.Characters(part.tag)
		if ok && len(text) <= 64 && strings.Trim(text, "0123456789.") == "" {
			*part.of = text
		}
		if *part.of == "" && missing == "" {
			missing = part.name
		}
	}
	return missing
}

// isImageClass reports whether a SOP class (PS3.6 A) is one of images that are
// pixels, so that a file of it without any is not what it says.
func isImageClass(class string) bool {
	kind, ok := strings.CutPrefix(class, "1.2.840.10008.5.1.4.1.1.")
	kind, _, _ = strings.Cut(kind, ".")
	switch kind {
	case "1", "2", "3", "4", "6", "7", "12", "13", "14", "20", "77", "128", "130":
		return ok && class != "1.2.840.10008.5.1.4.1.1.4.2" // MR spectroscopy
	}
	return class == "1.2.840.10008.5.1.4.1.1.481.1" // RT image
}

// hasPixels reports whether a set has pixels, of whatever kind.
func hasPixels(s *dataset.Set) bool {
	return s.Find(tagPixels) != nil || s.Find(tagFloatPixels) != nil || s.Find(tagDoublePixels) != nil
}

// Refusal is why an instance is not stored.
type Refusal struct {
	Reason Reason
	Err    error
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("%04X: %v", uint16(r.Reason), r.Err) }

// comment says why in the few words that there is room for.
func (r *Refusal) comment() string {
	if r.Reason == Duplicate {
		return "another file of this SOP Instance UID is stored"
	}
	text := r.Err.Error()
	for first, rest, ok := strings.Cut(text, ": "); ok && isWhere(first); first, rest, ok = strings.Cut(text, ": ") {
		text = rest
	}
	return text
}

// isWhere reports whether a part of an error says where it was, and not what.
func isWhere(part string) bool {
	return slices.ContainsFunc([]string{"embed", "dicom", "open", "decode", "render", "instance ", ErrSyntax.Error()}, func(prefix string) bool {
		return strings.HasPrefix(part, prefix)
	})
}

// Unwrap returns the error itself.
func (r *Refusal) Unwrap() error { return r.Err }

// Refuse returns why an instance is not stored, by the error of the operation.
func (r Reference) Refuse(err error) *Refusal {
	if known, ok := errors.AsType[*Refusal](err); ok {
		return known
	}
	reason := reasonOf(err)
	if reason == SyntaxNotSupported && !errors.Is(err, embed.ErrCodec) && dicom.IsReadable(r.Syntax) {
		reason = ClassNotSupported // it is the kind of pixels
	}
	return &Refusal{reason, err}
}

// reasonOf returns the reason that stands for an error; the first that matches
// counts.
func reasonOf(err error) Reason {
	for _, row := range []struct {
		err    error
		reason Reason
	}{
		{syscall.ENOSPC, OutOfResources}, {context.DeadlineExceeded, OutOfResources}, {store.ErrFull, OutOfResources},
		{store.ErrQuota, OutOfResources}, {store.ErrFiles, OutOfResources}, {store.ErrStopped, OutOfResources},
		{store.ErrConflict, Duplicate}, {store.ErrInvalid, CannotUnderstand}, {api.ErrKey, ProcessingFailure},
		{embed.ErrInterrupted, ProcessingFailure}, {embed.ErrCodec, SyntaxNotSupported}, {embed.ErrNoPixels, ClassNotSupported},
		{embed.ErrTooLarge, OutOfResources}, {embed.ErrUnsupported, SyntaxNotSupported}, {embed.ErrNotImage, CannotUnderstand},
		{embed.ErrCorrupt, CannotUnderstand}, {embed.ErrEmpty, CannotUnderstand}, {embed.ErrNotVector, NotOfItsClass},
		{ErrMediaType, CannotUnderstand},
	} {
		if errors.Is(err, row.err) {
			return row.reason
		}
	}
	return ProcessingFailure
}

// dicomError returns what an error of package dicom is in package embed.
func dicomError(err error) error {
	for _, e := range [][2]error{
		{dicom.ErrInterrupted, embed.ErrInterrupted}, {dicom.ErrLibrary, embed.ErrCodec}, {dicom.ErrNotDICOM, embed.ErrNotImage},
		{dicom.ErrTooLarge, embed.ErrTooLarge}, {dicom.ErrUnsupported, embed.ErrUnsupported}, {dicom.ErrNoImage, embed.ErrNoPixels},
	} {
		if errors.Is(err, e[0]) {
			return e[1]
		}
	}
	return embed.ErrCorrupt
}

// Outcome is what became of an instance that was sent.
type Outcome struct {
	Reference
	Refused *Refusal // nil if it is stored
	// Changed tells that what is kept is not what was sent.
	Changed bool
}

// Stored is the answer to a store request (table 10.5.3-1). An instance whose
// SOP Class or SOP Instance UID cannot be read is among the other failures. Base
// is the address of the service, study what the request's address names. The
// study's own address is left out where several were stored in.
func Stored(outcomes []Outcome, base, study string) Object {
	lists := map[dataset.Tag][]any{}
	several := false
	for _, u := range outcomes {
		list, item := u.item(base)
		lists[list] = append(lists[list], item)
		if u.Refused == nil {
			several = several || study != "" && study != u.Study
			study = u.Study
		}
	}
	o := Object{}
	for list, items := range lists {
		o.set(list, "SQ", items...)
	}
	if len(lists[tagReferences]) > 0 && !several {
		o.set(tagRetrieveURL, "UR", StudyURL(base, study))
	}
	return o
}

// item is what the answer says of an instance, and the list that it is in.
func (u Outcome) item(base string) (list dataset.Tag, o Object) {
	o = Object{}
	list = tagOtherFailures
	if u.Class != "" && u.Instance != "" {
		list = tagFailures
		o.set(tagRefClass, "UI", u.Class)
		o.set(tagRefInstance, "UI", u.Instance)
	}
	if u.Refused != nil {
		o.set(tagFailure, "US", int(u.Refused.Reason))
		o.set(tagComment, "LO", clippedTo(u.Refused.comment(), 64))
		return list, o
	}
	f := api.DICOMFile{Instance: store.Instance{ID: u.Instance, Study: u.Study, Series: u.Series}}
	o.set(tagRetrieveURL, "UR", InstanceURL(base, f))
	if u.Changed {
		o.set(tagWarning, "US", int(Coerced))
	}
	return tagReferences, o
}

// clippedTo returns the first characters of a text, for a VR with room for as many.
func clippedTo(text string, most int) string {
	runes := []rune(strings.ReplaceAll(text, `\`, "/"))
	return string(runes[:min(len(runes), most)])
}
