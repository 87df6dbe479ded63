package dicom

import "nearcase/embed/dicom/dataset"

// macro returns the data set that holds a functional group macro's attributes
// for a frame of an enhanced multi-frame file (PS3.3 C.7.6.16): the frame's
// own, or the one that all frames share, or else the file's top level, where
// other files have the same attributes.
func (f *File) macro(frame int, tag dataset.Tag) *dataset.Set {
	top := f.file.Set
	if frames := top.Sequence(tagPerFrame); frame < len(frames) {
		if items := frames[frame].Sequence(tag); len(items) > 0 {
			return items[0]
		}
	}
	if shared := top.Sequence(tagShared); len(shared) > 0 {
		if items := shared[0].Sequence(tag); len(items) > 0 {
			return items[0]
		}
	}
	return top
}
