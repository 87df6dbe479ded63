package embed

import "nearcase/embed/dicom/dataset"

// FieldVR returns the value representation (PS3.5, 6.2) that the dictionary has of a
// DICOM attribute by its keyword; empty where none is known.
func FieldVR(keyword string) string {
	tag, ok := dataset.TagOf(keyword)
	if !ok {
		return ""
	}
	return dataset.VR(tag)
}
