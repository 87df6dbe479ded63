package embed

import (
	"errors"
	"fmt"
	"strings"

	"nearcase/embed/dicom"
	"nearcase/embed/dicom/dataset"
)

var (
	// ErrCodec means that the picture needs a library of the system that is not
	// there. Its message says which.
	ErrCodec = errors.New("a codec library is missing")
	// ErrInterrupted means that a codec was ended from outside: another try may
	// succeed.
	ErrInterrupted = errors.New("decoding was interrupted")
	// ErrNoPixels is a DICOM file that holds no image, such as a report.
	ErrNoPixels = errors.New("DICOM without an image")
)

// DefaultFields are the keywords of the DICOM attributes that Metadata is to
// keep unless told otherwise.
var DefaultFields = dicom.DefaultMetadata()

// IsField reports whether a DICOM attribute of that keyword is known here.
func IsField(keyword string) bool {
	_, ok := dataset.TagOf(keyword)
	return ok
}

// Identity says whom and what a DICOM file is of, as the file has it.
type Identity = dicom.Identity

// VOI is a window of DICOM, as View may name it.
type VOI = dicom.VOI

// medical is a DICOM file.
type medical struct{ file *dicom.File }

// openDICOM opens a file that has at least one image.
func openDICOM(data []byte, l Limits) (source, error) {
	f, err := dicom.Open(data, dicom.Limits{Bytes: l.Bytes, Pixels: l.Pixels, Frames: l.Frames})
	if err != nil {
		return nil, dicomVerdict(err)
	}
	if f.Frames() == 0 {
		if _, err = f.Stored(0); err == nil {
			err = dicom.ErrNoImage
		}
		return nil, dicomVerdict(err)
	}
	if err := checkUIDs(f.Identity()); err != nil {
		return nil, err
	}
	if have := f.Frames(); have < f.Declared() {
		return nil, fmt.Errorf("%w: %d frames are declared and %d are there", ErrCorrupt, f.Declared(), have)
	}
	return medical{f}, nil
}

// checkUIDs refuses what is no UID (PS3.5, 9.1) where one belongs: it is kept, and
// might be anything.
func checkUIDs(i Identity) error {
	for _, uid := range []string{i.Study, i.Series, i.Instance} {
		if len(uid) > 64 || strings.Trim(uid, "0123456789.") != "" {
			return fmt.Errorf("%w: %d characters that are no UID where one belongs", ErrCorrupt, len(uid))
		}
	}
	return nil
}

func (m medical) frames() int { return m.file.Frames() }

func (m medical) picture(frame int, v View) (*Picture, error) {
	levels := map[string]string{LevelsFull: dicom.Full, LevelsPercentile: dicom.Percentile}[v.Levels]
	p, err := m.file.Render(frame, dicom.View{
		Levels: levels, Window: v.Window, Low: v.Low, High: v.High, Centre: v.Centre, Width: v.Width, Function: v.Function,
	})
	if err != nil {
		return nil, dicomVerdict(err)
	}
	return &Picture{Width: p.Width, Height: p.Height, Pix: p.Pix, VOI: p.VOI}, nil
}

// dicomVerdict wraps an error of package dicom in one of this package.
func dicomVerdict(err error) error {
	for _, e := range []struct{ theirs, ours error }{
		{dicom.ErrInterrupted, ErrInterrupted}, {dicom.ErrLibrary, ErrCodec}, {dicom.ErrNoImage, ErrNoPixels}, {dicom.ErrTooLarge, ErrTooLarge},
		{dicom.ErrUnsupported, ErrUnsupported}, {dicom.ErrNotDICOM, ErrNotImage}, {dicom.ErrView, ErrView},
	} {
		if errors.Is(err, e.theirs) {
			return dicomError{e.ours, err}
		}
	}
	return dicomError{ErrCorrupt, err}
}

// dicomError is an error of package dicom, in its words, that is also one of
// this package.
type dicomError struct{ ours, theirs error }

func (e dicomError) Error() string   { return e.theirs.Error() }
func (e dicomError) Unwrap() []error { return []error{e.ours, e.theirs} }

// Identity returns whom and what a DICOM file is of, and false for other files.
func (i *Image) Identity() (Identity, bool) {
	m, ok := i.source.(medical)
	if !ok {
		return Identity{}, false
	}
	return m.file.Identity(), true
}

// Metadata returns the values of the DICOM attributes with these keywords that
// the file has; none of other files. See IsField.
func (i *Image) Metadata(keywords []string) map[string]string {
	m, ok := i.source.(medical)
	if !ok {
		return nil
	}
	return m.file.Metadata(keywords)
}

// BurnedIn reports whether a DICOM file says of itself that its pixels show who
// the patient is.
func (i *Image) BurnedIn() bool {
	m, ok := i.source.(medical)
	return ok && m.file.BurnedIn()
}

// Deidentified returns a DICOM file by the basic confidentiality profile of
// PS3.15 Annex E with the options to retain UIDs and patient characteristics,
// its patient called by the pseudonym given. It is the same for the same file.
func (i *Image) Deidentified(pseudonym string) ([]byte, error) {
	m, ok := i.source.(medical)
	if !ok {
		return nil, fmt.Errorf("embed: deidentify: %w: not DICOM", ErrUnsupported)
	}
	data, err := m.file.Deidentified(dataset.Profile{Patient: pseudonym, KeepUIDs: true, KeepCharacteristics: true})
	if err != nil {
		return nil, fmt.Errorf("embed: deidentify: %w", dicomVerdict(err))
	}
	return data, nil
}
