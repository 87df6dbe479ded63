// Package dicomweb has what DICOM PS3.18 says apart from HTTP itself: media types
// and their negotiation, multipart bodies, the DICOM JSON model, matching by
// QIDO-RS, the outcomes of STOW-RS and the renderings of WADO-RS. It also writes
// structured reports (PS3.16, TID 1500).
//
// Sections are those of PS3.18 2024. Input is bounded: what is parsed costs
// memory in proportion to its size, and what it declares costs none.
package dicomweb

import (
	"errors"

	"nearcase/embed/dicom/dataset"
)

// What a caller can act on.
var (
	// ErrSyntax is a request that is not what the standard says it must be.
	ErrSyntax = errors.New("not valid DICOMweb")
	// ErrMediaType is a body of a type that is not taken.
	ErrMediaType = errors.New("media type is not taken")
	// ErrAccept is a request for a type or transfer syntax that there is not.
	ErrAccept = errors.New("not available in an acceptable form")
	// ErrBulk is a reference to bulk data that a file does not have.
	ErrBulk = errors.New("no such bulk data")
)

// Media types.
const (
	DICOM       = "application/dicom"
	JSON        = "application/dicom+json"
	OctetStream = "application/octet-stream"
	Multipart   = "multipart/related"
	JPEG        = "image/jpeg"
	PNG         = "image/png"
)

// PixelData is the path of pixel data among bulk data.
const PixelData = "7FE00010"

// Tags that are named here.
const (
	tagCharset       dataset.Tag = 0x00080005
	tagClass         dataset.Tag = 0x00080016
	tagInstance      dataset.Tag = 0x00080018
	tagModality      dataset.Tag = 0x00080060
	tagModalities    dataset.Tag = 0x00080061
	tagRetrieveURL   dataset.Tag = 0x00081190
	tagPatientID     dataset.Tag = 0x00100020
	tagStudy         dataset.Tag = 0x0020000D
	tagSeries        dataset.Tag = 0x0020000E
	tagStudySeries   dataset.Tag = 0x00201206
	tagStudyFiles    dataset.Tag = 0x00201208
	tagSeriesFiles   dataset.Tag = 0x00201209
	tagAvailability  dataset.Tag = 0x00080056
	tagFrames        dataset.Tag = 0x00280008
	tagPixels        dataset.Tag = 0x7FE00010
	tagFloatPixels   dataset.Tag = 0x7FE00008
	tagDoublePixels  dataset.Tag = 0x7FE00009
	tagSyntaxes      dataset.Tag = 0x00083002 // Available Transfer Syntax UID
	tagReferences    dataset.Tag = 0x00081199 // Referenced SOP Sequence
	tagFailures      dataset.Tag = 0x00081198 // Failed SOP Sequence
	tagOtherFailures dataset.Tag = 0x0008119A
	tagFailure       dataset.Tag = 0x00081197
	tagWarning       dataset.Tag = 0x00081196
	tagRefClass      dataset.Tag = 0x00081150
	tagRefInstance   dataset.Tag = 0x00081155
	tagComment       dataset.Tag = 0x00000902
)
